"""How many workers are needed now. A backlog alone wants none: what counts is the rate at which it may be sent."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil
from typing import Final

# An operation is in flight from so long before its slot until its answer: LEAD of meta.lua.
LEAD_S: Final = 0.25
# A worker is one core; beyond this share, slots come late.
_CORE_USE: Final = 0.7
# A quotient that is whole but for the error of a float is not one more worker.
_CRUMB: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Demand:
    """What one account may send now. Of a suspended or paused one, or one with nothing due, there is none.

    Args:
        slots_per_s: slots a second that its limits allow.
        senders: senders with due work; each has one call under way at a time.
        capped_senders: those of them with nothing but campaigns that have a rate of their own.
        capped_per_s: calls a second that these rates allow, all together.
    """

    slots_per_s: float
    senders: int
    capped_senders: int = 0
    capped_per_s: float = 0.0

    def rate(self, latency_s: float) -> float:
        """Calls a second that it may really make.

        Args:
            latency_s: how long a call takes.
        """
        one = 1 / latency_s if latency_s > 0 else self.slots_per_s
        capped = min(self.capped_senders * one, self.capped_per_s)
        return min(self.slots_per_s, max(0, self.senders - self.capped_senders) * one + capped)


def workers_wanted(demands: Iterable[Demand], *, capacity: int, latency_s: float, cpu_s_per_operation: float) -> int:
    """The workers that send all that may be sent now.

    Enough operations in flight for rate x (lead + latency), enough cores for rate x CPU (benchmarks/wanted.py).

    Args:
        demands: of every account that may send.
        capacity: operations one worker may have in flight.
        latency_s: how long a call takes.
        cpu_s_per_operation: CPU that a worker spends on one.

    Returns:
        At least 1: work may come at any time.
    """
    rate = sum(demand.rate(latency_s) for demand in demands)
    for_calls = rate * (LEAD_S + latency_s) / max(1, capacity)
    for_cores = rate * cpu_s_per_operation / _CORE_USE
    return max(1, ceil(max(for_calls, for_cores) - _CRUMB))
