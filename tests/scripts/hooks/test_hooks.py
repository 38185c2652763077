"""hooks.lua: leases, lines, the place in the stream. On every kind of server."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

import pytest
import redis

from paceline import names
from paceline_sandbox.embedded import EmbeddedServer
from paceline_worker.hooks.event import Event
from paceline_worker.hooks.hook import Hook
from paceline_worker.hooks.policy import Next
from paceline_worker.hooks.state import HookBook, LeaseLost, RunnerState
from paceline_worker.hooks.stored import Noted

_T = TypeVar("_T")
ABOUT = Hook("https://shop.example.com/p", frozenset({"*"}), frozenset({"settled"}))
DONE, DEAD = Next("done"), Next("dead")
LONG = timedelta(minutes=1)


@pytest.fixture
def book(client: redis.Redis) -> Iterator[HookBook]:
    made = HookBook(client)
    made.add("hook-1", ABOUT, "sealed")
    yield made
    for hook in made.all().hooks:
        made.remove(hook)
    assert [] == [key for key in client.scan_iter(f"{names.STATE_ROOT.replace('{', '?')}*") if ":wh:" in str(key)]


def told(url: str, scene: Callable[[RunnerState], Awaitable[_T]], runner: str = "one", lease: timedelta = LONG) -> _T:
    """What a runner finds."""

    async def run() -> _T:
        state = RunnerState(url, runner, lease=lease, retention=LONG)
        try:
            await state.claim()
            return await scene(state)
        finally:
            await state.close()

    return asyncio.run(run())


def events(*orders: str) -> list[Event]:
    return [Event(f"evt_{number}", order, f'{{"n":{number}}}') for number, order in enumerate(orders)]


async def ids(state: RunnerState, most: int = 10) -> list[str]:
    return [taken.id for taken in (await state.take("hook-1", most))[0]]


def test_events_of_one_order_are_told_one_after_the_other(server: EmbeddedServer, book: HookBook) -> None:
    """The next is due when the one before was delivered or given up; a repeated one holds up its own order only."""
    assert book.one("hook-1").place == "0-0"

    async def scene(state: RunnerState) -> None:
        await state.put("hook-1", "0-0", "4-0", events("a", "a", "b", "a"))
        assert ["evt_0", "evt_2"] == await ids(state)
        assert [] == await ids(state)
        await state.note("hook-1", {}, [Noted("evt_0", Next("late", LONG), "x"), Noted("evt_2", DONE, "")])
        assert [] == await ids(state)
        await state.back("hook-1")  # nothing is being told: waiting operations for its time goes on waiting
        assert [] == await ids(state)

    told(server.url, scene)
    assert 3 == book.one("hook-1").waiting


def test_what_is_given_up_lets_the_next_one_go(server: EmbeddedServer, book: HookBook) -> None:
    """It is kept with its tries and words, and queued again on demand."""

    async def scene(state: RunnerState) -> None:
        await state.put("hook-1", "0-0", "2-0", events("a", "a"))
        for event, what in (("evt_0", DEAD), ("evt_1", DONE)):
            assert [event] == await ids(state)
            await state.note("hook-1", {}, [Noted(event, what, "HTTP 500")])

    told(server.url, scene)
    [dead] = book.dead("hook-1", 0, 10)
    assert ("evt_0", 1, "HTTP 500", '{"n":0}') == (dead.id, dead.tries, dead.words, dead.body)
    assert (1, 1) == (book.revive("hook-1", ["evt_0", "evt_9"]), book.one("hook-1").waiting)
    assert 0 == book.queue("hook-1", events("a"))  # it waits already
    assert ["evt_0"] == told(server.url, ids)


def test_an_event_that_is_kept_is_due_without_a_try(server: EmbeddedServer, book: HookBook) -> None:
    """In its place before the others of its order."""

    async def scene(state: RunnerState) -> None:
        await state.put("hook-1", "0-0", "2-0", events("a", "a"))
        assert ["evt_0"] == await ids(state)
        await state.note("hook-1", {}, [Noted("evt_0", Next("kept"), "HTTP 410")])
        [taken], _ = await state.take("hook-1", 10)
        assert ("evt_0", 0) == (taken.id, taken.tries)

    told(server.url, scene)
    assert 2 == book.one("hook-1").waiting


def test_another_runner_tells_what_was_being_told(server: EmbeddedServer, book: HookBook) -> None:
    """When the lease is over; and the first one can change nothing any more."""
    assert book

    async def first(state: RunnerState) -> None:
        await state.put("hook-1", "0-0", "1-0", events("a"))
        assert ["evt_0"] == await ids(state)
        await asyncio.sleep(0.2)
        with pytest.raises(LeaseLost):
            await state.note("hook-1", {}, [Noted("evt_0", DONE, "")])

    async def second(state: RunnerState) -> list[str]:
        await state.back("hook-1")
        return await ids(state)

    told(server.url, first, lease=timedelta(milliseconds=100))
    assert ["evt_0"] == told(server.url, second, "two")


def test_while_a_lease_holds_nobody_else_has_the_hook(server: EmbeddedServer, book: HookBook) -> None:
    """Neither to take nor to note nor to move its place."""
    assert book

    async def nothing(state: RunnerState) -> None:
        assert state

    async def other(state: RunnerState) -> None:
        for call in (state.take("hook-1", 1), state.put("hook-1", "0-0", "1-0", events("a")), state.back("hook-1")):
            with pytest.raises(LeaseLost):
                await call

    told(server.url, nothing)
    told(server.url, other, "two")


def test_a_runner_that_leaves_keeps_the_hooks_that_it_names(server: EmbeddedServer, book: HookBook) -> None:
    """It renews them and lets go of the others, which another runner takes at once; it gets no further hooks."""
    book.add("hook-2", ABOUT, "sealed")

    async def scene(state: RunnerState) -> None:
        await state.leave(["hook-1", "hook-9"])
        assert ("one", "") == (book.one("hook-1").owner, book.one("hook-2").owner)
        other = RunnerState(server.url, "two", lease=LONG, retention=LONG)
        assert ["hook-2"] == list((await other.claim()).hooks)
        await state.put("hook-1", "0-0", "1-0", events("a"))
        await state.leave()
        assert {"hook-1", "hook-2"} == set((await other.claim()).hooks)
        await other.close()

    told(server.url, scene)


def test_the_place_moves_once(server: EmbeddedServer, book: HookBook) -> None:
    """A put that is repeated, or comes from an older place, changes nothing."""

    async def scene(state: RunnerState) -> None:
        await state.put("hook-1", "0-0", "1-0", events("a"))
        with pytest.raises(LeaseLost):
            await state.put("hook-1", "0-0", "1-0", events("a", "b"))
        await state.put("hook-1", "1-0", "0-0", (), gap=True)

    told(server.url, scene)
    stored = book.one("hook-1")
    assert ("0-0", 1, 1) == (stored.place, stored.waiting, stored.gaps)


def test_secrets_are_replaced_one_at_a_time(book: HookBook) -> None:
    """Two people who rotate at once: the second is told to look again."""
    assert book.seal("hook-1", 0, "next")
    assert not book.seal("hook-1", 0, "another")
    assert ("next", 1) == (book.secrets("hook-1"), book.one("hook-1").serial)


def test_changes_at_once_are_all_kept(book: HookBook) -> None:
    """Each writes what it changes, and no more; who enables a hook changes nothing else."""
    before = book.one("hook-1").hook
    book.change("hook-1", before, replace(before, url="https://other.example.com/p"), enabled=False)
    book.change("hook-1", before, replace(before, accounts=frozenset({"acme", "other"}), with_recipients=True))
    assert "by hand" == book.one("hook-1").disabled
    book.change("hook-1", before, enabled=True)
    expected = Hook("https://other.example.com/p", frozenset({"acme", "other"}), before.events, with_recipients=True)
    assert (expected, "") == (book.one("hook-1").hook, book.one("hook-1").disabled)


def test_a_removed_hook_is_nobodys(server: EmbeddedServer, book: HookBook) -> None:
    """Its runner is told so."""

    async def scene(state: RunnerState) -> None:
        await state.put("hook-1", "0-0", "1-0", events("a"))
        book.remove("hook-1")
        with pytest.raises(LeaseLost):
            await state.take("hook-1", 1)
        assert {} == (await state.claim()).hooks

    told(server.url, scene)
