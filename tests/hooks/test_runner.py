"""A runner in this process: leases while receivers do not answer, secrets that cannot be opened, the end."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import pytest
import redis
from prometheus_client import CollectorRegistry

from paceline import names
from paceline.state import connect
from paceline_sandbox.embedded import EmbeddedServer
from paceline_worker.accounts.secrets import KeyRing
from paceline_worker.hooks import hook as hooks
from paceline_worker.hooks.event import Event
from paceline_worker.hooks.metrics import HookMetrics
from paceline_worker.hooks.posting import Poster
from paceline_worker.hooks.runner import Runner
from paceline_worker.hooks.secrets import Secrets, new_secret, seal
from paceline_worker.hooks.serving import Rules, Tools
from paceline_worker.hooks.state import HookBook, RunnerState
from tests.conftest import SECRET
from tests.doors.conftest import server
from tests.support.hook_receiver import Receiver, receiving
from tests.support.proxy import Proxy
from tests.support.wait import wait_until

__all__ = ["server"]

PATIENCE = timedelta(seconds=30)
# Shorter than a receiver takes that holds its answers, and long enough for a busy machine.
LEASE = timedelta(seconds=2)
RING = KeyRing(SECRET)
OTHER_RING = KeyRing("AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=")


@dataclass
class Hooks:
    """Hooks of a state, and the clock of their leases."""

    url: str
    client: redis.Redis
    book: HookBook

    def add(self, hook: str, receiver: Receiver) -> None:
        about = hooks.make(receiver.url, ["*"], ["settled"], with_recipients=False, allow_private=True)
        secret = new_secret()
        assert self.book.add(hook, about, seal(RING, hook, 0, Secrets(secret)))
        receiver.secrets.append(secret)

    def queue(self, hook: str, *events: str) -> None:
        made = [Event(event, event, f'{{"type":"settled","data":{{"id":"{event}"}}}}') for event in events]
        assert len(made) == self.book.queue(hook, made)

    def held_until(self, hook: str) -> timedelta:
        return timedelta(microseconds=int(str(self.client.hget(f"{names.STATE_ROOT}:wh:{hook}", "until") or 0)))


@pytest.fixture
def rig(server: EmbeddedServer) -> Iterator[Hooks]:
    with connect(server.url) as client:
        rig = Hooks(server.url, client, HookBook(client))
        yield rig
        for hook in rig.book.all().hooks:
            rig.book.remove(hook)


@asynccontextmanager
async def running(url: str, name: str = "one", rules: Rules | None = None) -> AsyncIterator[asyncio.Event]:
    """A runner; the event tells it to end, at the latest when the scene is over."""
    state = RunnerState(url, name, lease=LEASE, retention=timedelta(days=1))
    ended = asyncio.Event()
    async with Poster(allow_private=True, deadline=PATIENCE) as poster:
        tools = Tools(state, poster, HookMetrics(CollectorRegistry()), rules or Rules())
        task = asyncio.create_task(Runner(tools, RING, LEASE).run(ended))
        try:
            yield ended
        finally:
            ended.set()
            await asyncio.wait_for(task, PATIENCE.total_seconds())
            await state.close()


async def renewed(rig: Hooks, hook: str) -> None:
    """Until a lease is renewed that would be over otherwise."""
    began = rig.held_until(hook)
    await until(lambda: rig.held_until(hook) > began + 2 * LEASE, f"{hook} is held for longer than a lease")


async def until(condition: Callable[[], object], what: str) -> None:
    await asyncio.to_thread(wait_until, condition, PATIENCE, what)


def test_a_receiver_that_does_not_answer_holds_up_no_other_hook(rig: Hooks) -> None:
    """Its hook is removed while a request is under way: the others stay their runner's, and are posted."""

    async def scene(silent: Receiver, good: Receiver) -> None:
        async with running(rig.url):
            rig.queue("hook-1", "evt_1")
            await until(lambda: silent.requests, "a request")
            rig.book.remove("hook-1")
            await renewed(rig, "hook-2")
            rig.queue("hook-2", "evt_2")
            await until(lambda: "evt_2" in good.ids, "an event of the other hook")
            assert [] == silent.taken
            silent.is_holding = False

    with receiving(is_holding=True) as silent, receiving() as good:
        rig.add("hook-1", silent)
        rig.add("hook-2", good)
        asyncio.run(scene(silent, good))


