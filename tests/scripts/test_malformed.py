"""One malformed thing must not stop everything else."""

import asyncio
import json
import threading
import time
from datetime import timedelta
from random import Random
from typing import Any

import pytest
import redis
from prometheus_client import CollectorRegistry

from paceline import Outbox, SendMessage
from paceline.ids import new_id
from paceline.state import State
from paceline_sandbox.embedded import EmbeddedServer
from paceline_worker.answers import read_answer
from paceline_worker.clock import ServerClock
from paceline_worker.dispatcher import Dispatcher
from paceline_worker.metrics import Metrics
from paceline_worker.policy import decide
from paceline_worker.progress import ProgressCheck
from paceline_worker.state import Hint, WorkerState
from tests.conftest import SENDER, add_account
from tests.support.drive import Drive
from tests.support.wait import wait_until

MALFORMED = {
    "a row that is no object": {"v": 1, "sender": SENDER, "rows": ["x"]},
    "a null row": {"v": 1, "sender": SENDER, "rows": [None]},
    "a null common": {"v": 1, "sender": SENDER, "common": None, "rows": []},
    "a time that is no number": {"v": 1, "sender": SENDER, "priority": "t", "common": {"a": "acme", "f": SENDER}, "rows": [{"id": "x1", "to": "+1", "nb": "soon"}]},
    "too many rows": {"v": 1, "sender": SENDER, "priority": "t", "common": {}, "rows": [{"id": f"r{i}", "to": "+1"} for i in range(9000)]},
}  # fmt: skip


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_record_is_refused_and_not_raised(drive: Drive, name: str) -> None:
    """accept.lua: "a record that cannot be read is refused with a reason, never retried"; the books still balance."""
    record = MALFORMED[name]
    drive.state.submit("r1", "acme", SENDER, len(record["rows"]), json.dumps(record))  # type: ignore[arg-type]
    drive.worker.accept(["r1"])
    assert drive.state.receipt("r1", "none")["refused"]
    assert 0 == drive.balance().unaccounted


def test_a_record_without_the_common_fields_is_refused(drive: Drive) -> None:
    """Without account, sender, priority an operation cannot be loaded again: it must not reach a lane, nor break a grant."""
    drive.state.submit(
        "r1",
        "acme",
        SENDER,
        1,
        json.dumps({"v": 1, "sender": SENDER, "priority": "t", "rows": [{"id": "x1", "to": "+1"}]}),
    )
    drive.worker.accept(["r1"])
    good = drive.send(to="+15550100003")
    drive.advance(30)
    assert [good] == [hint.id for hint in drive.grant().hints]  # raises: o.a is nil, after LPOP took it out of its lane
    assert 0 == drive.balance().unaccounted


def test_a_malformed_record_does_not_stop_the_dispatcher(server: EmbeddedServer, client: redis.Redis) -> None:
    """The sweeper meets the record in every turn, before it grants: other operations must still leave."""
    add_account(client, "acme", "600/minute", "window")
    published: list[Hint] = []
    clock = ServerClock()
    state = WorkerState(server.url, clock, retention_s=60)
    dispatcher = Dispatcher(
        worker="w", capacity=10, state=state, clock=clock, publish=published.extend, metrics=Metrics(CollectorRegistry()),
        progress=ProgressCheck(time.monotonic()), on_stalled=threading.Event().set, random=Random(1),
    )  # fmt: skip
    State(client).submit("poison", "acme", SENDER, 1, json.dumps({"v": 1, "sender": SENDER, "rows": ["x"]}))
    dispatcher.start()
    try:
        time.sleep(4)  # beyond the grace of the sweeper
        with Outbox(broker_url="memory://", state_url=server.url) as outbox:
            receipt = outbox.send(SendMessage(account="acme", sender=SENDER, to="+15550100002", text="Hello"))
            state.accept([row for row in client.zrange("paceline:{0}:inbox", 0, -1) if row != "poison"])
        wait_until(lambda: published, timedelta(seconds=8), "a grant")
        assert receipt.id == published[0].id
    finally:
        dispatcher.stop()
        state.client.close()
        client.flushall()


@pytest.mark.parametrize(
    "body", [rb'{"error_message":"text too long: Hello \ud83d..."}', rb'{"message_uuid":"\udc00"}']
)
def test_half_a_surrogate_pair_in_the_providers_words_can_be_settled(drive: Drive, body: bytes) -> None:
    """JavaScript cuts strings in the middle of an emoji and writes \\ud83d; cjson refuses it, and with it the whole batch."""
    drive.send()
    drive.send(sender="+15550100009")
    first = drive.grant_next()
    drive.begin_at_slot(first)
    status = 422 if b"error" in body else 200
    verdict = decide(
        read_answer(status, {}, body), attempts=0, max_attempts=8, throttled=0, window_s=60, random=Random(1)
    )
    assert verdict.outcome == drive.settle(first, verdict)


def test_a_verdict_the_server_cannot_take_does_not_hold_up_the_others(
    server: EmbeddedServer, client: redis.Redis
) -> None:
    """settle of a batch with one poisoned verdict: the others are settled; nobody asks for ever."""
    from paceline_worker.engine import Engine  # noqa: PLC0415
    from paceline_worker.secrets import KeyRing  # noqa: PLC0415
    from paceline_worker.state import DeliveryState  # noqa: PLC0415
    from tests.conftest import SECRET  # noqa: PLC0415

    done: list[str] = []

    async def scene() -> None:
        clock = ServerClock()
        state = DeliveryState(server.url, clock, owner="x", lease_s=20, tolerance_floor_s=0.005, retention_s=60)
        engine = Engine(
            make_state=lambda: state, make_provider=lambda: None, ring=KeyRing(SECRET), clock=clock,  # type: ignore[arg-type,return-value]
            metrics=Metrics(CollectorRegistry()), capacity=5, on_due=lambda _: None, random=Random(1),
        )  # fmt: skip
        await_batcher: Any = engine
        from paceline_worker.batcher import Batcher  # noqa: PLC0415

        await_batcher._state = state
        await_batcher._settles = Batcher(await_batcher._settle_all, largest=200)

        async def settle(words: str) -> None:
            wire = {
                "id": new_id(),
                "token": "1",
                "verb": "defer",
                "scope": "operation",
                "delay": "0",
                "elapsed": "0",
                "words": words,
            }
            await await_batcher._insist(lambda: await_batcher._settles.ask(wire))
            done.append(words)

        tasks = [asyncio.create_task(settle(words)) for words in ("good 1", "\ud83d", "good 2")]
        await asyncio.wait(tasks, timeout=5)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await state.client.aclose()
        engine._loop.close()  # noqa: SLF001

    asyncio.run(scene())
    assert {"good 1", "good 2"} <= set(done)


def test_many_throttlings_in_a_row_do_not_overflow() -> None:
    """A float cannot hold 2**1100: the pause stays at its cap."""
    verdict = decide(
        read_answer(429, {}, b"{}"), attempts=0, max_attempts=8, throttled=1100, window_s=60.0, random=Random(1)
    )
    assert 600 <= verdict.delay_s <= 660
