"""``paceline state``: found by the command line through its entry point."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from paceline.cli.commands import example
from paceline.cli.options import Json
from paceline.cli.render import counted, say, say_json
from paceline.settings import Settings
from paceline.state import connect_to
from paceline_worker.state.migration import Migration

app = typer.Typer(help="Schema of the state.", rich_markup_mode=None)


@app.callback()
def _group() -> None:
    """Schema of the state."""


@app.command(epilog=example("paceline state migrate"))
def migrate(*, json_output: Json = False) -> None:
    """Convert the state of an earlier release.

    All workers must be stopped. The books are audited before and after. After an interruption, repeat the command.

    JSON: accounts, operations.
    """
    with _opened() as migration:
        books = migration.convert()
    operations = sum(book.received for book in books)
    if json_output:
        say_json({"accounts": len(books), "operations": operations})
        return
    say(
        f"The state has the schema of this release: {counted(len(books), 'account')}, {counted(operations, 'operation')}."
    )
    say("The books balance. Start the workers.")


@contextmanager
def _opened() -> Iterator[Migration]:
    client = connect_to(Settings.from_environment(), repeat=True)
    try:
        yield Migration(client)
    finally:
        client.close()
