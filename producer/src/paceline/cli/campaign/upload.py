"""What the command line adds to an upload: a progress bar, and a file with the rows that were left out."""

import csv
import itertools
import json
import os
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from paceline.campaigns.recipients import FileRow, Row
from paceline.cli.errors import complain
from paceline.cli.output import harmless
from paceline.errors import InvalidOperation
from paceline.recipients.columns import Reading
from paceline.recipients.files import STDIN, is_plain, read_file
from paceline.recipients.rows import RAW

_ROWS_PER_REDRAW: Final = 500
_BLOCK_BYTES: Final = 1 << 20
# Columns in front of the row's own; a reader of recipients knows the file by them.
_NOTES: Final = ("line", "reason")


class BadRows:
    """A CSV file of the rows that were left out, whole, with line and reason: to be corrected and uploaded.

    Args:
        path: where; a file of an earlier upload is replaced, or removed when no row is bad.
        recipients: the file that is read, which must not be the same.
        is_wanted: whether the file is written at all.
    """

    def __init__(self, path: Path, recipients: Path, *, is_wanted: bool = True) -> None:
        self.path, self._is_wanted = path, is_wanted
        self._kept: IO[str] | None = None
        self._columns: dict[str, None] = {}
        self._raw = False
        if not is_wanted:
            return
        if path.exists() and recipients.exists() and path.samefile(recipients):
            raise InvalidOperation(f"--invalid: {path.name} is the recipients file itself; name another file")
        if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
            raise InvalidOperation(f"--invalid: {path} cannot be written; name another file")

    def add(self, row: Row, reason: str) -> None:
        """Note one row; see `paceline.Outbox.campaign`, on_invalid."""
        if self._kept is None:
            self._kept = TemporaryFile("w+", encoding="utf-8", errors="surrogatepass", newline="\n")  # noqa: SIM115
        cells = {name: "" if cell is None else str(cell) for name, cell in row.cells.items()}
        self._columns.update(dict.fromkeys(getattr(row.values, "header", None) or cells))
        raw = row.values.get(RAW, "") if isinstance(row.values, dict) else str(row.values)
        self._raw = self._raw or bool(raw)
        self._kept.write(f"{json.dumps([row.line, reason, cells, str(raw)])}\n")

    def close(self) -> None:
        """Write the file, if there is anything to be written; else remove that of an earlier upload."""
        if self._kept is None:
            if self._is_wanted and self.path.is_file() and _is_ours(self.path):
                self.path.unlink(missing_ok=True)
            return
        try:
            with self.path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
                self._kept.seek(0)
                self._write(csv.writer(file), self._kept)
        except OSError as error:
            raise InvalidOperation(f"--invalid: {self.path} cannot be written: {error.strerror}") from error
        finally:
            self._kept.close()
            self._kept = None

    def _write(self, writer: Any, kept: IO[str]) -> None:
        columns = [name for name in self._columns if name.strip()]
        writer.writerow([*_NOTES, *map(harmless, columns), *(["unreadable"] if self._raw else [])])
        for text in kept:
            line, reason, cells, raw = json.loads(text)
            own = [harmless(cells.get(name, "")) for name in columns]
            writer.writerow([line, reason, *own, *([harmless(raw)] if self._raw else [])])


def _is_ours(path: Path) -> bool:
    with path.open("rb") as file:
        marks = ",".join(_NOTES).encode()
        return file.read(len(marks)) == marks


def place_of_bad_rows(name: str, recipients: Path) -> Path:
    """``NAME.invalid.csv`` beside the file; of a pipe, in the folder of the command; of that very file, ``NAME.invalid-2.csv``."""
    folder = recipients.parent if str(recipients) != STDIN and recipients.is_file() else Path()
    place, number = folder / f"{name}.invalid.csv", 2
    while place.exists() and recipients.exists() and place.samefile(recipients):
        place, number = folder / f"{name}.invalid-{number}.csv", number + 1
    return place


def rows_of(path: Path, reading: Reading) -> Iterator[FileRow]:
    """The rows of a file that has at least one: asked before a campaign of its name is made.

    What was found out about the file is told on stderr.

    Raises:
        InvalidOperation: it cannot be read, or is empty.
    """
    name = "standard input" if str(path) == STDIN else path.name
    rows = read_file(path, reading, lambda note: complain(f"{name}: {note}"))
    first = next(rows, None)
    if first is None:
        raise InvalidOperation(f"recipients: {name} has no rows")
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
    """How many lines a file has; None for a pipe, and for a compressed file."""
    if str(path) == STDIN or not is_plain(path):
        return None
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(_BLOCK_BYTES), b""))
