import base64
import io
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Annotated, Any, Final

import typer
from typer.main import get_command

from paceline.cli import campaign, groups, inspect, messages, others, outcomes, profile, waba
from paceline.cli.errors import BAD_USAGE, FAILURE, INTERRUPTED, complain, report, warnings_as_complaints
from paceline.cli.options import example
from paceline.cli.plugins import PluginGroup
from paceline.errors import ConfigurationError
from paceline.tracing import set_up
from paceline.version import VERSION

_SECRET_BYTES: Final = 32

app = typer.Typer(
    cls=PluginGroup,
    add_completion=False,
    # Plain help: rich would take the brackets and braces of examples for markup, and join their lines.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    invoke_without_command=True,
    epilog=example(
        "paceline accounts add acme --limit 10/minute --api-key-env ACME_KEY",
        'paceline send --account acme --from +15550100001 --to +15550100002 --text "Hello"',
    ),
)
secret = typer.Typer(help="Secrets for the environment.")

_FROM: Final = "--account acme --from +15550100001"
_HI: Final = f'{_FROM} --to +15550100002 --text "Hello"'

app.command(epilog=example(f"paceline send {_HI} --wait 5"))(messages.send)
app.command(epilog=example(f"paceline delete 01k0zxw5d3v8m2c7r4q9n6t1ea {_FROM}"))(messages.delete)
app.command(epilog=example(f'paceline story {_FROM} --text "We are back" --background-color "#205081"'))(profile.story)
app.add_typer(profile.app, name="profile")
app.add_typer(groups.app, name="group")
app.command(
    epilog=example(
        f"paceline template TMP11111111-2222-4333-8444-555555555555 {_FROM} \\",
        '  --to +15550100002 --body Ann --body "order 17" --content "Dear {{1}}, {{2}} is on its way."',
    )
)(waba.template)
app.command(epilog=example(f"paceline waba {_FROM} --to +15550100002 --interactive offer.json"))(waba.waba)
app.command(epilog=example(f"paceline sms {_HI}"))(others.sms)
app.add_typer(others.numbers, name="number")
app.add_typer(campaign.app, name="campaign")
app.command(epilog=example("paceline status 01k0zxw5d3v8m2c7r4q9n6t1ea"))(inspect.status)
app.command(epilog=example("paceline explain 01k0zxw5d3v8m2c7r4q9n6t1ea"))(inspect.explain)
app.command(
    epilog=example(
        "paceline outcomes --campaign spring --format csv --output spring.csv",
        "paceline outcomes --follow --outcome rejected --outcome dead",
    )
)(outcomes.outcomes)
app.command(epilog=example("paceline audit || echo 'something is lost'"))(inspect.audit)
app.add_typer(secret, name="secret")


@app.callback()
def _root(
    context: typer.Context,
    *,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Enqueue WhatsApp work for the 2Chat API, paced per API key, and see where it is.

    Settings come from the environment: PACELINE_BROKER_URL, PACELINE_STATE_URL (default: the broker's) and, to add
    accounts, PACELINE_SECRET_KEY.
    """
    if version:
        typer.echo(f"paceline {VERSION}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit


@secret.callback()
def _secret() -> None:
    """A callback keeps `secret` a group although it has one command."""


@secret.command(epilog=example("export PACELINE_SECRET_KEY=$(paceline secret generate)"))
def generate() -> None:
    """Print a new value for PACELINE_SECRET_KEY, which encrypts API keys at rest."""
    typer.echo(base64.urlsafe_b64encode(os.urandom(_SECRET_BYTES)).decode())


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
        return FAILURE
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the edge of the program: report() tells all of them
        return report(error)
    return code


def _exit_code(arguments: Sequence[str]) -> int:
    try:
        code: Any = get_command(app).main(list(arguments), prog_name="paceline", standalone_mode=False)
    except SystemExit as error:  # a command of another package; typer and rich also make one of a broken pipe
        code = error.code
        if isinstance(code, str):
            complain(code)
            return FAILURE
    return code if isinstance(code, int) else 0


def _forget_output() -> None:
    """Whoever read our output is gone: be quiet, also when the interpreter flushes at its end."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
