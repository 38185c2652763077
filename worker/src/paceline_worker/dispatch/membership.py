"""This worker's place in the fleet: heartbeats from a thread of their own, so that a slow look of the dispatcher delays none."""

import threading
import time
from collections.abc import Callable, Mapping
from random import Random
from typing import Final, Protocol

import structlog
from redis.exceptions import RedisError

from paceline_worker.delivery.lateness import Way
from paceline_worker.dispatch.admission import Admission
from paceline_worker.state.clock import ServerClock
from paceline_worker.state.outage import Outage
from paceline_worker.state.values import Beat, Fleet
from paceline_worker.state.worker import WorkerState
from paceline_worker.telemetry.effort import Effort

log = structlog.get_logger(__name__)

# A heartbeat of the worker that grants; of its deputies at the latest; and of the others, however many they are.
HEARTBEAT_S: Final = 0.5
DEPUTY_S: Final = 1.0
STANDBY_S: Final = 2.0
# So many workers watch the granter; should all of them die with it, one of the others comes.
DEPUTIES: Final = 2
# So long a worker is the granter after its last heartbeat: when it dies, a deputy takes over within two seconds.
GRANT_LEASE_S: Final = 1.5
FLEET_TTL_S: Final = 5.0
# Workers that stand by do not all ask at once: seconds of a deputy, a share of the others' pause.
_SPREAD_S: Final = 0.05
_REST_S: Final = 0.2
_ERROR_PAUSE_S: Final = 0.2
# Two heartbeats may follow each other at once.
_SHORTEST_S: Final = 0.01


def standby_pause_s(rank: int, over_s: float, random: Random, *, is_changing: bool = False) -> float:
    """How long a worker that stands by waits for its next heartbeat, in seconds.

    Args:
        rank: how many other workers that stand by come before it.
        over_s: seconds until the granter's time is over, unless it says more.
        random: keeps workers from asking all at once.
        is_changing: what it takes on is not what it was; the granter should know how that goes on.
    """
    longest_s = HEARTBEAT_S if is_changing else STANDBY_S if rank >= DEPUTIES else DEPUTY_S
    if rank >= DEPUTIES:
        return longest_s * (1 - _SPREAD_S * random.random())
    return min(longest_s, max(_SPREAD_S, over_s + random.random() * _SPREAD_S))


class OnBeat(Protocol):
    """What happens after a heartbeat; True asks for another one at once."""

    def __call__(self, fleet: Fleet, *, took_over: bool) -> bool:
        """Act on what the heartbeat learnt; `took_over`: this worker has just become the granter."""


class Member:
    """One worker in the fleet. While its worker takes no hints it rests, outside the fleet.

    Args:
        worker: its name.
        admission: how many operations it takes on.
        way: what it measures between grants and calls.
        state: blocking state.
        clock: server time on the monotonic clock.
        own: how many operations it has.
        effort: what a call costs it.
        random: spreads the heartbeats of many workers.
        takes_hints: whether it is to take granted operations.
        on_beat: called after each heartbeat.
        on_rest: called now and then while it rests.
        outage: told when the state server does not answer.
        shards: how many shards state has.
        loads: of several shards, operations in flight on those that this worker grants for.
    """

    def __init__(
        self,
        *,
        worker: str,
        admission: Admission,
        way: Way,
        state: WorkerState,
        clock: ServerClock,
        own: Callable[[], int],
        effort: Effort,
        random: Random,
        takes_hints: Callable[[], bool],
        on_beat: OnBeat,
        on_rest: Callable[[], None],
        outage: Outage,
        shards: int = 1,
        loads: Callable[[], Mapping[int, int]] = dict,
    ) -> None:
        self._outage = outage
        self._shards = shards
        self._loads = loads
        self._worker = worker
        self._admission = admission
        self._way = way
        self._state = state
        self._clock = clock
        self._own = own
        self._effort = effort
        self._random = random
        self._takes_hints = takes_hints
        self._on_beat = on_beat
        self._on_rest = on_rest
        self._thread = threading.Thread(target=self._run, name="paceline-heartbeat", daemon=True)
        self._stop = threading.Event()
        # What the last heartbeat learnt; None while it is not in the fleet.
        self.fleet: Fleet | None = None
        self.fleet_at_s = 0.0
        self._cpu_s, self._cpu_at_s = time.process_time(), time.monotonic()
        self.answered = True
        self.rests = False

    def start(self) -> None:
        """Join the fleet, and go on beating.

        Raises:
            RedisError: the state server does not answer.
        """
        self._beat()
        self._thread.start()

    def stop(self) -> None:
        """Leave the fleet."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        try:
            self._state.leave(self._worker, self._shards)
        except (RedisError, OSError):
            log.info("the state server did not hear that this worker left; its heartbeat expires within seconds")

    def workers(self) -> int:
        """How many workers live, this one included, as the last heartbeat learnt. Any thread may call."""
        fleet = self.fleet
        return fleet.workers if fleet else 1

    def _run(self) -> None:
        pause_s = HEARTBEAT_S
        while not self._stop.wait(pause_s):
            try:
                pause_s = self._beat() if self._takes_hints() else self._rest()
                self.answered = True
                self._outage.ended()
            except (RedisError, OSError) as error:
                self._outage.began(error)
                self.answered, pause_s = False, _ERROR_PAUSE_S
            except Exception:
                log.exception("a heartbeat failed")
                pause_s = _ERROR_PAUSE_S

    def _beat(self) -> float:
        """One heartbeat; returns how long to wait for the next, in seconds."""
        if self.rests:
            self.rests = False
            log.info("this worker takes operations on again")
        lateness = self._way.take(self._own())
        cpu_s, now_s = time.process_time(), time.monotonic()
        busy = (cpu_s - self._cpu_s) / max(_SHORTEST_S, now_s - self._cpu_at_s)
        self._cpu_s, self._cpu_at_s = cpu_s, now_s
        cost = self._effort.beat(cpu_s)
        intake = self._admission.intake
        self._admission.beat(lateness_s=lateness.mean_s, samples=lateness.samples, load=lateness.load, busy=busy)
        beat = Beat(
            capacity=self._admission.capacity,
            intake=self._admission.intake,
            latency_s=cost.latency_s,
            cpu_s=cost.cpu_s,
            way_s=self._way.least_s,
            longest_way_s=self._way.most_s,
            lateness_s=lateness.mean_s,
            wants_grant_s=GRANT_LEASE_S,
            shards=self._shards,
            loads=self._loads() if self._shards > 1 else {},
        )
        before = self.fleet
        fleet = self.fleet = self._state.heartbeat(self._worker, beat, FLEET_TTL_S)
        self.fleet_at_s = time.monotonic()
        if self._on_beat(fleet, took_over=_took_over(before, fleet)):
            return 0.0
        if fleet.grants:
            return HEARTBEAT_S
        # When the granter falls silent, this is when its time is over.
        over_s = self._clock.monotonic_s(fleet.granter_until_us) - time.monotonic()
        return standby_pause_s(fleet.rank, over_s, self._random, is_changing=beat.intake != intake)

    def _rest(self) -> float:
        """Nothing is counted on; returns how long to wait, in seconds."""
        if not self.rests:
            self._state.leave(self._worker, self._shards)
            self.fleet, self.rests = None, True
            log.info("this worker left the fleet: it receives no hints, so it grants nothing")
        self._on_rest()
        return _REST_S


def _took_over(before: Fleet | None, fleet: Fleet) -> bool:
    return fleet.grants and not (before and before.grants and before.held >= fleet.held)
