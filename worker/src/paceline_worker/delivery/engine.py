"""The process's one event loop: takes granted operations from other threads, and ends them in order."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

import structlog
from redis.exceptions import RedisError

from paceline.errors import PacelineError
from paceline_worker.accounts.secrets import KeyRing
from paceline_worker.delivery.courier import Courier
from paceline_worker.delivery.info_reader import InfoReader
from paceline_worker.delivery.keys import Keys
from paceline_worker.delivery.lateness import Way
from paceline_worker.delivery.sleepers import Sleepers
from paceline_worker.delivery.traces import Traces
from paceline_worker.dispatch.admission import Admission
from paceline_worker.integrity.tampering import Tampering
from paceline_worker.provider.client import Provider
from paceline_worker.state.clock import ServerClock
from paceline_worker.state.delivery import DeliveryState
from paceline_worker.state.outage import Outage
from paceline_worker.state.values import Hint, InfoTurn
from paceline_worker.telemetry.health import turning
from paceline_worker.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

# Hints beyond the intake that wait in this process; beyond them `submit` blocks, so that another worker takes them.
_SPARE: Final = 8
# Half of the usual J: a call for figures keeps its slot as any other.
_INFO_TOLERANCE_S: Final = 0.05


class Closing(Exception):
    """The engine takes no more work."""


@dataclass(frozen=True, slots=True)
class _Desk:
    """What delivers the operations of one shard."""

    state: DeliveryState
    keys: Keys
    courier: Courier
    info: InfoReader


class Engine:
    """Delivers granted operations. One thread, one event loop, one HTTP client.

    Args:
        make_state: builds the delivery state on the loop.
        make_provider: builds the HTTP client on the loop.
        ring: decrypts API keys.
        tampering: judges what is to be sent.
        clock: server time on the monotonic clock.
        metrics: counters.
        traces: spans.
        admission: how many operations it takes on; `submit` blocks beyond that.
        way: told how long each part of the way to a call takes.
        on_due: told when something may be due (server us) and on which shard, after each settle.
        random: for jitter.
        outages: told when the state server of a shard does not answer.
        clocks: of each shard's server; None: state has one shard, of the clock's server.
    """

    def __init__(
        self,
        *,
        make_state: Callable[[], DeliveryState],
        make_provider: Callable[[], Provider],
        ring: KeyRing,
        tampering: Tampering,
        clock: ServerClock,
        metrics: Metrics,
        traces: Traces,
        admission: Admission,
        way: Way,
        on_due: Callable[[int | None, int], None],
        random: Random,
        outages: Sequence[Outage] = (),
        clocks: Sequence[ServerClock] | None = None,
    ) -> None:
        self._outages = outages or [Outage()]
        self._make_state = make_state
        self._make_provider = make_provider
        self._ring = ring
        self._tampering = tampering
        self._clocks = clocks or [clock]
        self._desks: dict[int, _Desk] = {}
        self._metrics = metrics
        self._traces = traces
        self._admission = admission
        self._way = way
        self._on_due = on_due
        self._random = random

        self._thread = threading.Thread(target=self._run, name="paceline-engine", daemon=True)
        self._room = threading.Condition()
        self._load = 0
        self._closing = False
        self._ready = threading.Event()
        self._active: set[tuple[str, str]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._sleepers = Sleepers()

    # -- from other threads ------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the loop's thread and wait until it can take work."""
        # Not sooner: a loop that is never run complains when the process ends.
        self._loop = asyncio.new_event_loop()
        self._thread.start()
        self._ready.wait()

    def submit(self, hints: Sequence[Hint], *, granted_us: int | None = None, wait: bool = True) -> None:
        """Take a batch.

        Args:
            hints: granted operations.
            granted_us: when they were granted (server us), if that is known.
            wait: block while the process has more than it can do.

        Raises:
            Closing: nothing was taken.
        """
        with self._room:
            if wait:
                self._room.wait_for(lambda: self._closing or self._load < self._admission.intake + _SPARE)
            if self._closing:
                raise Closing
            self._load += len(hints)
            self._way.carries(self._load)
        if granted_us is not None and hints:
            self._way.arrived(time.monotonic() - self._clocks[hints[0].shard].monotonic_s(granted_us))
        self._loop.call_soon_threadsafe(self._spawn_all, hints)

    def ask_info(self, turn: InfoTurn) -> None:
        """Read an account's figures at its slot; when that fails, it is asked for again."""
        with self._room:
            if self._closing:
                return
        self._loop.call_soon_threadsafe(self._spawn, self._ask_info(turn))

    def close(self, deadline_s: float) -> None:
        """Finish the calls under way, give back what has not begun, and end the loop.

        Args:
            deadline_s: seconds; what is then still under way is left to its lease.
        """
        with self._room:
            self._closing = True
            self._room.notify_all()
        if not self._thread.is_alive():
            return
        asyncio.run_coroutine_threadsafe(self._drain(deadline_s), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def trouble(self) -> str:
        """Why no call can be made, '' when calls can be made. Any thread may ask."""
        return turning(self._loop)

    @property
    def load(self) -> int:
        """Operations taken and not finished with."""
        return self._load

    # -- on the loop -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._open())
        self._ready.set()
        self._loop.run_forever()

    async def _open(self) -> None:
        self._state = self._make_state()
        self._provider = self._make_provider()
        self._desk(0)

    def _desk(self, shard: int) -> "_Desk":
        if shard in self._desks:
            return self._desks[shard]
        clock = self._clocks[shard]
        # The client of the whole state asks where an account is, and remembers it; this desk knows.
        state = self._state.beside(shard, clock) if len(self._clocks) > 1 else self._state
        keys = Keys(state.keys, self._ring, self._tampering.seals, state.raise_floor)
        courier = Courier(
            state=state,
            provider=self._provider,
            keys=keys,
            tampering=self._tampering,
            clock=clock,
            metrics=self._metrics,
            traces=self._traces,
            way=self._way,
            sleepers=self._sleepers,
            spawn=self._spawn,
            on_due=lambda at_us: self._on_due(at_us, shard),
            random=self._random,
            outage=self._outages[shard],
        )
        info = InfoReader(state, self._provider, self._metrics, self._random)
        desk = self._desks[shard] = _Desk(state, keys, courier, info)
        return desk

    async def _drain(self, deadline_s: float) -> None:
        self._sleepers.stop()
        if self._tasks:
            _, left = await asyncio.wait(self._tasks, timeout=deadline_s)
            if left:
                log.warning("calls under way are left to their leases", operations=len(left))
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
        await self._provider.close()
        await self._state.client.aclose()

    def _spawn_all(self, hints: Sequence[Hint]) -> None:
        for hint in hints:
            self._spawn(self._deliver_one(hint))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask_info(self, turn: InfoTurn) -> None:
        desk = self._desk(turn.shard)
        try:
            key, version = await desk.keys.get(turn.account, None)
            slot_s = self._clocks[turn.shard].monotonic_s(turn.slot_us)
            if await self._sleepers.stopped_before(slot_s) or time.monotonic() - slot_s > _INFO_TOLERANCE_S:
                await desk.state.info_later(turn.account)
                return
            await desk.info.read(turn.account, key, version)
            self._on_due(0, turn.shard)
        except (PacelineError, RedisError, OSError) as error:
            log.warning("/info was not read; the worker tries again", account=turn.account, error=type(error).__name__)
        except Exception:
            log.exception("reading /info failed", account=turn.account)

    async def _deliver_one(self, hint: Hint) -> None:
        grant = (hint.id, hint.token)
        try:
            if grant in self._active:  # the broker doubled the hint
                return
            self._active.add(grant)
            try:
                await self._desk(hint.shard).courier.deliver(hint)
            finally:
                self._active.discard(grant)
        except Exception:
            # Its lease settles it; one broken operation must not hurt the others.
            log.exception("delivery failed", operation=hint.id)
        finally:
            with self._room:
                self._load -= 1
                self._room.notify_all()
