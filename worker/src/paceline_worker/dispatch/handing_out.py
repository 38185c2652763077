"""Hands granted operations to workers, in a thread of its own: meanwhile the dispatcher looks on."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from paceline_worker.dispatch.admission import Admission
from paceline_worker.dispatch.rooms import Rooms
from paceline_worker.dispatch.sharing import shares
from paceline_worker.state.values import Hint

log = structlog.get_logger(__name__)

# While the broker is away one attempt in so many seconds: each may wait for its time-out, and slots do not wait.
_BROKER_PAUSE_S: Final = 5.0


class HandOut:
    """Shares granted operations among the workers of the fleet.

    A publication waits for the broker, and each step waits for the engine's thread, which has the interpreter most of the time. In
    the dispatcher's own thread this took as long as its looks, and a granter granted 1,250 to 1,550 operations a second.
    What several looks grant in that time goes out together.

    Args:
        workers: how many workers live, this one included.
        admission: how many operations this worker takes on.
        rooms: operations in flight on all shards.
        own: how many operations this worker has.
        deliver: hands a batch to this worker's own engine, with the time of the grant (server us); does not block.
        publish: hands a batch to Celery.
    """

    def __init__(
        self,
        *,
        workers: Callable[[], int],
        admission: Admission,
        rooms: Rooms,
        own: Callable[[], int],
        deliver: Callable[[Sequence[Hint], int], None],
        publish: Callable[[Sequence[Hint], int], None],
    ) -> None:
        self._workers = workers
        self._admission = admission
        self._rooms = rooms
        self._own = own
        self._deliver = deliver
        self._publish = publish
        self._thread = threading.Thread(target=self._run, name="paceline-hand-out", daemon=True)
        self._changed = threading.Condition()
        # By shard: what was granted, the earliest first, and when the first of it was (server us).
        self._waiting: dict[int, tuple[list[Hint], int]] = {}
        self._stopping = False
        self._no_broker_before_s = 0.0

    def start(self) -> None:
        """Begin to hand out."""
        self._thread.start()

    def stop(self) -> None:
        """Hand out what was granted, and end."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join()

    def take(self, hints: Sequence[Hint], granted_us: int) -> None:
        """Hand these out soon. Any thread may call; does not block.

        Args:
            hints: granted operations of one shard, the earliest first.
            granted_us: when they were granted (server us).
        """
        if not hints:
            return
        with self._changed:
            self._waiting.setdefault(hints[0].shard, ([], granted_us))[0].extend(hints)
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stopping)
                taken, self._waiting = self._waiting, {}
            if not taken:
                return
            for hints, granted_us in taken.values():
                try:
                    self._share(hints, granted_us)
                except Exception:
                    log.exception("granted operations could not be handed out; their leases give them back")

    def _share(self, hints: Sequence[Hint], granted_us: int) -> None:
        workers = 1 if self._is_broker_away() else self._workers()
        own, few, intake = self._own(), self._admission.few, self._admission.intake
        here, batches = shares(hints, own=own, in_flight=self._rooms.total, workers=workers, few=few, intake=intake)
        if here:
            self._deliver(here, granted_us)
        for batch in batches:
            if self._is_broker_away() or not self._is_published(batch, granted_us):
                self._deliver(batch, granted_us)

    def _is_broker_away(self) -> bool:
        return time.monotonic() < self._no_broker_before_s

    def _is_published(self, batch: Sequence[Hint], granted_us: int) -> bool:
        try:
            self._publish(batch, granted_us)
        except Exception as error:  # noqa: BLE001 - any broker, any error: nothing is lost, and this worker is there
            log.warning("the broker did not take a hint; this worker sends the operations", error=str(error))
            self._no_broker_before_s = time.monotonic() + _BROKER_PAUSE_S
            return False
        return True
