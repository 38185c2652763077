"""How much of the backlog cannot leave while it is valid: an estimate from counts and limits, without looking at operations."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Waiting:
    """One list of an account.

    Args:
        number: operations in it.
        until_us: they are valid until then.
        interval_us: its own rate: at least so long between two of them; 0: none.
        openings: when it may send, from the first instant until before the second; None: always.
    """

    number: int
    until_us: int
    interval_us: int = 0
    openings: tuple[tuple[int, int], ...] | None = None


@dataclass(frozen=True, slots=True)
class Allowed:
    """What an account's limits allow.

    Args:
        from_us: no slot before.
        interval_us: distance between two slots.
        quotas: further limits: n, window (us), how many are used.
    """

    from_us: int
    interval_us: int
    quotas: Sequence[tuple[int, int, int]] = ()

    def slots(self, until_us: int) -> int:
        """How many slots there are before a time."""
        span = until_us - self.from_us
        if span <= 0:
            return 0
        slots = -(-span // self.interval_us)
        for n, window_us, used in self.quotas:
            slots = min(slots, max(0, n - used) + n * span // window_us)
        return slots


def late_operations(lists: Iterable[Waiting], allowed: Allowed) -> int:
    """The least number of operations that must stay behind, whichever leave first.

    Those that expire take no slot, so the others are taken to leave in the order of their ends.

    Args:
        lists: waiting operations that may leave.
        allowed: the account's limits.

    Returns:
        Operations; 0 when all fit.
    """
    late = leaving = 0
    for one in sorted(lists, key=lambda waiting: waiting.until_us):
        fits = min(one.number, _own(one, allowed))
        late += one.number - fits
        beyond = max(0, leaving + fits - allowed.slots(one.until_us))
        late += beyond
        leaving += fits - beyond
    return late


def _own(one: Waiting, allowed: Allowed) -> int:
    """How many its own window and rate let leave."""
    begin, end = allowed.from_us, one.until_us
    openings = ((begin, end),) if one.openings is None else one.openings
    open_us = sum(max(0, min(closes, end) - max(opens, begin)) for opens, closes in openings)
    return -(-open_us // max(one.interval_us, allowed.interval_us))
