"""State on real clusters: three primaries and four replicas, of Redis and of Valkey."""

import asyncio
import copy
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import timedelta

import pytest
import redis

from paceline import AsyncOutbox, Outbox, SendMessage, Settings, Ticket
from paceline.errors import ConfigurationError, StateUnavailable
from paceline.names import STATE_ROOT
from paceline.shards.layout import SHARDS_ON_CLUSTER
from paceline.state import connect, connect_to
from paceline.state.calls import State
from paceline.state.connections import pool_under
from paceline.state.shards import create, each_shard, fresh_layout, layout_of
from paceline_worker.doctor import state as looks_at_state
from paceline_worker.limiter import PacelineStorage, SlotRateLimiter
from tests.conftest import add_account
from tests.support import profiles
from tests.support.clusters import HOST, OUR_SLOT, Cluster, start_cluster
from tests.support.processes import Sandbox
from tests.support.servers import SERVER_KINDS, start_server
from tests.support.stack import Stack
from tests.support.wait import wait_until

pytestmark = [pytest.mark.system]

PATIENCE = timedelta(seconds=90)


@pytest.fixture(scope="module", params=SERVER_KINDS)
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    with start_cluster(request.param) as running:
        yield running


@pytest.fixture(scope="module")
def standing(cluster: Cluster, sandbox: Sandbox) -> Iterator[Stack]:
    """A worker whose state is the cluster, and whose broker is another server."""
    with ExitStack() as stack:
        broker = stack.enter_context(start_server())
        made = Stack(broker, sandbox, PACELINE_STATE_URL=cluster.url, PACELINE_WAIT_REPLICAS="1", PACELINE_SHARDS="1")
        stack.enter_context(made).start_worker()
        yield made


@pytest.fixture
def built(standing: Stack) -> Stack:
    """The same with an account of its own."""
    other = standing.another()
    other.sandbox.reset()
    other.scenario(latency_ms=20)
    other.add_account("3000/minute")
    return other


def send_surely(stack: Stack, number: int) -> Ticket:
    """As a service does: again, with the same idempotency key, until state has it."""
    deadline = time.monotonic() + PATIENCE.total_seconds()
    while True:
        try:
            return stack.send(number, idempotency_key=f"{stack.name}-{number}")
        except StateUnavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def judged(stack: Stack, number: int) -> None:
    """Each message has one outcome and arrived once, and the worker did not end."""
    books = stack.settled(number, PATIENCE)
    arrived = stack.texts_accepted()
    assert (0, number) == (books.unaccounted, books.outcomes["accepted"] + books.outcomes["held"])
    assert {} == {text: times for text, times in arrived.items() if times > 1}
    assert books.outcomes["accepted"] == len(arrived)
    worker = stack.workers[-1]
    assert worker.exit_code is None
    assert "Traceback" not in worker.log_text()


def test_messages_and_a_campaign_leave_once(cluster: Cluster, built: Stack) -> None:
    """From both kinds of Outbox; a campaign is paused and goes on; the bucket is shared; the books balance."""
    people = ({"to": f"+4915{number:09d}", "name": str(number)} for number in range(30))
    campaign = built.outbox.start_campaign(
        f"{built.name}-spring", account=built.name, sender="+15550100001", template="Hi {name}", recipients=people
    )
    campaign.pause("a typo")

    async def send() -> None:
        async with AsyncOutbox(settings=built.settings) as outbox:
            for number in range(10):
                values = {"sender": "+15550100002", "to": f"+1555020{number:04d}", "text": f"message {number}"}
                await outbox.send(SendMessage(account=built.name, **values))

    asyncio.run(send())
    storage = PacelineStorage(f"paceline+{cluster.url}")
    assert SlotRateLimiter(storage).reserve(built.name, horizon=60).taken
    storage.storage.connection_pool.disconnect()
    assert "paused" == campaign.progress().state
    campaign.resume()
    judged(built, 40)


def test_a_killed_primary_loses_nothing_and_doubles_nothing(cluster: Cluster, built: Stack) -> None:
    """Killed under load, with `PACELINE_WAIT_REPLICAS=1`; the long profile kills five times."""
    number, recoveries = 0, []
    for _ in range(5 if profiles.is_long() else 1):
        for _ in range(40):
            send_surely(built, number)
            number += 1
        killed, began = cluster.kill_primary(), time.monotonic()
        send_surely(built, number)
        recoveries.append(f"{time.monotonic() - began:.1f} s")
        for _ in range(40):
            number += 1
            send_surely(built, number)
        number += 1
        cluster.heal(killed)
    print(f"a primary was killed, and messages were taken again after {', '.join(recoveries)}")  # noqa: T201 - for who asks
    judged(built, number)


