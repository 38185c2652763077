"""Campaign templates: ``{name}`` is replaced by the column of that name, ``{{`` and ``}}`` are literal braces.

What people write is compiled: ``{First Name|friend}`` becomes a placeholder with a short name of its own, and each row brings
the value that belongs there. What state holds, and a worker renders, has plain names only.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final, Literal

from paceline.errors import InvalidOperation

# str.format would also follow attributes and indexes ({name.__class__}); a template comes from outside.
_TOKEN: Final = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_STORED: Final = re.compile(r"\{\{|\}\}|\{([A-Za-z_][A-Za-z0-9_]*)\}|[{}]")
_SLOT: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Letters of any script, then also digits, blanks and what headers hold; not among them is what `str.format` acts upon (. [ ! :).
_COLUMN: Final = re.compile(r"[^\W\d](?:[\w\u0300-\u036f \-/'\u2019&#()%°º]*[\w)%°º#])?")
# What other tools take for a placeholder, and this one would send.
_DOUBLED: Final = re.compile(r"(?<!\{)\{\{(\s*\w[\w .\-|]*)\}\}(?!\})")

# The provider's own name of an official template, which holds no placeholder.
_UNFILLED: Final = "template_uuid"

Place = Literal["text", "part", "address"]


@dataclass(frozen=True, slots=True)
class Slot:
    """A place of a template that a row fills.

    Args:
        name: in the stored template.
        column: what the template calls the column.
        default: what stands there when the column is empty; None: it stays empty.
        place: in the text, in a part of an address (which is percent-encoded), or all of the address.
    """

    name: str
    column: str
    default: str | None = None
    place: Place = "text"


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled template.

    Args:
        fields: payload fields as they are stored: ``text``, ``url``; or ``params`` with texts and addresses in it.
        slots: what a row has to bring.
        longest: most characters of a filled text; None: of a WhatsApp message.
    """

    fields: Mapping[str, Any]
    slots: tuple[Slot, ...] = field(default=())
    longest: int | None = None

    @property
    def columns(self) -> frozenset[str]:
        """The columns that it names."""
        return frozenset(slot.column for slot in self.slots)


def compiled(
    text: str | None,
    url: str | None = None,
    *,
    literal_braces: bool = False,
    brought: Iterable[Slot] | None = None,
) -> Template:
    """Compile what a user wrote.

    Args:
        text: the words; None when there are none.
        url: the address of an attachment, which may hold placeholders too.
        literal_braces: ``{{word}}`` is meant to be sent as ``{word}``.
        brought: what rows that were uploaded bring: nothing else may be asked of them. None: rows are yet to come.

    Returns:
        What is stored, and what rows have to bring.

    Raises:
        InvalidOperation: names the field and the place that is wrong.
    """
    names = _Names(f"{text} {url}", brought)
    fields = {}
    if text is not None:
        fields["text"] = _compiled_text(text, names, literal_braces=literal_braces)
    if url is not None:
        fields["url"] = _compiled_address(url, names)
    return Template(fields, tuple(names.slots.values()))


def compiled_params(params: Mapping[str, str | Sequence[str]], *, literal_braces: bool = False) -> Template:
    """Compile the variables of an official template.

    Args:
        params: texts by name, some of them several; a name that ends in ``_url`` is an address.
        literal_braces: as for `compiled`.

    Returns:
        What is stored as ``params``, and what rows have to bring.

    Raises:
        InvalidOperation: names the field and the place that is wrong.
    """
    names = _Names(" ".join(text for given in params.values() for text in _texts(given)), None)

    def made(name: str, text: str) -> str:
        if name.endswith("_url"):
            return _compiled_address(text, names, name)
        return _compiled_text(text, names, literal_braces=literal_braces, what=name)

    fields = {
        name: made(name, given) if isinstance(given, str) else [made(name, text) for text in given]
        for name, given in params.items()
        if given
    }
    return Template({"params": fields}, tuple(names.slots.values()))


def _texts(given: str | Sequence[str]) -> Sequence[str]:
    return [given] if isinstance(given, str) else given


def placeholders(template: str, *, literal_braces: bool = False) -> frozenset[str]:
    """The columns a template names.

    Args:
        template: the text with ``{name}`` and ``{name|default}`` placeholders.
        literal_braces: ``{{word}}`` is meant to be sent as ``{word}``.

    Raises:
        InvalidOperation: a brace that is neither doubled nor part of a placeholder.
    """
    return compiled(template, literal_braces=literal_braces).columns


