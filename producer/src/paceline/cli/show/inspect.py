from typing import Annotated

import typer

from paceline.cli.numbers import ShowNumbers, decide, shown_in
from paceline.cli.options import Json, opened_state
from paceline.cli.render import counted, expected, say, say_json
from paceline.cli.show.show import show_status
from paceline.errors import NotFound
from paceline.state.calls import State
from paceline.state.pictures import OperationPicture
from paceline.status.explanation import explained
from paceline.status.view import Status, status_of
from paceline.times import instant

Id = Annotated[str, typer.Argument(metavar="ID", help="Operation id, as `paceline send` printed it.")]


def status(op_id: Id, *, show_numbers: ShowNumbers = False, json_output: Json = False) -> None:
    """Show where one operation is, what its calls brought, and what happened to it.

    JSON: id, state (waiting, granted, sending, or the outcome), account, campaign, kind, accepted_at, settled_at,
    attempts, message_uuid, group_uuid, code, words, expected_at, why, result (numbers: number to accepted, code, invited,
    words; check: the answer of a number check; calls: answered), history (a list of at, what, code, words), receipt
    (status: sent, not_sent, received or read; sent_at, not_sent_at, received_at, read_at; null when none came).
    """
    decide(show=show_numbers)
    with opened_state() as state:
        picture = _read(state, op_id)
    seen = status_of(picture)
    if json_output:
        say_json(shown_in(seen.as_json()))
    else:
        show_status(seen, _expected(seen, picture))


def explain(op_id: Id, *, json_output: Json = False) -> None:
    """Explain why an operation waits and until when, or show its outcome.

    JSON: id, state, why, expected_at, account, ahead (operations that leave before it, or null), workers (alive),
    unreachable (workers that cannot reach the provider), shards_away (numbers of shards whose server does not answer; the
    operation is on another one).
    """
    with opened_state() as state:
        picture = _read(state, op_id)
        fleet = state.fleet()

    workers, unreachable = fleet.workers, fleet.unreachable
    seen = status_of(picture)
    if json_output:
        return say_json(explained(picture, fleet))

    say(f"{seen.id} is {seen.state}: {seen.why}.")
    if when := _expected(seen, picture):
        say(f"Expected to leave {when}.")
    if seen.settled_at:
        return None

    if unreachable:
        who = "No worker" if not workers else counted(unreachable, "worker") + " of the fleet"
        verb = "can" if not workers else "cannot"
        say(f"{who} {verb} reach the provider ({fleet.unreachable_why}); each keeps trying.")
    elif not workers:
        say("No worker is alive. Nothing leaves until you start one.")
    if away := fleet.shards_away:
        whose = "The state server of shard" if len(away) == 1 else "The state servers of shards"
        verb = "does" if len(away) == 1 else "do"
        say(f"{whose} {', '.join(map(str, away))} {verb} not answer. This operation is on another shard.")

    return None


def _read(state: State, op_id: str) -> OperationPicture:
    picture = state.operation(op_id)
    if picture is not None:
        return picture
    if state.campaign(op_id) is not None:
        raise NotFound(f"{op_id!r} is a campaign: `paceline campaign status {op_id}`")
    waiting = state.fleet().inbox
    hint = f" ({counted(waiting, 'record')} not yet accepted by a worker)" if waiting else ""
    raise NotFound(f"no operation {op_id!r}: never accepted, or deleted after its retention time{hint}")


def _expected(seen: Status, picture: OperationPicture) -> str | None:
    return expected(seen.expected_at, instant(picture.operation.now_us)) if seen.expected_at else None
