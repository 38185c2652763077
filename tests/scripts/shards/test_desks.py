"""What a worker does on each shard is about that shard: keys, leases, and records that wait for their turn."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from paceline.state.scripts import Script
from paceline.state.shards import at
from paceline_sandbox.embedded import EmbeddedServer
from paceline_worker.accounts.secrets import KeyRing
from paceline_worker.delivery.keys import Keys
from paceline_worker.dispatch.membership import FLEET_TTL_S, GRANT_LEASE_S
from paceline_worker.dispatch.shards import ShardDispatchers
from paceline_worker.state.clock import ServerClock
from paceline_worker.state.delivery import DeliveryState
from paceline_worker.state.moving import Move
from paceline_worker.state.values import Beat
from tests.conftest import SECRET
from tests.scripts.shards.fleet import SHARDS, Shards, shards_on
from tests.support.drive import SEALS


@pytest.fixture
def fleet(client: redis.Redis, server: EmbeddedServer) -> Iterator[Shards]:
    with shards_on(client, server.url) as built:
        built.add("acme", "other")
        yield built


def test_a_desk_has_the_key_of_an_account_that_was_moved_to_its_shard(fleet: Shards, server: EmbeddedServer) -> None:
    """It asks its own shard, and not where it remembers the account."""

    async def key_of(account: str, version: int) -> tuple[Any, int]:
        state = DeliveryState(
            server.url, ServerClock(), owner="a", lease_s=20, tolerance_floor_s=0.005, retention_s=3600, grace_s=15
        )
        desk = state.beside(0, ServerClock())
        keys = Keys(desk.keys, KeyRing(SECRET), SEALS, desk.raise_floor)
        await keys.get("acme", None)
        Move(fleet.client, account, 0).run(5)
        found = await keys.get(account, version)
        await state.client.aclose()
        return found

    version = int(fleet.client.hget("paceline:{3}:a:other", "key_version") or 0)
    key, found = asyncio.run(key_of("other", version))
    assert (version, "KEY-other") == (found, key.reveal())


@pytest.mark.parametrize(("account", "shard"), [("acme", 0), ("other", 3)])
@pytest.mark.parametrize(("owner", "lost"), [("a", None), ("b", "1")])
def test_a_worker_is_lost_when_it_lives_nowhere(
    fleet: Shards, account: str, shard: int, owner: str, lost: str | None
) -> None:
    """Workers beat on shard 0 alone; a call of one that lives does not count against its operation, on whatever shard."""
    op, here = fleet.send(account, on_unknown="resend"), at(fleet.client, shard)
    while not (hints := fleet.workers[shard].grant(most=1, fleet_capacity=10).hints):
        time.sleep(0.02)
    Script("paceline_worker", "begin").run(here, owner, 1, 5_000_000, 0, "0", hints[0].id, hints[0].token, 1)
    beat = Beat(200, 200, wants_grant_s=GRANT_LEASE_S, shards=SHARDS)
    living = fleet.workers[0].heartbeat("a", beat, FLEET_TTL_S).living
    while here.hget(f"paceline:{{{shard}}}:o:{op}", "s") == "s":  # its lease lasts a microsecond
        fleet.workers[shard].grant_in_turn(1, most=0, fleet_capacity=10, living=living)
    assert lost == here.hget(f"paceline:{{{shard}}}:o:{op}", "kl")


class Behind:
    """A dispatcher in whose shard the first record of each call is accepted."""

    def accept_in_turn(self, rids: list[str]) -> list[str]:
        return rids[1:]


def test_records_that_wait_for_their_turn_keep_their_shard() -> None:
    """They are asked for again, where they are."""
    dispatchers = ShardDispatchers.__new__(ShardDispatchers)
    vars(dispatchers)["_dispatchers"] = [Behind(), Behind(), Behind()]
    assert ["b@2", "c@2", "e@0"] == dispatchers.accept_in_turn(["a@2", "b@2", "c@2", "d", "e"])


def test_a_slot_of_an_account_that_was_moved_is_taken_where_it_is(fleet: Shards) -> None:
    """A client that remembers the old shard looks again when that does not know the account."""
    take = Script("paceline_worker", "take")
    assert "unknown account" != take.run(fleet.client, "other", 1, 60_000_000, "take")
    Move(fleet.client, "other", 0).run(5)
    assert "unknown account" != take.run(fleet.client, "other", 1, 60_000_000, "take")
    assert "unknown account" == take.run(fleet.client, "nobody", 1, 60_000_000, "take")
