"""``paceline shards``: found by the command line through its entry point."""

from contextlib import closing
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from paceline.cli.acts import remember
from paceline.cli.commands import example
from paceline.cli.options import Json
from paceline.cli.render import console, counted, listing, say, say_json
from paceline.errors import StateUnavailable
from paceline.settings import Settings
from paceline.state import connect_to, translating
from paceline.state.calls import State
from paceline.state.shards import each_shard, granters, layout_of
from paceline_worker.state.moving import Move

if TYPE_CHECKING:
    import redis

app = typer.Typer(help="Shards of the state, and accounts between them.", rich_markup_mode=None)


@app.callback()
def _group() -> None:
    """Shards of the state, and accounts between them."""


@dataclass(frozen=True, slots=True)
class Row:
    """One shard.

    Args:
        shard: its number.
        answers: whether its server does.
        accounts: how many live there; None where nobody answers.
        in_flight: operations in flight.
        inbox: records that no worker has accepted.
        worker: who grants for the shard; None: nobody.
    """

    shard: int
    answers: bool
    accounts: int | None = None
    in_flight: int | None = None
    inbox: int | None = None
    worker: str | None = None


@app.command("list", epilog=example("paceline shards list"))
def list_shards(*, json_output: Json = False) -> None:
    """List shards: accounts, operations in flight, records in the inbox, and the worker that grants for each.

    Exit code 1 when the server of a shard does not answer. JSON: shard, answers, accounts, in_flight, inbox, worker.
    """
    with closing(connect_to(Settings.from_environment(), repeat=True)) as client:
        with translating():
            layout, held = layout_of(client), granters(client)
        rows = [_row(shard, own, held.get(shard)) for shard, own in zip(layout.shards, each_shard(client), strict=True)]
    if json_output:
        say_json([asdict(row) for row in rows])
    else:
        cells = [
            [row.shard, *(_cell(value) for value in (row.accounts, row.in_flight, row.inbox, row.worker))]
            for row in rows
        ]
        console().print(listing(("shard", "accounts", "in flight", "inbox", "granted by"), cells))
    if not all(row.answers for row in rows):
        raise typer.Exit(1)


@app.command(epilog=example("paceline shards move acme 5"))
def move(
    account: Annotated[str, typer.Argument(help="Account name.")],
    shard: Annotated[int, typer.Argument(help="Number of the shard on which the account shall live.", min=0)],
    wait: Annotated[
        float,
        typer.Option("--wait", metavar="SECONDS", min=0, help="Seconds to wait for calls under way. Default: 60."),
    ] = 60.0,
    *,
    json_output: Json = False,
) -> None:
    """Move an account to another shard, with everything that belongs to it.

    The account is suspended meanwhile, and resumed unless it was suspended before. Services that send to the account get
    StateUnavailable until the move ends. After an interruption, repeat the command. Exit code 1 when calls are still under
    way; the account then stays suspended. The server's user needs the commands DUMP and RESTORE.

    JSON: account, shard, keys (how many were moved).
    """
    with closing(connect_to(Settings.from_environment(), repeat=True)) as client, translating():
        moving = Move(client, account, shard)
        try:
            keys = moving.run(wait)
        except BaseException:
            if moving.has_begun:
                remember("shards move", account=account, on=f"{shard}, not finished")
            raise
        remember("shards move", account=account, on=str(shard))
    if json_output:
        say_json({"account": account, "shard": shard, "keys": keys})
        return
    say(f"Account {account!r} lives on shard {shard}: {counted(keys, 'key')} moved.")


def _row(shard: int, client: "redis.Redis", worker: str | None) -> Row:
    try:
        fleet = State(client).fleet()
    except StateUnavailable:
        return Row(shard, answers=False, worker=worker)
    return Row(
        shard, answers=True, accounts=fleet.accounts, in_flight=fleet.in_flight, inbox=fleet.inbox, worker=worker
    )


def _cell(value: object) -> str:
    return "-" if value is None else f"{value}"