def render(template: str, values: Mapping[str, str]) -> str:
    """Fill a stored text.

    Args:
        template: a text of `Template.fields`.
        values: at least the names of its slots.

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

    return _STORED.sub(fill, template)


def render_address(template: str, values: Mapping[str, str]) -> str:
    """Fill a stored address; braces that no value belongs to stay, as releases before sent them."""
    return _SLOT.sub(lambda match: values.get(match[1], match[0]), template) if "{" in template else template


def filled(payload: Any, values: Mapping[str, str], name: str = "") -> Any:
    """A stored payload with one row's values put in: texts at any depth, addresses percent-encoded as their slots say.

    Args:
        payload: of `Template.fields`, or a part of it.
        values: at least the names of its slots.
        name: of the part.

    Raises:
        InvalidOperation: a value is missing; the message names it.
    """
    if isinstance(payload, Mapping):
        return {key: filled(part, values, key) for key, part in payload.items()}
    if isinstance(payload, list):
        return [filled(part, values, name) for part in payload]
    if not isinstance(payload, str) or name == _UNFILLED:
        return payload
    return render_address(payload, values) if name.endswith("url") else render(payload, values)


class _Names:
    """Gives slots their names: a column's own, where that can be one.

    Args:
        written: all that the user wrote: no name that is made up occurs in it.
        brought: see `compiled`.
    """

    def __init__(self, written: str, brought: Iterable[Slot] | None) -> None:
        self._brought = (
            brought if brought is None else {(slot.column, slot.default, slot.place): slot for slot in brought}
        )
        self._free = (name for number in count(1) if (name := f"_{number}") not in written)
        self.slots: dict[tuple[str, str | None, Place], Slot] = {}

    def slot(self, column: str, default: str | None, place: Place) -> Slot:
        wanted = (column, default, place)
        if self._brought is not None and wanted not in self._brought:
            what = "{" + column + ("" if default is None else f"|{default}") + "}"
            raise InvalidOperation(
                f"{'template' if place == 'text' else 'url'}: the uploaded rows have no value for {what}: delete the "
                f"campaign (`paceline campaign delete`) and start it again"
            )
        if self._brought is not None:
            self.slots[wanted] = self._brought[wanted]
        elif wanted not in self.slots:
            is_plain = default is None and place == "text" and _PLAIN.fullmatch(column)
            self.slots[wanted] = Slot(column if is_plain else next(self._free), column, default, place)
        return self.slots[wanted]


def _compiled_text(text: str, names: _Names, *, literal_braces: bool, what: str = "template") -> str:
    if not literal_braces and (doubled := _DOUBLED.search(text)):
        inner = doubled[1].strip()
        raise InvalidOperation(
            f"{what}: {{{{{inner}}}}} would be sent as {{{inner}}}: write {{{inner}}} to fill in the column, or add "
            "--literal-braces (literal_braces) if the braces are meant"
        )

    def place(match: re.Match[str]) -> str:
        if match[0] in ("{{", "}}"):
            return match[0]
        column, default = _read(what, match)
        return f"{{{names.slot(column, default, 'text').name}}}"

    return _TOKEN.sub(place, text)


def _compiled_address(url: str, names: _Names, what: str = "url") -> str:
    def place(match: re.Match[str]) -> str:
        column, default = _read(what, match)
        kind: Place = "address" if match[0] == url else "part"
        return f"{{{names.slot(column, default, kind).name}}}"

    if "{{" in url or "}}" in url:
        raise InvalidOperation(
            f"{what}: holds a doubled brace; a placeholder is {{name}}, and a brace in an address is %7B or %7D"
        )
    return _TOKEN.sub(place, url)


def _read(what: str, match: re.Match[str]) -> tuple[str, str | None]:
    """The column and the default of a placeholder."""
    if match[1] is None:
        raise InvalidOperation(
            f"{what}: the brace at position {match.start() + 1} is not part of a {{name}}; double it to mean a brace"
        )
    column, bar, default = match[1].partition("|")
    if not _COLUMN.fullmatch(column):
        raise InvalidOperation(
            f"{what}: the brace at position {match.start() + 1} is not part of a {{name}} or {{name|default}}; "
            "double it to mean a brace"
        )
    return column, default if bar else None
