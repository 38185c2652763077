"""Counting broker messages that were refused, saying so without a line for each of a flood, and resting in between."""

import logging
import time
from collections.abc import Callable
from typing import Final

from paceline_worker.broker.allowance import Allowance

logger = logging.getLogger("paceline_worker.broker")

# All that there are: a counter shows each from the start, so that its first message is an increase.
REASONS: Final = (
    *(
        "envelope",
        "size",
        "content",
        "compression",
        "headers",
        "task",
        "body",
        "arguments",
        "slot",
        "shard",
        "command",
        "control",
    ),
    *("reply", "failed"),
)
# One line for each reason within so many seconds, whatever the flood.
_QUIET_S: Final = 10.0
# Whatever else the thread did since the last refusal is not for this one to pay.
_DEAREST_S: Final = 0.005


class Refusals:
    """Counts refused messages of one Celery app.

    A message is never quoted: the log must not carry what a stranger wrote.

    Args:
        clock: monotonic seconds.
        cpu: seconds of CPU of the thread that refuses.
        sleep: takes seconds.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        cpu: Callable[[], float] = time.thread_time,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._clock = clock
        self._cpu = cpu
        self._sleep = sleep
        self._allowance = Allowance()
        self._cpu_s = 0.0
        self.number = 0
        self._count: Callable[[str, int], None] = _nobody
        self._said_s: dict[str, float] = {}
        self._unsaid: dict[str, int] = {}

    def tell(self, count: Callable[[str, int], None]) -> None:
        """Tell a counter from now on.

        Args:
            count: called with a reason, and how many messages were refused for it.
        """
        self._count = count

    def add(self, reason: str, number: int = 1) -> None:
        """Note refused messages, and let the calling thread rest when refusing took more than its share of the time.

        Args:
            reason: one of `REASONS`.
            number: how many.
        """
        self.number += number
        self._count(reason, number)
        self._say(reason, number)
        self._rest()

    def _rest(self) -> None:
        cpu_s = self._cpu()
        spent_s, self._cpu_s = max(0.0, cpu_s - self._cpu_s), cpu_s
        if pause_s := self._allowance.pause_after(min(spent_s, _DEAREST_S), self._clock()):
            self._sleep(pause_s)

    def _say(self, reason: str, number: int) -> None:
        self._unsaid[reason] = self._unsaid.get(reason, 0) + number
        now_s = self._clock()
        if now_s - self._said_s.get(reason, -_QUIET_S) < _QUIET_S:
            return
        self._said_s[reason] = now_s
        logger.warning("refused %d broker message(s): reason=%s", self._unsaid.pop(reason), reason)


def _nobody(_: str, __: int) -> None:
    """No counter is there yet."""
