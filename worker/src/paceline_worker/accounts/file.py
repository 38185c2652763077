"""Files of accounts: CSV with a header, or JSON Lines. Pure; no error repeats a cell, because an API key may stand in any.

A row is counted as an editor and a spreadsheet show it: the header of a CSV file is row 1.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Final, Literal

from paceline.errors import InvalidOperation
from paceline.inbox.record import compact

Form = Literal["csv", "jsonl"]

COLUMNS: Final = ("name", "key", "key_env", "limit", "pacing", "variation", "reserve", "budget", "senders")
# What an export writes: never a key.
EXPORTED: Final = tuple(column for column in COLUMNS if column != "key")
_COLUMNS_IN_WORDS: Final = "name, key or key_env, and any of limit, pacing, variation, reserve, budget and senders"
# A longer name is no slip of the finger, and could be a key.
_LONGEST_SLIP: Final = 16


@dataclass(frozen=True, slots=True)
class RawRow:
    """One row as it was read.

    Args:
        row: its number in the file, from 1.
        cells: texts by column; what was not given is absent.
        problem: why it is no row of an account, or ''.
    """

    row: int
    cells: Mapping[str, str] = field(default_factory=dict, repr=False)
    problem: str = ""


def read_rows(content: bytes, source: str, form: Form | None = None) -> list[RawRow]:
    """Read a file of accounts.

    Args:
        content: of the file.
        source: its name, for errors.
        form: None: JSON Lines when its first character is ``{``, else CSV.

    Returns:
        Its rows; blank lines are passed over.

    Raises:
        InvalidOperation: it is not text in UTF-8, or its header is not that of a file of accounts.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidOperation(f"{source} is not UTF-8 text (byte {error.start}). Save it as UTF-8") from None
    if form is None:
        form = "jsonl" if text.lstrip().startswith("{") else "csv"
    # Line ends stay as they are: a quoted cell may hold some.
    lines = io.StringIO(text, newline="")
    return list(_json_lines(lines) if form == "jsonl" else _csv(lines, source))


def csv_lines(rows: Iterable[Mapping[str, str]]) -> Iterator[str]:
    """Rows of an export as CSV with a header.

    Args:
        rows: texts by column, all of `EXPORTED`.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(EXPORTED)
    for row in rows:
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
        writer.writerow([row[column] for column in EXPORTED])
    yield buffer.getvalue()


def json_lines(rows: Iterable[Mapping[str, str]]) -> Iterator[str]:
    """Rows of an export as JSON Lines.

    Args:
        rows: texts by column.
    """
    for row in rows:
        yield f"{json.dumps(row)}\n"


def _csv(lines: Iterable[str], source: str) -> Iterator[RawRow]:
    reader = csv.reader(lines, strict=True)
    try:
        header = [cell.strip() for cell in next(reader, [])]
        _check_header(header, source)
        for cells in reader:
            if len(cells) > len(header):
                yield RawRow(reader.line_num, {}, "has more cells than the header. Put a cell with commas in quotes")
            elif any(map(str.strip, cells)):
                yield RawRow(reader.line_num, dict(zip(header, cells, strict=False)))
    except csv.Error as error:
        raise InvalidOperation(f"{source} is not CSV: row {reader.line_num}: {error}") from None


def _check_header(header: Sequence[str], source: str) -> None:
    unknown = [column for column in header if column not in COLUMNS]
    is_header = any(column.lower() in COLUMNS for column in header)
    if is_header and (hint := next(filter(None, map(_hint, unknown)), "")):
        raise InvalidOperation(f"{source}: {hint}")
    if "name" not in header:
        raise InvalidOperation(
            f'{source} has no column "name". Its first row must name the columns, separated by commas: {_COLUMNS_IN_WORDS}'
        )
    if unknown:
        place = header.index(unknown[0]) + 1
        raise InvalidOperation(f"{source}: column {place} is unknown. Remove it; columns are {_COLUMNS_IN_WORDS}")
    if repeated := next((column for column in header if header.count(column) > 1), None):
        raise InvalidOperation(f'{source}: column "{repeated}" appears twice. Remove one of them')


def _hint(column: str) -> str:
    """What an unknown column may have been meant for; '' when it is like none, and not to be repeated."""
    if len(column) > _LONGEST_SLIP or not column.isprintable():
        return ""
    similar = get_close_matches(column.lower(), COLUMNS, n=1)
    return f'unknown column "{column}". Did you mean "{similar[0]}"?' if similar else ""


def _json_lines(lines: Iterable[str]) -> Iterator[RawRow]:
    for row, line in enumerate(lines, 1):
        if line.strip():
            yield _json_row(row, line)


def _json_row(row: int, line: str) -> RawRow:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        value = None

    if not isinstance(value, dict):
        return RawRow(
            row, {}, 'is not a JSON object. Write one object a line, such as {"name": "acme", "key_env": "VAR"}'
        )

    unknown = [column for column in value if column not in COLUMNS]
    if unknown:
        hint = next(filter(None, map(_hint, unknown)), "")
        return RawRow(row, {}, hint or f"has an unknown column. Remove it; columns are {_COLUMNS_IN_WORDS}")

    cells: dict[str, str] = {}
    for column, cell in value.items():
        if cell is None:
            continue
        if not _is_plain(cell):
            return RawRow(row, {}, f"{column}: is neither a text nor a number. Write it as a text, as in CSV")
        try:
            cells[column] = cell if isinstance(cell, str) else compact(cell)
        except ValueError:  # a number of thousands of digits
            return RawRow(row, {}, f"{column}: is too long a number")

    return RawRow(row, cells)


def _is_plain(cell: Any) -> bool:
    return isinstance(cell, str | int | float) and not isinstance(cell, bool)
