"""Hooks and their events as state has them: frozen values, and how they are read from replies of hooks.lua. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from paceline.times import instant
from paceline_worker.hooks import hook as hooks
from paceline_worker.hooks.hook import Hook
from paceline_worker.hooks.policy import Breaker, Next, breaker_of


@dataclass(frozen=True, slots=True)
class StoredHook:
    """A hook as state has it.

    Args:
        id: its id.
        hook: where events go, and which.
        place: the last entry of the stream that was looked at.
        serial: number of its secrets.
        secrets: sealed; '' when they were not asked for.
        disabled: why nothing is posted; '' when something is.
        breaker: whether it is tried.
        waiting: events that wait.
        dead: events that were given up.
        oldest: since when the oldest event waits.
        gaps: how often entries were deleted before they were looked at.
        delivered: events that were delivered.
        owner: the runner that serves it; '' when none does.
        words: of its last failure.
    """

    id: str
    hook: Hook
    place: str
    serial: int
    secrets: str
    disabled: str
    breaker: Breaker
    waiting: int
    dead: int
    oldest: datetime | None
    gaps: int
    delivered: int
    owner: str
    words: str

    def as_json(self) -> dict[str, Any]:
        """What may be shown: never a secret."""
        return {
            "id": self.id,
            **self.hook.as_json(),
            "disabled": self.disabled or None,
            "breaker_open": bool(self.breaker.open_until_ms),
            "waiting": self.waiting,
            "dead": self.dead,
            "oldest": self.oldest.isoformat() if self.oldest else None,
            "delivered": self.delivered,
            "gaps": self.gaps,
            "runner": self.owner or None,
            "words": self.words or None,
        }


@dataclass(frozen=True, slots=True)
class Taken:
    """An event that is to be posted.

    Args:
        id: of the event.
        body: JSON.
        tries: before this one.
    """

    id: str
    body: str
    tries: int


@dataclass(frozen=True, slots=True)
class Noted:
    """What became of an event that was posted."""

    id: str
    next: Next
    words: str


@dataclass(frozen=True, slots=True)
class DeadEvent:
    """An event that was given up.

    Args:
        id: of the event.
        since: when it was given up.
        tries: how often it was posted.
        words: of the last try.
        body: JSON.
    """

    id: str
    since: datetime
    tries: int
    words: str
    body: str

    def as_json(self) -> dict[str, Any]:
        """Plain values; the body as it was posted."""
        about = {"id": self.id, "since": self.since.isoformat(), "tries": self.tries, "words": self.words}
        return about | {"event": json.loads(self.body)}


@dataclass(frozen=True, slots=True)
class Look:
    """What state says of hooks.

    Args:
        hooks: by id.
        head: the last entry of the stream.
        now_ms: the state server's clock.
        runners: how many serve.
    """

    hooks: dict[str, StoredHook]
    head: str
    now_ms: int
    runners: int = 0


def look_of(text: str) -> Look:
    """The reply of hooks.lua to ``claim`` and ``list``."""
    reply = json.loads(text)
    stored = [_stored(fields) for fields in reply.get("hooks", ())]
    return Look({hook.id: hook for hook in stored}, reply["head"], int(reply["now"]), int(reply.get("runners", 0)))


def _stored(fields: Mapping[str, Any]) -> StoredHook:
    oldest = fields.get("oldest")
    return StoredHook(
        id=fields["id"],
        hook=hooks.read(fields["about"]),
        place=fields["place"],
        serial=int(fields["serial"]),
        secrets=fields.get("secrets", ""),
        disabled=fields.get("disabled", ""),
        breaker=breaker_of({name: str(value) for name, value in fields.items()}),
        waiting=int(fields["waiting"]),
        dead=int(fields["dead"]),
        oldest=_at(oldest) if oldest else None,
        gaps=int(fields.get("gaps", 0)),
        delivered=int(fields.get("delivered", 0)),
        owner=fields.get("owner", ""),
        words=fields.get("words", ""),
    )


def _at(milliseconds: str) -> datetime:
    return instant(str(int(float(milliseconds)) * 1000))


def dead_event(event: str, since: str, tries: str, body: str) -> DeadEvent:
    """One event in the reply of hooks.lua to ``dead``."""
    number, _, words = tries.partition("|")
    return DeadEvent(event, _at(since), int(number), words, body)
