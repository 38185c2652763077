"""`paceline pools`: numbers of an account that share its campaigns."""

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import typer

from paceline.campaigns.senders import Sender, Senders, as_pool, from_pool, senders_of
from paceline.cli.commands import example
from paceline.cli.errors import named_as_options
from paceline.cli.options import Account, Json, opened_state
from paceline.cli.render import console, listing, say, say_json
from paceline.errors import CampaignConflict, InvalidOperation, NotFound, UnknownAccount, UnknownSender
from paceline.refusals import NAME_PATTERN
from paceline.state import questions
from paceline.state.calls import State

app = typer.Typer(help="Pools of senders: several numbers of an account share its campaigns.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the pool.")]
_NUMBER = "+NUMBER[=WEIGHT]"


@app.command(epilog=example("paceline pools create sales --account acme --from +15550100001=3 --from +15550100002"))
def create(
    name: Name,
    *,
    account: Account,
    sender: Annotated[
        list[str],
        typer.Option(
            "--from",
            metavar=_NUMBER,
            help="Number, perhaps with its share of new recipients, NUMBER=WEIGHT; repeatable.",
        ),
    ],
    json_output: Json = False,
) -> None:
    """Create a pool. `campaign start --pool NAME` uses the pool.

    Exit code 1 when the account has a pool of this name.

    JSON: what `pools show --json` prints.
    """
    with named_as_options(sender="--from", name="NAME"), opened_state() as state:
        if not re.search(NAME_PATTERN, name):
            raise InvalidOperation("name: letters, digits, dot, dash and underscore, at most 64")
        senders = senders_of(sender)
        _check_listed(state, account, senders)
        _write(state, "create", account, name, senders)
    _tell(account, name, senders, "is made", json_output=json_output)


@app.command("list", epilog=example("paceline pools list --account acme --json"))
def list_(*, account: Account, json_output: Json = False) -> None:
    """List the pools of an account.

    JSON: a list of what `pools show --json` prints.
    """
    with opened_state() as state:
        pools = {name: from_pool(text) for name, text in sorted(_pools(state, account).items())}
    if json_output:
        say_json([_described(account, name, senders) for name, senders in pools.items()])
    elif pools:
        rows = [(name, " ".join(map(str, senders))) for name, senders in pools.items()]
        console().print(listing(("pool", "numbers"), rows))
    else:
        say(f"Account {account} has no pools.")


@app.command(epilog=example("paceline pools show sales --account acme"))
def show(name: Name, *, account: Account, json_output: Json = False) -> None:
    """Show the numbers of a pool and their weights.

    JSON: name, account, senders (number, weight).
    """
    with opened_state() as state:
        senders = _found(state, account, name)
    if json_output:
        say_json(_described(account, name, senders))
    else:
        rows = [(sender.number, sender.weight) for sender in senders]
        console().print(listing(("number", "weight"), rows))


@app.command(
    epilog=example(
        "paceline pools change sales --account acme --add +15550100003",
        "paceline pools change sales --account acme --drop +15550100001",
    )
)
def change(
    name: Name,
    *,
    account: Account,
    add: Annotated[
        list[str] | None,
        typer.Option("--add", metavar=_NUMBER, help="Number to add, or to give another weight; repeatable."),
    ] = None,
    drop: Annotated[
        list[str] | None, typer.Option("--drop", metavar="+NUMBER", help="Number to take out; repeatable.")
    ] = None,
    json_output: Json = False,
) -> None:
    """Change the numbers of a pool. Running campaigns take the change with their next upload.

    Recipients keep their numbers: a new number gets its share of new recipients only.

    JSON: what `pools show --json` prints.
    """
    if not add and not drop:
        raise InvalidOperation("there is nothing to change: give --add or --drop")
    with opened_state() as state:
        numbers = {sender.number: sender for sender in _found(state, account, name)}
        with named_as_options(sender="--drop"):
            for gone in (Sender.parse(text) for text in drop or ()):
                if numbers.pop(gone.number, None) is None:
                    raise InvalidOperation(f"--drop: {gone.number} is not in the pool")
        with named_as_options(sender="--add"):
            numbers |= {sender.number: sender for sender in map(Sender.parse, add or ())}
            senders = senders_of(map(str, numbers.values()))
        _check_listed(state, account, senders)
        _write(state, "change", account, name, senders)
    _tell(account, name, senders, "is changed", json_output=json_output)


@app.command(epilog=example("paceline pools remove sales --account acme"))
def remove(name: Name, *, account: Account) -> None:
    """Remove a pool. Campaigns that were started with it go on with its numbers."""
    with opened_state() as state:
        _write(state, "remove", account, name, ())
    say(f"Pool {name} is removed.")


def _pools(state: State, account: str) -> Mapping[str, str]:
    if state.account(account) is None:
        raise UnknownAccount(f"no account named {account!r}: add it with `paceline accounts add {account}`")
    return state.pools(account)


def _found(state: State, account: str, name: str) -> Senders:
    pools = _pools(state, account)
    if name not in pools:
        raise NotFound(f"account {account!r} has no pool {name!r}: see `paceline pools list --account {account}`")
    return from_pool(pools[name])


def _check_listed(state: State, account: str, senders: Iterable[Sender]) -> None:
    known = state.account(account)
    listed = known.account.senders.split() if known else []
    for sender in senders if listed else ():
        if sender.number not in listed:
            raise UnknownSender(
                f"account {account!r} lists its senders, and {sender.number} is not among them: "
                f"see `paceline accounts show {account}`"
            )


def _write(state: State, verb: str, account: str, name: str, senders: Senders) -> None:
    reply = state.ask(questions.write_pool(verb, account, name, as_pool(senders)))
    if reply == "unknown account":
        raise UnknownAccount(f"no account named {account!r}: add it with `paceline accounts add {account}`")
    if reply == "unknown pool":
        raise NotFound(f"account {account!r} has no pool {name!r}: see `paceline pools list --account {account}`")
    if reply == "exists":
        raise CampaignConflict(f"account {account!r} has a pool {name!r} already: `paceline pools change` changes it")


def _described(account: str, name: str, senders: Senders) -> dict[str, Any]:
    numbers = [{"number": sender.number, "weight": sender.weight} for sender in senders]
    return {"name": name, "account": account, "senders": numbers}


def _tell(account: str, name: str, senders: Senders, what: str, *, json_output: bool) -> None:
    if json_output:
        say_json(_described(account, name, senders))
    else:
        say(f"Pool {name} of account {account} {what}: {' '.join(map(str, senders))}.")
