"""Takes what the provider posts: is the token right, what does the body say, what did state record?"""

import asyncio
import re
import time
from collections.abc import Callable, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Final, NamedTuple

import structlog

from paceline.errors import StateUnavailable
from paceline_worker.delivery.batcher import Batcher
from paceline_worker.receipts.address import opens
from paceline_worker.receipts.metrics import ReceiptMetrics, Result
from paceline_worker.receipts.reading import Told, Unread, Wrote, read_body
from paceline_worker.receipts.state import ReceiptState
from paceline_worker.receipts.words import Words

log = structlog.get_logger(__name__)

# One script run, during which the server does nothing else.
_MOST_AT_ONCE: Final = 100
# A stranger who tries tokens costs the state server one look a second for each name, and us so many names.
_DIGEST_KEPT_S: Final = 1.0
_MOST_DIGESTS: Final = 20_000
# And no more connections than this, however many of them come at once.
_MOST_LOOKS: Final = 8
# Soon enough for the next scrape.
_CATCH_UP_S: Final = 1.0
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


class _Question(NamedTuple):
    account: str
    digest: str
    told: Told


class Intake:
    """What a receiver does with requests, without HTTP.

    Args:
        state: the record.
        metrics: counters.
        words: what inbound messages are looked through for.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        state: ReceiptState,
        metrics: ReceiptMetrics,
        *,
        words: Words | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._state = state
        self._words = words or Words()
        self._metrics = metrics
        self._clock = clock
        self._digests: dict[str, tuple[float, str]] = {}
        self._looks = asyncio.Semaphore(_MOST_LOOKS)
        self._batcher: Batcher[_Question, str] = Batcher(self._take_all, largest=_MOST_AT_ONCE)
        self._reachable = True

    async def key(self, account: str, token: str) -> str | None:
        """What a token opens.

        Args:
            account: as it was asked for, anything.
            token: of the address.

        Returns:
            The digest to pass to `take`; None when there is no such account, or when this is not its token.

        Raises:
            StateUnavailable: nobody knows.
        """
        digest = await self._digest(account) if _NAME.fullmatch(account) else ""
        return digest if opens(token, digest) else None

    async def take(self, account: str, digest: str, body: bytes) -> Result:
        """Note what a body tells.

        Args:
            account: whose token it came with.
            digest: from `key`.
            body: as received.

        Raises:
            StateUnavailable: it is not noted, as far as we know; it may come again.
        """
        told = read_body(body)
        if isinstance(told, Unread):
            return Result(told.value)
        if isinstance(told, Wrote):
            return await self._read(account, digest, told)
        done = await self._batcher.ask(_Question(account, digest, told))
        return Result(done)

    async def _read(self, account: str, digest: str, wrote: Wrote) -> Result:
        """Look whether an inbound message is an opt-out word or its opposite; other ones are nobody's business here."""
        change = self._words.meaning(wrote.text)
        if change is None:
            return Result.IGNORED
        done = Result(await self._state.wrote(account, digest, wrote, change))
        if done is Result.FORBIDDEN:  # the token was replaced in this second
            self._digests.pop(account, None)
        return done

    async def catch_up(self) -> None:
        """For ever: count the receipts that came early and were noted when their messages had their answers."""
        while True:
            await asyncio.sleep(_CATCH_UP_S)
            try:
                for account, status, number in await self._state.caught_up():
                    self._metrics.receipts(account, status, number)
                self.reached(answers=True)
            except StateUnavailable:
                self.reached(answers=False)

    def reached(self, *, answers: bool) -> None:
        """Say in the log when the state server goes away, and when it is back."""
        if answers != self._reachable:
            self._reachable = answers
            if answers:
                log.info("the state server answers again")
            else:
                log.warning("the state server does not answer; the provider is told to repeat what it posts")

    async def _digest(self, account: str) -> str:
        if (kept := self._kept(account)) is not None:
            return kept
        async with self._looks:
            if (kept := self._kept(account)) is not None:  # somebody else has looked meanwhile
                return kept
            digest = await self._state.digest(account)
        if len(self._digests) >= _MOST_DIGESTS:
            self._digests.clear()
        self._digests[account] = self._clock() + _DIGEST_KEPT_S, digest
        return digest

    def _kept(self, account: str) -> str | None:
        until, digest = self._digests.get(account, (0.0, None))
        return digest if self._clock() < until else None

    async def _take_all(self, questions: Sequence[_Question]) -> list[str]:
        """One call of the state for each account among them, and what was done with each."""
        done: dict[int, str] = {}
        of_account = attrgetter("account", "digest")
        ordered = sorted(range(len(questions)), key=lambda place: of_account(questions[place]))
        for (account, digest), group in groupby(ordered, key=lambda place: of_account(questions[place])):
            places = list(group)
            told = [questions[place].told for place in places]
            results = await self._state.take(account, digest, told)
            if results is None:  # the token was replaced in this second
                self._digests.pop(account, None)
                results = [Result.FORBIDDEN.value] * len(told)
            for place, one, result in zip(places, told, results, strict=True):
                done[place] = result
                if result == Result.MOVED:
                    self._metrics.receipts(account, one.status)
        return [done[place] for place in range(len(questions))]
