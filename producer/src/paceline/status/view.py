"""What readers see of an operation: pure functions of what was read of it."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any, Final, cast

from paceline.forecast.outlook import (
    cap_words,
    clock,
    closed_words,
    expected_departure,
    held_words,
    pause_words,
    ramp_words,
    zone_closed_words,
)
from paceline.literals import KindName, OperationState
from paceline.state.pictures import OperationPicture
from paceline.state.snapshots import AccountSnapshot, LaneSnapshot, OperationSnapshot
from paceline.status.entry import texts_in
from paceline.status.receipt import DeliveryReceipt, receipt_of
from paceline.times import instant

# Of an operation's result, what is more than a note of the worker to itself.
_SHOWN: Final = ("calls", "numbers", "wa_group_id", "check", "recipient")
_LINE: Final = re.compile(r"(?P<at>[0-9]+)\|(?P<what>[^|]+)\|(?P<code>[^|]*)\|(?P<words>.*)")


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


def status_of(picture: OperationPicture) -> Status:
    """The status of an operation, with a forecast.

    Args:
        picture: the operation with all that keeps it back.
    """
    operation = picture.operation
    state: OperationState = operation.outcome or operation.where  # type: ignore[assignment]
    result = json.loads(operation.result)
    expected_us, why = (None, _what_became(operation, result)) if operation.where == "settled" else _forecast(picture)
    is_group = operation.kind == "group.create"

    return Status(
        id=operation.id,
        state=state,
        account=operation.account,
        campaign=operation.campaign,
        kind=cast("KindName", operation.kind),
        accepted_at=instant(operation.accepted_at_us),
        settled_at=_instant(operation.settled_at_us),
        attempts=operation.attempts,
        message_uuid=None if is_group else operation.handle,
        group_uuid=(operation.handle or result.get("group_uuid")) if is_group else None,
        code=operation.code,
        words=operation.words,
        expected_at=_instant(expected_us),
        why=why,
        metadata=texts_in(operation.metadata),
        result={name: value for name, value in result.items() if name in _SHOWN},
        history=_history(operation),
        receipt=receipt_of(operation),
        sender=operation.sender,
        to=operation.to,
        idempotency_key=operation.idempotency_key,
        key=operation.row_key,
        exempt=operation.exempt,
    )


def _instant(us: int | None) -> datetime | None:
    return None if us is None else instant(us)


def _history(operation: OperationSnapshot) -> tuple[Event, ...]:
    """The story as state tells it. A line break in the provider's words begins no new event."""
    story = [Event(instant(operation.accepted_at_us), "enqueued")]
    lines = map(_LINE.fullmatch, operation.story.split("\n"))
    story += [
        Event(instant(line["at"]), line["what"], line["code"] or None, line["words"] or None) for line in lines if line
    ]

    # The slot of a looked-up operation is that of the look-up, and a given-up operation never left.
    outcome = operation.outcome
    left = outcome and outcome not in {"expired", "cancelled", "suppressed"} and story[-1].what != "looked up"
    if left and operation.slot_us:
        story.append(Event(instant(operation.slot_us), "sent"))
    story.sort(key=attrgetter("at"))

    if outcome and operation.settled_at_us:
        story.append(Event(instant(operation.settled_at_us), outcome, operation.code, operation.words))
    return tuple(story)


def _what_became(operation: OperationSnapshot, result: Mapping[str, Any]) -> str:
    outcome = operation.outcome
    if outcome == "accepted":
        numbers = result.get("numbers", {})
        refused = [number for number in numbers.values() if not number.get("accepted")]
        invited = sum(bool(number.get("invited")) for number in refused)
        but = f", but refused {len(refused)} of {len(numbers)} numbers" if refused else ""
        but += f" ({invited} of them got an invitation)" if invited else ""
        return f"the provider accepted it{but}"
    if outcome == "held":
        return (
            "nobody knows whether the call took effect, so a person decides: "
            f"`paceline held release {operation.id}` or `drop {operation.id}`"
        )
    return f"{outcome}: {operation.words or 'no reason given'}"


