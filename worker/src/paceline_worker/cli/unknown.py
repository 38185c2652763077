"""``paceline held``: found by the command line through its entry point."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Annotated, Final

import typer

from paceline.cli.acts import remember
from paceline.cli.commands import example
from paceline.cli.errors import FAILURE, complain, named_as_options
from paceline.cli.options import Json, moment
from paceline.cli.render import console, counted, duration, listing, say, say_json
from paceline.errors import InvalidOperation, NotFound
from paceline.settings import Settings
from paceline.state import connect_to
from paceline_worker.cli.whom import whom
from paceline_worker.review.held import MOST_LISTED, CampaignCancelled, Held, NotHeld

_ID: Final = "01k0zxw5d3v8m2c7r4q9n6t1ea"

Ids = Annotated[list[str], typer.Argument(metavar="ID...", help="Operation ids, as `paceline held list` prints them.")]

app = typer.Typer(
    help="Held operations: nobody knows whether their call took effect, so a person decides.",
    rich_markup_mode=None,
)


@app.command("list", epilog=example("paceline held list --account acme", "paceline held list --json"))
def list_(
    *,
    account: Annotated[str, typer.Option("--account", metavar="NAME", help="Account of the operations.")] = "",
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", help=f"Greatest number to list, 1 to {MOST_LISTED}.")
    ] = 100,
    json_output: Json = False,
) -> None:
    """List held operations, oldest first.

    JSON: a list of id, account, kind, since, words (the last report), to, sender.
    """
    with _opened() as held, named_as_options():
        found = held.list(account, limit=limit)
    people = whom(operation.id for operation in found.operations)
    if json_output:
        say_json([operation.as_json() | people[operation.id].as_json() for operation in found.operations])
        return
    if not found.total:
        say("No operation is held.")
        return
    rows = [
        (o.id, people[o.id].to, o.account, f"{duration(found.now - o.since)} ago", o.words) for o in found.operations
    ]
    table = listing(("operation", "to", "account", "since", "last words"), rows)
    for column in table.columns[:-1]:
        column.no_wrap = True  # to be copied, and read at a glance; words may break
    console().print(table)
    if found.total > len(rows):
        say(f"The oldest {len(rows):,} of {counted(found.total, 'operation')}; --limit lists more.")


@app.command(
    epilog=example(
        f"paceline held release {_ID}",
        f"paceline held release {_ID} --valid-until 2026-01-31T18:00:00+01:00",
    )
)
def release(
    ids: Ids,
    *,
    valid_until: Annotated[
        str | None,
        typer.Option(
            "--valid-until",
            metavar="TIME",
            help="Latest time to send, ISO 8601. Default: as before, or 24 hours from now if that has passed.",
        ),
    ] = None,
) -> None:
    """Send held operations again, when their calls did not take effect.

    Each goes to the head of its lane with fresh attempts. If the call did take effect, the operation takes effect twice.
    """
    until = moment("--valid-until", valid_until)
    with _opened() as held, named_as_options():
        _each(ids, lambda op_id: held.release(op_id, valid_until=until), "waits at the head of its lane", "release")


@app.command(epilog=example(f"paceline held drop {_ID} --reason 'the customer has it'"))
def drop(
    ids: Ids,
    *,
    reason: Annotated[
        str | None, typer.Option("--reason", metavar="WORDS", help="Reason to show with the outcome.")
    ] = None,
) -> None:
    """Drop held operations: they are cancelled whether they took effect or not, and their followers are rejected."""
    if reason is not None and not reason.strip():
        raise InvalidOperation("--reason: is empty")
    with _opened() as held, named_as_options():
        _each(ids, lambda op_id: held.drop(op_id, reason=reason or ""), "is cancelled", "drop", reason or "")


def _each(ids: Sequence[str], decide: Callable[[str], None], what: str, verb: str, why: str = "") -> None:
    """One by one: what cannot be decided keeps none of the others."""
    failed = False
    for op_id in dict.fromkeys(ids):
        try:
            decide(op_id)
        except (NotFound, NotHeld, CampaignCancelled) as error:
            complain(str(error))
            failed = True
        else:
            remember(f"unknown {verb}", on=op_id, why=why)
            say(f"Operation {op_id} {what}.")
    if failed:
        raise typer.Exit(FAILURE)


@contextmanager
def _opened() -> Iterator[Held]:
    settings = Settings.from_environment()
    # No command is repeated: the reply to a repeated release would say that it is not held.
    client = connect_to(settings)
    try:
        yield Held(client, retention=timedelta(seconds=settings.retention_s))
    finally:
        client.close()
