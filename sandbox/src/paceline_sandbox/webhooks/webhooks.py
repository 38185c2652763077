"""The delivery of webhooks: waits until a receipt is due, posts it, and records the result."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count, islice
from typing import Final

import aiohttp

from paceline_sandbox.clock import SECOND_US, Clock
from paceline_sandbox.webhooks.receipts import Errand, Notice, Parcel

# Few enough that a receiver that hangs costs neither sockets nor memory, many enough for a thousand receipts a second.
_AT_ONCE: Final = 32
# Messages whose receipts wait; beyond it a receiver that hangs for hours would fill the memory.
_MOST_WAITING: Final = 100_000
_RETRY_PAUSE_S: Final = 0.2


@dataclass(slots=True)
class Delivery:
    """One attempt to deliver a notice; `status` and `error` are both None while it is in work."""

    index: int
    at_us: int
    errand: Errand
    notice: Notice
    attempt: int
    status: int | None = None
    error: str | None = None
    finished_us: int | None = None

    @property
    def good(self) -> bool:
        """Whether the receiver said that it has it."""
        return self.status is not None and 200 <= self.status < 300

    def line(self) -> str:
        """The attempt as one line of JSON, without the line's end."""
        return json.dumps(
            {
                "index": self.index,
                "at_us": self.at_us,
                "url": self.errand.url,
                "event": self.errand.event,
                "message_uuid": self.notice.message_uuid,
                "attempt": self.attempt,
                "status": self.status,
                "error": self.error,
                "early": self.notice.early,
                "duplicate": self.notice.duplicate,
                "reordered": self.notice.reordered,
                "forged": self.notice.forged,
                "finished_us": self.finished_us,
            }
        )


class Webhooks:
    """Carries parcels on the running event loop; of one message the next notice waits until the one before it ended.

    `running` must be entered before the first parcel comes.

    Args:
        clock: microseconds since the epoch.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._deliveries: list[Delivery] = []
        self._counts: Counter[str] = Counter()
        self._waiting: list[tuple[int, int, Parcel]] = []
        self._serial = count()
        self._in_work: dict[asyncio.Task[None], Parcel] = {}
        self._ahead: dict[str, asyncio.Task[None]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._session: aiohttp.ClientSession | None = None

    async def running(self, _: object) -> AsyncIterator[None]:
        """Opens what deliveries need and closes it afterwards, in the form of aiohttp's cleanup contexts."""
        # A fresh connection each time: a kept connection that the receiver has closed would lose a receipt by accident.
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
            self._session = session
            yield
            self.clear()
            await asyncio.gather(*self._in_work, return_exceptions=True)
            self._session = None

    def carry(self, parcel: Parcel) -> None:
        """Takes a parcel and returns at once.

        Args:
            parcel: what to deliver; it has at least one notice.
        """
        if len(self._waiting) >= _MOST_WAITING:
            self._counts["overflowed"] += len(parcel.notices)
        elif parcel.notices[0].early:
            self._ahead[parcel.message_uuid] = self._begin(parcel)
        else:
            self._wait(parcel)

    async def overtaken(self, message_uuid: str | None) -> None:
        """Waits for the receipt that is to arrive before the answer of its send; returns at once for other messages.

        Args:
            message_uuid: the message that is about to be answered.
        """
        task = self._ahead.get(message_uuid or "")
        if task is not None:
            await asyncio.wait({task})

    def clear(self) -> None:
        """Forgets the log and all parcels; what is in work is cut off."""
        self._deliveries = []
        self._counts.clear()
        self._waiting.clear()
        for task, parcel in self._in_work.items():
            parcel.notices.clear()
            task.cancel()
        self._set_timer()

    def since(self, index: int) -> Iterator[Delivery]:
        """The deliveries tried from an index on, as many as there are at the time of the call.

        Args:
            index: of the first delivery wanted.
        """
        deliveries = self._deliveries
        return islice(deliveries, min(index, len(deliveries)), len(deliveries))

    def counts(self) -> dict[str, int]:
        """How many messages wait for receipts, and what became of the deliveries tried."""
        names = ("delivered", "failed", "early", "duplicate", "reordered", "forged", "overflowed")
        waiting = len(self._waiting) + len(self._in_work)
        return {"waiting": waiting, "tried": len(self._deliveries), **{name: self._counts[name] for name in names}}

    def _wait(self, parcel: Parcel) -> None:
        heappush(self._waiting, (parcel.notices[0].due_us, next(self._serial), parcel))
        self._begin_what_is_due()

    def _begin_what_is_due(self) -> None:
        now_us = self._clock()
        while self._waiting and self._waiting[0][0] <= now_us and len(self._in_work) < _AT_ONCE:
            self._begin(heappop(self._waiting)[2])
        self._set_timer()

    def _set_timer(self) -> None:
        """Wakes up for the next parcel, unless the end of a delivery will do so."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiting and len(self._in_work) < _AT_ONCE:
            delay_s = max(0, self._waiting[0][0] - self._clock()) / SECOND_US
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._begin_what_is_due)

    def _begin(self, parcel: Parcel) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(self._deliver(parcel))
        self._in_work[task] = parcel
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        parcel = self._in_work.pop(task)
        self._ahead.pop(parcel.message_uuid, None)
        if parcel.notices:
            self._wait(parcel)
        else:
            self._begin_what_is_due()

    async def _deliver(self, parcel: Parcel) -> None:
        notice = parcel.notices.popleft()
        errands = parcel.errands(notice)
        await asyncio.gather(*(self._run(errand, notice, parcel) for errand in errands))

    async def _run(self, errand: Errand, notice: Notice, parcel: Parcel) -> None:
        for attempt in range(1, parcel.attempts + 1):
            if attempt > 1:
                await asyncio.sleep(_RETRY_PAUSE_S)
            delivery = Delivery(len(self._deliveries), self._clock(), errand, notice, attempt)
            self._deliveries.append(delivery)
            for name in ("early", "duplicate", "reordered", "forged"):
                self._counts[name] += getattr(notice, name)
            await self._post(delivery, parcel.timeout_ms / 1000)
            self._counts["delivered" if delivery.good else "failed"] += 1
            if delivery.good:
                return

    async def _post(self, delivery: Delivery, timeout_s: float) -> None:
        errand = delivery.errand
        try:
            if self._session is None:
                raise ConnectionError("the sandbox is shutting down")
            async with self._session.post(
                errand.url,
                data=json.dumps(errand.body).encode(),
                headers={"Content-Type": "application/json"},
                timeout=aiohttp.ClientTimeout(total=timeout_s),
                allow_redirects=False,
            ) as response:
                delivery.status = response.status
        except TimeoutError:
            delivery.error = f"no answer within {timeout_s:g} s"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            delivery.error = str(error) or type(error).__name__
        finally:
            delivery.finished_us = self._clock()
