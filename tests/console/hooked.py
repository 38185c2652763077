"""Hooks in state as a runner leaves them: events that wait, were delivered, were given up."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import redis

from paceline_worker.hooks.event import Event, written
from paceline_worker.hooks.hook import make
from paceline_worker.hooks.policy import Next
from paceline_worker.hooks.state import HookBook, RunnerState
from paceline_worker.hooks.stored import Noted


def event(number: int, operation: str = "01k0zxw5d3v8m2c7r4q9n6t1ea") -> Event:
    """An event of an operation, with its recipient in its body."""
    data = {"id": operation, "account": "acme", "campaign": None, "to": "+15550200002"}
    return Event(f"evt_{number}-0", operation, written("settled", "2026-01-31T09:00:01+00:00", data))


def add_hook(
    client: redis.Redis, hook: str, *accounts: str, url: str = "https://shop.example.com/in?key=s3cret"
) -> str:
    """A hook of some accounts; '*' is all."""
    about = make(url, accounts or ("*",), ("settled", "read"), with_recipients=True, allow_private=False)
    assert HookBook(client).add(hook, about, "sealed")
    return hook


def give_up(url: str, client: redis.Redis, hook: str, events: Sequence[Event], words: str = "HTTP 500") -> None:
    """Post events in vain as a runner does, ten times, and end."""
    HookBook(client).queue(hook, events)

    async def play() -> None:
        runner = RunnerState(url, "r1", lease=timedelta(seconds=60), retention=timedelta(days=7))
        await runner.claim()
        left = len(events)
        while left:  # events of one operation come one after the other
            taken, _ = await runner.take(hook, left)
            assert taken
            await runner.note(hook, {"words": words}, [Noted(one.id, Next("dead"), words) for one in taken])
            left -= len(taken)
        await runner.leave()
        await runner.close()

    with ThreadPoolExecutor(1) as pool:  # a browser's thread has an event loop already
        pool.submit(asyncio.run, play()).result()


def waiting(client: redis.Redis, hook: str) -> tuple[int, int]:
    """How many events of a hook wait, and how many are dead."""
    stored = HookBook(client).one(hook)
    return stored.waiting, stored.dead
