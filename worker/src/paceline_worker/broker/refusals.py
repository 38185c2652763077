"""Counting broker messages that were refused, and saying so without a line for each of a flood."""

import logging
import time
from collections.abc import Callable
from typing import Final

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
        "command",
        "control",
    ),
    *("reply", "failed"),
)
# One line for each reason within so many seconds, whatever the flood.
_QUIET_S: Final = 10.0


class Refusals:
    """Counts refused messages of one Celery app.

    A message is never quoted: the log must not carry what a stranger wrote.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._count: Callable[[str], None] = _nobody
        self._said_s: dict[str, float] = {}
        self._unsaid: dict[str, int] = {}

    def tell(self, count: Callable[[str], None]) -> None:
        """Tell a counter from now on.

        Args:
            count: called with the reason of each refusal.
        """
        self._count = count

    def add(self, reason: str) -> None:
        """Note one refused message.

        Args:
            reason: one of `REASONS`.
        """
        self._count(reason)
        self._unsaid[reason] = self._unsaid.get(reason, 0) + 1
        now_s = self._clock()
        if now_s - self._said_s.get(reason, -_QUIET_S) < _QUIET_S:
            return
        self._said_s[reason] = now_s
        logger.warning("refused %d broker message(s): reason=%s", self._unsaid.pop(reason), reason)


def _nobody(_: str) -> None:
    """No counter is there yet."""
