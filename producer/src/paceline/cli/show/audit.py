from typing import Any

import typer

from paceline.cli.errors import FAILURE, complain
from paceline.cli.options import Json, opened_state
from paceline.cli.render import console, counted, listing, say, say_json
from paceline.cli.show.away import end_without, of_all_shards, rows_away
from paceline.state.calls import State
from paceline.status.audit import Balance, balance_of


def audit(*, json_output: Json = False) -> None:
    """Prove that nothing is lost: every operation is refused, waiting, in flight, or has its outcome.

    Exit code 1 when one operation is unaccounted for, or the server of a shard does not answer.

    JSON: a list of account, received, refused, inbox, waiting, in_flight, outcomes (by name), unaccounted; for a shard that
    does not answer: shard, error.
    """
    with opened_state() as state:
        balances, away = of_all_shards(state, _balances, lambda balance: balance.account)
    if json_output:
        say_json([*(balance.as_json() for balance in balances), *rows_away(away)])
    elif balances:
        console().print(_books(balances))
    elif not away:
        say("No accounts.")
    wrong = [balance for balance in balances if balance.unaccounted]
    if wrong:
        complain("the books do not balance: " + "; ".join(map(_imbalance, wrong)))
    end_without(away)
    if wrong:
        raise typer.Exit(FAILURE)


def _balances(state: State) -> list[Balance]:
    return [balance_of(picture) for name in state.accounts() if (picture := state.account(name))]


def _books(balances: list[Balance]) -> Any:
    headers = ("account", "received", "refused", "inbox", "waiting", "in flight", "settled", "missing")
    return listing(
        headers,
        [
            (b.account, b.received, b.refused, b.inbox, b.waiting, b.in_flight, sum(b.outcomes.values()), b.unaccounted)
            for b in balances
        ],
    )


def _imbalance(balance: Balance) -> str:
    what = "unaccounted for" if balance.unaccounted > 0 else "counted twice"
    return f"account {balance.account!r} has {counted(abs(balance.unaccounted), 'operation')} {what}"
