"""One line of the log for each settled operation, as long as operations settle slowly enough for people to read."""

import time
from collections.abc import Callable
from typing import Final

import structlog

log = structlog.get_logger(__name__)

# More lines a second than this help nobody; metrics and `paceline outcomes` have all of them.
MOST_A_SECOND: Final = 10


class OutcomeLog:
    """Writes outcomes at INFO, and how many went without a line.

    Args:
        most: Lines a second.
        clock: Seconds, monotonic.
    """

    def __init__(self, most: int = MOST_A_SECOND, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._second = -1
        self._written = 0
        self._skipped = 0

    def settled(self, operation: str, account: str, outcome: str, code: str) -> None:
        """An operation has its outcome.

        Args:
            operation: Its id.
            account: Name of its account.
            outcome: As settle.lua did it: an outcome, ``retry``, ``deferred`` and the like.
            code: The provider's status, or what stood in for one.
        """
        second = int(self._clock())
        if second != self._second:
            if self._skipped:
                log.info("outcomes without a line of their own", operations=self._skipped)
            self._second, self._written, self._skipped = second, 0, 0
        if self._written >= self._most:
            self._skipped += 1
            return
        self._written += 1
        log.info("outcome", operation=operation, account=account, outcome=outcome, code=code)
