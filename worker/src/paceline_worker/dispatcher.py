"""The dispatcher: a thread in every worker, no leader. It sleeps until the earliest due account, then one script grants."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

import structlog
from redis.exceptions import RedisError, ResponseError

from paceline_worker.clock import ServerClock
from paceline_worker.metrics import Metrics
from paceline_worker.progress import ProgressCheck
from paceline_worker.state import Fleet, Grants, Hint, InfoTurn, WorkerState
from paceline_worker.traces import Traces

log = structlog.get_logger(__name__)

# Another worker may have accepted work that this one does not know of; it wakes its own dispatcher, so this is a net.
_LONGEST_SLEEP_S: Final = 0.5
_HEARTBEAT_S: Final = 1.0
FLEET_TTL_S: Final = 5.0
# Dispatchers wake for the same instant; a spread keeps them from all asking at once. Well below the lead of 250 ms.
_SPREAD_S: Final = 0.04
# With the fleet full, a look finds nothing to grant but still visits what is due.
_FULL_PAUSE_S: Final = 0.05
_MOST_GRANTS: Final = 500
_MOST_ACCOUNTS: Final = 500
_LARGEST_HINT: Final = 100
_OVERDUE_GRACE_S: Final = 3.0
_OVERDUE_RECORDS: Final = 5
_ERROR_PAUSE_S: Final = (0.1, 0.2, 0.5, 1.0)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a dispatcher stands, as it knows without asking.

    Args:
        paused: its worker takes no hints, so it grants nothing.
        granting: it looks for what is due, and the state server answered its last look.
        fleet: what the last heartbeat learnt; None while this worker is not in the fleet.
        fleet_at_s: monotonic time of that heartbeat.
        answered: whether the state server answered its last look; None while it does not look.
    """

    paused: bool
    granting: bool
    fleet: Fleet | None
    fleet_at_s: float
    answered: bool | None


