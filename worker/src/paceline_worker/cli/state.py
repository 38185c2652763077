"""``paceline state``: found by the command line through its entry point."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import redis
import typer

from paceline.cli.acts import remember
from paceline.cli.commands import example
from paceline.cli.options import Json
from paceline.cli.render import counted, say, say_json
from paceline.settings import Settings
from paceline.shards.layout import MOST_SHARDS
from paceline.state import connect_to, translating
from paceline.state.shards import create as create_shards
from paceline_worker.accounts.secrets import KeyRing
from paceline_worker.integrity.stored import StoredSeals
from paceline_worker.state.migration import Migration, check_schema

app = typer.Typer(help="Shards and schema of the state.", rich_markup_mode=None)


@app.callback()
def _group() -> None:
    """Shards and schema of the state."""


@app.command(epilog=example("paceline state create --shards 64"))
def create(
    shards: Annotated[
        int,
        typer.Option(
            "--shards", metavar="NUMBER", min=1, max=MOST_SHARDS, help="Shards over which accounts are spread."
        ),
    ],
    *,
    json_output: Json = False,
) -> None:
    """Create state, and fix the number of its shards.

    The number cannot be changed later. State that is not created here is created by the first worker or account: with
    PACELINE_SHARDS shards, else with 64 on a cluster and one on a single server. State that exists and has another number
    is refused.

    JSON: shards.
    """
    with _opened(Settings.from_environment()) as client, translating():
        check_schema(client)
        create_shards(client, shards)
    if json_output:
        say_json({"shards": shards})
        return
    say(f"State has {counted(shards, 'shard')}. Start the workers.")


@app.command(epilog=example("paceline state migrate"))
def migrate(*, json_output: Json = False) -> None:
    """Convert the state of an earlier release.

    All workers must be stopped. Operations that a release without seals accepted get their seals, which needs
    PACELINE_SECRET_KEY. The books are audited before and after. After an interruption, repeat the command.

    JSON: accounts, operations, sealed.
    """
    settings = Settings.from_environment()
    ring = KeyRing(settings.secret_key.get_secret_value())
    with _opened(settings) as client:
        books = Migration(client).convert()
        with translating():
            sealed = StoredSeals(client, ring).seal_all()
    operations = sum(book.received for book in books)
    remember("state migrate", on=f"{sealed:,} sealed" if sealed else "")
    if json_output:
        say_json({"accounts": len(books), "operations": operations, "sealed": sealed})
        return
    say(
        f"The state has the schema of this release: {counted(len(books), 'account')}, {counted(operations, 'operation')}."
    )
    if sealed:
        say(f"{counted(sealed, 'operation')} that waited or may be sent again got a seal.")
    say("The books balance. Start the workers.")


@contextmanager
def _opened(settings: Settings) -> Iterator[redis.Redis]:
    client = connect_to(settings, repeat=True)
    try:
        yield client
    finally:
        client.close()
