"""Accepts records of campaigns in a thread of its own: a single message does not wait until a campaign is taken in."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import structlog
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)

# Records between two looks at whether the worker stops.
_TOGETHER: Final = 4
# Records that may wait here, of a few hundred rows each; of more the sweep takes care, as of all that no hint named.
_MOST: Final = 10_000
# Records that another worker was told of come first: so often a worker asks whether it is time, so long it waits in between.
# To take them in meanwhile is to do the work of the other worker, and both are slower than one.
_TURNS: Final = 10
_TURN_S: Final = 0.1
# After a state server that does not answer: what was named waits for the sweep.
_PAUSE_S: Final = 1.0


class BulkInbox:
    """Takes the hints of campaigns off the broker at once, and works on their records in the order in which they came.

    In the broker's queue the hint of a single message would stand behind them: a campaign is written twice as fast as it is taken
    in, so a message that was sent seven seconds after its begin waited for eleven. A hint that is lost with its worker costs time
    only: the sweep finds records that nobody accepted.

    Args:
        accept: moves records into their lanes, with those that come before them; raises RedisError or OSError when a state
            server does not answer.
        accept_in_turn: likewise, up to the first that others come before; returns the rest.
    """

    def __init__(
        self, accept: Callable[[Sequence[str]], None], accept_in_turn: Callable[[Sequence[str]], list[str]]
    ) -> None:
        self._accept, self._accept_in_turn = accept, accept_in_turn
        self._turns = 0
        self._waiting: deque[str] = deque(maxlen=_MOST)
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        # One: records of an account have an order, so two threads did the work of each other, and took half as long again.
        self._thread = threading.Thread(target=self._run, name="paceline-bulk", daemon=True)

    def start(self) -> None:
        """Begin to accept."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the records that are being accepted; the others are left to the sweep of other workers."""
        with self._changed:
            self._stopping.set()
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()

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
                self._take_in(batch)
            except (RedisError, OSError) as error:
                log.warning("records of a campaign could not be accepted; the sweep finds them", error=str(error))
                self._stopping.wait(_PAUSE_S)
            except Exception:
                log.exception("records of a campaign could not be accepted; the sweep finds them")

    def _take_in(self, batch: Sequence[str]) -> None:
        """Accept records; of those that others come before, wait for some turns."""
        left = self._accept_in_turn(batch)
        if not left:
            self._turns = 0
        elif self._turns < _TURNS:
            self._turns += 1
            with self._changed:
                self._waiting.extendleft(reversed(left))
            self._stopping.wait(_TURN_S)
        else:  # the other worker is gone, or its hint is lost
            self._accept(left)
