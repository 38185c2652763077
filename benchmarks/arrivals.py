"""What reached the stub of the provider, and what that says about pace: pure functions of arrival times."""

import json
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, Literal, Self

Pacing = Literal["spacing", "window"]

_ITEM_BYTES: Final = 8


@dataclass
class Arrivals:
    """The log of the stub: one entry per call, in the order of arrival.

    Args:
        keys: API keys, in the order in which they first appeared.
        times_us: when each call arrived (CLOCK_REALTIME).
        owners: index of each call's key.
        digests: 64 bits of each call's body, equal for equal bodies.
    """

    keys: list[str] = field(default_factory=list)
    times_us: "array[int]" = field(default_factory=lambda: array("q"))
    owners: "array[int]" = field(default_factory=lambda: array("q"))
    digests: "array[int]" = field(default_factory=lambda: array("q"))

    def __len__(self) -> int:
        return len(self.times_us)

    def to_bytes(self) -> bytes:
        """One line of JSON (keys and number of entries), then the three arrays as 64-bit integers of this machine."""
        head = json.dumps({"keys": self.keys, "arrivals": len(self)}).encode() + b"\n"
        return b"".join((head, self.times_us.tobytes(), self.owners.tobytes(), self.digests.tobytes()))

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """The log that `to_bytes` wrote."""
        head, _, rest = raw.partition(b"\n")
        described = json.loads(head)
        size = described["arrivals"] * _ITEM_BYTES
        log = cls(list(described["keys"]))
        for number, column in enumerate((log.times_us, log.owners, log.digests)):
            column.frombytes(rest[number * size : (number + 1) * size])
        return log

    def by_key(self) -> dict[str, list[int]]:
        """The arrival times of each key (us), sorted."""
        times: list[list[int]] = [[] for _ in self.keys]
        for owner, at_us in zip(self.owners, self.times_us, strict=True):
            times[owner].append(at_us)
        return {key: sorted(found) for key, found in zip(self.keys, times, strict=True)}

    def doubled(self) -> int:
        """Calls beyond the first with the same key and the same body."""
        seen = Counter(zip(self.owners, self.digests, strict=True))
        return len(self) - len(seen)


def violations(times_us: Sequence[int], *, number: int, window_us: int, pacing: Pacing) -> int:
    """Arrivals of one account that break its limit.

    Args:
        times_us: arrival times, sorted.
        number: N of the limit.
        window_us: W of the limit.
        pacing: ``spacing`` counts arrivals closer than W/N to the one before; ``window`` counts arrivals that are more than
            the Nth in a window of W that ends with them.
    """
    if pacing == "spacing":
        return sum((after - before) * number < window_us for before, after in pairwise(times_us))
    return sum(after - before < window_us for before, after in zip(times_us, times_us[number:], strict=False))


def count_between(times_us: Sequence[int], begin_us: int, end_us: int) -> int:
    """How many arrivals are at or after `begin_us` and before `end_us`; times are sorted."""
    return bisect_left(times_us, end_us) - bisect_left(times_us, begin_us)


def pace_between(times_us: Sequence[int], begin_us: int, end_us: int, *, log_us: tuple[int, int]) -> float:
    """Arrivals in a time, the intervals that its edges cut counted in proportion.

    A plain count of an account at 10/minute over 60 s is 9 or 10, whatever its pace: the edges decide. An interval that has
    no arrival at its outer end begins or ends with the log.

    Args:
        times_us: arrival times, sorted.
        begin_us: begin of the time.
        end_us: end of the time.
        log_us: first and last instant at which the log was kept; around the time.

    Returns:
        A number of arrivals; with a distance of d between all arrivals it is ``(end_us - begin_us) / d``.
    """
    first, last = bisect_left(times_us, begin_us), bisect_left(times_us, end_us)
    if not times_us:
        return 0.0
    before_us = times_us[first - 1] if first else log_us[0]
    after_us = times_us[last] if last < len(times_us) else log_us[1]
    if first == last:
        return (end_us - begin_us) / (after_us - before_us)
    head = (times_us[first] - begin_us) / max(1, times_us[first] - before_us)
    tail = (end_us - times_us[last - 1]) / max(1, after_us - times_us[last - 1])
    return head + (last - first - 1) + tail


def percentile(values: Iterable[float], percent: float) -> float:
    """The value that `percent` of all values are below (nearest rank); 0 without values."""
    ordered = sorted(values)
    if not ordered:
        return 0.0
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def fairness(paces: Sequence[float], percent: float = 2.0) -> float:
    """The mean pace of the poorest accounts over the mean pace of all; 0 when nothing arrived.

    Args:
        paces: arrivals of each account.
        percent: how many count as the poorest; at least one account.
    """
    ordered = sorted(paces)
    if not ordered or not sum(ordered):
        return 0.0
    poorest = ordered[: max(1, int(len(ordered) * percent / 100))]
    return (sum(poorest) / len(poorest)) / (sum(ordered) / len(ordered))


def full_pace_after(
    times_us: Sequence[int], begin_us: int, end_us: int, *, per_s: float, span_us: int, step_us: int = 100_000
) -> float | None:
    """Seconds from a release until a rate is reached.

    Args:
        times_us: arrival times of all accounts, sorted.
        begin_us: the release.
        end_us: nothing after this counts.
        per_s: the rate.
        span_us: for how long the rate must hold.
        step_us: how finely to look.

    Returns:
        The first begin of such a time, or None when there is none.
    """
    wanted = per_s * span_us / 1e6
    for at_us in range(begin_us, end_us - span_us + 1, step_us):
        if count_between(times_us, at_us, at_us + span_us) >= wanted:
            return (at_us - begin_us) / 1e6
    return None
