"""A runner: takes its share of the hooks under leases, and serves each."""

import asyncio
import signal
from contextlib import suppress
from datetime import timedelta
from typing import Final

import structlog

from paceline.errors import ConfigurationError, StateUnavailable
from paceline_worker.accounts.secrets import KeyRing
from paceline_worker.hooks.secrets import Secrets, unseal
from paceline_worker.hooks.serving import Serving, Tools
from paceline_worker.hooks.stored import Look, StoredHook

log = structlog.get_logger(__name__)

# A lease is renewed so often within its time.
_RENEWALS: Final = 5
LEASE: Final = timedelta(seconds=5)
# The stream is looked at so often for all hooks together.
_LOOK_S: Final = 0.25
_ENDS: Final = (signal.SIGTERM, signal.SIGINT)


class Runner:
    """Serves hooks.

    Args:
        tools: its state, under its name, and what posts and counts.
        ring: opens secrets.
        lease: how long a hook is its own without another word.
    """

    def __init__(self, tools: Tools, ring: KeyRing, lease: timedelta = LEASE) -> None:
        self._tools, self._state, self._metrics, self._ring = tools, tools.state, tools.metrics, ring
        self._renew_s = lease.total_seconds() / _RENEWALS
        self._served: dict[str, Serving] = {}
        # Hooks that are served no longer, while answers to their last requests are waited for.
        self._ending: dict[str, asyncio.Task[None]] = {}
        # Hooks whose secrets cannot be opened, told once each.
        self._closed: set[tuple[str, int]] = set()
        self.answers = False

    async def run(self, ended: asyncio.Event) -> None:
        """Serve until it is told to end; then requests under way are waited for.

        Args:
            ended: tells so.
        """
        watching = asyncio.create_task(self._watch())
        try:
            while not ended.is_set():
                await self._claim()
                with suppress(TimeoutError):
                    await asyncio.wait_for(ended.wait(), self._renew_s)
        finally:
            watching.cancel()
            await self._end()

    async def _claim(self) -> None:
        try:
            look = await self._state.claim()
        except StateUnavailable as error:
            if self.answers:
                log.warning("the state server does not answer; hooks wait", error=str(error))
            self.answers = False
            return

        if not self.answers:
            log.info("hooks are served", hooks=len(look.hooks))

        self.answers = True
        for hook, serving in list(self._served.items()):
            if serving.is_over:
                del self._served[hook]
                await serving.close()
            elif hook not in look.hooks:
                self._retire(hook)

        for stored in look.hooks.values():
            self._serve(stored, look)

        self._metrics.show(list(look.hooks.values()), look.now_ms)

    async def _end(self) -> None:
        """Let go of each hook as soon as its last answers are noted; until then its lease is renewed."""
        for hook in list(self._served):
            self._retire(hook)

        while closing := dict(self._ending):
            with suppress(StateUnavailable):
                await self._state.leave(closing)
            await asyncio.wait(closing.values(), timeout=self._renew_s)

        with suppress(StateUnavailable):
            await self._state.leave()

    def _retire(self, hook: str) -> None:
        """Post nothing more for a hook. Its receiver may take long to answer: the other hooks do not wait for that."""
        closing = asyncio.create_task(self._served.pop(hook).close())
        self._ending[hook] = closing
        closing.add_done_callback(lambda _: self._ending.pop(hook))

    def _serve(self, stored: StoredHook, look: Look) -> None:
        if stored.id in self._ending:
            return
        serving = self._served.get(stored.id)
        if serving is None or serving.serial != stored.serial:
            secrets = self._opened(stored)
            if secrets is None:
                if serving:
                    self._retire(stored.id)
                return
            if serving is None:
                serving = Serving(stored, secrets, self._tools)
                self._served[stored.id] = serving
            serving.sign_with(secrets)
        serving.tell(look.head, stored, look.now_ms)

    def _opened(self, stored: StoredHook) -> Secrets | None:
        try:
            return unseal(self._ring, stored.id, stored.serial, stored.secrets)
        except ConfigurationError as error:
            if (stored.id, stored.serial) not in self._closed:
                self._closed.add((stored.id, stored.serial))
                log.error("a hook is not served", hook=stored.id, error=str(error))  # noqa: TRY400 - no traceback
            return None

    async def _watch(self) -> None:
        """One look at the stream for all hooks."""
        while True:
            await asyncio.sleep(_LOOK_S)
            if not self._served:
                continue
            with suppress(StateUnavailable):
                head = await self._state.head()
                for serving in self._served.values():
                    serving.tell(head)


async def until_told(runner: Runner) -> None:
    """Run until SIGTERM or SIGINT."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _ENDS:
        loop.add_signal_handler(number, ended.set)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDS)
    await runner.run(ended)
