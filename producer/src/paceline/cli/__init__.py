"""The ``paceline`` command. Importing this package imports neither typer nor rich: they come with the extra ``cli``."""

import sys
from collections.abc import Sequence
from importlib.util import find_spec

__all__ = ["main"]


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
    from paceline.cli.app import run  # noqa: PLC0415 - typer may be missing; the line above is for those who lack it

    return run(sys.argv[1:] if arguments is None else arguments)
