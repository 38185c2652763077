from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import typer

from paceline.cli.options import Json, opened_state
from paceline.cli.render import counted, expected, say, say_json
from paceline.cli.show.show import show_status
from paceline.errors import NotFound
from paceline.inbox.record import instant
from paceline.state.calls import State
from paceline.status.explanation import explained
from paceline.status.view import Status, status_of

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

    JSON: id, state, why, expected_at, account, ahead (operations that leave before it, or null), workers (alive),
    unreachable (workers that cannot reach the provider).
    """
    with opened_state() as state:
        found = _found(state, op_id)
        fleet = state.fleet()
    workers, unreachable = int(fleet.get("workers", 0)), int(fleet.get("unreachable", 0))
    seen = status_of(found)
    if json_output:
        return say_json(explained(found, fleet))
    say(f"{seen.id} is {seen.state}: {seen.why}.")
    if when := _expected(seen, _now(found)):
        say(f"Expected to leave {when}.")
    if seen.settled_at:
        return None
    if unreachable:
        who = "No worker" if not workers else counted(unreachable, "worker") + " of the fleet"
        verb = "can" if not workers else "cannot"
        say(f"{who} {verb} reach the provider ({fleet.get('unreachable_why')}); each tries again by itself.")
    elif not workers:
        say("No worker is alive, so nothing leaves until one is started.")
    return None


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
