from typing import Any

import typer

from paceline.cli.errors import FAILURE, complain
from paceline.cli.options import Json, opened_state
from paceline.cli.render import console, counted, listing, say, say_json
from paceline.status.audit import Balance, balance_of


def audit(*, json_output: Json = False) -> None:
    """Prove that nothing is lost: every operation is refused, waiting, in flight, or has its outcome.

    Exit code 1 when one operation is unaccounted for.

    JSON: a list of account, received, refused, inbox, waiting, in_flight, outcomes (by name), unaccounted.
    """
    with opened_state() as state:
        balances = [balance_of(picture) for name in state.accounts() if (picture := state.account(name))]
    if json_output:
        say_json([balance.as_json() for balance in balances])
    elif balances:
        console().print(_books(balances))
    else:
        say("No accounts.")
    wrong = [balance for balance in balances if balance.unaccounted]
    if wrong:
        complain("the books do not balance: " + "; ".join(map(_imbalance, wrong)))
        raise typer.Exit(FAILURE)


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
