"""Times of the command line that are lengths: 30m, 2h, 3d."""

import re
from datetime import timedelta
from typing import Final

from paceline.errors import InvalidOperation

SPAN: Final = "SPAN"
_SPAN: Final = re.compile(r"(\d{1,7}(?:\.\d{1,3})?)(ms|s|m|h|d)")
_UNITS: Final = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def span(option: str, text: str) -> timedelta:
    """A length of time.

    Args:
        option: whose value it is.
        text: a number and a unit: ms, s, m, h or d.

    Raises:
        InvalidOperation: it is none.
    """
    found = _SPAN.fullmatch(text.strip())
    if not found:
        raise InvalidOperation(f"{option}: {text!r} is not a time such as 30s, 5m, 2h or 3d")
    return timedelta(**{_UNITS[found[2]]: float(found[1])})
