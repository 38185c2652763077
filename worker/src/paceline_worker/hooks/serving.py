"""One hook, served: entries become events, events are posted, answers are noted."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final

import structlog

from paceline.errors import OutcomesTrimmed, StateUnavailable
from paceline_worker.hooks.event import event_of
from paceline_worker.hooks.metrics import HookMetrics
from paceline_worker.hooks.policy import BACKOFF, BREAKER_WAIT, Answer, Breaker, Next, next_of
from paceline_worker.hooks.posting import Poster
from paceline_worker.hooks.secrets import Secrets
from paceline_worker.hooks.state import MOST_WAITING, LeaseLost, RunnerState
from paceline_worker.hooks.stored import Noted, StoredHook, Taken

log = structlog.get_logger(__name__)

_PAGE: Final = 500
# Without news from the stream a hook looks so often whether something was queued again.
_LOOK_S: Final = 1.0
_AGAIN_S: Final = 0.5
_START: Final = "0-0"


@dataclass(frozen=True, slots=True)
class Rules:
    """How hooks are served.

    Args:
        backoff: waits between tries.
        breaker_wait: first wait of an open breaker.
        places: requests under way to one hook.
    """

    backoff: tuple[timedelta, ...] = BACKOFF
    breaker_wait: timedelta = BREAKER_WAIT
    places: int = 16


@dataclass(frozen=True, slots=True)
class Tools:
    """What all hooks of a runner share.

    Args:
        state: the runner's.
        poster: posts.
        metrics: counts.
        rules: how hooks are served.
        random: jitter.
    """

    state: RunnerState
    poster: Poster
    metrics: HookMetrics
    rules: Rules = field(default_factory=Rules)
    random: Random = field(default_factory=Random)


class Serving:
    """Serves one hook until it is closed or the lease is another's.

    Args:
        stored: the hook.
        secrets: sign its events.
        tools: the runner's.
    """

    def __init__(self, stored: StoredHook, secrets: Secrets, tools: Tools) -> None:
        self._state, self._poster, self._metrics = tools.state, tools.poster, tools.metrics
        self._rules, self._random = tools.rules, tools.random
        self._stored, self._secrets = stored, secrets
        self._place, self._head = stored.place, stored.place
        self._breaker, self._waiting = stored.breaker, stored.waiting
        # The state server's clock, as far as this process can tell.
        self._ahead_s = 0.0
        self._news = asyncio.Event()
        # Whether state may say that something is being posted which is not: so at first, and after a call without a reply.
        self._uncertain = True
        self._ending = False
        self._posting: dict[asyncio.Task[tuple[Taken, Answer]], Taken] = {}
        self._task = asyncio.create_task(self._run())

    @property
    def is_over(self) -> bool:
        """Whether it ended."""
        return self._task.done()

    @property
    def serial(self) -> int:
        """Number of the secrets that sign."""
        return self._stored.serial

    def tell(self, head: str, stored: StoredHook | None = None, now_ms: int = 0) -> None:
        """News: the stream's last entry, and with it perhaps the hook as state has it now."""
        if stored is not None:
            if self._stored.disabled and not stored.disabled:
                self._breaker = stored.breaker
            self._stored, self._waiting = stored, stored.waiting
            self._ahead_s = now_ms / 1000 - time.time()
        if head != self._head or stored is not None:
            self._head = head
            self._news.set()

    def sign_with(self, secrets: Secrets) -> None:
        """Other secrets."""
        self._secrets = secrets

    async def close(self) -> None:
        """Post nothing more; what is under way is waited for and noted."""
        self._ending = True
        self._news.set()
        try:
            await self._task
        except Exception as error:  # noqa: BLE001 - one hook's fault does not end the others; its words may hold a body
            log.error("a hook stopped because of a fault in Paceline", hook=self._stored.id, error=type(error).__name__)  # noqa: TRY400

    async def _run(self) -> None:
        try:
            while not self._ending or self._posting:
                is_last = self._ending and all(task.done() for task in self._posting)
                # Nobody knows when state is back. Whoever serves the hook then posts these events again.
                if not await self._patiently(self._step) and is_last:
                    break
        except LeaseLost:
            log.info("another runner serves the hook", hook=self._stored.id)
        finally:
            for task in self._posting:
                task.cancel()

    async def _patiently(self, step: Callable[[], Coroutine[Any, Any, None]]) -> bool:
        """Take a step; whether the state server answered."""
        try:
            await step()
        except StateUnavailable as error:
            log.warning("the state server does not answer; hooks wait", hook=self._stored.id, error=str(error))
            self._uncertain = True
            await asyncio.sleep(_AGAIN_S)
            return False
        return True

    async def _step(self) -> None:
        self._news.clear()
        await self._note()
        if self._ending or self._stored.disabled:
            await self._wait(_LOOK_S)
            return
        more = await self._fill()
        due_s = await self._post()
        await self._wait(0.0 if more and not self._is_busy() else due_s)

    async def _fill(self) -> bool:
        """Keep the events of the next page of the stream; whether there is more."""
        if self._place == self._head or self._waiting >= MOST_WAITING:
            return False

        hook = self._stored.id
        try:
            page = await self._state.page(self._place, _PAGE)
        except OutcomesTrimmed:
            log.error(  # noqa: TRY400 - the traceback says nothing
                "entries were deleted before they were read: their events are lost", hook=hook, after=self._place
            )
            await self._state.put(hook, self._place, _START, (), gap=True)
            self._place = _START
            return True

        after = page.next.removeprefix("(") if page.next.startswith("(") else self._place
        if after == self._place:
            self._head = self._place  # what the stream had is gone, or was never there
            return False

        events = [event for entry in page.entries if (event := event_of(entry, self._stored.hook))]
        await self._state.put(hook, self._place, after, events)
        self._place, self._waiting = after, self._waiting + len(events)

        return page.more

    async def _post(self) -> float:
        """Begin to post what is due; seconds until something else may be."""
        if self._uncertain:
            if self._posting:
                return _LOOK_S
            await self._state.back(self._stored.id)
            self._uncertain = False
        room = self._breaker.room(self._now_ms(), self._rules.places) - len(self._posting)
        if room <= 0:
            wait_s = (self._breaker.open_until_ms - self._now_ms()) / 1000
            return min(max(wait_s, 0.05), _LOOK_S) if self._breaker.open_until_ms else _LOOK_S
        events, due_s = await self._state.take(self._stored.id, room)
        for taken in events:
            self._posting[asyncio.create_task(self._tried(taken))] = taken
        return _LOOK_S if due_s is None or self._is_busy() else min(max(due_s, 0.01), _LOOK_S)

    async def _tried(self, taken: Taken) -> tuple[Taken, Answer]:
        began = time.monotonic()
        headers = self._secrets.headers(taken.id, taken.body, datetime.now(UTC))
        answer = await self._poster.post(self._stored.hook.url, taken.body, headers)
        self._metrics.request(self._stored.id, answer.result, time.monotonic() - began)
        return taken, answer

    async def _note(self) -> None:
        """Keep what became of events. What cannot be noted is kept here, and noted as soon as state answers."""
        done = [task for task in self._posting if task.done()]
        if not done:
            return

        hook, noted, breaker = self._stored.id, [], self._breaker
        fields: dict[str, str] = {}

        for task in done:
            taken, answer = task.result()
            if answer.result == "gone":
                noted.append(Noted(taken.id, Next("kept"), answer.words))
                fields["disabled"] = "the receiver answered 410 Gone"
                continue
            breaker = breaker.after(answer, self._now_ms(), self._rules.breaker_wait)
            following = next_of(answer, taken.tries, self._rules.backoff, self._random.random())
            noted.append(Noted(taken.id, following, answer.words))
            if answer.result != "delivered":
                fields["words"] = answer.words

        await self._state.note(hook, fields | breaker.as_fields(), noted)
        for task in done:
            del self._posting[task]

        self._tell_of(breaker, fields, noted)

    def _tell_of(self, breaker: Breaker, fields: dict[str, str], noted: list[Noted]) -> None:
        hook = self._stored.id
        if breaker.open_until_ms and not self._breaker.open_until_ms:
            log.warning("the receiver fails: only probes are posted", hook=hook)
        if self._breaker.open_until_ms and not breaker.open_until_ms:
            log.warning("the receiver works again", hook=hook)
        if "disabled" in fields:
            log.warning("the hook is disabled: its receiver answered 410 Gone", hook=hook)
            # The next look at state says the same.
            self._stored = replace(self._stored, disabled=fields["disabled"])
        self._breaker = breaker
        for one in noted:
            self._waiting -= one.next.what in ("done", "dead")
            if one.next.what == "dead":
                self._metrics.died(hook)
                log.warning("an event is given up; `paceline hooks dead list` says why", hook=hook, event_id=one.id)

    async def _wait(self, seconds: float) -> None:
        """Until a request ends, news come, or the time is over."""
        if any(task.done() for task in self._posting):
            return
        news = asyncio.ensure_future(self._news.wait())
        waiting: set[asyncio.Future[Any]] = {news, *self._posting}
        try:
            await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            news.cancel()

    def _is_busy(self) -> bool:
        return len(self._posting) >= self._rules.places

    def _now_ms(self) -> int:
        return int((time.time() + self._ahead_s) * 1000)
