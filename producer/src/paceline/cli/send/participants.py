"""The participants of a group, from options and from a file."""

import csv
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Final, TextIO

import typer

from paceline.errors import InvalidOperation
from paceline.operations.groups import MOST_PARTICIPANTS
from paceline.recipients.columns import MissingColumn, Reading, find_to
from paceline.recipients.files import read_file
from paceline.recipients.numbers import phone_number, visible
from paceline.recipients.rows import PROBLEM, FileRow

Participant = Annotated[
    list[str] | None, typer.Option("--participant", metavar="+NUMBER", help="Participant, E.164; repeatable.")
]
ParticipantsFile = Annotated[
    Path | None,
    typer.Option(
        "--participants",
        metavar="FILE",
        help="File of participants: a number per line, or a column `to` or `number`.",
    ),
]

# What an `InvalidOperation` about them names, because they come from both.
OPTIONS: Final = "--participant, --participants"
_COLUMNS: Final = ("to", "number")
# More than a group can have, and enough to say so.
_MOST_ROWS: Final = 10_000


def participants_of(given: list[str] | None, path: Path | None, sender: str | None = None) -> tuple[str, ...]:
    """All numbers, those of the options first. A number that a file repeats is taken once.

    Args:
        given: from ``--participant``.
        path: from ``--participants``.
        sender: who is in the group anyway, and left out where a file names it.

    Returns:
        At least one number, each once.

    Raises:
        InvalidOperation: says where the first wrong or repeated number stands, or what is wrong with the file.
    """
    found: dict[str, None] = {}
    for place, number in _placed(given or (), path):
        from_file = place.startswith("--participants")
        if from_file and (number in found or number == sender):
            continue
        try:
            phone_number(number)
        except ValueError as error:
            raise InvalidOperation(f"{place}: {error}") from None
        if number in found:
            raise InvalidOperation(f"{place}: repeats an earlier number")
        if len(found) == MOST_PARTICIPANTS:
            raise InvalidOperation(f"{place}: names more than {MOST_PARTICIPANTS:,} numbers, the largest group")
        found[number] = None

    if not found:
        raise InvalidOperation(f"{OPTIONS}: give at least one number")

    return tuple(found)


def _placed(given: Iterable[str], path: Path | None) -> Iterator[tuple[str, str]]:
    for ordinal, number in enumerate(given, 1):
        yield f"--participant (number {ordinal})", number
    if path is None:
        return
    empty = True
    for line, number in _lines(path):
        empty = False
        yield f"--participants: {path.name}, line {line}", number
    if empty:
        raise InvalidOperation(f"--participants: {path.name} has no numbers")


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Line and number of what a file holds: any file of recipients, or a number a line."""
    objection = ""
    for column in (None, *_COLUMNS):
        try:
            rows = list(islice(read_file(path, Reading(to_column=column)), _MOST_ROWS))
            found = list(_numbers(path, rows, column))
        except InvalidOperation as error:
            objection = objection or f"--participants: {str(error).removeprefix('recipients: ')}"
            if isinstance(error, MissingColumn) or isinstance(error.__cause__, MissingColumn):
                continue
            raise InvalidOperation(objection) from error
        yield from found
        return
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from _cells(path, file)
    except (UnicodeDecodeError, OSError) as error:  # no text, and no column with numbers either
        raise InvalidOperation(objection) from error


def _numbers(path: Path, rows: Iterable[FileRow], column: str | None) -> Iterator[tuple[int, str]]:
    for row in rows:
        if PROBLEM in row:
            raise InvalidOperation(f"{path.name}, line {row.line}: {row[PROBLEM]}")
        name = find_to(row.header or tuple(row), Reading(to_column=column))
        yield row.line, visible(str(row.get(name) or ""))


def _cells(path: Path, file: TextIO) -> Iterator[tuple[int, str]]:
    reader, column = csv.reader(file, strict=True), None
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if not any(cells):
                continue
            if column is None:
                column, is_header = _column(path, cells)
                if is_header:
                    continue
            yield reader.line_num, cells[column] if column < len(cells) else ""
    except csv.Error as error:
        raise InvalidOperation(f"--participants: {path.name}, line {reader.line_num}: {error}") from error


def _column(path: Path, first: list[str]) -> tuple[int, bool]:
    """Where the numbers stand, and whether the first row only says so."""
    for name in _COLUMNS:
        if name in first:
            return first.index(name), True
    if len(first) > 1:
        raise InvalidOperation(
            f"--participants: {path.name} has several columns, but no column `to` or `number`. Name one column `to`"
        )
    return 0, False
