"""What crosses the edge between a worker and its scripts: arguments and replies as frozen values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from paceline_worker.pacing.bucket import Pacing

# Longer than a call can last, so that a call still under way is never called unknown.
LEASE_MARGIN_S: Final = 5.0
# Operations in one call of begin or settle: some 2 ms of the server.
LARGEST_BATCH: Final = 15


@dataclass(frozen=True, slots=True)
class Hint:
    """One granted operation, as it travels through Celery.

    Args:
        id: the operation.
        token: the grant's fencing token.
        slot_us: server time at which it may be sent.
        shard: the shard that it is on.
    """

    id: str
    token: str
    slot_us: int
    shard: int = 0


@dataclass(frozen=True, slots=True)
class InfoTurn:
    """An account whose /info is to be read.

    Args:
        account: account name.
        slot_us: server time at which it may be asked for.
        shard: the shard that it is on.
    """

    account: str
    slot_us: int
    shard: int = 0


@dataclass(frozen=True, slots=True)
class KnownAccount:
    """What state knows of an account's limits.

    Args:
        rate: limits set by hand, or ''.
        told: requests a minute that /info told last, or ''.
        info_every_us: how often /info is read.
        interval_us: distance between slots, without what 429s added.
        pacing: ``spacing`` or ``window``.
        variation_us: J.
        basis: what limits and budgets are computed from, as account.lua compares it.
    """

    rate: str
    told: str
    info_every_us: int
    interval_us: int
    pacing: Pacing
    variation_us: int
    basis: str


@dataclass(frozen=True, slots=True)
class Grants:
    """What one run of grant.lua decided.

    Args:
        hints: granted operations, earliest account first.
        next_us: server time at which something is due next; None when nothing waits.
        given_back: leases that ran out before begin.
        settled: (account, kind, outcome, how many) of operations that ended on the way: expired, held, dead, cancelled.
        room: how many more operations the fleet could take.
        granted_us: server time of the grants.
        in_flight: operations in flight after it, of the whole fleet.
        unfinished: the budget of the run was used up, so more is due at once.
        clock_jumped: the server's clock was set; the grants must not be used.
        infos: accounts whose figures are to be read.
        server_restarted: this is not the server process that was here before; every bucket now starts empty.
    """

    hints: Sequence[Hint]
    next_us: int | None
    given_back: int
    settled: Sequence[tuple[str, str, str, int]]
    room: int
    clock_jumped: bool
    server_restarted: bool
    infos: Sequence[InfoTurn] = ()
    granted_us: int = 0
    in_flight: int = 0
    unfinished: bool = False


@dataclass(frozen=True, slots=True)
class Fleet:
    """What a heartbeat learns.

    Args:
        capacity: operations all live workers may have in flight.
        intake: operations all live workers take on now.
        workers: how many live workers.
        grants: True if this worker is the granter.
        granter_until_us: until when some worker grants, unless it says so again (server us); 0 when none does.
        cpu_us: CPU that a call costs a worker, 0 when none has measured.
        rank: how many other workers stand by whose names come before its own.
        held: of several shards, those that this worker grants for.
        loads: of several shards, operations in flight on each, as their granters told last.
        hop_us: the way from a grant to its call, at least; 0: the script has written it down.
        lead_us: and at the most.
        living: of several shards, the names of the workers that live, each between spaces; they beat on shard 0 alone.
    """

    capacity: int
    intake: int
    workers: int
    grants: bool = True
    granter_until_us: int = 0
    cpu_us: int = 0
    rank: int = 0
    held: frozenset[int] = frozenset((0,))
    loads: Sequence[int] = ()
    hop_us: int = 0
    lead_us: int = 0
    living: str = ""

    def grants_on(self, shard: int) -> bool:
        """Whether this worker looks for due operations of a shard."""
        return self.grants and shard in self.held


@dataclass(frozen=True, slots=True)
class Beat:
    """What a worker says in its heartbeat.

    Args:
        capacity: operations it may have in flight.
        intake: operations it takes on now, its capacity at the most.
        latency_s: how long a call takes; 0: not measured.
        cpu_s: CPU that a call costs; 0: not measured.
        way_s: how long the way from a grant to its call takes at least; 0: not measured.
        longest_way_s: how long it takes at the most.
        lateness_s: how late its operations lately were.
        wants_grant_s: for how long it wants to be the granter; 0: not at all.
        shards: how many shards state has.
        loads: of several shards, operations in flight on those that it grants for.
    """

    capacity: int
    intake: int
    latency_s: float = 0.0
    cpu_s: float = 0.0
    way_s: float = 0.0
    longest_way_s: float = 0.0
    lateness_s: float = 0.0
    wants_grant_s: float = 0.0
    shards: int = 1
    loads: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answered:
    """begin.lua's answer to one question, and when it came.

    Args:
        answer: its JSON object.
        server_us: the server's time when it answered.
        asked_s: monotonic seconds before the question was sent.
        heard_s: monotonic seconds after the answer came.
        asleep_s: how long this machine had slept when the question was sent (`state.sleep`).
        is_void: the server's clock was set before it answered: its slot may be too early, so ask again.
    """

    answer: dict[str, Any]
    server_us: int
    asked_s: float
    heard_s: float
    asleep_s: float = 0.0
    is_void: bool = False
