"""Tables of text: columns separated by commas, semicolons, tabs or bars, with a header."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

from paceline.errors import InvalidOperation
from paceline.recipients.columns import MissingColumn, Reading, find_to
from paceline.recipients.numbers import cleaned, visible, written
from paceline.recipients.records import OPEN, Likeness, Lines, Record, cells_of, records
from paceline.recipients.rows import FileRow, bad_row, file_row

_DELIMITERS: Final = (",", ";", "\t", "|")
NAMES: Final = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_SEPARATOR: Final = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
# What people write as a number, and a date, which only looks like one.
_NUMBER: Final = re.compile(r"\(?\+?\(?[0-9][0-9 \-./()]{6,24}")
_DATE: Final = re.compile(r"[0-9]{4}([-./])[0-9]{1,2}\1[0-9]{1,2}|[0-9]{1,2}([-./])[0-9]{1,2}\2[0-9]{2,4}")
_MOST_HEADER_LINES: Final = 50
_SAMPLE: Final = 100
# Columns that only files of ours have (bad rows; outcomes; a campaign's export; number checks): their cells carry an apostrophe
# where a spreadsheet would see a formula.
_OURS: Final = (
    {"line", "reason"}, {"entry_id", "outcome"}, {"message_uuid", "settled_at"}, {"on_whatsapp", "checked_at"}
)  # fmt: skip
_ESCAPED: Final = re.compile(r"'(?='*\s*[=+\-@\uff1d\uff0b\uff0d\uff20])")


def read_table(lines: Iterable[str], reading: Reading, note: Callable[[str], None]) -> Iterator[FileRow]:
    """Read a table.

    Args:
        lines: of the file, with their ends.
        reading: delimiter and columns, where they were said.
        note: takes what was found out and is not the usual.

    Yields:
        Rows; those that hold nothing are passed over.

    Raises:
        InvalidOperation: there is no header with a column `to`.
    """
    source = Lines(lines)
    header, delimiter = _header(source, reading)
    if delimiter != "," and reading.delimiter is None:
        note(f"columns are separated by {NAMES.get(delimiter, repr(delimiter))}")
    if is_ours(header):
        header = [restored(name) for name in header]
    to = header.index(find_to(header, reading))
    yield from table_rows(_records(source, delimiter, len(header), to, reading.country), header)


def table_rows(found: Iterable[Record], header: Sequence[str]) -> Iterator[FileRow]:
    """Rows of records under a header.

    Args:
        found: records.
        header: names of the columns; blank ones are no columns.
    """
    names = tuple(header)
    width, plain = len(names), all(name.strip() for name in names)
    ours = is_ours(names)

    for record in found:
        cells = record.cells
        if cells is None:
            yield bad_row(record.line, record.problem, record.raw, names)
            continue
        if ours:
            cells = [restored(cell) for cell in cells]
        if len(cells) > width:
            cells = _trimmed(cells, width)
            if len(cells) > width:
                row = bad_row(record.line, "has more cells than the header", record.raw, names)
                row.update(zip(names, cells, strict=False))
                yield row
                continue
        if not any(cells) or not any(map(visible, cells)):
            continue
        pairs = zip(names, cells, strict=False)
        yield file_row(record.line, pairs if plain else [pair for pair in pairs if pair[0].strip()], names)


def is_ours(header: Iterable[str]) -> bool:
    """Whether a table is one that a command wrote."""
    names = set(header)
    return any(marks <= names for marks in _OURS)


def restored(cell: str) -> str:
    """A cell of such a table as it was before it was made harmless."""
    return cell[1:] if _ESCAPED.match(cell) else cell


def _trimmed(cells: list[str], width: int) -> list[str]:
    """Without empty cells behind the last column: spreadsheets leave them."""
    while len(cells) > width and not visible(cells[-1]):
        cells = cells[:-1]
    return cells


def _records(lines: Lines, delimiter: str, width: int, to: int, country: str | None) -> Iterator[Record]:
    def likeness(cells: list[str], text: str) -> Likeness:
        if len(cells) < max(to + 1, min(2, width)) or ('"' not in text and len(_trimmed(cells, width)) > width):
            return Likeness.TEXT
        number = written(cells[to].strip().strip("\"'"))
        if not _is_number(number):
            return Likeness.TEXT
        if len(cells) >= width:
            return Likeness.ROW
        return Likeness.SHORT if "+" in number[:2] or _can_be_read(number, country) else Likeness.TEXT

    return records(lines, delimiter, likeness)


def _is_number(text: str) -> bool:
    return _NUMBER.fullmatch(text) is not None and not _DATE.fullmatch(text)


def _can_be_read(number: str, country: str | None) -> bool:
    try:
        return country is not None and bool(cleaned(number, country))
    except ValueError:
        return False


def _header(lines: Lines, reading: Reading) -> tuple[list[str], str]:
    """The header, and the delimiter that separates a column of numbers from the others."""
    first = next((line for line in lines if visible(line.replace("\ufeff", ""))), None)
    if first is None:
        raise MissingColumn("has no rows, and no header")

    first = first.lstrip("\ufeff")
    given = reading.delimiter

    if separator := _SEPARATOR.fullmatch(first.strip("\r\n")):
        given = given or separator[1]
        first = next(lines, "")

    found = (
        [(given, _cells(first, lines, given))]
        if given
        else [(mark, _cells(first, lines, mark)) for mark in _DELIMITERS]
    )
    seen = [(mark, cells, taken) for mark, (cells, taken) in found]
    best, error = max(seen, key=lambda one: len(one[1])), None

    for mark, cells, taken in seen:
        try:
            find_to(cells, reading)
        except MissingColumn as missing:
            error = missing if mark == best[0] else error
        else:
            _skip(lines, taken)
            return cells, mark

    number = written(best[1][0])
    if reading.bare and _is_number(number) and (reading.country or not number.startswith("(")):
        lines.put_back([first])
        return ["to"], best[0]

    raise _no_header(best[1], error) from None


def _no_header(cells: list[str], error: MissingColumn | None) -> InvalidOperation:
    if any(_is_number(written(cell)) for cell in cells):
        return MissingColumn(
            "the first row must name the columns, and it holds a number. Add a header, such as: to,name"
        )
    return error or InvalidOperation("there is no header")


def _cells(first: str, lines: Lines, delimiter: str) -> tuple[list[str], int]:
    """A header as one delimiter divides it, and how many more lines it takes."""
    ahead: list[str] = []
    whole = first
    cells = cells_of(whole.rstrip("\r\n"), delimiter)

    while cells == OPEN and len(ahead) < _MOST_HEADER_LINES:
        more = list(islice(lines, 1))
        if not more:
            break
        ahead += more
        whole += more[0]
        cells = cells_of(whole.rstrip("\r\n"), delimiter)

    lines.put_back(ahead)
    if isinstance(cells, str):
        return [first.rstrip("\r\n")], 0

    while len(cells) > 1 and not cells[-1].strip():
        cells.pop()

    return [cell.strip() for cell in cells], len(ahead)


def _skip(lines: Lines, number: int) -> None:
    for _ in range(number):
        next(lines)
