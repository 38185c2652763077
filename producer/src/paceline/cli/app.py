import io
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import copy_context
from functools import cache
from typing import Annotated, Any

import typer
from typer.main import get_command

from paceline.cli import numbers
from paceline.cli.commands import example
from paceline.cli.errors import BAD_USAGE, BROKEN_PIPE, FAILURE, INTERRUPTED, complain, report, warnings_as_complaints
from paceline.cli.plugins import PluginGroup
from paceline.errors import ConfigurationError
from paceline.tracing.setup import set_up

app = typer.Typer(
    cls=PluginGroup,
    # Plain help: rich would take the brackets and braces of examples for markup, and join their lines.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    invoke_without_command=True,
    epilog=example(
        "paceline accounts add acme --limit 10/minute --api-key-env ACME_KEY",
        'paceline send --account acme --from +15550100001 --to +15550100002 --text "Hello"',
    ),
)


@app.callback()
def _root(
    context: typer.Context,
    *,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    show_numbers: numbers.ShowNumbers = False,
) -> None:
    """Send WhatsApp messages through the 2Chat API, paced per API key, and see where each one is.

    Settings come from the environment: PACELINE_BROKER_URL, PACELINE_STATE_URL (default: the broker's) and, to add
    accounts, PACELINE_SECRET_KEY.
    """
    numbers.decide(show=show_numbers)
    if version:
        from paceline.version import VERSION  # noqa: PLC0415 - reads the metadata of what is installed

        typer.echo(f"paceline {VERSION}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit


def run(arguments: Sequence[str]) -> int:
    """Run one command and turn whatever happens into an exit code.

    Args:
        arguments: without the program's name.

    Returns:
        The exit code; see `paceline.cli.main`.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name that the terminal's encoding lacks is no reason to fail
            stream.reconfigure(errors="backslashreplace")
    try:
        " ".join(arguments).encode()
    except UnicodeEncodeError:
        complain("the arguments are not UTF-8 text")
        return BAD_USAGE
    return copy_context().run(_in_context, arguments)


def _in_context(arguments: Sequence[str]) -> int:
    """One command in a context of its own: what its options decide ends with the command."""
    numbers.begin()
    with warnings_as_complaints(), _traces():
        return _run(arguments)


@contextmanager
def _traces() -> Iterator[None]:
    try:
        end = set_up("paceline-cli")
    except ConfigurationError as error:
        complain(str(error))
        yield
        return
    try:
        yield
    finally:
        end()


def _run(arguments: Sequence[str]) -> int:
    try:
        code = _exit_code(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        _forget_output()
        return BROKEN_PIPE
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the edge of the program: report() tells all of them
        return report(error)
    return code


@cache
def _program() -> Any:
    """The command line as typer builds it, once in a process."""
    return get_command(app)


def _exit_code(arguments: Sequence[str]) -> int:
    try:
        code: Any = _program().main(list(arguments), prog_name="paceline", standalone_mode=False)
    except SystemExit as error:  # a command of another package; typer and rich also make one of a broken pipe
        if isinstance(error.__context__, BrokenPipeError):
            raise error.__context__ from None
        code = error.code
        if isinstance(code, str):
            complain(code)
            return FAILURE
    return code if isinstance(code, int) else 0


def _forget_output() -> None:
    """Whoever read our output is gone: be quiet, also when the interpreter flushes at its end."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
