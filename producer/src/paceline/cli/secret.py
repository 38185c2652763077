"""`paceline secret`."""

import base64
import os
from pkgutil import resolve_name
from typing import Annotated, Final

import typer

from paceline.cli.commands import example
from paceline.cli.plugins import MissingExtra

_SECRET_BYTES: Final = 32

# As in `options`, which imports what reads state: `secret generate` needs nothing of that.
Json = Annotated[bool, typer.Option("--json", help="Print JSON, one document on one line.")]

app = typer.Typer(help="Secrets for the environment.")


@app.command(epilog=example("export PACELINE_SECRET_KEY=$(paceline secret generate)"))
def generate() -> None:
    """Print a new value for PACELINE_SECRET_KEY, which encrypts API keys at rest."""
    typer.echo(base64.urlsafe_b64encode(os.urandom(_SECRET_BYTES)).decode())


@app.command(epilog=example("export PACELINE_PAYLOAD_KEY=$(paceline secret public)"))
def public() -> None:
    """Print the public key to which services seal payloads, for PACELINE_PAYLOAD_KEY."""
    try:
        run = resolve_name("paceline_worker.cli.secret:public")
    except ImportError as error:
        raise MissingExtra("'paceline secret public' needs the worker: pip install 'paceline[cli,worker]'") from error
    run()


@app.command(epilog=example("paceline secret rotate --status", "PACELINE_SECRET_KEY=NEW,OLD paceline secret rotate"))
def rotate(
    *,
    status: Annotated[bool, typer.Option("--status", help="Print the progress, and change nothing.")] = False,
    json_output: Json = False,
) -> None:
    """Encrypt everything again under the first value of PACELINE_SECRET_KEY, while workers send.

    Every live worker must have that value: restart them with PACELINE_SECRET_KEY=NEW,OLD first. Keys that are under NEW
    already stay as they are, so repeat an interrupted rotation to finish it. Exit code 1 when an API key cannot be opened.

    JSON: newest, older (how many), unreadable (accounts), workers (how many), behind (live workers without the value), complete,
    encrypted_anew (how many; not with --status).
    """
    try:
        run = resolve_name("paceline_worker.cli.secret:rotate")
    except ImportError as error:
        raise MissingExtra("'paceline secret rotate' needs the worker: pip install 'paceline[cli,worker]'") from error
    run(status=status, json_output=json_output)
