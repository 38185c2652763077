"""What a fleet is given to do, and the arithmetic of it."""

import math
from dataclasses import dataclass
from typing import Final

from benchmarks.arrivals import Pacing
from benchmarks.rig import VARIATION
from paceline_sandbox.embedded import Source
from paceline_worker.pacing.bucket import pace_of, parse_rates

# Seconds of backlog beyond what the plan of a run needs.
_SLACK_S: Final = 5
_LONGEST_TAIL_S: Final = 15.0


@dataclass(frozen=True)
class Run:
    """What to measure.

    Args:
        accounts: how many.
        workers: how many.
        rate: of each account.
        pacing: of each account.
        seconds: measured.
        warm_up_s: before that, after everything is accepted.
        senders: of each account.
        server: kind of state server.
        capacity: calls a worker may have under way; None: its default.
        latency_ms: of the provider.
        busy_loops: processes that compute beside it.
        round_trip_ms: shortest and longest time between a worker and the state server, there and back; None: no distance.
        released_together: all accounts are resumed in one burst at the begin of the measurement.
        cluster: state is on a cluster of three primaries and three replicas, and the broker on a server of its own.
        shards: of state on the cluster; 0: the default.
        wait_replicas: how many replicas have a write before it counts.
        server_nice: scheduling priority of the state server, -20 (first) to 19; None: as everything else.
        forked: its programs are children of the tests' nursery, which starts them for less CPU.
    """

    accounts: int
    workers: int = 1
    rate: str = "10/minute"
    pacing: Pacing = "window"
    seconds: float = 60
    warm_up_s: float = 20
    senders: int = 1
    server: Source | None = None
    capacity: int | None = None
    latency_ms: float = 0
    busy_loops: int = 0
    round_trip_ms: tuple[float, float] | None = None
    released_together: bool = False
    cluster: bool = False
    shards: int = 0
    wait_replicas: int = 0
    server_nice: int | None = None
    forked: bool = False

    @property
    def limit(self) -> tuple[int, int]:
        """N and W (us)."""
        ((number, window_us),) = parse_rates(self.rate)
        return number, window_us

    @property
    def allowed_per_s(self) -> float:
        """Of one account."""
        number, window_us = self.limit
        return number / window_us * 1e6

    @property
    def interval_s(self) -> float:
        """Between the slots of one account."""
        return pace_of(self.rate, self.pacing, VARIATION).interval_us / 1e6

    @property
    def tail_s(self) -> float:
        """How long the log goes on, so that the interval at the end of the measurement is seen whole."""
        return min(self.interval_s * 1.1 + 0.5, _LONGEST_TAIL_S)

    @property
    def rows(self) -> int:
        """More than one sender can send in the whole run."""
        whole_s = self.warm_up_s + self.seconds + self.tail_s + self.interval_s + _SLACK_S
        return math.ceil(whole_s * self.allowed_per_s / self.senders) + 1
