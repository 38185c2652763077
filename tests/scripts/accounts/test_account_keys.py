"""An account removed and added again under its name, and a worker that knew the first one."""

import asyncio

import redis

from paceline_sandbox.embedded import EmbeddedServer
from paceline_worker.accounts.accounts import Accounts
from paceline_worker.accounts.secrets import KeyRing
from paceline_worker.delivery.keys import Keys
from paceline_worker.state.clock import ServerClock
from paceline_worker.state.delivery import DeliveryState
from tests.conftest import SECRET, add_account
from tests.support.drive import SEALS


def test_a_worker_does_not_use_the_key_of_an_account_that_was_removed(
    server: EmbeddedServer, client: redis.Redis
) -> None:
    """Removing and adding is the way to another key (and maybe another customer): no call with the old key after it."""

    async def scene() -> list[str]:
        state = DeliveryState(
            server.url, ServerClock(), owner="x", lease_s=20, tolerance_floor_s=0.005, retention_s=60, grace_s=15
        )
        keys = Keys(state.keys, KeyRing(SECRET), SEALS, state.raise_floor)
        seen = []
        for text in ("OLD-KEY", "NEW-KEY"):
            add_account(client, "acme", key=text)
            version = int(str(client.hget("paceline:{0}:a:acme", "key_version")))  # what begin.lua hands over
            key, _ = await keys.get("acme", version)
            seen.append(key.reveal())
            Accounts(client).remove("acme")
        await state.client.aclose()
        return seen

    assert ["OLD-KEY", "NEW-KEY"] == asyncio.run(scene())
