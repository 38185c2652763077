"""State as readers see it: frozen values with long names, made of stored fields in this one place.

A snapshot is one hash (an operation, an account, a lane; campaigns.py has campaigns). pictures.py puts the snapshots of one reply
together. Fields have the names of lua/fields.lua; times end in ``_us`` (microseconds of the server's clock).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal, Self, cast

from paceline.literals import Outcome
from paceline.lua.fields import ABOUT, ACCOUNT, OPERATION
from paceline.state.campaigns import CampaignSnapshot, SourceSnapshot
from paceline.state.reading import read, read_by, readers, whole

__all__ = [
    "AccountSnapshot",
    "CampaignSnapshot",
    "LaneSnapshot",
    "OperationSnapshot",
    "QuotaSnapshot",
    "SourceSnapshot",
]

Where = Literal["waiting", "granted", "sending", "settled"]
WHERE: Final[Mapping[str, Where]] = {"w": "waiting", "g": "granted", "s": "sending", "d": "settled"}


@dataclass(frozen=True, slots=True)
class OperationSnapshot:
    """One operation; what its campaign has for all of them is filled in.

    Args:
        id: the operation.
        now_us: when it was read.
        where: waiting, granted, sending or settled.
        account: account name.
        sender: E.164.
        to: recipient or target.
        priority: ``t`` or ``b``.
        kind: operation kind.
        accepted_at_us: when a worker took it into its lane.
        campaign: campaign name.
        outcome: None while it has none.
        settled_at_us: when it got its outcome.
        attempts: calls that failed for a reason that may pass.
        handle: the provider's id of its message or group.
        code: the provider's last status code, or a word.
        words: of the last answer.
        story: lines "when|what|code|words".
        result: JSON: what its calls brought.
        slot_us: of its last grant.
        metadata: JSON, as it was given.
        idempotency_key: as it was given.
        row_key: key of its campaign's row.
        exempt: why it leaves although its recipient is on a suppression list.
        follows: the operation that goes first.
        cancelled_because: why it is being cancelled.
        look_up: phase, when its next call looks up an unknown outcome.
        openings: of its own window.
        zones: id of the set of time zones of its number.
        sent_at_us: first receipt that told so.
        not_sent_at_us: first receipt that told so.
        received_at_us: first receipt that told so.
        read_at_us: first receipt that told so.
    """

    id: str
    now_us: int
    where: Where
    account: str
    sender: str
    to: str
    priority: str
    kind: str
    accepted_at_us: int
    campaign: str | None = None
    outcome: Outcome | None = None
    settled_at_us: int | None = None
    attempts: int = 0
    handle: str | None = None
    code: str | None = None
    words: str | None = None
    story: str = ""
    result: str = "{}"
    slot_us: int | None = None
    metadata: str = "{}"
    idempotency_key: str | None = None
    row_key: str | None = None
    exempt: str | None = None
    follows: str | None = None
    cancelled_because: str | None = None
    look_up: str | None = None
    openings: str | None = None
    zones: str | None = None
    sent_at_us: int | None = None
    not_sent_at_us: int | None = None
    received_at_us: int | None = None
    read_at_us: int | None = None

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Self:
        """From its hash, `id` and `now` added."""
        return cls.of(stored["id"], whole(stored["now"]), OPERATION.named(stored))

    @classmethod
    def of(cls, op_id: str, now_us: int, named: Mapping[str, str]) -> Self:
        """From its fields by name."""
        return cls(
            id=op_id,
            now_us=now_us,
            where=WHERE[named["state"]],
            outcome=cast("Outcome | None", named.get("outcome") or None),
            **read(cls, named),
        )

    @property
    def is_transactional(self) -> bool:
        """Whether it stands in the transactional list of its lane."""
        return self.priority == "t"


@dataclass(frozen=True, slots=True)
class QuotaSnapshot:
    """How much of one further limit is used.

    Args:
        n: slots that the limit allows.
        window_us: within how long, the variation included.
        used: slots taken within the last window.
        oldest_us: the first of them; 0 when there is none.
        newest_us: the last of them.
    """

    n: int
    window_us: int
    used: int
    oldest_us: int = 0
    newest_us: int = 0


@dataclass(frozen=True, slots=True)
class AccountSnapshot:
    """One account; never its key.

    Args:
        name: account name.
        interval_now_us: between slots, with what 429s and outages added.
        next_slot_us: the next one, by bucket, pauses and quotas.
        interval_us: between slots, as its limits say.
        variation_us: J as it was set.
        variation_now_us: J as it is now: measured, or as it was set.
        slow: factor of the interval after 429s, in thousandths.
        reserve: percentage of all limits that bulk work leaves alone.
        budgets: per sender: "kind:N:window ...".
        treat_503: overloaded or unknown.
        recipient_cap: bulk messages to one recipient, in words.
        remember_us: for how long it remembers whom it wrote to in bulk; 0: it does not.
        key_version: of its encrypted key.
        checks_left: number checks of the account's pool.
        taken: slots taken, less those given back.
        learn: pacing, when J is measured.
        suspended: why, in words.
        suspended_at_us: since when.
        paused_until_us: by a 429 or an open breaker.
        probe: due, or the operation that ends a pause; None: nothing is probed.
        recheck_us: nothing leaves before /info was read, or this time has come.
        info_every_us: between two readings of /info; 0: never.
        breaker: open, ramp or None.
        throttled: 429s since the last call that was let through.
        rate: limit by hand, in words.
        told: calls a minute, as /info told.
        pacing: spacing or window.
        senders: numbers that may send, with blanks between; '' is any.
        added_at_us: since when it is there.
        credits_left: as /info told.
        expires_at_us: as /info told.
        on_trial: as /info told.
        blocked: as /info told.
        info_read_at_us: when /info was read last.
        quota_use: its further limits.
    """

    name: str
    interval_now_us: int
    next_slot_us: int
    interval_us: int = 0
    variation_us: int = 0
    variation_now_us: int = 0
    slow: int = 1000
    reserve: int = 0
    budgets: str = ""
    treat_503: str = "overloaded"
    recipient_cap: str = ""
    remember_us: int = 0
    key_version: str = ""
    checks_left: int | None = None
    taken: int = 0
    learn: str = ""
    suspended: str | None = None
    suspended_at_us: int | None = None
    paused_until_us: int = 0
    probe: str | None = None
    recheck_us: int = 0
    info_every_us: int = 0
    breaker: str | None = None
    throttled: int = 0
    rate: str = ""
    told: int | None = None
    pacing: str = "spacing"
    senders: str = ""
    added_at_us: int = 0
    credits_left: int | None = None
    expires_at_us: int | None = None
    on_trial: bool | None = None
    blocked: bool | None = None
    info_read_at_us: int | None = None
    quota_use: tuple[QuotaSnapshot, ...] = ()

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Self:
        """From its two hashes in one, with what look.lua reckons."""
        quotas = [QuotaSnapshot(**read(QuotaSnapshot, quota)) for quota in stored.get("quota_use") or ()]
        return cls(**read_by(_account_readers(), stored), quota_use=tuple(quotas))

    def pause_us(self, now_us: int) -> int | None:
        """The end of its pause, when that is still to come."""
        return self.paused_until_us if self.paused_until_us > now_us else None


@cache
def _account_readers() -> Mapping[str, tuple[str, Callable[[Any], Any]]]:
    """Attribute and reader by code, and of what look.lua reckons by name: an exporter reads thousands of accounts."""
    known = readers(AccountSnapshot)
    stored = {one.code: known[one.name] for each in (ACCOUNT, ABOUT) for one in each.fields if one.name in known}
    return stored | {name: known[name] for name in ("interval_now", "next_slot", "variation_now")}


@dataclass(frozen=True, slots=True)
class LaneSnapshot:
    """The backlog of one sender.

    Args:
        sender: its number.
        transactional: operations in its transactional list.
        bulk: operations in its bulk lists.
        parked: operations behind one in back-off.
        in_flight: the operation in flight.
        paused_until_us: nothing leaves before.
        paused_because: busy or budget.
        call_time_us: how long a call keeps the sender; 0: not measured.
        oldest_at_us: when the oldest that heads a list was accepted.
        ramp_began_us: since when it sends for campaigns with a ramp; 0: it did not.
        ramp_day: the last day on which it did, from 1.
        ramp_sent: messages of that day.
        sources: its bulk sources.
    """

    sender: str
    transactional: int = 0
    bulk: int = 0
    parked: int = 0
    in_flight: str | None = None
    paused_until_us: int = 0
    paused_because: str | None = None
    call_time_us: int = 0
    oldest_at_us: int | None = None
    ramp_began_us: int = 0
    ramp_day: int = 0
    ramp_sent: int = 0
    sources: tuple[SourceSnapshot, ...] = ()

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Self:
        """From look.lua's lane."""
        return cls(**read(cls, stored), sources=tuple(map(SourceSnapshot.read, stored.get("sources") or ())))

    def pause_us(self, now_us: int) -> int | None:
        """The end of its pause, when that is still to come."""
        return self.paused_until_us if self.paused_until_us > now_us else None
