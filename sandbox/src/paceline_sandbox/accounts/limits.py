"""How a provider may count requests: four algorithms on integer microseconds, and the gate that applies several limits.

Nobody outside knows which algorithm the real provider uses, so a pacing client has to satisfy all four.
"""

import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from paceline_sandbox.clock import SECOND_US


class Algorithm(StrEnum):
    """The names of the counting algorithms in a scenario."""

    SLIDING_LOG = "sliding_log"
    FIXED_WINDOW = "fixed_window"
    SPACING = "spacing"
    BUCKET = "bucket"


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit of `count` requests per `window_us` microseconds, as written in `text`.

    `algorithm` is set when the text names one, else the key's algorithm applies.
    """

    count: int
    window_us: int
    text: str
    algorithm: Algorithm | None = None

    @property
    def per_second(self) -> float:
        """The allowed long-term rate in requests per second."""
        return self.count * SECOND_US / self.window_us


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a request is within one limit, and if not, after how many microseconds one would be."""

    admitted: bool
    retry_after_us: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate says of one request: within all limits or not, the longest wait, and the limits it broke.

    `broken` holds positions in the gate's list of limits.
    """

    admitted: bool
    retry_after_us: int = 0
    broken: tuple[int, ...] = ()


ADMITTED: Final = Decision(admitted=True)
PASSED: Final = Verdict(admitted=True)

_UNITS_US: Final[Mapping[str, int]] = {
    "ms": 1_000,
    "millisecond": 1_000,
    "s": SECOND_US,
    "sec": SECOND_US,
    "second": SECOND_US,
    "m": 60 * SECOND_US,
    "min": 60 * SECOND_US,
    "minute": 60 * SECOND_US,
    "h": 3_600 * SECOND_US,
    "hour": 3_600 * SECOND_US,
    "d": 86_400 * SECOND_US,
    "day": 86_400 * SECOND_US,
}
_LIMIT: Final = re.compile(
    r"\s*(?P<count>[0-9]{1,9})\s*(?:/|\s+per\s+)\s*(?P<multiple>[0-9]{1,9})?\s*(?P<unit>[a-z]+?)(?P<plural>(?<=[a-z]{2})s)?"
    r"(?:\s+(?P<algorithm>[a-z_]+))?\s*"
)


def parse_limit(text: str) -> Limit:
    """Reads a limit such as ``10/minute``, ``10 per minute``, ``100/5 minutes`` or ``1000/day fixed_window``.

    Args:
        text: count, a slash or "per", an optional multiple, a unit (ms, second, minute, hour, day) and optionally the
            algorithm that counts it.

    Returns:
        The limit.

    Raises:
        ValueError: the text is not a limit; the message is one clause that quotes it.
    """
    match = _LIMIT.fullmatch(text)
    unit_us = _UNITS_US.get(match["unit"]) if match else None
    if match is None or unit_us is None:
        raise ValueError(f"{text!r} is not a limit such as '10/minute' or '100/5 minutes'")
    count = int(match["count"])
    multiple = int(match["multiple"] or 1)
    if count == 0 or multiple == 0:
        raise ValueError(f"{text!r} has a zero where a limit needs at least 1")
    name = match["algorithm"]
    if name is not None and name not in set(map(str, Algorithm)):
        raise ValueError(f"{text!r} names no known algorithm ({', '.join(Algorithm)})")
    return Limit(count, multiple * unit_us, text, Algorithm(name) if name else None)


class Counter(Protocol):
    """One limit of one key: `check` asks and changes nothing, `count` records a request."""

    def check(self, now_us: int) -> Decision:
        """Whether a request at this instant is within the limit."""

    def count(self, now_us: int) -> None:
        """Records a request at this instant."""


class SlidingLog:
    """At most N requests in every half-open window of W microseconds.

    Only the latest N instants are kept: the oldest of them alone decides.
    """

    __slots__ = ("_log", "_window_us")

    def __init__(self, limit: Limit) -> None:
        self._window_us = limit.window_us
        self._log: deque[int] = deque(maxlen=limit.count)

    def check(self, now_us: int) -> Decision:
        """Whether a request at this instant is within the limit."""
        log = self._log
        if len(log) < (log.maxlen or 0):
            return ADMITTED
        wait_us = log[0] + self._window_us - now_us
        return ADMITTED if wait_us <= 0 else Decision(admitted=False, retry_after_us=wait_us)

    def count(self, now_us: int) -> None:
        """Records a request at this instant."""
        self._log.append(now_us)


class FixedWindow:
    """At most N requests in each window; windows start at multiples of W since the epoch, shifted by a phase."""

    __slots__ = ("_limit", "_phase_us", "_used", "_window")

    def __init__(self, limit: Limit, phase_us: int = 0) -> None:
        self._limit = limit
        self._phase_us = phase_us
        self._window = -1
        self._used = 0

    def check(self, now_us: int) -> Decision:
        """Whether a request at this instant is within the limit."""
        width = self._limit.window_us
        window, elapsed_us = divmod(now_us - self._phase_us, width)
        if window != self._window or self._used < self._limit.count:
            return ADMITTED
        return Decision(admitted=False, retry_after_us=width - elapsed_us)

    def count(self, now_us: int) -> None:
        """Records a request at this instant."""
        window = (now_us - self._phase_us) // self._limit.window_us
        if window != self._window:
            self._window = window
            self._used = 0
        self._used += 1


class Spacing:
    """Two consecutive requests may not be closer than W/N, compared without rounding."""

    __slots__ = ("_last_us", "_limit")

    def __init__(self, limit: Limit) -> None:
        self._limit = limit
        self._last_us: int | None = None

    def check(self, now_us: int) -> Decision:
        """Whether a request at this instant is within the limit."""
        if self._last_us is None:
            return ADMITTED
        missing = self._limit.window_us - (now_us - self._last_us) * self._limit.count
        if missing <= 0:
            return ADMITTED
        return Decision(admitted=False, retry_after_us=-(-missing // self._limit.count))

    def count(self, now_us: int) -> None:
        """Records a request at this instant."""
        self._last_us = now_us


class Bucket:
    """The classic token bucket: N tokens at first and at most, refilled at N per W, one taken per request.

    The level is kept in token-microseconds (one token is W of them, each microsecond adds N), so it stays an integer.
    """

    __slots__ = ("_level", "_limit", "_read_us")

    def __init__(self, limit: Limit) -> None:
        self._limit = limit
        self._level = limit.count * limit.window_us
        self._read_us: int | None = None

    def check(self, now_us: int) -> Decision:
        """Whether a request at this instant is within the limit."""
        missing = self._limit.window_us - self._level_at(now_us)
        if missing <= 0:
            return ADMITTED
        return Decision(admitted=False, retry_after_us=-(-missing // self._limit.count))

    def count(self, now_us: int) -> None:
        """Records a request at this instant; an empty bucket stays empty."""
        self._level = max(0, self._level_at(now_us) - self._limit.window_us)
        self._read_us = now_us

    def _level_at(self, now_us: int) -> int:
        if self._read_us is None:
            return self._level
        refilled = self._level + (now_us - self._read_us) * self._limit.count
        return min(self._limit.count * self._limit.window_us, refilled)


_COUNTERS: Final[Mapping[Algorithm, Callable[[Limit], Counter]]] = {
    Algorithm.SLIDING_LOG: SlidingLog,
    Algorithm.SPACING: Spacing,
    Algorithm.BUCKET: Bucket,
}


def counter_for(limit: Limit, algorithm: Algorithm, phase_us: int = 0) -> Counter:
    """Builds the counter of one limit.

    Args:
        limit: the limit; an algorithm named in it wins over the next argument.
        algorithm: how to count when the limit does not say.
        phase_us: shift of fixed windows against the epoch, in microseconds.
    """
    chosen = limit.algorithm or algorithm
    if chosen is Algorithm.FIXED_WINDOW:
        return FixedWindow(limit, phase_us)
    return _COUNTERS[chosen](limit)


class Gate:
    """All limits of one key: a request passes when every limit admits it, and is counted in all of them or in none.

    Args:
        counters: one per limit, in the order of the scenario.
    """

    __slots__ = ("_counters",)

    def __init__(self, counters: Sequence[Counter]) -> None:
        self._counters = tuple(counters)

    def arrive(self, now_us: int, *, enforce: bool = True, count_refused: bool = False) -> Verdict:
        """Judges and counts one request.

        Args:
            now_us: the instant of arrival, in microseconds.
            enforce: whether a request over the limit is refused; a request served nevertheless is counted.
            count_refused: whether a refused request counts like a served one.

        Returns:
            The verdict; `admitted` is false for a request over a limit whether or not that is enforced.
        """
        verdict = self._judge(now_us)
        if verdict.admitted or count_refused or not enforce:
            for counter in self._counters:
                counter.count(now_us)
        return verdict

    def _judge(self, now_us: int) -> Verdict:
        broken: list[int] = []
        wait_us = 0
        for position, counter in enumerate(self._counters):
            decision = counter.check(now_us)
            if not decision.admitted:
                broken.append(position)
                wait_us = max(wait_us, decision.retry_after_us)
        return Verdict(admitted=False, retry_after_us=wait_us, broken=tuple(broken)) if broken else PASSED
