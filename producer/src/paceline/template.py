"""Campaign templates: ``{name}`` is replaced by the column of that name, ``{{`` and ``}}`` are literal braces."""

import re
from collections.abc import Mapping
from typing import Final

from paceline.errors import InvalidOperation

# str.format would also follow attributes and indexes ({name.__class__}); a template comes from outside.
_TOKEN: Final = re.compile(r"\{\{|\}\}|\{([A-Za-z_][A-Za-z0-9_]*)\}|[{}]")


def placeholders(template: str) -> frozenset[str]:
    """The names a template needs.

    Args:
        template: the text with ``{name}`` placeholders.

    Returns:
        The names.

    Raises:
        InvalidOperation: a brace that is neither doubled nor part of a ``{name}``.
    """
    names = set()
    for match in _TOKEN.finditer(template):
        if match[0] in ("{", "}"):
            raise InvalidOperation(
                f"template: the brace at position {match.start() + 1} is not part of a {{name}}; double it to mean a brace"
            )
        if match[1]:
            names.add(match[1])
    return frozenset(names)


def render(template: str, values: Mapping[str, str]) -> str:
    """Fill a template.

    Args:
        template: a text that `placeholders` accepts.
        values: at least the names it needs.

    Returns:
        The text to send.

    Raises:
        InvalidOperation: a value is missing; the message names it.
    """

    def fill(match: re.Match[str]) -> str:
        if not match[1]:
            return match[0][0]
        try:
            return values[match[1]]
        except KeyError:
            raise InvalidOperation(f"template: no value for {{{match[1]}}}") from None

    return _TOKEN.sub(fill, template)