class Dispatcher:
    """Grants what is due and publishes hints, while its worker takes hints. When it takes none it rests, outside the fleet.

    Args:
        worker: this worker's name in the fleet.
        capacity: operations this worker may have in flight.
        state: blocking state.
        clock: server time on the monotonic clock.
        publish: hands a batch of hints to Celery.
        metrics: counters.
        traces: spans.
        progress: told of leases that ran out unheard.
        on_info: reads the figures of an account whose turn it is.
        on_stalled: called once when this worker has gone deaf.
        random: spreads the wake-ups of many dispatchers.
        takes_hints: whether this worker is to take granted operations; any thread may ask.
    """

    def __init__(
        self,
        *,
        worker: str,
        capacity: int,
        state: WorkerState,
        clock: ServerClock,
        publish: Callable[[Sequence[Hint]], None],
        metrics: Metrics,
        traces: Traces,
        progress: ProgressCheck,
        on_info: Callable[[InfoTurn], None],
        on_stalled: Callable[[], None],
        random: Random,
        takes_hints: Callable[[], bool] = lambda: True,
    ) -> None:
        self._worker = worker
        self._capacity = capacity
        self._state = state
        self._clock = clock
        self._publish = publish
        self._metrics = metrics
        self._traces = traces
        self._progress = progress
        self._on_info = on_info
        self._on_stalled = on_stalled
        self._random = random
        self._takes_hints = takes_hints
        self._thread = threading.Thread(target=self._run, name="paceline-dispatcher", daemon=True)
        self._wake = threading.Event()
        self._stopping = False
        self._sleeping_until_us: float = 0.0
        self._fleet: Fleet | None = None
        self._fleet_at_s = 0.0
        self._resting = False
        self._answered = True
        self._beat_at_s = 0.0
        self._overdue_at_s = 0.0

    def start(self) -> None:
        """Join the fleet and start the thread.

        Raises:
            RedisError: the state server does not answer.
        """
        self._beat()
        self._thread.start()

    def stop(self) -> None:
        """Grant nothing more, and leave the fleet."""
        self._stopping = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        try:
            self._state.leave(self._worker)
        except (RedisError, OSError):
            log.info("the fleet will notice by itself that this worker left")

    def due(self, at_us: int | None) -> None:
        """Something may be due at a server time (us); None: nothing. Any thread may call."""
        if at_us is not None and at_us < self._sleeping_until_us:
            self._wake.set()

    def standing(self) -> Standing:
        """How it stands; asks nobody. Any thread may call."""
        looks = self._thread.is_alive() and not self._stopping and not self._resting
        return Standing(
            paused=not self._takes_hints(),
            granting=looks and self._answered,
            fleet=self._fleet,
            fleet_at_s=self._fleet_at_s,
            answered=self._answered if looks else None,
        )

    def accept(self, rids: Sequence[str]) -> None:
        """Move inbox records into their lanes, and look at once for what may leave. Any thread may call.

        Raises:
            RedisError: the state server does not answer.
        """
        self._accept(rids)
        self._wake.set()

    def _run(self) -> None:
        failures = 0
        while not self._stopping:
            try:
                pause_s = self._turn() if self._takes_hints() else self._rest()
                failures = 0
                self._answered = True
            except (RedisError, OSError) as error:
                pause_s = _ERROR_PAUSE_S[min(failures, len(_ERROR_PAUSE_S) - 1)]
                if failures == 0:
                    log.warning("the state server does not answer; nothing is granted", error=str(error))
                failures += 1
                self._answered = False
            except Exception:
                log.exception("the dispatcher stumbled")
                pause_s = _ERROR_PAUSE_S[-1]
            if pause_s > 0:
                self._wake.wait(pause_s)
            self._wake.clear()

    def _turn(self) -> float:
        """One look; returns how long to sleep, in seconds."""
        if self._resting:
            self._resting = False
            log.info("this worker takes operations on again")
        now_s = time.monotonic()
        if self._fleet is None or now_s >= self._beat_at_s:
            self._beat()
        more = now_s >= self._overdue_at_s and self._accept_overdue()
        if not more and now_s >= self._overdue_at_s:
            self._overdue_at_s = now_s + _HEARTBEAT_S
        fleet = self._fleet
        self._sleeping_until_us = float("inf")  # whatever becomes due from here on wakes us
        grants = self._state.grant(
            most=_MOST_GRANTS, fleet_capacity=fleet.capacity if fleet else 0, most_accounts=_MOST_ACCOUNTS
        )
        self._handle(grants)
        if more or len(grants.hints) >= _MOST_GRANTS:
            return 0.0
        if grants.next_us is None:
            return _LONGEST_SLEEP_S
        self._sleeping_until_us = grants.next_us
        until_due_s = self._clock.monotonic_s(grants.next_us) - time.monotonic()
        if until_due_s <= 0:
            return _FULL_PAUSE_S if grants.room <= 0 else 0.0
        return min(_LONGEST_SLEEP_S, until_due_s + self._random.random() * _SPREAD_S)

    def _rest(self) -> float:
        """Nothing granted, nothing counted on; returns how long to sleep, in seconds."""
        if not self._resting:
            self._state.leave(self._worker)
            self._fleet, self._resting, self._sleeping_until_us = None, True, 0.0
            log.info("this worker takes no operations on: it hears no hints, so it grants nothing and left the fleet")
        self._progress.heard()  # it is deaf on purpose
        return _LONGEST_SLEEP_S

    def _beat(self) -> None:
        cost = self._metrics.effort.beat(time.process_time())
        self._fleet = self._state.heartbeat(
            self._worker, self._capacity, FLEET_TTL_S, latency_s=cost.latency_s, cpu_s=cost.cpu_s
        )
        self._fleet_at_s = time.monotonic()
        self._beat_at_s = self._fleet_at_s + _HEARTBEAT_S

    def _accept_overdue(self) -> bool:
        """Accept what nobody accepted; True when there may be more."""
        try:
            rids = self._state.overdue(_OVERDUE_GRACE_S, _OVERDUE_RECORDS)
            self._accept(rids)
        except ResponseError as error:
            # What cannot be accepted must not keep what was accepted from leaving.
            log.exception("overdue records could not be accepted", error=str(error))
            return False
        return len(rids) == _OVERDUE_RECORDS

    def _accept(self, rids: Sequence[str]) -> None:
        began_s = time.monotonic()
        for acceptance in self._state.accept(rids) if rids else ():
            self._metrics.accepted(acceptance.account, acceptance.kind, acceptance.written)
            self._traces.accepted(acceptance, began_s)

    def _handle(self, grants: Grants) -> None:
        for account, kind, outcome, number in grants.settled:
            self._metrics.settled(account, kind, outcome, number)
        self._metrics.given_back(grants.given_back)
        if self._progress.stalled(grants.given_back, time.monotonic()) and not self._stopping:
            self._stopping = True
            self._on_stalled()
        if grants.server_restarted:
            log.warning("the state server was restarted; every bucket starts empty, so sending stops for one spacing")
        if grants.clock_jumped:
            log.warning("the state server's clock jumped; every bucket starts empty, so sending stops for one spacing")
            self._state.restart_buckets()
            self._state.give_back(grants.hints, "the state server's clock jumped")
            return
        for turn in grants.infos:
            self._on_info(turn)
        hints = grants.hints
        if not hints:
            return
        share = max(1, min(_LARGEST_HINT, -(-len(hints) // (self._fleet.workers if self._fleet else 1))))
        for start in range(0, len(hints), share):
            batch = hints[start : start + share]
            try:
                self._publish(batch)
            except Exception as error:  # noqa: BLE001 - any broker, any error: nothing is lost, the slot is
                log.warning("the broker did not take a hint; the operations go back to their lanes", error=str(error))
                self._state.give_back(batch, "the broker did not take the hint")
