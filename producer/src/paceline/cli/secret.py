"""`paceline secret`."""

import base64
import os
from typing import Final

import typer

from paceline.cli.commands import example

_SECRET_BYTES: Final = 32

app = typer.Typer(help="Secrets for the environment.")


@app.callback()
def _secret() -> None:
    """Secrets for the environment."""


@app.command(epilog=example("export PACELINE_SECRET_KEY=$(paceline secret generate)"))
def generate() -> None:
    """Print a new value for PACELINE_SECRET_KEY, which encrypts API keys at rest."""
    typer.echo(base64.urlsafe_b64encode(os.urandom(_SECRET_BYTES)).decode())
