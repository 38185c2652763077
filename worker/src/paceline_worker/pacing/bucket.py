"""The pacing arithmetic, pure. ``lua/shared/bucket.lua`` is the same in Lua; the worker's README.md tells it with a timeline."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Literal

import limits

from paceline.errors import InvalidOperation

Pacing = Literal["spacing", "window"]
# J: a fixed time, or measured call by call.
Variation = timedelta | Literal["auto"]

# Lateness of a worker plus transit to the provider, together. Loopback needs 10 ms, the open internet some 60.
DEFAULT_VARIATION: Final = timedelta(milliseconds=100)
# A measured J is at least this, and is not believed before so many calls were answered.
LEAST_SPREAD_US: Final = 5_000
HEARD: Final = 16
# Limits over longer times are quotas: spread evenly, "1000/day" would be one message every 86 seconds.
_LONGEST_PACED_US: Final = 3_600_000_000
# Beyond these a limit is a slip of the pen: no provider has one, and the arithmetic of slots ends at some 285 years.
_LONGEST_WINDOW_US: Final = 366 * 86_400_000_000
_LARGEST_NUMBER: Final = 1_000_000_000
_LONGEST_TEXT: Final = 500
# A quota remembers one time per grant, some 10 bytes each.
_LARGEST_QUOTA: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Quota:
    """At most n slots in any window.

    Args:
        n: how many.
        window_us: within how long.
        variation_us: added to the window, so that late arrivals still count right.
    """

    n: int
    window_us: int
    variation_us: int


@dataclass(frozen=True, slots=True)
class Pace:
    """What an account's limits mean for its bucket.

    Args:
        interval_us: distance between consecutive slots.
        window_us: the window of the paced limit, and how long a throttled account pauses at first.
        quotas: further limits.
        variation_us: J of the formulas.
    """

    interval_us: int
    window_us: int
    quotas: tuple[Quota, ...]
    variation_us: int

    def quotas_text(self) -> str:
        """The form that bucket.lua parses."""
        return " ".join(f"{quota.n}:{quota.window_us}:{quota.variation_us}" for quota in self.quotas)


def pace_of(rates: str, pacing: Pacing = "spacing", variation: timedelta = DEFAULT_VARIATION) -> Pace:
    """Turn rate limits into slot arithmetic.

    With N per W and a variation J, consecutive slots are W/N + J apart (``spacing``: safe however the provider counts) or
    (W + J)/N apart (``window``: safe for fixed and sliding windows). Limits over an hour or less are paced, the strictest
    wins; longer ones are quotas, counted exactly over a sliding window of W + J.

    Args:
        rates: as the ``limits`` library writes them: ``10/minute``, ``10/minute; 1000/day``.
        pacing: which formula.
        variation: J, lateness plus transit.

    Returns:
        The pace.

    Raises:
        InvalidOperation: the text is not a rate.
    """
    j = variation // timedelta(microseconds=1)
    windows = sorted((window, n) for n, window in parse_rates(rates))
    windows = [one for one in windows if one == min(other for other in windows if other[0] == one[0])]
    windows = list(dict.fromkeys(windows))  # of several limits over one window the strictest counts, once
    paced = [one for one in windows if one[0] <= _LONGEST_PACED_US] or windows[:1]
    quotas = tuple(Quota(n, window, j) for window, n in windows if (window, n) not in paced)
    if any(quota.n > _LARGEST_QUOTA for quota in quotas):
        raise InvalidOperation(f"limit: a quota above {_LARGEST_QUOTA} is not supported")
    interval, window = max((_interval(window, n, j, pacing), window) for window, n in paced)
    return Pace(interval, window, quotas, j)


def variation_from(text: str, learns: str | None) -> Variation:
    """J as it is stored.

    Args:
        text: us.
        learns: not empty when it is measured.
    """
    return "auto" if learns else timedelta(microseconds=int(text))


def parse_rates(rates: str) -> list[tuple[int, int]]:
    """Rates as numbers.

    Args:
        rates: such as ``10/minute`` or ``10/minute; 1000/day``.

    Returns:
        N and W in us, of each.

    Raises:
        InvalidOperation: the text is not a rate, allows nothing, or is out of range.
    """
    if len(rates) > _LONGEST_TEXT:
        raise InvalidOperation(f"limit: has more than {_LONGEST_TEXT} characters. Give a rate such as 10/minute")
    try:
        items = limits.parse_many(rates)
    except ValueError as error:
        raise InvalidOperation(f"limit: {rates!r} is not a rate such as 10/minute or '10/minute; 1000/day'") from error
    found = [(item.amount, item.get_expiry() * 1_000_000) for item in items]
    if not found or any(n < 1 or window < 1 for n, window in found):
        raise InvalidOperation(f"limit: {rates!r} allows nothing")
    if any(n > _LARGEST_NUMBER or window > _LONGEST_WINDOW_US for n, window in found):
        raise InvalidOperation(
            f"limit: at most {_LARGEST_NUMBER:,} in at most 366 days can be kept. Give a smaller number"
        )
    return found


def _interval(window_us: int, n: int, j: int, pacing: Pacing) -> int:
    if pacing == "spacing":
        return -(-window_us // n) + j
    return -(-(window_us + j) // n)


@dataclass(slots=True)
class Bucket:
    """The model of bucket.lua: GCRA with burst 1 and quotas, on integer microseconds.

    Args:
        pace: what it enforces.
        next_us: earliest next slot.
        floor_us: no slot before: a slow call may have arrived as late as it was answered.
        logs: per quota, the slots of its last n grants.
        last_us: the slot taken last.
        least_us: from slot to answer of a quick call; None before the first answer.
        excess_us: what calls lately took longer.
        heard: how many answers, up to `HEARD`.
    """

    pace: Pace
    next_us: int
    floor_us: int = 0
    logs: Sequence[deque[int]] = field(default_factory=list)
    last_us: int = 0
    least_us: int | None = None
    excess_us: int | None = None
    heard: int = 0

    @classmethod
    def empty(cls, pace: Pace, now_us: int) -> "Bucket":
        """A new or lost bucket: never full, so one interval passes before its first slot."""
        return cls(pace, now_us + pace.interval_us, 0, [deque(maxlen=quota.n) for quota in pace.quotas])

    def peek(self, earliest_us: int) -> int:
        """The first slot at or after a time, us."""
        slot = max(self.next_us, self.floor_us, earliest_us)
        for quota, log in zip(self.pace.quotas, self.logs, strict=True):
            if len(log) >= quota.n:
                slot = max(slot, log[0] + quota.window_us + quota.variation_us)
        return slot

    def take(self, slot_us: int) -> None:
        """Use a slot that `peek` gave."""
        self.next_us, self.last_us = slot_us + self.pace.interval_us, slot_us
        for log in self.logs:
            log.append(slot_us)

    def push(self, slot_us: int, elapsed_us: int) -> None:
        """A call took so long from its slot to its answer; beyond J, slots after it keep their distance from its end."""
        if elapsed_us > self.pace.variation_us:
            self.floor_us = max(self.floor_us, slot_us + elapsed_us - self.pace.variation_us + self.pace.interval_us)

    def answer(self, slot_us: int, elapsed_us: int) -> None:
        """A call was answered, so it is known how late it can have arrived: by what it took longer than a quick one.

        The slot after it keeps that distance instead of J. To it comes what a quick call may be quicker than the quickest
        known: a quarter of what it takes, and of what calls lately took longer.

        Args:
            slot_us: of the call.
            elapsed_us: from the slot to the answer.
        """
        quick = elapsed_us if self.least_us is None else min(self.least_us, elapsed_us)
        self.heard = min(self.heard + 1, HEARD)
        excess = elapsed_us - quick
        self.least_us = quick + excess // 1024
        self.excess_us = excess if self.excess_us is None else self.excess_us + (excess - self.excess_us) // 8
        if self.heard < HEARD:
            self.push(slot_us, elapsed_us)
            return
        spread = excess + self.excess_us // 4 + max(LEAST_SPREAD_US, quick // 4)
        earliest = slot_us + self.pace.interval_us - self.pace.variation_us + spread
        if self.last_us == slot_us and self.next_us == slot_us + self.pace.interval_us:
            self.next_us = earliest
        else:
            self.floor_us = max(self.floor_us, earliest)

    def move(self, slot_us: int, earliest_us: int) -> int:
        """Take the first slot at or after a time instead of a missed slot, under the same limits.

        Args:
            slot_us: the slot that was missed.
            earliest_us: no slot before.

        Returns:
            The new slot, us.
        """
        for log in self.logs:
            if slot_us in log:
                log.remove(slot_us)
        self.give_back(slot_us)
        later_us = self.peek(earliest_us)
        self.take(later_us)
        return later_us

    def give_back(self, slot_us: int) -> None:
        """Return a slot in which nothing was sent, unless a later one was taken meanwhile."""
        if self.next_us != slot_us + self.pace.interval_us:
            return
        self.next_us = slot_us
        for log in self.logs:
            if log and log[-1] == slot_us:
                log.pop()
