"""Accepts records of campaigns in threads of its own: a single message does not wait until a campaign is taken in."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import structlog
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)

# Two: one computes seals while the state server works for the other.
_THREADS: Final = 2
# Records between two looks at whether the worker stops.
_TOGETHER: Final = 4
# Records that may wait here, of a few hundred rows each; of more the sweep takes care, as of all that no hint named.
_MOST: Final = 10_000
# After a state server that does not answer: what was named waits for the sweep.
_PAUSE_S: Final = 1.0


class BulkInbox:
    """Takes the hints of campaigns off the broker at once, and works on their records in the order in which they came.

    In the broker's queue the hint of a single message would stand behind them: a campaign is written twice as fast as it is taken
    in, so a message that was sent seven seconds after its begin waited for eleven. A hint that is lost with its worker costs time
    only: the sweep finds records that nobody accepted.

    Args:
        accept: moves records into their lanes; raises RedisError or OSError when a state server does not answer.
    """

    def __init__(self, accept: Callable[[Sequence[str]], None]) -> None:
        self._accept = accept
        self._waiting: deque[str] = deque(maxlen=_MOST)
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, name=f"paceline-bulk-{number}", daemon=True)
            for number in range(_THREADS)
        ]

    def start(self) -> None:
        """Begin to accept."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Finish the records that are being accepted; the others are left to the sweep of other workers."""
        with self._changed:
            self._stopping.set()
            self._changed.notify_all()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    def take(self, rids: Sequence[str]) -> None:
        """Accept these soon. Any thread may call; does not block.

        Args:
            rids: ids of inbox records. Beyond 10,000 that wait, the oldest are left to the sweep.
        """
        with self._changed:
            self._waiting.extend(rids)
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stopping.is_set())
                if self._stopping.is_set():
                    return
                batch = [self._waiting.popleft() for _ in range(min(_TOGETHER, len(self._waiting)))]
            try:
                self._accept(batch)
            except (RedisError, OSError) as error:
                log.warning("records of a campaign could not be accepted; the sweep finds them", error=str(error))
                self._stopping.wait(_PAUSE_S)
            except Exception:
                log.exception("records of a campaign could not be accepted; the sweep finds them")
