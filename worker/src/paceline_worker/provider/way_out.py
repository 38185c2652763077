"""Can this worker reach the provider? If not, it steps back, so that the others send its share."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from random import Random
from typing import Final

import structlog

log = structlog.get_logger(__name__)

# Before the first look and the ones after it. A way that opens and does not hold is looked at less often each time.
_PAUSES_S: Final = (0.0, 0.5, 1.0, 2.0, 4.0, 5.0)
_JITTER: Final = 0.2


class WayOut:
    """Tells a worker's own failures to connect from the provider's, and looks for the way back. Used on the engine's loop.

    A call that got no connection (refused, no such name, certificate, proxy, no file descriptor) says nothing of the operation: no
    attempt is spent, and no breaker opens for the other workers. This worker gives its operations back instead, and takes none on
    until a connection can be made.

    Args:
        reach: makes a connection, without a call; raises OSError where it cannot.
        on_step: called in a thread with the reason when this worker steps back and with each look that finds no way, and with ''
            when it comes back; may block.
        random: spreads the looks of many workers.
        sleep: waits for so many seconds.
    """

    def __init__(
        self,
        reach: Callable[[], Awaitable[None]],
        on_step: Callable[[str], None],
        random: Random,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._reach = reach
        self._on_step = on_step
        self._random = random
        self._sleep = sleep
        self._failures = 0
        self._opened_s = float("-inf")
        self._task: asyncio.Task[None] | None = None
        # Any thread may read these two.
        self.is_open = True
        self.words = ""

    def connected(self) -> None:
        """A call got a connection."""
        if self.is_open:
            self._failures, self.words = 0, ""

    def failed(self, words: str, called_s: float) -> None:
        """A call got none.

        Args:
            words: why.
            called_s: monotonic time at which the call began; one of before the way was found again says nothing.
        """
        if not self.is_open or called_s < self._opened_s:
            return
        self.is_open, self.words = False, words
        self._task = asyncio.get_running_loop().create_task(self._look())

    async def settled(self) -> None:
        """Wait until the look that is under way has found the way again."""
        if self._task:
            await self._task

    def close(self) -> None:
        """Look no further."""
        if self._task:
            self._task.cancel()

    async def _look(self) -> None:
        began_s, told = time.monotonic(), False
        try:
            while True:
                if self._failures > 1 and not told:  # the way opened, and did not hold
                    told = await self._step_back()
                pause_s = _PAUSES_S[min(self._failures, len(_PAUSES_S) - 1)]
                self._failures += 1
                await self._sleep(pause_s * (1 + _JITTER * self._random.random()))
                try:
                    await self._reach()
                except (OSError, ValueError) as error:
                    self.words = str(error) or type(error).__name__
                    if told:
                        await asyncio.to_thread(self._on_step, self.words)
                    else:
                        told = await self._step_back()
                else:
                    break
        finally:
            self._opened_s, self.is_open = time.monotonic(), True

        if told:
            log.warning("this worker reaches the provider again", away_s=round(time.monotonic() - began_s, 1))
            await asyncio.to_thread(self._on_step, "")

    async def _step_back(self) -> bool:
        log.warning(
            "this worker cannot reach the provider; until it can, it takes no operations on and spends no attempts",
            error=self.words,
        )
        await asyncio.to_thread(self._on_step, self.words)
        return True
