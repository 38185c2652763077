"""Eight shards on three primaries: workers, commands and readers reach each shard where it is, also after a failover."""

import time
from contextlib import ExitStack
from datetime import timedelta

import pytest

from paceline.errors import StateUnavailable
from paceline.names import state_root
from paceline.state.shards import layout_of
from paceline.status.audit import balance_of
from tests.support.clusters import start_cluster
from tests.support.processes import Sandbox
from tests.support.servers import start_server
from tests.support.stack import Stack
from tests.support.wait import wait_until

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]

SHARDS = 8
ACCOUNTS = [f"account-{number}" for number in range(8)]
PATIENCE = timedelta(seconds=90)


def send_surely(stack: Stack, number: int) -> float:
    """As a service does: again, with the same idempotency key, until state has it; returns how long that took, in seconds."""
    began_s = time.monotonic()
    while True:
        try:
            stack.send(number, idempotency_key=f"{stack.name}-{number}")
        except StateUnavailable:
            assert time.monotonic() - began_s < PATIENCE.total_seconds()
            time.sleep(0.05)
        else:
            return time.monotonic() - began_s


def left(stack: Stack, number: int) -> dict[str, int]:
    missing = {}
    for name in ACCOUNTS:
        picture = stack.state.account(name)
        assert picture is not None
        books = balance_of(picture)
        if done := number - sum(books.outcomes.values()):
            missing[name] = done
    return missing


def test_shards_lie_on_the_nodes_of_a_cluster(sandbox: Sandbox) -> None:
    with ExitStack() as exits:
        cluster = exits.enter_context(start_cluster(primaries=3, replicas=4))
        lonely = next(node for node in cluster.nodes[:3] if not node.has_replicas())
        cluster.nodes[-1].ask("REPLICATE", lonely.id)
        wait_until(lambda: all(node.has_replicas() for node in cluster.nodes[:3]), PATIENCE, "a replica for each")
        broker = exits.enter_context(start_server())
        stack = exits.enter_context(
            Stack(
                broker,
                sandbox,
                PACELINE_STATE_URL=cluster.url,
                PACELINE_WAIT_REPLICAS="1",
                PACELINE_SHARDS=str(SHARDS),
            )
        )
        stack.sandbox.reset()
        stack.scenario(latency_ms=20)
        for _ in range(2):
            stack.start_worker()
        for stack.name in ACCOUNTS:
            stack.add_account("1200/minute")
        assert sorted(ACCOUNTS) == stack.state.accounts()
        nodes = {cluster.primary(state_root(shard=shard)) for shard in range(SHARDS)}
        assert 3 == len(nodes)

        for number in range(5):
            for stack.name in ACCOUNTS:
                send_surely(stack, number)
        rows = [{"to": f"+1555030{number:04d}", "n": number} for number in range(20)]
        campaign = stack.outbox.start_campaign(
            "spring", account=ACCOUNTS[0], sender="+15550100001", template="Hi {n}", recipients=rows
        )
        campaign.pause("a look")
        assert "paused" == campaign.progress().hold
        campaign.resume()

        layout = layout_of(stack.client)
        victim = cluster.primary(state_root(shard=layout.shard_of(ACCOUNTS[1])))
        assert victim is not None
        elsewhere = [
            name for name in ACCOUNTS if cluster.primary(state_root(shard=layout.shard_of(name))) is not victim
        ]
        assert elsewhere
        victim.server.kill()
        for stack.name in elsewhere:
            assert send_surely(stack, 5) < 3, "a shard elsewhere has to wait"
        for stack.name in ACCOUNTS:
            send_surely(stack, 5)

        def all_done() -> bool:
            try:
                return not {name: number for name, number in left(stack, 6).items() if number > 0}
            except StateUnavailable:
                return False

        wait_until(all_done, PATIENCE, "the outcomes of all")
        wait_until(lambda: campaign.progress().completed_at is not None, PATIENCE, lambda: str(campaign.progress()))
        for stack.name in ACCOUNTS:
            picture = stack.state.account(stack.name)
            assert picture is not None
            books = balance_of(picture)
            arrived = stack.texts_accepted()
            assert 0 == books.unaccounted
            assert {} == {text: times for text, times in arrived.items() if times > 1}
            assert books.outcomes["accepted"] == len(arrived)
        assert [None, None] == [worker.exit_code for worker in stack.workers]
