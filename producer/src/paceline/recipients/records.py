"""Records of a table of text: a row that cannot be read is one bad row, and reading goes on with the next line."""

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

# A quoted cell may hold line breaks, as many as a text may have. Beyond that, a quote is missing.
_MOST_LINES: Final = 200
_LONGEST: Final = 100_000
# Blanks behind the closing quote are passed over, as spreadsheets do.
_QUOTED: Final = re.compile(r'"((?:[^"]|"")*+)"[ \u00a0]*')

OPEN: Final = "a quote opens a cell and does not close it before the next row"
_WITHIN: Final = "a quote closes in the middle of a cell: double the quotes that belong to the text"
_ASTRAY: Final = "a quote in this row belongs to no cell: an earlier row lacks a quote"


@dataclass(frozen=True, slots=True)
class Record:
    """One record.

    Args:
        line: where it begins.
        cells: its cells; None when it cannot be read.
        raw: the text, as far as it is one record.
        problem: why it cannot be read.
    """

    line: int
    cells: list[str] | None
    raw: str
    problem: str = ""


class Lines:
    """The lines of a text with their numbers; lines can be put back.

    Args:
        lines: with their ends.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        self._rest = iter(lines)
        self._back: deque[str] = deque()
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._back.popleft() if self._back else next(self._rest)
        self.number += 1
        return line

    def put_back(self, lines: Iterable[str]) -> None:
        """Let these lines come once more, in their order."""
        lines = list(lines)
        self._back.extendleft(reversed(lines))
        self.number -= len(lines)


class Likeness(Enum):
    """What a line within a quoted cell looks like."""

    TEXT = "text"
    # A row that leaves out its last cells; also a line of prose that begins with a number.
    SHORT = "short"
    ROW = "row"


def records(lines: Lines, delimiter: str, likeness: Callable[[list[str], str], Likeness]) -> Iterator[Record]:
    """Split lines into records.

    Args:
        lines: of the table.
        delimiter: one character.
        likeness: of the cells and the text of a line within a quoted cell. Where a line looks like a row, or all of them look like
            short rows, the quote must be an error.

    Yields:
        Records, blank ones too.
    """
    astray = False
    for text in lines:
        line, body = lines.number, text.rstrip("\r\n")
        if '"' not in body:
            yield Record(line, body.split(delimiter), body)
            continue
        record = _quoted(lines, line, text, delimiter, likeness)
        if astray and record.cells is not None and body.count('"') % 2 and record.raw == body:
            record, astray = Record(line, None, body, _ASTRAY), False
        elif record.problem == OPEN:
            astray = True
        yield record


def cells_of(text: str, delimiter: str) -> list[str] | str:
    """The cells of one record, or why there are none: `OPEN` when a quoted cell does not end within it."""
    cells, place, end = [], 0, len(text)
    while True:
        if text[place : place + 1] == '"':
            found = _QUOTED.match(text, place)
            if not found:
                return OPEN

            place = found.end()
            if place < end and text[place] != delimiter:
                return _WITHIN

            cells.append(found[1].replace('""', '"'))
        else:
            stop = text.find(delimiter, place)
            stop = end if stop < 0 else stop
            cells.append(text[place:stop])
            place = stop
        if place >= end:
            return cells
        place += 1


def _quoted(
    lines: Lines, line: int, text: str, delimiter: str, likeness: Callable[[list[str], str], Likeness]
) -> Record:
    """A record that has quotes: it may go on over several lines."""
    first, taken, whole, are_short = text.rstrip("\r\n"), [], text, True
    while (cells := cells_of(whole.rstrip("\r\n"), delimiter)) == OPEN:
        more = next(lines, None)
        if more is not None:
            taken.append(more)
        too_long = len(taken) > _MOST_LINES or len(whole) > _LONGEST
        alike = Likeness.ROW if more is None or too_long else likeness(more.rstrip("\r\n").split(delimiter), more)
        if more is None or alike is Likeness.ROW:
            lines.put_back(taken)
            return Record(line, None, first, OPEN)
        are_short = are_short and alike is Likeness.SHORT
        whole += more
    if taken and are_short:
        cells = OPEN
    if isinstance(cells, str):  # what follows may well be rows of their own
        lines.put_back(taken)
        return Record(line, None, first, cells if not taken else OPEN)
    return Record(line, cells, whole.rstrip("\r\n"))
