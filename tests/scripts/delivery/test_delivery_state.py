"""The worker's calls from its event loop: many at once share what there is, and wait for it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import redis
from redis.exceptions import TimeoutError as RedisTimeoutError

from paceline_sandbox.embedded import EmbeddedServer
from paceline_worker.accounts.secrets import KeyRing
from paceline_worker.delivery.keys import Keys
from paceline_worker.state.clock import ServerClock
from paceline_worker.state.delivery import DeliveryState
from tests.conftest import SECRET, add_account
from tests.support.drive import SEALS


@asynccontextmanager
async def delivery(url: str) -> AsyncIterator[DeliveryState]:
    state = DeliveryState(
        url, ServerClock(), owner="x", lease_s=20, tolerance_floor_s=0.005, retention_s=60, grace_s=15
    )
    try:
        yield state
    finally:
        await state.client.aclose()


def run(url: str, scene: Callable[[DeliveryState], Awaitable[None]]) -> None:
    async def scenario() -> None:
        async with delivery(url) as state:
            await scene(state)

    asyncio.run(scenario())


def test_more_calls_than_connections_wait_for_one(server: EmbeddedServer, client: redis.Redis) -> None:
    """A full pool is no outage: every one of 300 calls at once is answered, over a few connections."""

    async def insisted(state: DeliveryState) -> list[tuple[str, int, str]]:
        while True:
            try:
                return await state.keys(["nobody"])
            except RedisTimeoutError:  # this process had no core for a second; a worker asks again, too
                await asyncio.sleep(0.1)

    async def scene(state: DeliveryState) -> None:
        answers = await asyncio.gather(*(insisted(state) for _ in range(300)))
        assert [[("", 0, "")]] * 300 == answers
        clients = await asyncio.to_thread(client.client_list)
        assert len(clients) < 40

    run(server.url, scene)


def test_keys_of_many_accounts_are_fetched_together(server: EmbeddedServer, client: redis.Redis) -> None:
    """The first calls of fifty accounts at one moment: a handful of questions, and none for a key that is known."""
    names = [f"a{number}" for number in range(50)]
    for name in names:
        add_account(client, name)
    versions = [int(str(client.hget(f"paceline:{{0}}:a:{name}", "key_version"))) for name in names]

    async def scene(state: DeliveryState) -> None:
        asked: list[int] = []

        async def fetch(accounts: list[str]) -> list[tuple[str, int, str]]:
            asked.append(len(accounts))
            return await state.keys(accounts)

        keys = Keys(fetch, KeyRing(SECRET), SEALS, state.raise_floor)  # type: ignore[arg-type]
        found = await asyncio.gather(*map(keys.get, names, versions))
        assert [f"KEY-{name}" for name in names] == [key.reveal() for key, _ in found]
        assert len(asked) <= 3
        await asyncio.gather(*map(keys.get, names, versions))
        assert 50 == sum(asked)

    run(server.url, scene)


def test_a_new_connection_finds_out_that_the_server_was_restarted(server: EmbeddedServer, client: redis.Redis) -> None:
    """Before its first command: every bucket starts empty from then on."""
    client.hset("paceline:{0}:meta", mapping={"run_id": "of another process", "epoch": "4"})

    async def scene(state: DeliveryState) -> None:
        await state.keys(["nobody"])

    run(server.url, scene)
    assert "5" == client.hget("paceline:{0}:meta", "epoch")
