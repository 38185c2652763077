from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import typer

from paceline.audit import Balance, balance_of
from paceline.cli.errors import FAILURE, complain
from paceline.cli.options import Json, opened_state
from paceline.cli.render import console, counted, expected, iso, listing, say, say_json
from paceline.cli.show import show_status
from paceline.errors import NotFound
from paceline.outlook import expected_departure
from paceline.record import instant
from paceline.state import State
from paceline.view import Status, status_of

Id = Annotated[str, typer.Argument(metavar="ID", help="The operation, as `paceline send` printed it.")]


def status(op_id: Id, *, json_output: Json = False) -> None:
    """Show where one operation is, what its calls brought, and what happened to it.

    JSON: id, state (waiting, granted, sending, or the outcome), account, campaign, kind, accepted_at, settled_at,
    attempts, message_uuid, group_uuid, code, words, expected_at, why, result (numbers: number to accepted, code, invited,
    words; check: the answer of a number check; calls: answered so far), history (a list of at, what, code, words), receipt
    (status: sent, not_sent, received or read; sent_at, not_sent_at, received_at, read_at; null when none came).
    """
    with opened_state() as state:
        found = _found(state, op_id)
    seen = status_of(found)
    if json_output:
        say_json(seen.as_json())
    else:
        show_status(seen, _expected(seen, _now(found)))


def explain(op_id: Id, *, json_output: Json = False) -> None:
    """Say why an operation waits and until when, or what became of it.

    JSON: id, state, why, expected_at, account, ahead (operations that leave before it, or null), workers (alive).
    """
    with opened_state() as state:
        found = _found(state, op_id)
        workers = int(state.fleet().get("workers", 0))
    seen = status_of(found)
    if json_output:
        leaves = expected_departure(found) if found.get("position") is not None else None
        say_json(
            {
                "id": seen.id,
                "state": seen.state,
                "why": seen.why,
                "expected_at": iso(seen.expected_at),
                "account": seen.account,
                "ahead": leaves.ahead if leaves else None,
                "workers": workers,
            }
        )
        return
    say(f"{seen.id} is {seen.state}: {seen.why}.")
    if when := _expected(seen, _now(found)):
        say(f"Expected to leave {when}.")
    if not seen.settled_at and not workers:
        say("No worker is alive, so nothing leaves until one is started.")


def audit(*, json_output: Json = False) -> None:
    """Prove that nothing is lost: what came in is refused, waiting, in flight, or has its outcome.

    Exit code 1 when one operation is unaccounted for.

    JSON: a list of account, received, refused, inbox, waiting, in_flight, outcomes (by name), unaccounted.
    """
    with opened_state() as state:
        balances = [balance_of(found) for name in state.accounts() if (found := state.account(name))]
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


def _found(state: State, op_id: str) -> dict[str, Any]:
    found = state.operation(op_id)
    if found is not None:
        return found
    waiting = int(state.fleet().get("inbox", 0))
    hint = f" ({counted(waiting, 'record')} not accepted by a worker so far)" if waiting else ""
    raise NotFound(f"no operation {op_id!r}: never accepted, or deleted after its retention time{hint}")


def _now(found: Mapping[str, Any]) -> datetime:
    return instant(found["operation"]["now"])


def _expected(seen: Status, now: datetime) -> str | None:
    return expected(seen.expected_at, now) if seen.expected_at else None
