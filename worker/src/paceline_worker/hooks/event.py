"""Events as they are posted: made of an entry of the stream of outcomes. Pure."""

import json
from dataclasses import dataclass
from typing import Any, Final

from paceline.status.entry import OutcomeEntry
from paceline_worker.hooks.hook import Hook

CAMPAIGN_COMPLETED: Final = "campaign.completed"
TEST: Final = "test"


@dataclass(frozen=True, slots=True)
class Event:
    """One event of one hook.

    Args:
        id: the same whenever it is posted.
        order: events of the same order are posted one after the other.
        body: JSON, as it is signed and posted.
    """

    id: str
    order: str
    body: str


def event_of(entry: OutcomeEntry, hook: Hook) -> Event | None:
    """What a hook is told of an entry.

    Args:
        entry: of the stream of all outcomes.
        hook: who is told.

    Returns:
        None when the hook does not want it; the end of a campaign is told once, at its first completion.
    """
    if entry.is_final:
        if not entry.first or not hook.wants(CAMPAIGN_COMPLETED, entry.account):
            return None
        # Of the campaign, not of the entry: a completion that a power cut took back and that comes again is the same event.
        created = int(entry.accepted_at.timestamp() * 1_000_000)
        order = f"c:{entry.campaign}"
        data = {"campaign": entry.campaign, "account": entry.account, "outcome": entry.outcome, "count": entry.count}
        return Event(f"evt_{entry.campaign}_{created}", order, _body(CAMPAIGN_COMPLETED, entry, data))
    if not hook.wants(entry.event, entry.account):
        return None
    return Event(f"evt_{entry.entry_id}", entry.id, _body(entry.event, entry, _of_operation(entry, hook)))


def _of_operation(entry: OutcomeEntry, hook: Hook) -> dict[str, Any]:
    data: dict[str, Any] = {
        "id": entry.id,
        "account": entry.account,
        "campaign": entry.campaign,
        "kind": entry.kind,
        "outcome": entry.outcome,
        "code": entry.code,
        "words": entry.words,
        "message_uuid": entry.message_uuid,
        "idempotency_key": entry.idempotency_key,
        "key": entry.key,
        "metadata": dict(entry.metadata),
        "accepted_at": entry.accepted_at.isoformat(),
    }
    return data | ({"to": entry.to} if hook.with_recipients else {})


def _body(kind: str, entry: OutcomeEntry, data: dict[str, Any]) -> str:
    return written(kind, entry.settled_at.isoformat(), data)


def written(kind: str, timestamp: str, data: dict[str, Any]) -> str:
    """A body in the form of Standard Webhooks."""
    return json.dumps({"type": kind, "timestamp": timestamp, "data": data}, separators=(",", ":"))
