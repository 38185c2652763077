"""What readers see of an operation: pure functions over what look.lua returned."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any, Final, Literal

from paceline.forecast.outlook import (
    cap_words,
    clock,
    closed_words,
    expected_departure,
    held_words,
    pause_words,
    zone_closed_words,
)
from paceline.inbox.record import instant
from paceline.literals import KindName, OperationState
from paceline.status.receipt import DeliveryReceipt, receipt_of

# Of an operation's result, what is more than a note of the worker to itself.
_SHOWN: Final = ("calls", "numbers", "wa_group_id", "check", "recipient")
_LINE: Final = re.compile(r"(?P<at>[0-9]+)\|(?P<what>[^|]+)\|(?P<code>[^|]*)\|(?P<words>.*)")
_Where = Literal["waiting", "granted", "sending", "settled"]
STATES: Final[Mapping[str, _Where]] = {"w": "waiting", "g": "granted", "s": "sending", "d": "settled"}


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to an operation.

    Args:
        at: when, by the state server's clock.
        what: ``enqueued`` (a worker took it into its lane), ``sent``, ``answered`` (one of its calls; others follow),
            ``retry``, ``deferred``, ``unknown``, ``looked up``, ``waits``, ``released`` or ``replayed`` (by hand), or its outcome.
        code: the provider's status code, or a word where there was none.
        words: the provider's words, or ours.
    """

    at: datetime
    what: str
    code: str | None = None
    words: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"at": self.at.isoformat(), "what": self.what, "code": self.code, "words": self.words}


@dataclass(frozen=True, slots=True)
class Status:
    """Where one operation is.

    Args:
        id: the operation.
        state: waiting, granted, sending, or its outcome (accepted, rejected, expired, cancelled, dead, held, suppressed).
        account: account name.
        campaign: campaign name, or None.
        kind: such as ``message.to_number``.
        accepted_at: when a worker took it into its lane.
        settled_at: when it got its outcome.
        attempts: calls that reached the provider and failed for a reason that may pass.
        message_uuid: the provider's handle of a message.
        group_uuid: the provider's handle of the group it made.
        code: the provider's last status code, or a word where there was none.
        words: the provider's words, or ours, about the last answer.
        expected_at: when it is expected to leave; None when settled, or while nothing may leave.
        why: one sentence: the reason for waiting, or the outcome.
        metadata: as it was given.
        result: what its calls brought: ``numbers`` (number to ``accepted``, ``code``, ``invited``, ``words``) of an operation
            with participants, ``check`` of a number check, ``calls`` answered of an operation of several calls.
        history: what happened to it, oldest first; of a long story the middle is left out.
        receipt: what the provider's receipts told of a message since it was accepted; None when none came.
        sender: the number that sends.
        to: whom or what it is about: a number, a group, a remote id; its own id where it makes a group.
        idempotency_key: as it was given.
        key: of its campaign's row, as it was given.
        exempt: why it leaves although its recipient is on a suppression list, as it was given.
    """

    id: str
    state: OperationState
    account: str
    campaign: str | None
    kind: KindName
    accepted_at: datetime
    settled_at: datetime | None
    attempts: int
    message_uuid: str | None
    group_uuid: str | None
    code: str | None
    words: str | None
    expected_at: datetime | None
    why: str
    metadata: Mapping[str, str]
    result: Mapping[str, Any]
    history: tuple[Event, ...]
    receipt: DeliveryReceipt | None = None
    sender: str = ""
    to: str = ""
    idempotency_key: str | None = None
    key: str | None = None
    exempt: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain values, times in ISO 8601."""
        plain = {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name in self.__slots__
            for value in (getattr(self, name),)
        }
        history = [event.as_json() for event in self.history]
        receipt = self.receipt.as_json() if self.receipt else None
        return plain | {
            "metadata": dict(self.metadata),
            "result": dict(self.result),
            "history": history,
            "receipt": receipt,
        }


def status_of(found: Mapping[str, Any]) -> Status:
    """Read an operation.

    Args:
        found: look.lua's ``operation`` reply.

    Returns:
        Its status with forecast.
    """
    o = found["operation"]
    where = STATES[o["s"]]
    state: OperationState = o["oc"] if where == "settled" else where
    result = json.loads(o.get("rs") or "{}")
    expected_us, why = (None, _what_became(o, result)) if where == "settled" else _forecast(found, state)
    uuid, is_group = o.get("u") or None, o["k"] == "group.create"
    return Status(
        id=o["id"],
        state=state,
        account=o["a"],
        campaign=o.get("c"),
        kind=o["k"],
        accepted_at=instant(o["t"]),
        settled_at=instant(o["te"]) if o.get("te") else None,
        attempts=int(o.get("at", 0)),
        message_uuid=None if is_group else uuid,
        group_uuid=(uuid or result.get("group_uuid")) if is_group else None,
        code=o.get("cd") or None,
        words=o.get("le") or None,
        expected_at=instant(expected_us) if expected_us is not None else None,
        why=why,
        metadata=json.loads(o.get("m") or "{}"),
        result={name: value for name, value in result.items() if name in _SHOWN},
        history=_history(o),
        receipt=receipt_of(o),
        sender=o["f"],
        to=o["to"],
        idempotency_key=o.get("ik"),
        key=o.get("rk"),
        exempt=o.get("ex"),
    )


def _history(o: Mapping[str, str]) -> tuple[Event, ...]:
    """The story as state tells it. A line break in the provider's words begins no new event."""
    story = [Event(instant(o["t"]), "enqueued")]
    lines = map(_LINE.fullmatch, (o.get("ev") or "").split("\n"))
    story += [Event(instant(of["at"]), of["what"], of["code"] or None, of["words"] or None) for of in lines if of]
    # The slot of a looked-up operation is that of the look-up, and a given-up operation never left.
    left = o["s"] == "d" and o["oc"] not in {"expired", "cancelled", "suppressed"} and story[-1].what != "looked up"
    if left and o.get("sl"):
        story.append(Event(instant(o["sl"]), "sent"))
    story.sort(key=attrgetter("at"))
    if o["s"] == "d":
        story.append(Event(instant(o["te"]), o["oc"], o.get("cd") or None, o.get("le") or None))
    return tuple(story)


