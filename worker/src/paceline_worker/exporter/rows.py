"""What gauges.lua replies, as frozen values with the names of its header: read once, here."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from paceline.state.campaigns import CampaignSnapshot
from paceline.state.reading import read
from paceline.state.snapshots import AccountSnapshot


@dataclass(frozen=True, slots=True)
class BacklogRow:
    """What of an account waits, and where.

    Args:
        transactional: operations in transactional lists.
        single: operations in bulk lists that belong to no campaign.
        parked: operations behind one in back-off.
        in_campaigns: operations in lists of campaigns.
        timed: operations that wait for a time.
        in_flight: senders with a call under way.
        held: operations of unknown outcome.
        dead: dead letters.
        oldest_at_us: since when the oldest that may leave is there, or its window open; None: nothing may leave.
        transactional_until_us: until when the last transactional operation is valid.
        single_until_us: until when the last single bulk operation is valid.
    """

    transactional: int = 0
    single: int = 0
    parked: int = 0
    in_campaigns: int = 0
    timed: int = 0
    in_flight: int = 0
    held: int = 0
    dead: int = 0
    oldest_at_us: int | None = None
    transactional_until_us: int | None = None
    single_until_us: int | None = None

    @property
    def waiting(self) -> int:
        """All of its operations that are neither in flight nor settled."""
        return self.transactional + self.single + self.in_campaigns + self.timed + self.parked


@dataclass(frozen=True, slots=True)
class SendingRow:
    """What an account may send now.

    Args:
        senders: senders with work that may leave.
        capped: those of them that have nothing but campaigns with a rate of their own.
        capped_rate: calls a second that such rates allow in all.
        bulk_only: nothing but bulk work may leave.
        slot_from_us: from when pauses and quotas allow a slot.
    """

    senders: int
    capped: int
    capped_rate: float
    bulk_only: bool
    slot_from_us: int

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Self:
        """From gauges.lua's names."""
        return cls(**read(cls, stored), capped_rate=float(stored["capped_rate"]))


@dataclass(frozen=True, slots=True)
class CampaignRow:
    """One campaign that is not complete.

    Args:
        name: its name.
        campaign: its stored fields.
        waiting: operations in its lists.
        timed: operations that wait for a time.
    """

    name: str
    campaign: CampaignSnapshot
    waiting: int
    timed: int

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Self:
        """From gauges.lua's names."""
        return cls(campaign=CampaignSnapshot.read(stored["campaign"]), **read(cls, stored))


@dataclass(frozen=True, slots=True)
class AccountRow:
    """One account, read in one step.

    Args:
        name: its name.
        account: its stored fields, as its limits and 429s make them now.
        counts: operations by what became of them.
        backlog: what waits.
        sending: what may be sent now.
        campaigns: its open ones.
    """

    name: str
    account: AccountSnapshot
    counts: Mapping[str, int]
    backlog: BacklogRow
    sending: SendingRow
    campaigns: tuple[CampaignRow, ...] = ()

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Self:
        """From gauges.lua's JSON object."""
        return cls(
            name=stored["name"],
            account=AccountSnapshot.read(stored["account"] | {"name": stored["name"]}),
            counts={name: int(number) for name, number in stored["counts"].items()},
            backlog=BacklogRow(**read(BacklogRow, stored["backlog"])),
            sending=SendingRow.read(stored["sending"]),
            campaigns=tuple(map(CampaignRow.read, stored["campaigns"] or ())),
        )


@dataclass(frozen=True, slots=True)
class FleetRow:
    """What concerns all accounts.

    Args:
        now_us: server time.
        memory: bytes the state server uses.
        memory_limit: bytes it may use; 0: no limit.
        aof_enabled: it keeps an append-only file; None: it does not tell.
        aof_last_write_ok: its last write to that went well.
        inbox: records not yet accepted.
        in_flight: operations under a lease.
        accounts: how many.
        breaker_open: the provider's.
        workers: their heartbeats, as they are stored.
    """

    now_us: int
    memory: int = 0
    memory_limit: int = 0
    aof_enabled: bool | None = None
    aof_last_write_ok: bool | None = None
    inbox: int = 0
    in_flight: int = 0
    accounts: int = 0
    breaker_open: bool = False
    workers: tuple[str, ...] = ()

    @classmethod
    def read(cls, text: str) -> Self:
        """From gauges.lua's JSON."""
        stored = json.loads(text)
        return cls(**read(cls, stored), workers=tuple(stored["workers"] or ()))
