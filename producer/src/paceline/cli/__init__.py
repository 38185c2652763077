"""The ``paceline`` command. Importing this package imports neither typer nor rich: they come with the extra ``cli``."""

import gc
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Final

__all__ = ["main"]

_INTERRUPTED: Final = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: without the program's name; default: those of the process.

    Returns:
        The exit code: 0 done, 1 failed, 2 wrongly used, 130 interrupted, 141 when the reader of
        its output is gone.
    """
    if find_spec("typer") is None or find_spec("rich") is None:
        sys.stderr.write("paceline: the command line needs its extra: pip install 'paceline[cli]'\n")
        return 1
    try:
        with _uncollected():
            from paceline.cli.app import run  # noqa: PLC0415 - typer may be missing; the line above is for those who lack it

        return run(sys.argv[1:] if arguments is None else arguments)
    except KeyboardInterrupt:  # before the command began, or after it ended
        return _INTERRUPTED


@contextmanager
def _uncollected() -> Iterator[None]:
    """Import without garbage collection: modules stay, and looking through them takes a seventh of the start-up time."""
    first, enabled = "paceline.cli.app" not in sys.modules, gc.isenabled()
    if not (first and enabled):
        yield
        return
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()
