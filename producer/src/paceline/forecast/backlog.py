"""The backlog of an account and its pace, as values: the input of the forecast. All times are in us."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Source:
    """One bulk source of a lane.

    Args:
        name: the campaign; ``-`` for single operations. What a campaign has in one set of time zones is a source of its own,
            called ``campaign:set``: such sources share the campaign's turns, and the one that closes first leaves first.
        waiting: operations in its list.
        weight: its share of the lane's turns, at least 1.
        paused: nothing leaves before somebody resumes it.
        interval_us: its own cap: at least so long between two of its operations; 0: none.
        free_at_us: nothing leaves before.
        openings: when it may send, each from the first instant until before the second, in order; None: always.
        ramp: most operations that its lane sends on each day of its ramp, the last figure for all later days; (): no such limit.
    """

    name: str
    waiting: int
    weight: int = 1
    paused: bool = False
    interval_us: int = 0
    free_at_us: int = 0
    openings: tuple[tuple[int, int], ...] | None = None
    ramp: tuple[int, ...] = ()

    @property
    def group(self) -> str:
        """The campaign; no name of a campaign holds a colon."""
        return self.name.partition(":")[0]


@dataclass(frozen=True, slots=True)
class Lane:
    """The backlog of one sender.

    Args:
        sender: its number.
        transactional: operations in its transactional list.
        sources: its bulk sources.
        paused_until_us: nothing leaves before.
        cycle_us: at least so long between two of its calls, because only one is in flight; 0: as fast as the account.
        ramp_began_us: when day 1 of its ramp began; 0: it will with the first operation that has a ramp.
        ramp_day: the last day of its ramp on which it sent, from 1.
        ramp_sent: operations of that day.
    """

    sender: str
    transactional: int = 0
    sources: tuple[Source, ...] = ()
    paused_until_us: int = 0
    cycle_us: int = 0
    ramp_began_us: int = 0
    ramp_day: int = 0
    ramp_sent: int = 0


@dataclass(frozen=True, slots=True)
class Quota:
    """At most n slots in any window.

    Args:
        n: how many, at least 1.
        window_us: within how long, the variation included.
        used: slots taken within the last window.
        oldest_us: the first of them.
        newest_us: the last of them: they are taken to lie evenly between. 0: each came one interval after the other.
    """

    n: int
    window_us: int
    used: int = 0
    oldest_us: int = 0
    newest_us: int = 0


@dataclass(frozen=True, slots=True)
class Pace:
    """The slots of an account.

    Args:
        interval_us: distance between two, at least 1.
        next_slot_us: the next one.
        bulk_interval_us: distance between two that bulk may take, which leaves a reserve for transactional work; 0: the same.
        quotas: further limits.
    """

    interval_us: int
    next_slot_us: int
    bulk_interval_us: int = 0
    quotas: tuple[Quota, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """Where an operation waits.

    Args:
        sender: its lane.
        source: its bulk source; None: the transactional list.
        position: how many of its list are before it.
    """

    sender: str
    source: str | None
    position: int


@dataclass(frozen=True, slots=True)
class Departure:
    """When an operation is expected to leave.

    Args:
        at_us: its slot.
        ahead: operations of the account that leave before it.
    """

    at_us: int
    ahead: int