def _forecast(picture: OperationPicture) -> tuple[int | None, str]:
    """When an unsettled operation is expected to leave, and the one thing that keeps it most."""
    operation, account, campaign = picture.operation, picture.account, picture.campaign
    if operation.where == "granted":
        return operation.slot_us, f"its slot is at {clock(operation.slot_us or 0)}"
    if operation.where == "sending":
        return operation.slot_us, "the call is under way"
    if account is None:
        return None, "its account was removed"
    if operation.cancelled_because:
        return None, f"it is being cancelled: {operation.cancelled_because}"
    if picture.suppressed is not None:
        return (
            None,
            f"its recipient is on a suppression list ({picture.suppressed}): it will end without a call when its turn comes",
        )
    if account.suspended:
        return None, f"the account is suspended: {account.suspended}"
    if campaign and campaign.hold and not operation.look_up:
        return None, held_words(campaign)

    before = "is outside its window until" if operation.openings else "is not to be sent before"
    for at_us, words in ((picture.not_before_us, before), (picture.backoff_until_us, _why_aside(operation))):
        if at_us:
            return max(at_us, account.next_slot_us), f"it {words} {clock(at_us)}"
    if picture.follows:
        return None, f"it follows operation {picture.follows}, which has no result yet"
    if picture.position is None:
        return None, "an earlier message to the same recipient is in back-off"
    return _turn(picture, account)


def _turn(picture: OperationPicture, account: AccountSnapshot) -> tuple[int | None, str]:
    """When the turn of a listed operation comes, and what it waits for."""
    operation, campaign = picture.operation, picture.campaign
    leaves = expected_departure(picture, account)
    at = leaves.at_us if leaves else None

    if not operation.look_up and (closed := _closed(picture) or _ramped(picture)):
        return at, closed
    if pause := pause_words(account, operation.now_us):
        return at, pause
    lane = next((lane for lane in picture.lanes if lane.sender == operation.sender), None)
    if lane and (until := lane.pause_us(operation.now_us)):
        return at, lane_pause_words(lane, clock(until))
    if leaves is None:
        return None, "it cannot leave as things stand"

    if leaves.ahead:
        before = "1 operation leaves" if leaves.ahead == 1 else f"{leaves.ahead} operations leave"
        capped = campaign and cap_words(campaign, account.interval_now_us)
        return at, f"{before} before it, {capped or f'one every {round(account.interval_now_us / 1e6, 3):g} s'}"
    return at, f"it is next; the slot of the account is at {clock(account.next_slot_us)}"


def _closed(picture: OperationPicture) -> str | None:
    """Why its campaign's window lets it not leave now; None when it does."""
    operation, campaign = picture.operation, picture.campaign
    if campaign is None:
        return None
    if not operation.zones:
        return closed_words(campaign, operation.now_us)
    sets = (zones for lane in picture.lanes for source in lane.sources for zones in source.zones)
    own = next((zones for zones in sets if zones.id == operation.zones), None)
    return zone_closed_words(own, campaign.window, operation.now_us) if own else None


def _ramped(picture: OperationPicture) -> str | None:
    """Why the daily ramp of its number lets it not leave now; None when it does."""
    operation = picture.operation
    lanes = [lane for lane in picture.lanes if lane.sender == operation.sender]
    return ramp_words(picture.campaign, lanes, operation.now_us) if picture.campaign else None


def lane_pause_words(lane: LaneSnapshot, until: str) -> str:
    """Why a paused lane lets nothing leave.

    Args:
        lane: a paused one.
        until: the end of its pause, in words.
    """
    if lane.paused_because == "budget":
        return f"a budget of its sender is used up until {until}"
    return f"the sender is busy; it pauses until {until}"


def _why_aside(operation: OperationSnapshot) -> str:
    if operation.look_up:
        return "has an unknown outcome; the provider is asked at"
    last = operation.story.rsplit("\n", 1)[-1].split("|")
    if len(last) > 1 and last[1] == "retry":
        return "backs off after an error until"
    return f"waits ({operation.words}) until" if operation.words else "waits until"
