"""What the command line adds to an upload: a progress bar, and a file with the rows that were left out."""

import csv
import itertools
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import IO, Any, Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from paceline.campaigns.recipients import FileRow, Row, read_file
from paceline.errors import InvalidOperation

_ROWS_PER_REDRAW: Final = 500
_BLOCK_BYTES: Final = 1 << 20


class BadRows:
    """A CSV file of the rows that were left out (line, reason, to), created with the first of them.

    Args:
        path: where; a file of an earlier upload is replaced.
        recipients: the file that is read, which must not be the same.
    """

    def __init__(self, path: Path, recipients: Path) -> None:
        if path.exists() and recipients.exists() and path.samefile(recipients):
            raise InvalidOperation(f"--invalid: {path.name} is the recipients file itself; name another one")
        self.path = path
        self._file: IO[str] | None = None
        self._writer: Any = None

    def add(self, row: Row, reason: str) -> None:
        """Write one row; see `paceline.Outbox.campaign`, on_invalid."""
        try:
            if self._file is None:
                self._file = self.path.open("w", encoding="utf-8", errors="backslashreplace", newline="")
                self._writer = csv.writer(self._file)
                self._writer.writerow(("line", "reason", "to"))
            self._writer.writerow((row.line, reason, row.values.get("to", "")))
        except OSError as error:
            raise InvalidOperation(f"--invalid: {self.path} cannot be written: {error.strerror}") from error

    def close(self) -> None:
        """Close the file, if there is one."""
        if self._file is not None:
            self._file.close()


def rows_of(path: Path) -> Iterator[FileRow]:
    """The rows of a file that has at least one: asked before a campaign of its name is made.

    Raises:
        InvalidOperation: it cannot be read, or is empty.
    """
    rows = read_file(path)
    first = next(rows, None)
    if first is None:
        raise InvalidOperation(f"recipients: {path.name} has no rows")
    return itertools.chain((first,), rows)


def with_bar(rows: Iterable[FileRow], path: Path, screen: Console, *, what: str = "uploading") -> Generator[FileRow]:
    """The same rows, with a bar by line while they are taken; none when the screen is not a terminal.

    Args:
        rows: of the file.
        path: the file.
        screen: where the bar is drawn.
        what: is being done, beside the bar.
    """
    if not screen.is_terminal:
        yield from rows
        return
    columns = (TextColumn(what), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=screen, transient=True) as progress:
        task = progress.add_task(what, total=_lines(path))
        for number, row in enumerate(rows):
            if number % _ROWS_PER_REDRAW == 0:
                progress.update(task, completed=row.line)
            yield row


def _lines(path: Path) -> int | None:
    """How many lines a file has; None for a pipe, which could be read only once."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(_BLOCK_BYTES), b""))
