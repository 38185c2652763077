"""What pages show of an account: a frozen value, made of what state tells."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from paceline.inbox.record import instant
from paceline_worker.cli.account_view import (
    described,
    lanes_of,
    limit_in_words,
    pace_in_words,
    state_in_words,
    time_of,
)


@dataclass(frozen=True, slots=True)
class LaneView:
    """What waits from one number.

    Args:
        sender: the number.
        transactional: messages that go first.
        bulk: messages of campaigns and other bulk work.
        parked: messages behind one in back-off.
        calling: whether a call of it is under way.
        paused_until: when its pause ends, or None.
        by_budget: whether a budget pauses it; else the sender was busy.
    """

    sender: str
    transactional: int
    bulk: int
    parked: int
    calling: bool
    paused_until: datetime | None
    by_budget: bool


@dataclass(frozen=True, slots=True)
class AccountView:
    """One account.

    Args:
        name: its name.
        state: active, paused or suspended.
        words: its state in a sentence.
        limit: its limits in words.
        pace: the distance of its slots in words.
        per_minute: slots a minute now.
        next_slot: when the next one is; None while it is suspended.
        waiting: operations in its lanes, or waiting for a time.
        inbox: operations that no worker has accepted.
        in_flight: calls under way.
        outcomes: outcome to number.
        senders: the numbers that may send; empty: any.
        lanes: what waits, by sender.
        credits: calls left; None: not told.
        expires_at: when it ends; None: not told.
        on_trial: whether it is a trial; None: not told.
        budgets: kind of operation to rate in words.
        reserve: percent that bulk work leaves to transactional work.
        slowed_by: factor of its interval after 429s.
        breaker: closed, open or ramp.
    """

    name: str
    state: str
    words: str
    limit: str
    pace: str
    per_minute: float
    next_slot: datetime | None
    waiting: int
    inbox: int
    in_flight: int
    outcomes: Mapping[str, int]
    senders: tuple[str, ...]
    lanes: tuple[LaneView, ...]
    credits: int | None
    expires_at: datetime | None
    on_trial: bool | None
    budgets: Mapping[str, str]
    reserve: int
    slowed_by: float
    breaker: str


def account_view(found: Mapping[str, Any]) -> AccountView:
    """Read an account.

    Args:
        found: look.lua's ``account`` reply.
    """
    account, told = found["account"], described(found)
    now = int(found["now"])
    return AccountView(
        name=told["name"],
        state=told["state"],
        words=state_in_words(found),
        limit=limit_in_words(account),
        pace=pace_in_words(account),
        per_minute=told["slots_per_minute"],
        next_slot=None if told["state"] == "suspended" else instant(account["next_slot"]),
        waiting=told["waiting"],
        inbox=told["inbox"],
        in_flight=told["in_flight"],
        outcomes=told["outcomes"],
        senders=tuple(told["senders"]),
        lanes=tuple(_lane(lane, now) for lane in lanes_of(found)),
        credits=told["credits_left"],
        expires_at=time_of(account.get("expires_at")),
        on_trial=told["on_trial"],
        budgets=told["budgets"],
        reserve=told["reserve_percent"],
        slowed_by=told["slowed_by"],
        breaker=told["breaker"],
    )


def _lane(lane: Mapping[str, Any], now_us: int) -> LaneView:
    until = int(float(lane.get("paused_until") or 0))
    return LaneView(
        sender=str(lane["sender"]),
        transactional=int(lane["transactional"]),
        bulk=int(lane["bulk"]),
        parked=int(lane["parked"]),
        calling=bool(lane.get("in_flight")),
        paused_until=instant(until) if until > now_us else None,
        by_budget=lane.get("paused_because") == "budget",
    )
