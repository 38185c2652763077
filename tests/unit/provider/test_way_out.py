"""When a worker steps back because it cannot reach the provider, and when it comes back."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from random import Random

import pytest

from paceline_worker.provider.way_out import WayOut

REFUSED = "connection refused"
EARLIER = -1.0


def looking(*found: bool) -> Callable[[], Awaitable[None]]:
    """Looks of which each finds the way or not."""
    left = iter(found)

    async def reach() -> None:
        if not next(left):
            raise OSError(REFUSED)

    return reach


class Seen:
    """What a `WayOut` did."""

    def __init__(self, *found: bool) -> None:
        self.steps: list[str] = []
        self.pauses: list[float] = []
        self.way = WayOut(looking(*found), self.steps.append, Random(1), self._pause)

    async def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0)

    async def lose(self) -> None:
        """A call that begins now gets no connection; returns when the way is open again."""
        self.way.failed("lost", time.monotonic())
        assert not self.way.is_open
        await self.way.settled()


def test_a_single_failure_is_looked_into_and_told_to_nobody() -> None:
    """The way is open when it is looked at: nothing else happens, and nothing is waited for."""

    async def run() -> Seen:
        seen = Seen(True)
        await seen.lose()
        return seen

    seen = asyncio.run(run())
    assert ([], [0.0]) == (seen.steps, seen.pauses)


def test_a_lost_way_is_told_until_it_is_found() -> None:
    """Every look that finds none says why, with longer and longer pauses, jittered; then that it is found."""

    async def run() -> Seen:
        seen = Seen(*[False] * 7, True)
        seen.way.failed("lost", time.monotonic())
        await seen.way.settled()
        return seen

    seen = asyncio.run(run())
    assert [REFUSED] * 7 + [""] == seen.steps
    assert all(
        least <= pause <= 1.2 * least for least, pause in zip([0, 0.5, 1, 2, 4, 5, 5, 5], seen.pauses, strict=True)
    )
    assert seen.way.is_open


def test_a_way_that_does_not_hold_is_trusted_less_each_time() -> None:
    """Each look succeeds and each call after it fails: the third time the worker steps back, and pauses grow."""

    async def run() -> Seen:
        seen = Seen(*[True] * 4)
        for _ in range(2):
            await seen.lose()
        assert [] == seen.steps
        seen.way.failed("lost", time.monotonic())
        await seen.way.settled()
        return seen

    seen = asyncio.run(run())
    assert ["lost", ""] == seen.steps
    assert sorted(seen.pauses) == seen.pauses
    assert seen.pauses[-1] > 0


def test_a_call_that_connects_restores_the_trust() -> None:
    """After it, a failure is again the first one."""

    async def run() -> Seen:
        seen = Seen(*[True] * 5)
        for _ in range(5):
            await seen.lose()
            seen.way.connected()
        return seen

    seen = asyncio.run(run())
    assert ([], [0.0] * 5) == (seen.steps, seen.pauses)


def test_a_call_of_before_says_nothing() -> None:
    """What began before the way was found again fails late, and closes nothing."""

    async def run() -> None:
        seen = Seen(True)
        await seen.lose()
        seen.way.failed("late", EARLIER)
        assert seen.way.is_open

    asyncio.run(run())


@pytest.mark.parametrize("error", [OSError(), ValueError("label too long")])
def test_there_is_always_a_reason(error: Exception) -> None:
    """Also of errors without words, and of names that cannot be looked up at all."""
    fails = [True]

    async def reach() -> None:
        if fails.pop():
            fails.append(False)
            raise error

    async def run() -> list[str]:
        steps: list[str] = []
        way = WayOut(reach, steps.append, Random(1), lambda _: asyncio.sleep(0))
        way.failed("lost", time.monotonic())
        await way.settled()
        return steps

    first, last = asyncio.run(run())
    assert first
    assert not last
