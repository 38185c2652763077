"""An account removed and added again under its name, and a worker that knew the first one."""

import asyncio
from random import Random

import redis
from prometheus_client import CollectorRegistry

from paceline_sandbox.embedded import EmbeddedServer
from paceline_worker.accounts import Accounts
from paceline_worker.clock import ServerClock
from paceline_worker.engine import Engine
from paceline_worker.metrics import Metrics
from paceline_worker.secrets import KeyRing
from paceline_worker.state import DeliveryState
from paceline_worker.traces import Traces
from tests.conftest import SECRET, add_account


def test_a_worker_does_not_use_the_key_of_an_account_that_was_removed(
    server: EmbeddedServer, client: redis.Redis
) -> None:
    """Removing and adding is the way to another key (and maybe another customer): no call with the old key after it."""

    async def scene() -> list[str]:
        clock = ServerClock()
        state = DeliveryState(
            server.url, clock, owner="x", lease_s=20, tolerance_floor_s=0.005, retention_s=60, grace_s=15
        )
        engine = Engine(
            make_state=lambda: state, make_provider=lambda: None, ring=KeyRing(SECRET), clock=clock,  # type: ignore[arg-type,return-value]
            metrics=Metrics(CollectorRegistry()), traces=Traces(clock), capacity=5, on_due=lambda _: None, random=Random(1),
        )  # fmt: skip
        engine._state = state  # noqa: SLF001
        seen = []
        for text in ("OLD-KEY", "NEW-KEY"):
            add_account(client, "acme", key=text)
            version = int(str(client.hget("paceline:{0}:a:acme", "key_version")))  # what begin.lua hands over
            key, _ = await engine._key("acme", version)  # noqa: SLF001
            seen.append(key.reveal())
            Accounts(client).remove("acme")
        await state.client.aclose()
        engine._loop.close()  # noqa: SLF001
        return seen

    assert ["OLD-KEY", "NEW-KEY"] == asyncio.run(scene())