def _what_became(o: Mapping[str, str], result: Mapping[str, Any]) -> str:
    outcome = o["oc"]
    if outcome == "accepted":
        numbers = result.get("numbers", {})
        refused = [one for one in numbers.values() if not one.get("accepted")]
        invited = sum(bool(one.get("invited")) for one in refused)
        but = f", but refused {len(refused)} of {len(numbers)} numbers" if refused else ""
        but += f" ({invited} of them got an invitation)" if invited else ""
        return f"the provider accepted it{but}"
    if outcome == "held":
        return (
            "nobody knows whether the call took effect, so a person decides: "
            f"`paceline unknown release {o['id']}` or `drop {o['id']}`"
        )
    return f"{outcome}: {o.get('le') or 'no words'}"


def _forecast(found: Mapping[str, Any], state: str) -> tuple[int | None, str]:
    """When an unsettled operation is expected to leave, and the one thing that keeps it most."""
    o, account = found["operation"], found.get("account")
    if state != "waiting":
        return int(o["sl"]), f"its slot is at {clock(o['sl'])}" if state == "granted" else "the call is under way"
    if account is None:
        return None, "its account was removed"
    if o.get("cn"):
        return None, f"it is being cancelled: {o['cn']}"
    if found.get("suppressed") is not None:
        return None, f"its recipient is on a suppression list ({found['suppressed']}): its turn ends it without a call"
    if account.get("suspended"):
        return None, f"the account is suspended: {account['suspended']}"
    campaign = found.get("campaign") or {}
    if campaign.get("hold") and not o.get("ph"):
        return None, held_words(campaign)
    before = "is outside its window until" if o.get("wi") else "is not to be sent before"
    for name, words in (("not_before", before), ("backoff_until", _why_aside(o))):
        if found.get(name):
            at = max(int(float(found[name])), int(account["next_slot"]))
            return at, f"it {words} {clock(found[name])}"
    if found.get("follows"):
        return None, f"it follows operation {found['follows']}, which has no result yet"
    if found.get("position") is None:
        return None, "an earlier message to the same recipient is in back-off"
    return _turn(found, campaign)


def _turn(found: Mapping[str, Any], campaign: Mapping[str, Any]) -> tuple[int | None, str]:
    """When the turn of a listed operation comes, and what it waits for."""
    o, account = found["operation"], found["account"]
    now = int(o["now"])
    leaves = expected_departure(found)
    at = leaves.at_us if leaves else None
    if closed := None if o.get("ph") else _closed(found, campaign, now):
        return at, closed
    if pause := pause_words(account, now):
        return at, pause
    lane: Mapping[str, Any] = next((lane for lane in found["lanes"] if lane["sender"] == o["f"]), {})
    if int(lane.get("paused_until") or 0) > now:
        until = clock(lane["paused_until"])
        if lane.get("paused_because") == "budget":
            return at, f"a budget of its sender is used up until {until}"
        return at, f"the sender is busy; it pauses until {until}"
    if leaves is None:
        return None, "it cannot leave as things stand"
    if leaves.ahead:
        before = "1 operation leaves" if leaves.ahead == 1 else f"{leaves.ahead} operations leave"
        interval = int(account["interval_now"])
        return at, f"{before} before it, {cap_words(campaign, interval) or f'one every {interval / 1e6:g} s'}"
    return at, f"it is next; the slot of the account is at {clock(account['next_slot'])}"


def _closed(found: Mapping[str, Any], campaign: Mapping[str, Any], now: int) -> str | None:
    """Why its campaign's window lets it not leave now; None when it does."""
    o = found["operation"]
    if not o.get("z"):
        return closed_words(campaign, now)
    sets = (zones for lane in found["lanes"] for one in lane["sources"] for zones in one.get("zones") or ())
    own = next((zones for zones in sets if zones["id"] == o["z"]), None)
    return zone_closed_words(own, campaign.get("window") or "", now) if own else None


def _why_aside(o: Mapping[str, str]) -> str:
    if o.get("ph"):
        return "has an unknown outcome; the provider is asked at"
    last = o.get("ev", "").rsplit("\n", 1)[-1].split("|")
    if len(last) > 1 and last[1] == "retry":
        return "backs off after an error until"
    return f"waits ({o['le']}) until" if o.get("le") else "waits until"
