"""``paceline forget``: found by the command line through its entry point."""

import sys
from contextlib import closing
from datetime import timedelta
from typing import Annotated

import redis
import typer

from paceline.cli.acts import remember
from paceline.cli.errors import FAILURE, complain, named_as_options
from paceline.cli.options import Json
from paceline.cli.render import counted, say, say_json
from paceline.errors import InvalidOperation
from paceline.settings import Settings
from paceline.state import connect_to, translating
from paceline.state.scripts import Script
from paceline_worker.accounts.secrets import KeyRing
from paceline_worker.integrity.payloads import Payloads
from paceline_worker.integrity.stored import StoredSeals
from paceline_worker.review.forgetting import Forgetting, Forgotten


def forget(
    *,
    number: Annotated[str, typer.Option("--number", metavar="+NUMBER", help="Number of the person, E.164.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what state holds, and change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Delete without asking.")] = False,
    wait: Annotated[
        float,
        typer.Option("--wait", metavar="SECONDS", min=0, help="Seconds to wait for calls under way. Default: 30."),
    ] = 30.0,
    json_output: Json = False,
) -> None:
    """Forget a person: delete all data of a number, while everything runs.

    Operations to the number that wait are cancelled; settled ones, dead letters, entries of outcomes and dead events of
    webhooks are deleted; then the server rewrites its append-only file. The books go on to balance. Entries of suppression
    lists stay: they keep the person from being written to again. Exit code 1 when something is under way or waits that names
    the number.

    What remains: backups and snapshots made before, logs of other systems, and what the provider keeps.

    JSON: operations, cancelled, entries, events (how many were deleted), rewritten (the append-only file).
    """
    settings = Settings.from_environment()
    with closing(connect_to(settings, repeat=True)) as client, translating(), named_as_options():
        forgetting = Forgetting(client, number, timedelta(seconds=settings.retention_s), _payloads(settings, client))
        if dry_run:
            found = forgetting.seen()
            _show(found, json_output=json_output, sentence=f"{_counts(found)} would be deleted.")
            return
        if not yes:
            if not sys.stdin.isatty():
                raise InvalidOperation("--yes: is required without a terminal; --dry-run prints what would be deleted")
            typer.confirm("Delete everything that state holds of this number? This is final.", abort=True, err=True)
        try:
            done = forgetting.run(wait)
        finally:
            remember("forget", on=f"a number that ends in {number[-2:]}")

    _show(done, json_output=json_output, sentence=f"{_counts(done)} deleted.")
    if not done.rewritten:
        complain(
            "the append-only file was not rewritten and still holds what was deleted: run BGREWRITEAOF on the server"
        )
        raise typer.Exit(FAILURE)

    if not json_output:
        say("Earlier backups, earlier snapshots and files of replicas still hold the number.")


def _payloads(settings: Settings, client: redis.Redis) -> Payloads | None:
    """What opens encrypted numbers; None where nobody ever encrypted one.

    Raises:
        ConfigurationError: somebody did, and the secret key is missing or another one.
    """
    if not Script("paceline", "public").run(client):
        return None
    seals = StoredSeals(client, KeyRing(settings.secret_key.get_secret_value())).seen()
    return seals.payloads if seals else None


def _counts(found: Forgotten) -> str:
    waiting = f", {counted(found.cancelled, 'operation')} that waited" if found.cancelled else ""
    return f"{counted(found.operations, 'settled operation')}{waiting} and {found.entries:,} entries of outcomes"


def _show(found: Forgotten, *, json_output: bool, sentence: str) -> None:
    if json_output:
        say_json(found.as_json())
    else:
        say(sentence)
