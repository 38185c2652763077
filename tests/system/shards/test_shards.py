"""A deployment of six shards on one server: two workers share them, one is killed, and everything is sent once."""

import threading
import time
from datetime import timedelta

import pytest

from paceline.errors import StateUnavailable
from paceline.state.scripts import root_of
from paceline.state.shards import each_shard, fresh_layout, layout_of
from paceline.status.audit import balance_of
from paceline_sandbox.embedded import EmbeddedServer
from paceline_worker.state.moving import Move
from tests.support.processes import Sandbox
from tests.support.stack import Stack
from tests.support.wait import wait_until

SHARDS = 6
ACCOUNTS = [f"account-{number}" for number in range(9)]
EACH = 12
CAMPAIGN = 30
PATIENCE = timedelta(seconds=60)


def holders(stack: Stack) -> dict[str, int]:
    """Shards by the worker that grants for them."""
    leases: dict[str, str] = stack.client.hgetall("paceline:{0}:leases")  # type: ignore[assignment]
    workers = [text.rpartition("|")[0].rpartition("|")[0] for text in leases.values()]
    return {worker: workers.count(worker) for worker in set(workers)}


def unsettled(stack: Stack) -> dict[str, int]:
    missing = {}
    for name in ACCOUNTS:
        picture = stack.state.account(name)
        assert picture is not None
        books = balance_of(picture)
        assert books.unaccounted == 0
        if left := books.received - sum(books.outcomes.values()):
            missing[name] = left
    return missing


@pytest.mark.first
def test_two_workers_share_the_shards_and_one_takes_over(server: EmbeddedServer, sandbox: Sandbox) -> None:
    with Stack(server, sandbox, PACELINE_SHARDS=str(SHARDS)) as stack:
        stack.sandbox.reset()
        stack.scenario(latency_ms=5)
        first, second = stack.start_worker(), stack.start_worker()
        wait_until(lambda: sorted(holders(stack).values()) == [3, 3], PATIENCE, lambda: f"shares: {holders(stack)}")
        for name in ACCOUNTS:
            stack.name = name
            stack.add_account("1200/minute")
        for number in range(EACH):
            for stack.name in ACCOUNTS:
                stack.send(number)
        rows = [{"to": f"+1555030{number:04d}", "n": number} for number in range(CAMPAIGN)]
        campaign = stack.outbox.start_campaign(
            "spring", account=ACCOUNTS[3], sender="+15550100001", template="Hi {n}", recipients=rows
        )

        second.kill()
        wait_until(lambda: list(holders(stack).values()) == [SHARDS], PATIENCE, lambda: f"shares: {holders(stack)}")
        wait_until(lambda: not unsettled(stack), PATIENCE, lambda: f"left: {unsettled(stack)}")

        assert CAMPAIGN == campaign.progress().outcomes["accepted"] + campaign.progress().outcomes["held"]
        entries = list(stack.outbox.outcomes())
        sent = len(ACCOUNTS) * EACH + CAMPAIGN
        assert sent == len({entry.id for entry in entries if not entry.is_final})
        for stack.name in ACCOUNTS:
            assert {1} == set(stack.texts_accepted().values())
        assert first.exit_code is None
        leads = [shard.hget(f"{root_of(shard)}:meta", "lead") for shard in each_shard(stack.client)]
        assert None not in leads


def test_an_account_moves_while_it_sends(server: EmbeddedServer, sandbox: Sandbox) -> None:
    """There and back, while a service goes on sending: each message once, in order."""
    with Stack(server, sandbox, PACELINE_SHARDS=str(SHARDS)) as stack:
        stack.sandbox.reset()
        stack.scenario(latency_ms=20)
        stack.start_worker()
        stack.add_account("1200/minute")
        home = layout_of(stack.client).shard_of(stack.name)
        ended = threading.Event()
        sent: list[int] = []

        def send() -> None:
            while not ended.is_set():
                try:
                    stack.send(len(sent), sender="+15550100001", to="+15550200001", idempotency_key=f"{len(sent)}")
                except StateUnavailable:
                    time.sleep(0.05)
                    continue
                sent.append(len(sent))
                time.sleep(0.02)

        service = threading.Thread(target=send)
        service.start()
        try:
            for shard in ((home + 1) % SHARDS, home):
                stack.settled(len(sent) // 2)
                assert 0 < Move(stack.client, stack.name, shard).run(30)
                assert shard == fresh_layout(stack.client).shard_of(stack.name)
        finally:
            ended.set()
            service.join()

        stack.settled(len(sent))
        assert {f"message {number}": 1 for number in sent} == stack.texts_accepted()
        texts = [arrival["body"]["text"] for arrival in stack.arrivals() if arrival["accepted"]]
        assert [f"message {number}" for number in sent] == texts
        assert 0 == stack.violations()
