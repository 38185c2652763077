"""Columns by what they mean: people control neither the case nor the blanks of their headers."""

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Final

from paceline.errors import InvalidOperation
from paceline.recipients.numbers import checked_country

TO: Final = "to"
_MEANINGS: Final = {"to": "to", "key": "key", "notbefore": "not_before", "validuntil": "valid_until", "zone": "zone"}
_OPTIONAL: Final = {name: meaning for name, meaning in _MEANINGS.items() if meaning != TO}
# Other words for the optional columns, as far as nothing else is meant by them.
_SYNONYMS: Final = {
    "idempotencykey": "key", "sendat": "not_before", "sendafter": "not_before", "notearlierthan": "not_before",
    "validtill": "valid_until", "validto": "valid_until", "notafter": "valid_until",
    "timezone": "zone", "tz": "zone",
}  # fmt: skip
_ALIKE: Final = 0.8
_MOST_NAMED: Final = 12


@dataclass(frozen=True, slots=True)
class Reading:
    """How recipients are to be read; the first three also hold for rows that a program makes.

    Args:
        to_column: which column holds the numbers; None: the column called `to`.
        ignored: columns without a meaning, although their names resemble a special one.
        country: two letters: numbers without a country code are of this country, and numbers are cleaned; None: E.164 only.
        delimiter: between the cells of a table; None: found out.
        encoding: of a file; None: found out, as far as that is certain.
        bare: a table without a header is a list of numbers, one in each line.
    """

    to_column: str | None = None
    ignored: frozenset[str] = frozenset()
    country: str | None = None
    delimiter: str | None = None
    encoding: str | None = None
    bare: bool = False


def reading_of(
    to_column: str | None = None,
    ignored: Iterable[str] = (),
    country: str | None = None,
    *,
    delimiter: str | None = None,
    encoding: str | None = None,
    bare: bool = False,
) -> Reading:
    """A `Reading`, checked; arguments as there.

    Raises:
        InvalidOperation: names the wrong argument.
    """
    if to_column is not None and not folded(to_column):
        raise InvalidOperation("to_column: is empty")
    names = {"comma": ",", "semicolon": ";", "tab": "\t", "\\t": "\t", "bar": "|"}
    mark = names.get(delimiter, delimiter) if delimiter is not None else None
    if mark is not None and (len(mark) != 1 or mark in "\r\n\"'" or mark.isalnum()):
        raise InvalidOperation('delimiter: is not one character, such as ";", or comma, semicolon, tab, bar')
    try:
        checked = checked_country(country) if country is not None else None
    except ValueError as error:
        raise InvalidOperation(f"default_country: {error}") from None
    return Reading(to_column, frozenset(ignored), checked, mark, encoding, bare)


@dataclass(frozen=True, slots=True)
class Layout:
    """Which columns of some rows hold what.

    Args:
        to: column with the numbers.
        key: column that identifies recipients; None: no such column.
        not_before: column with the earliest time to send; None: no such column.
        valid_until: column with the latest time to send; None: no such column.
        zone: column with the recipient's time zone; None: no such column.
        values: the template's name of a column, to the column; those that are not there are missing.
    """

    to: str
    key: str | None = None
    not_before: str | None = None
    valid_until: str | None = None
    zone: str | None = None
    values: dict[str, str] = field(default_factory=dict)

    @property
    def is_timed(self) -> bool:
        """Whether rows have times of their own."""
        return self.not_before is not None or self.valid_until is not None


class MissingColumn(InvalidOperation):
    """A column is not there."""


def folded(name: str) -> str:
    """A column's name without case, blanks, dashes and invisible marks: `Not Before` is `not_before`."""
    text = unicodedata.normalize("NFKC", name)
    text = "".join(character for character in text if unicodedata.category(character) != "Cf")
    return re.sub(r"[\s_\-]+", "", text).casefold()


def layout_of(header: Sequence[str], needed: Collection[str], reading: Reading) -> Layout:
    """Recognise the columns of a header.

    Args:
        header: names of columns as they are written.
        needed: columns of the template; those that are not there are left out of `Layout.values`.
        reading: which column is `to`, and which ones mean nothing.

    Returns:
        Where everything stands.

    Raises:
        MissingColumn: there is no `to`.
        InvalidOperation: two columns mean the same, or one is called much like an optional one.
    """
    names = [name for name in header if not name.startswith("\0") and folded(name)]
    ignored = {folded(name) for name in reading.ignored}
    heeded = [name for name in names if folded(name) not in ignored]
    to = _to(heeded, reading.to_column)
    others = [name for name in heeded if name != to or reading.to_column is None]
    found = {meaning: _only(others, name, meaning) for name, meaning in _OPTIONAL.items()}
    values = {name: column for name in needed if (column := _column(names, name, to))}
    taken = {to, *found.values(), *values.values()}
    for name in heeded:
        if name not in taken and (meaning := _resembled(name)):
            raise InvalidOperation(
                f'the column "{name}" looks like "{meaning}" and would be ignored: rename it, or ignore it '
                f'with --ignore-column "{name}" (ignore_columns)'
            )
    return Layout(to, found["key"], found["not_before"], found["valid_until"], found["zone"], values)


def find_to(header: Sequence[str], reading: Reading) -> str:
    """Which column holds the numbers; what else a header holds does not matter here.

    Raises:
        InvalidOperation: as `layout_of`, of this column.
    """
    ignored = {folded(name) for name in reading.ignored}
    return _to([name for name in header if folded(name) and folded(name) not in ignored], reading.to_column)


def named(columns: Iterable[str]) -> str:
    """Columns for a message; of very many the first ones."""
    seen = [name.strip() or "(blank)" for name in columns if not name.startswith("\0")]
    return ", ".join(seen[:_MOST_NAMED]) + (", ..." if len(seen) > _MOST_NAMED else "") or "none"


def _to(names: Sequence[str], wanted: str | None) -> str:
    if wanted is not None:
        column = _only(names, folded(wanted), wanted) if wanted not in names else _only_exact(names, wanted)
        if column is None:
            raise MissingColumn(f'there is no column "{wanted}" (found: {named(names)})')
        return column
    column = _only(names, TO, TO)
    if column is None:
        raise MissingColumn(
            f'there is no column "to" (found: {named(names)}). Rename the column with the numbers to `to`, or name it '
            "with --to-column (to_column)"
        )
    return column


def _only(names: Sequence[str], wanted: str, meaning: str) -> str | None:
    """The one column of a meaning.

    Raises:
        InvalidOperation: there are several.
    """
    found = [name for name in names if folded(name) == wanted]
    if len(found) > 1:
        written = " and ".join(f'"{name}"' for name in found[:3])
        raise InvalidOperation(f'{len(found)} columns mean "{meaning}": {written}. Remove or rename all but one')
    return found[0] if found else None


def _only_exact(names: Sequence[str], wanted: str) -> str:
    if names.count(wanted) > 1:
        raise InvalidOperation(f'{names.count(wanted)} columns are called "{wanted}". Remove or rename all but one')
    return wanted


def _column(names: Sequence[str], wanted: str, to: str) -> str | None:
    """The column that a template means: by its exact name, else by its name without case and blanks."""
    if wanted in names:
        return _only_exact(names, wanted)
    return _only(names, folded(wanted), wanted) or (to if folded(wanted) == TO else None)


def _resembled(name: str) -> str | None:
    """The optional column that a name looks like."""
    text = folded(name)
    if text in _SYNONYMS:
        return _SYNONYMS[text]
    for optional, meaning in _OPTIONAL.items():
        if SequenceMatcher(None, text, optional).ratio() >= _ALIKE:
            return meaning
    return None
