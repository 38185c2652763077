"""Where a command writes what ``--output`` names."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

from paceline.errors import InvalidOperation

# What a spreadsheet takes for a formula (also in full width), unless it is a phone number.
_FORMULA: Final = re.compile(r"'*\s*[=+\-@\uff1d\uff0b\uff0d\uff20]")
_NUMBER: Final = re.compile(r"\+[0-9]+", re.ASCII)


def harmless(text: str) -> str:
    """A cell that no spreadsheet computes: what looks like a formula, or like a cell of this kind, gets an apostrophe in front."""
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


@contextmanager
def opened_output(path: Path | None, *, append: bool = False) -> Iterator[IO[str]]:
    """Where the lines go.

    A file appears under its name when it is complete, and not when something went wrong before; what is no file (a pipe, a
    device) is written to.

    Args:
        path: of ``--output``; None is stdout.
        append: write to the end of the file, by the line.

    Raises:
        InvalidOperation: it cannot be written.
    """
    if path is None:
        yield sys.stdout
        return

    part: Path | None = None
    try:
        target = path.resolve()
        if not append and (target.is_file() or not target.exists()):
            part = target.with_name(f".{target.name}.{os.getpid()}.part")
        # Buffered by the line where somebody may read along.
        mode, buffering = ("a", 1) if append else ("w", -1)
        with (part or target).open(mode, buffering, encoding="utf-8", errors="backslashreplace", newline="") as file:
            yield file
        if part:
            part.replace(target)
    except BrokenPipeError:  # of a pipe by name: whoever read it is gone
        raise
    except OSError as error:
        raise InvalidOperation(f"--output: {path} cannot be written: {error.strerror}") from error
    finally:
        if part:
            with suppress(OSError):
                part.unlink()
