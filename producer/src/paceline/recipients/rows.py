"""Rows of recipients, as they were read."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

# In place of a column: why a row of a file could not be read, and what stands there.
PROBLEM: Final = "\0problem"
RAW: Final = "\0raw"


@dataclass(frozen=True, slots=True)
class Row:
    """One recipient as it was read.

    Args:
        line: the line in its file, or the ordinal of the iterable, from 1.
        values: column name to text; rows made in a program may also hold numbers, or None for "not given".
    """

    line: int
    values: Mapping[str, Any]

    @property
    def cells(self) -> dict[str, Any]:
        """Its columns, without what was noted about it."""
        values: Any = self.values  # a program may hand over anything
        if not isinstance(values, Mapping):
            return {}
        return {str(name): value for name, value in values.items() if name not in (PROBLEM, RAW)}


class FileRow(dict[str, Any]):
    """A row of a file that remembers its line, and the header of a table."""

    __slots__ = ("header", "line")
    line: int
    header: tuple[str, ...] | None


def file_row(
    line: int, cells: Mapping[str, Any] | Iterable[tuple[str, Any]], header: tuple[str, ...] | None
) -> FileRow:
    """Make a `FileRow`.

    Args:
        line: where it begins.
        cells: columns and cells.
        header: of a table; None when each row names its own columns.
    """
    row = FileRow(cells)
    row.line, row.header = line, header
    return row


def bad_row(line: int, problem: str, raw: str, header: tuple[str, ...] | None = None) -> FileRow:
    """A row that could not be read.

    Args:
        line: where it begins.
        problem: what is wrong, in words.
        raw: what stands there.
        header: of a table; None when each row names its own columns.
    """
    return file_row(line, {PROBLEM: problem, RAW: raw}, header)


def numbered(recipients: Iterable[Mapping[str, Any]]) -> Iterator[Row]:
    """Rows of an iterable; rows that already know their line keep it."""
    for ordinal, values in enumerate(recipients, 1):
        yield Row(getattr(values, "line", ordinal), values)
