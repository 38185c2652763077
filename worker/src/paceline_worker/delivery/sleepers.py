"""Sleeping on the event loop until a time, or until the engine stops."""

import asyncio
import time


class Sleepers:
    """All who sleep; they are woken together when the engine stops."""

    def __init__(self) -> None:
        self._stopping = False
        self._sleeping: set[asyncio.Future[bool]] = set()

    def stop(self) -> None:
        """Wake all; nobody sleeps from now on."""
        self._stopping = True
        for sleeper in self._sleeping:
            if not sleeper.done():
                sleeper.set_result(True)

    async def stopped_before(self, at_s: float) -> bool:
        """Sleep until a monotonic time; True when the engine stops first."""
        if self._stopping:
            return True
        delay_s = at_s - time.monotonic()
        if delay_s <= 0:
            return False

        loop = asyncio.get_running_loop()
        sleeper: asyncio.Future[bool] = loop.create_future()
        alarm = loop.call_later(delay_s, _wake, sleeper)
        self._sleeping.add(sleeper)
        try:
            return await sleeper
        finally:
            alarm.cancel()
            self._sleeping.discard(sleeper)


def _wake(sleeper: "asyncio.Future[bool]") -> None:
    if not sleeper.done():
        sleeper.set_result(False)
