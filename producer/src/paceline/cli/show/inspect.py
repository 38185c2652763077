from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import typer

from paceline.cli.options import Json, opened_state
from paceline.cli.render import counted, expected, iso, say, say_json
from paceline.cli.show.show import show_status
from paceline.errors import NotFound
from paceline.forecast.outlook import expected_departure
from paceline.inbox.record import instant
from paceline.state.calls import State
from paceline.status.view import Status, status_of

Id = Annotated[str, typer.Argument(metavar="ID", help="Operation id, as `paceline send` printed it.")]


def status(op_id: Id, *, json_output: Json = False) -> None:
    """Show where one operation is, what its calls brought, and what happened to it.

    JSON: id, state (waiting, granted, sending, or the outcome), account, campaign, kind, accepted_at, settled_at,
    attempts, message_uuid, group_uuid, code, words, expected_at, why, result (numbers: number to accepted, code, invited,
    words; check: the answer of a number check; calls: answered), history (a list of at, what, code, words), receipt
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
    """Explain why an operation waits and until when, or show its outcome.

    JSON: id, state, why, expected_at, account, ahead (operations that leave before it, or null), workers (alive),
    unreachable (workers that cannot reach the provider).
    """
    with opened_state() as state:
        found = _found(state, op_id)
        fleet = state.fleet()
    workers, unreachable = int(fleet.get("workers", 0)), int(fleet.get("unreachable", 0))
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
                "unreachable": unreachable,
            }
        )
        return
    say(f"{seen.id} is {seen.state}: {seen.why}.")
    if when := _expected(seen, _now(found)):
        say(f"Expected to leave {when}.")
    if seen.settled_at:
        return
    if unreachable:
        who = "No worker" if not workers else counted(unreachable, "worker") + " of the fleet"
        verb = "can" if not workers else "cannot"
        say(f"{who} {verb} reach the provider ({fleet.get('unreachable_why')}); each keeps trying.")
    elif not workers:
        say("No worker is alive. Nothing leaves until you start one.")


def _found(state: State, op_id: str) -> dict[str, Any]:
    found = state.operation(op_id)
    if found is not None:
        return found
    waiting = int(state.fleet().get("inbox", 0))
    hint = f" ({counted(waiting, 'record')} not yet accepted by a worker)" if waiting else ""
    raise NotFound(f"no operation {op_id!r}: never accepted, or deleted after its retention time{hint}")


def _now(found: Mapping[str, Any]) -> datetime:
    return instant(found["operation"]["now"])


def _expected(seen: Status, now: datetime) -> str | None:
    return expected(seen.expected_at, now) if seen.expected_at else None