def test_a_runner_that_ends_notes_answers_that_come_later_than_its_lease(rig: Hooks) -> None:
    """Hooks that wait for none are let go at once; the others are nobody else's until their events are noted."""

    async def scene(slow: Receiver) -> None:
        async with running(rig.url, "one") as ended:
            rig.queue("hook-1", "evt_1")
            await until(lambda: slow.requests, "a request")
            ended.set()
            async with running(rig.url, "two"):
                await until(lambda: rig.book.one("hook-2").owner == "two", "the other hook is let go")
                await renewed(rig, "hook-1")
                slow.is_holding = False
                await until(lambda: rig.book.one("hook-1").owner == "two", "the hook is let go")

    with receiving(is_holding=True) as slow, receiving() as good:
        rig.add("hook-1", slow)
        rig.add("hook-2", good)
        asyncio.run(scene(slow))
        assert (1, 0) == (rig.book.one("hook-1").delivered, rig.book.one("hook-1").waiting)
        assert 1 == slow.requests


def test_a_runner_ends_while_the_state_server_is_away(rig: Hooks, server: EmbeddedServer) -> None:
    """An answer that it cannot note does not hold it up: another runner posts the event again."""

    async def scene(slow: Receiver, proxy: Proxy) -> None:
        async with running(rig.url.replace(str(server.port), str(proxy.port))) as ended:
            rig.queue("hook-1", "evt_1")
            await until(lambda: slow.requests, "a request")
            await asyncio.to_thread(proxy.refuse)
            await asyncio.to_thread(proxy.cut)
            ended.set()
            slow.is_holding = False
        async with running(rig.url, "two"):
            await until(lambda: rig.book.one("hook-1").delivered, "the event is noted")

    with receiving(is_holding=True) as slow, Proxy(server.port) as proxy:
        rig.add("hook-1", slow)
        asyncio.run(scene(slow, proxy))
        assert ["evt_1", "evt_1"] == [event for event, _ in slow.taken]


def test_a_hook_whose_secrets_cannot_be_opened_is_not_posted_to(rig: Hooks) -> None:
    """Neither with the secrets that were replaced, nor to the old address; once they can be opened, its events are posted."""

    async def scene(receiver: Receiver) -> None:
        async with running(rig.url):
            rig.queue("hook-1", "evt_1")
            await until(lambda: receiver.ids, "an event")
            rig.book.seal("hook-1", 0, seal(OTHER_RING, "hook-1", 1, Secrets(new_secret())))
            await renewed(rig, "hook-1")
            rig.queue("hook-1", "evt_2")
            await renewed(rig, "hook-1")
            assert {"evt_1"} == receiver.ids
            secret = new_secret()
            receiver.secrets = [secret]
            rig.book.seal("hook-1", 1, seal(RING, "hook-1", 2, Secrets(secret)))
            await until(lambda: "evt_2" in receiver.ids, "the next event")

    with receiving() as receiver:
        rig.add("hook-1", receiver)
        asyncio.run(scene(receiver))
        assert [[True], [True]] == receiver.verified


def _is_disabled(rig: Hooks, receiver: Receiver, requests: int) -> bool:
    return receiver.requests >= requests and bool(rig.book.one("hook-1").disabled)


def test_410_spends_no_try(rig: Hooks) -> None:
    """However often the hook is enabled too early: a later failure is the event's first, and its second try delivers it."""

    async def scene(receiver: Receiver) -> None:
        async with running(rig.url, rules=Rules(backoff=(timedelta(milliseconds=10),))):
            rig.queue("hook-1", "evt_1")
            for requests in (1, 2, 3):
                await until(partial(_is_disabled, rig, receiver, requests), "the hook is disabled")
                rig.book.change("hook-1", rig.book.one("hook-1").hook, enabled=True)
            await until(lambda: rig.book.one("hook-1").waiting == 0, "the event waits no longer")

    with receiving(first=[410, 410, 410, 503]) as receiver:
        rig.add("hook-1", receiver)
        asyncio.run(scene(receiver))
        assert (["evt_1"], 0) == ([event for event, _ in receiver.taken], rig.book.one("hook-1").dead)
