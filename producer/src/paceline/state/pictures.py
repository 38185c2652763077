"""Replies of look.lua as values: snapshots of what one atomic step read together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from paceline.state.reading import read, whole
from paceline.state.snapshots import (
    AccountSnapshot,
    CampaignSnapshot,
    LaneSnapshot,
    OperationSnapshot,
    SourceSnapshot,
)


@dataclass(frozen=True, slots=True)
class OperationPicture:
    """One operation with all that keeps it back.

    Args:
        operation: the operation.
        account: its account; None when it was removed.
        lanes: the lanes of the account; none when the operation does not wait.
        campaign: what holds its campaign back; None of a single operation.
        position: its place in the list that it waits in, from 0; None when it waits elsewhere.
        not_before_us: it waits for this time.
        backoff_until_us: it waits for the end of its back-off.
        follows: it waits for the outcome of this operation.
        suppressed: reason of the suppression list that its recipient is on; None: of no list.
    """

    operation: OperationSnapshot
    account: AccountSnapshot | None = None
    lanes: tuple[LaneSnapshot, ...] = ()
    campaign: CampaignSnapshot | None = None
    position: int | None = None
    not_before_us: int | None = None
    backoff_until_us: int | None = None
    follows: str | None = None
    suppressed: str | None = None

    @classmethod
    def read(cls, reply: Mapping[str, Any]) -> Self:
        """From look.lua's ``operation`` reply."""
        campaign = reply.get("campaign")
        return cls(
            operation=OperationSnapshot.read(reply["operation"]),
            account=_account(reply),
            lanes=_lanes(reply),
            campaign=CampaignSnapshot.read(campaign) if campaign else None,
            **read(cls, reply),
        )


@dataclass(frozen=True, slots=True)
class AccountPicture:
    """One account with all that waits on it.

    Args:
        account: the account.
        now_us: when it was read.
        counts: what was counted since it was added.
        lanes: its lanes.
        in_flight: operations in flight.
        timed: operations that wait for a time.
        held: operations of unknown outcome.
    """

    account: AccountSnapshot
    now_us: int
    counts: Mapping[str, int] = field(default_factory=dict)
    lanes: tuple[LaneSnapshot, ...] = ()
    in_flight: int = 0
    timed: int = 0
    held: int = 0

    @classmethod
    def read(cls, reply: Mapping[str, Any]) -> Self:
        """From look.lua's ``account`` reply."""
        account = AccountSnapshot.read(reply["account"])
        return cls(account=account, counts=_counts(reply), lanes=_lanes(reply), **read(cls, reply))

    @property
    def sources(self) -> tuple[SourceSnapshot, ...]:
        """The bulk sources of all lanes."""
        return _sources(self.lanes)


@dataclass(frozen=True, slots=True)
class CampaignPicture:
    """One campaign with its account and all that waits beside it.

    Args:
        campaign: the campaign.
        now_us: when it was read.
        account: its account; None when it was removed.
        counts: what was counted of the account.
        lanes: lanes of the account.
        timed: operations of the account that wait for a time.
        first_timed_us: when the first of the campaign's own comes; 0: none waits for a time.
        last_timed_us: when the last one comes.
    """

    campaign: CampaignSnapshot
    now_us: int
    account: AccountSnapshot | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    lanes: tuple[LaneSnapshot, ...] = ()
    timed: int = 0
    first_timed_us: int = 0
    last_timed_us: int = 0

    @classmethod
    def read(cls, reply: Mapping[str, Any]) -> Self:
        """From look.lua's ``campaign`` reply."""
        campaign = CampaignSnapshot.read(reply["campaign"])
        return cls(
            campaign=campaign, account=_account(reply), counts=_counts(reply), lanes=_lanes(reply), **read(cls, reply)
        )

    @property
    def sources(self) -> tuple[SourceSnapshot, ...]:
        """The bulk sources of all lanes."""
        return _sources(self.lanes)


@dataclass(frozen=True, slots=True)
class RecordSnapshot:
    """What became of an inbox record.

    Args:
        waiting: no worker has looked at it.
        refused: why a worker refused it.
        known: whether the operation is there.
        created_here: whether this record brought it.
    """

    waiting: bool
    refused: str | None = None
    known: bool = False
    created_here: bool = False

    @classmethod
    def read(cls, reply: Mapping[str, Any]) -> Self:
        """From look.lua's ``record`` reply."""
        return cls(**read(cls, reply))


@dataclass(frozen=True, slots=True)
class FleetSnapshot:
    """The workers, and what is under way.

    Args:
        workers: workers that live.
        capacity: calls that they may have under way.
        in_flight: operations under a lease.
        inbox: records that no worker has accepted.
        accounts: how many there are.
        unreachable: workers that cannot reach the provider.
        unreachable_why: why the first of them cannot.
        provider_breaker_until_us: the provider's breaker is open until then.
        now_us: when it was read.
        shards_away: of several shards, those whose server does not answer; the figures are of the others.
    """

    workers: int = 0
    capacity: int = 0
    in_flight: int = 0
    inbox: int = 0
    accounts: int = 0
    unreachable: int = 0
    unreachable_why: str = ""
    provider_breaker_until_us: int | None = None
    now_us: int = 0
    shards_away: tuple[int, ...] = ()

    @classmethod
    def read(cls, reply: Mapping[str, Any]) -> Self:
        """From look.lua's ``fleet`` reply, to which the route adds the shards that did not answer."""
        return cls(**read(cls, reply), shards_away=tuple(reply.get("shards_away") or ()))


def _account(reply: Mapping[str, Any]) -> AccountSnapshot | None:
    return AccountSnapshot.read(reply["account"]) if reply.get("account") else None


def _lanes(reply: Mapping[str, Any]) -> tuple[LaneSnapshot, ...]:
    # Lua cannot tell an empty list from an empty object.
    return tuple(map(LaneSnapshot.read, reply.get("lanes") or ()))


def _counts(reply: Mapping[str, Any]) -> dict[str, int]:
    return {name: whole(number) for name, number in (reply.get("counts") or {}).items()}


def _sources(lanes: Sequence[LaneSnapshot]) -> tuple[SourceSnapshot, ...]:
    return tuple(source for lane in lanes for source in lane.sources)
