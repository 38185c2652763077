"""One malformed thing must not stop everything else."""

import asyncio
import json
import threading
import time
from datetime import timedelta
from random import Random
from typing import cast

import pytest
import redis
from prometheus_client import CollectorRegistry

from paceline import Outbox, SendMessage
from paceline.inbox.record import chunk
from paceline.outcomes import Outcomes
from paceline.state import questions
from paceline.state.calls import State
from paceline.state.envelopes import Envelope
from paceline_sandbox.embedded import EmbeddedServer
from paceline_worker.delivery.lateness import Way
from paceline_worker.delivery.traces import Traces
from paceline_worker.dispatch.admission import Admission
from paceline_worker.dispatch.deafness import DeafnessCheck
from paceline_worker.dispatch.dispatcher import Dispatcher
from paceline_worker.state.clock import ServerClock
from paceline_worker.state.delivery import DeliveryState
from paceline_worker.state.values import Hint
from paceline_worker.state.worker import WorkerState
from paceline_worker.telemetry.metrics import Metrics
from paceline_worker.verdict.meaning import read_answer
from paceline_worker.verdict.policy import Situation, decide
from tests.conftest import SENDER, add_account
from tests.properties.uploads import Uploads
from tests.support.drive import SEALS, Drive
from tests.support.wait import wait_until

