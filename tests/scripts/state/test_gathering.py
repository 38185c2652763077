"""Callers of one event loop share round trips, and nothing else."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import redis

from paceline import AsyncOutbox, SendMessage
from paceline.errors import StateUnavailable, UnknownAccount
from paceline.state.scripts import Script
from paceline_sandbox.embedded import EmbeddedServer
from tests.conftest import SENDER, add_account

CALLS = 40


def hello(account: str = "acme") -> SendMessage:
    return SendMessage(account=account, sender=SENDER, to="+15550100002", text="Hello")


@asynccontextmanager
async def opened(server: EmbeddedServer) -> AsyncIterator[AsyncOutbox]:
    async with AsyncOutbox(broker_url=server.url) as outbox:
        yield outbox


def in_a_loop(server: EmbeddedServer, act: Callable[[AsyncOutbox], Awaitable[None]]) -> None:
    async def scene() -> None:
        async with opened(server) as outbox:
            await act(outbox)

    asyncio.run(scene())


def written(client: redis.Redis) -> int:
    return int(str(client.zcard(f"{client.root}:inbox")))  # type: ignore[attr-defined]


def test_each_caller_has_the_answer_to_its_own_operation(server: EmbeddedServer, client: redis.Redis) -> None:
    """An account that does not exist is the trouble of those who named it."""
    add_account(client, "acme")

    async def act(outbox: AsyncOutbox) -> None:
        sends = [outbox.send(hello("acme" if number % 3 else "nobody")) for number in range(CALLS)]
        answers = await asyncio.gather(*sends, return_exceptions=True)
        refused = [number for number, answer in enumerate(answers) if isinstance(answer, UnknownAccount)]
        assert [number for number in range(CALLS) if number % 3 == 0] == refused
        assert written(client) == CALLS - len(refused)

    in_a_loop(server, act)


def test_a_server_that_lost_its_scripts_is_taught_again(server: EmbeddedServer, client: redis.Redis) -> None:
    """As after a restart: every call of the round is made once."""
    add_account(client, "acme")

    async def act(outbox: AsyncOutbox) -> None:
        await asyncio.gather(*(outbox.send(hello()) for _ in range(CALLS)))
        client.script_flush()
        await asyncio.gather(*(outbox.send(hello()) for _ in range(CALLS)))
        assert written(client) == 2 * CALLS

    in_a_loop(server, act)


def test_a_cancelled_caller_takes_nobody_with_it(server: EmbeddedServer, client: redis.Redis) -> None:
    """The others of its round have their answers."""
    add_account(client, "acme")

    async def act(outbox: AsyncOutbox) -> None:
        sends = [asyncio.ensure_future(outbox.send(hello())) for _ in range(CALLS)]
        await asyncio.sleep(0)
        sends[0].cancel()
        answers = await asyncio.gather(*sends, return_exceptions=True)
        assert [True] + [False] * (CALLS - 1) == [isinstance(answer, BaseException) for answer in answers]

    in_a_loop(server, act)


def test_a_round_without_an_answer_tells_every_caller(server: EmbeddedServer, client: redis.Redis) -> None:
    """A state server that is away fails all sends of the moment, and the next ones go through when it is back."""
    add_account(client, "acme")

    async def act(outbox: AsyncOutbox) -> None:
        await outbox.send(hello())
        client.execute_command("ACL", "SETUSER", "default", "-eval", "-evalsha")  # type: ignore[no-untyped-call]
        try:
            answers = await asyncio.gather(*(outbox.send(hello()) for _ in range(3)), return_exceptions=True)
        finally:
            client.execute_command("ACL", "SETUSER", "default", "+@all")  # type: ignore[no-untyped-call]
        assert all(isinstance(answer, StateUnavailable) for answer in answers), answers
        await outbox.send(hello())
        assert written(client) == 2

    in_a_loop(server, act)


def test_callers_of_one_moment_share_a_round_trip(
    server: EmbeddedServer, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Up to a hundred of them; more take further round trips, and each has its answer."""
    add_account(client, "acme")
    rounds: list[int] = []
    run = Script.arun_many

    async def counted(script: Script, asked: Any, calls: Any) -> list[Any]:
        rounds.append(len(calls))
        return await run(script, asked, calls)

    async def act(outbox: AsyncOutbox) -> None:
        await asyncio.gather(*(outbox.send(hello()) for _ in range(CALLS)))
        await asyncio.gather(*(outbox.send(hello()) for _ in range(250)))

    monkeypatch.setattr(Script, "arun_many", counted)
    in_a_loop(server, act)
    assert [CALLS, 100, 100, 50] == rounds
    assert written(client) == CALLS + 250