def test_nothing_is_done_while_the_slot_moves_key_by_key(cluster: Cluster, built: Stack) -> None:
    """Scripts would find half of their keys: producers and worker wait, doctor says why, and then all goes on elsewhere."""
    for number in range(20):
        send_surely(built, number)
    source, target = cluster.migrating()
    cluster.move(source, target, most=10)
    with pytest.raises(StateUnavailable, match="is moving the slot of its keys to another server, and nothing is done"):
        built.send(20)
    found = {each.check: each for each in looks_at_state.findings(built.settings)}
    assert ("failure", f"slot {OUR_SLOT} is moving") == (
        found["state slot"].level,
        found["state slot"].words.partition(" to ")[0],
    )
    built.workers[-1].wait_for_line(r"the state server does not answer.*is moving the slot")
    cluster.move(source, target)
    for number in range(20, 40):
        send_surely(built, number)
    judged(built, 40)
    assert target is wait_until(cluster.primary, PATIENCE, "the other primary")
    assert "ok" == {each.check: each.level for each in looks_at_state.findings(built.settings)}["state slot"]


def test_a_slot_that_moves_at_once_disturbs_nobody(cluster: Cluster, built: Stack) -> None:
    """Valkey 9 moves a slot in one step: the books balance, and no message is lost or doubled."""
    source = wait_until(cluster.primary, PATIENCE, "a primary")
    target = cluster.other(source)
    for number in range(20):
        send_surely(built, number)
    try:
        source.ask("MIGRATESLOTS", "SLOTSRANGE", OUR_SLOT, OUR_SLOT, "NODE", target.id)
    except redis.ResponseError:
        pytest.skip("this server moves slots key by key")
    number = 20
    while cluster.primary() is not target or number < 40:
        send_surely(built, number)
        number += 1
    judged(built, number)


def test_another_root_is_led_to_its_own_node(cluster: Cluster, built: Stack) -> None:
    """The same script runs under either root, over connections to the nodes that have them; of one server the pool is shared."""
    root = "paceline:{1}"
    with closing(copy.copy(built.client)) as other, closing(connect(built.server.url)) as single:
        other.root, other.connection_pool = root, pool_under(built.client.connection_pool, root)
        assert [] == State(other).accounts()
        assert [built.name] == [name for name in State(built.client).accounts() if name == built.name]
        ports = [int(client.info("server")["tcp_port"]) for client in (other, built.client)]
        assert ports == [at.server.port for at in (cluster.primary(root), cluster.primary()) if at]
        assert single.connection_pool is pool_under(single.connection_pool, root)
        other.connection_pool.disconnect()


@pytest.mark.parametrize(
    ("variable", "kept"), [(0, SHARDS_ON_CLUSTER), (1, 1), (6, 6)], ids=["by default", "one", "six"]
)
def test_the_number_of_shards_is_fixed_when_the_first_account_comes(cluster: Cluster, variable: int, kept: int) -> None:
    """64 unless the variable says otherwise; another number is refused from then on, and the default changes nothing."""
    where = {"broker_url": "redis://127.0.0.1:9/0", "state_url": cluster.url, "namespace": f"fixed{kept}"}
    with closing(connect_to(Settings(**where, shards=variable))) as client:
        assert 1 == layout_of(client).count, "whoever only reads creates nothing"
        assert {} == client.hgetall(f"{client.root}:directory")
        add_account(client, "acme")
        assert kept == layout_of(client).count
    with closing(connect_to(Settings(**where))) as client:
        assert kept == create(client) == fresh_layout(client).count
        assert ["acme"] == State(client).accounts()
        with pytest.raises(ConfigurationError, match=f"state has {kept} shards?, not 5, and the number is fixed"):
            create(client, 5)
        if kept > 1:
            places = {own.connection_pool.connection_kwargs["guide"].place for own in each_shard(client)}
            primaries = {
                (HOST, node.server.port)
                for node in cluster.nodes
                if node.client.info("replication")["role"] == "master"
            }
            assert places == primaries, "one node told of all slots"


def test_a_write_that_no_replica_has_is_told(built: Stack) -> None:
    """More replicas than there are: the sentence says that it stands on the primary, and what to do."""
    settings = built.settings.model_copy(update={"wait_replicas": 5})
    built.outbox = Outbox(settings=settings)
    with (
        built.outbox,
        pytest.raises(StateUnavailable, match=r"wrote it, and \d of 5 replicas confirmed that within 1 s: send again"),
    ):
        built.send(0)
    assert not built.client.exists(STATE_ROOT), "a slot that moves is noticed by it"
    built.settled(1)
