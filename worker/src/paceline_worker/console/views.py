"""What pages show of an account: a frozen value, made of what state tells."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from paceline.state.pictures import AccountPicture
from paceline.state.snapshots import LaneSnapshot
from paceline.times import instant
from paceline_worker.cli.accounts.view import (
    described,
    lanes_of,
    limit_in_words,
    pace_in_words,
    state_in_words,
    time_of,
)


@dataclass(frozen=True, slots=True)
class LaneView:
    """Waiting operations from one number.

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
        lanes: waiting operations, by sender.
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


def account_view(picture: AccountPicture) -> AccountView:
    """An account as pages show it.

    Args:
        picture: the account with all that waits on it.
    """
    account, told = picture.account, described(picture)
    return AccountView(
        name=told["name"],
        state=told["state"],
        words=state_in_words(picture),
        limit=limit_in_words(account),
        pace=pace_in_words(account),
        per_minute=told["slots_per_minute"],
        next_slot=None if told["state"] == "suspended" else instant(account.next_slot_us),
        waiting=told["waiting"],
        inbox=told["inbox"],
        in_flight=told["in_flight"],
        outcomes=told["outcomes"],
        senders=tuple(told["senders"]),
        lanes=tuple(_lane(lane, picture.now_us) for lane in lanes_of(picture)),
        credits=told["credits_left"],
        expires_at=time_of(account.expires_at_us),
        on_trial=told["on_trial"],
        budgets=told["budgets"],
        reserve=told["reserve_percent"],
        slowed_by=told["slowed_by"],
        breaker=told["breaker"],
    )


def _lane(lane: LaneSnapshot, now_us: int) -> LaneView:
    return LaneView(
        sender=lane.sender,
        transactional=lane.transactional,
        bulk=lane.bulk,
        parked=lane.parked,
        calling=bool(lane.in_flight),
        paused_until=time_of(lane.pause_us(now_us)),
        by_budget=lane.paused_because == "budget",
    )