RECORD: dict[str, object] = {"v": 1, "sender": SENDER, "priority": "t"}
COMMON = {"a": "acme", "f": SENDER, "pr": "t", "k": "message.to_number", "mx": "8", "unk": "hold"}
ROW = {"id": "x1", "to": "+15550100002", "p": "{}"}
MALFORMED = {
    "a row that is no object": RECORD | {"common": COMMON, "rows": ["x"]},
    "a null row": RECORD | {"common": COMMON, "rows": [None]},
    "a null common": RECORD | {"common": None, "rows": [ROW]},
    "no rows": RECORD | {"common": COMMON, "rows": []},
    "a time that is no number": RECORD | {"common": COMMON, "rows": [ROW | {"nb": "soon"}]},
    "a number that is no text": RECORD | {"common": COMMON, "rows": [ROW | {"vu": 7}]},
    "a row without payload": RECORD | {"common": COMMON, "rows": [{"id": "x1", "to": "+15550100002"}]},
    "metadata that is no JSON": RECORD | {"common": COMMON, "rows": [ROW | {"m": "no json"}]},
    "metadata that is no object": RECORD | {"common": COMMON, "rows": [ROW | {"m": '["a"]'}]},
    "metadata without end": RECORD | {"common": COMMON, "rows": [ROW | {"m": '{"a":' * 30_000}]},
    "metadata with a value that is no text": RECORD | {"common": COMMON, "rows": [ROW | {"m": '{"a":{"b":"c"}}'}]},
    "another priority": RECORD | {"common": COMMON, "priority": "x", "rows": [ROW]},
    "too many rows": RECORD | {"common": COMMON, "rows": [ROW | {"id": f"r{i}"} for i in range(9000)]},
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_record_is_refused_and_not_raised(drive: Drive, name: str) -> None:
    """accept.lua: "a record that cannot be read is refused with a reason, never retried"; the books still balance."""
    record = MALFORMED[name]
    drive.state.submit("r1", "acme", SENDER, len(cast("list[object]", record["rows"])), json.dumps(record))
    drive.worker.accept(["r1"])
    assert drive.state.record("r1", "none").refused
    assert 0 == drive.balance().unaccounted


def test_a_record_that_is_no_text_stops_no_reader_of_its_cancelled_campaign(drive: Drive) -> None:
    """Whom a cancelled campaign did not reach is told in its stream, and only from records that can be read."""
    people = Uploads(drive)
    people.open("spring")
    body = chunk(campaign="spring", account="acme", sender=SENDER, priority="bulk", rows=[ROW | {"rk": "?"}]).encode()
    for rid, written in (("r1", body), ("r2", body.replace(b"?", b"\xff"))):
        drive.state.submit(rid, "acme", SENDER, 1, cast("str", written), campaign="spring")
    drive.state.control_campaign("cancel", "spring", "wrong text")
    drive.worker.accept(["r1", "r2"])
    assert ["?"] == [entry.key for entry in Outcomes(drive.client).read("spring") if not entry.is_final]
    assert 0 == drive.balance().unaccounted


@pytest.mark.parametrize("encrypts", ["no", "workers", "services"])
@pytest.mark.parametrize("target", ["+1\n+15550200132", "+1555/../../accounts?x=1", "+1555 0100002", "a@b/c", ""])
def test_a_target_of_a_form_that_does_not_exist_is_refused(drive: Drive, target: str, encrypts: str) -> None:
    """In the clear and encrypted, whoever encrypts; with a line break in it a suppressed number beside it would pass."""
    record = json.dumps(RECORD | {"common": COMMON, "rows": [ROW | {"to": target}, ROW | {"id": "x2"}]})
    drive.worker.encrypts = encrypts != "no"
    if encrypts == "services":
        record = Envelope(SEALS.payloads.public).closed(record, questions.record_of("acme"))
    drive.state.submit("r1", "acme", SENDER, 2, record)
    drive.worker.accept(["r1"])
    reason = drive.state.record("r1", "none").refused
    assert "a row of the record has an id or a target of a form that does not exist" == reason
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
    state = WorkerState(server.url, clock, retention_s=60, grace_s=15)
    dispatcher = Dispatcher(
        worker="w", admission=Admission(10), way=Way(), state=state, clock=clock, own=lambda: 0,
        deliver=lambda hints, _: published.extend(hints), publish=lambda hints, _: published.extend(hints),
        metrics=Metrics(CollectorRegistry()), traces=Traces(clock), progress=DeafnessCheck(time.monotonic()),
        on_info=lambda _: None, on_stalled=threading.Event().set, random=Random(1),
    )  # fmt: skip
    State(client).submit("poison", "acme", SENDER, 1, json.dumps({"v": 1, "sender": SENDER, "rows": ["x"]}))
    dispatcher.start()
    try:
        time.sleep(4)  # beyond the grace of the sweeper
        with Outbox(broker_url="memory://", state_url=server.url) as outbox:
            ticket = outbox.send(SendMessage(account="acme", sender=SENDER, to="+15550100002", text="Hello"))
            state.accept([str(row) for row in client.zrange("paceline:{0}:inbox", 0, -1) if row != "poison"])
        wait_until(lambda: published, timedelta(seconds=8), "a grant")
        assert ticket.id == published[0].id
    finally:
        dispatcher.stop()
        state.client.close()
        client.flushall()


@pytest.mark.parametrize(
    "body", [rb'{"error_message":"text too long: Hello \ud83d..."}', rb'{"message_uuid":"\udc00"}']
)
def test_half_a_surrogate_pair_in_the_providers_words_can_be_settled(drive: Drive, body: bytes) -> None:
    """JavaScript cuts strings in the middle of an emoji; cjson refuses half a pair, and with it the whole batch."""
    drive.send()
    drive.send(sender="+15550100009")
    first = drive.grant_next()
    drive.begin_at_slot(first)
    status = 422 if b"error" in body else 200
    verdict = decide(read_answer(status, {}, body), Situation(0, 8, 0, 60.0), Random(1))
    assert verdict.outcome == drive.settle(first, verdict)


def test_a_verdict_the_server_cannot_take_does_not_hold_up_the_others(server: EmbeddedServer) -> None:
    """A batch with one poisoned verdict: the others are settled, and the poisoned one is answered too."""

    async def scene() -> list[str]:
        state = DeliveryState(
            server.url, ServerClock(), owner="x", lease_s=20, tolerance_floor_s=0.005, retention_s=60, grace_s=15
        )
        verdict = {"id": "none", "token": "1", "verb": "defer", "scope": "operation", "delay": "0", "elapsed": "0"}
        done, _ = await state.settle([verdict | {"words": words} for words in ("good", "\ud83d", "good")])
        await state.client.aclose()
        return done

    assert ["stale", "malformed", "stale"] == asyncio.run(scene())


def test_many_throttlings_in_a_row_do_not_overflow() -> None:
    """A float cannot hold 2**1100: the pause stays at its cap."""
    verdict = decide(read_answer(429, {}, b"{}"), Situation(0, 8, 1100, 60.0), Random(1))
    assert 600 <= verdict.delay_s <= 660
