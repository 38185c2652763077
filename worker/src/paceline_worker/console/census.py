"""All accounts at a glance: read in the background, so that a page costs the same with ten accounts and with ten thousand."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import redis

from paceline.state import translating
from paceline_worker.exporter.readings import AccountReading, FleetReading, Reader

# A census of a few accounts is younger than this; one of many is made again when it is so many times older than the making took.
_FRESH_S: Final = 1.5
_REST: Final = 10.0
# So long a page waits for a first census that is being made.
_PATIENCE_S: Final = 0.1
# What an account used is told over this time, and not before the least one has passed.
_WINDOW_S: Final = 60.0
_LEAST_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Census:
    """All accounts and the fleet at one moment.

    Args:
        accounts: by name.
        fleet: what concerns all of them.
        used: account name to the share of its limit used in the last minute, as far as that is known.
        taken: slots taken a minute by all accounts; None: not measured.
        at: when it was made, seconds of the clock.
    """

    accounts: Mapping[str, AccountReading]
    fleet: FleetReading
    used: Mapping[str, float]
    taken: float | None
    at: float

    def of(self, sees: Callable[[str], bool]) -> list[AccountReading]:
        """The accounts that a viewer may know of."""
        return [account for account in self.accounts.values() if sees(account.name)]


class Counter:
    """Makes censuses, one at a time, and only when somebody looks.

    Args:
        client: the state server.
        clock: tells seconds.
    """

    def __init__(self, client: redis.Redis, clock: Callable[[], float] = time.monotonic) -> None:
        self._reader = Reader(client)
        self._clock = clock
        self._last: Census | None = None
        self._took_s = 0.0
        self._outdated = False
        self._making: asyncio.Task[Census] | None = None
        self._samples: deque[tuple[float, dict[str, int]]] = deque()

    async def look(self) -> Census | None:
        """The last census; None while the first one of many accounts is being made.

        Raises:
            StateUnavailable: the state server does not answer.
        """
        age = self._clock() - self._last.at if self._last else None
        if age is None or self._outdated or age > max(_FRESH_S, _REST * self._took_s):
            self._outdated = False
            if self._making is None or self._making.done():
                self._making = asyncio.create_task(self._make())
            done, _ = await asyncio.wait({self._making}, timeout=_PATIENCE_S)
            for task in done:
                return task.result()
        return self._last

    def forget(self) -> None:
        """Somebody changed something: the next look makes a new census."""
        self._outdated = True

    async def close(self) -> None:
        """Forget a census that is being made."""
        if self._making is not None and not self._making.done():
            self._making.cancel()
            await asyncio.wait({self._making})

    async def _make(self) -> Census:
        began = self._clock()
        accounts, fleet = await asyncio.to_thread(self._read)
        now = self._clock()
        self._took_s = now - began
        taken = {account.name: account.taken for account in accounts}
        self._note(now, taken)
        used, total = self._used(now, accounts)
        self._last = Census({account.name: account for account in accounts}, fleet, used, total, now)
        return self._last

    def _read(self) -> tuple[Sequence[AccountReading], FleetReading]:
        with translating():
            return sorted(self._reader.accounts(), key=lambda account: account.name), self._reader.fleet()

    def _note(self, now: float, taken: dict[str, int]) -> None:
        while len(self._samples) > 1 and self._samples[1][0] <= now - _WINDOW_S:
            self._samples.popleft()
        self._samples.append((now, taken))

    def _used(self, now: float, accounts: Iterable[AccountReading]) -> tuple[dict[str, float], float | None]:
        since, before = self._samples[0]
        span = now - since
        if span < _LEAST_S:
            return {}, None
        used, total = {}, 0
        for account in accounts:
            if account.name in before:
                taken = max(0, account.taken - before[account.name])  # added again, an account begins at 0
                total += taken
                used[account.name] = min(1.0, taken / (account.plain_per_s * span)) if account.plain_per_s else 0.0
        return used, total * 60 / span
