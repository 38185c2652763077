"""What a worker takes from the broker: every message of ours, and no other."""

import json
import random
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import redis

from paceline import names
from paceline.inbox.app import App
from paceline.inbox.publisher import Publisher
from paceline.settings import Settings
from paceline_worker.broker import commands, envelope, hints, slices
from paceline_worker.broker.allowance import Allowance
from paceline_worker.broker.refusals import Refusals
from paceline_worker.celery import build_app, publisher
from paceline_worker.state.values import Hint
from tests.conftest import Servers, emptied
from tests.support import hostile
from tests.support.servers import SERVER_KINDS

REPLIES = "reply.celery.pidbox"
ADDRESS = {"exchange": REPLIES, "routing_key": "adf2d53d-c811-3322-b04d-67bd6d1d168d"}
PING: dict[str, Any] = {"method": "ping", "arguments": {}, "destination": None, "pattern": None, "matcher": None}


@pytest.fixture
def app() -> Iterator[App]:
    built = build_app(Settings(broker_url="memory://", state_url="redis://127.0.0.1"))
    yield built
    built.close()


def published(app: App, queue: str) -> dict[str, Any]:
    """The message that lies in a queue, as a broker keeps it."""
    with app.connection_for_write() as connection:
        found: dict[str, Any] = connection.default_channel._get(queue)  # noqa: SLF001 - not yet a message
    return found


def taken(raw: dict[str, Any], app: App) -> tuple[str, str]:
    """What both checks say of a message."""
    with app.connection_for_write() as connection:
        message = connection.default_channel.Message(raw, channel=connection.default_channel)
    return envelope.objection(raw), hints.objection(
        message.content_type, message.content_encoding, message.headers, message.body
    )


def test_a_hint_of_an_outbox_is_taken(app: App) -> None:
    """With as many records as one hint names."""
    records = [f"{number:026d}" for number in range(hints.MOST_RECORDS)]
    Publisher(app).publish(names.ACCEPT_TASK, [records], queue=names.ACCEPT_QUEUE)
    assert ("", "") == taken(published(app, names.ACCEPT_QUEUE), app)


def test_a_hint_of_a_dispatcher_is_taken(app: App) -> None:
    """With as many operations as one hint names; it keeps the time of the grant."""
    publisher(app)([Hint(f"{number:026d}", str(number), 4 * 10**15) for number in range(100)], 4 * 10**15)
    raw = published(app, names.DELIVER_QUEUE)
    assert ("", "") == taken(raw, app)
    assert {"task", "id", "paceline_granted_us"} <= hints.kept(raw["headers"]).keys()


def test_what_celery_does_not_need_is_taken_off() -> None:
    """A name that stands for the task's in logs, stamps, and whatever a stranger invents."""
    assert {"task": "a"} == hints.kept({"task": "a", "shadow": "b", "stamps": {}, "anything": 1})


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, ""),
        ({"reply_to": ADDRESS, "ticket": "1"}, ""),
        ({"destination": ["worker@host"]}, ""),
        ({"pattern": "worker*", "matcher": "glob"}, ""),
        ({"arguments": {"queue": "paceline.deliver", "exchange": None}}, ""),
        ({"method": "other"}, "command"),
        ({"method": None}, "command"),
        ({"destination": "worker@host"}, "control"),
        ({"pattern": "worker.*", "matcher": "pcre"}, "control"),
        ({"arguments": {"a": {"b": 1}}}, "control"),
        ({"arguments": {"a": "x" * 300}}, "control"),
        ({"cmd": 1}, "control"),
        ({"reply_to": {**ADDRESS, "exchange": ""}}, "reply"),
        ({"reply_to": {**ADDRESS, "routing_key": names.DELIVER_QUEUE}}, "reply"),
        ({"reply_to": "x"}, "reply"),
        ({"ticket": []}, "reply"),
    ],
)
def test_a_command_is_known_small_and_answered_to_who_asked(fields: dict[str, Any], reason: str) -> None:
    """Anything else has a reason."""
    assert reason == commands.objection({**PING, **fields}, known={"ping"}, reply_exchange=REPLIES)


@pytest.mark.parametrize("body", [None, [], 5, "x", {}])
def test_what_is_no_command_has_a_reason(body: Any) -> None:
    """Whatever its type."""
    assert commands.objection(body, known={"ping"}, reply_exchange=REPLIES) in {"control", "command"}


def test_no_message_makes_a_check_fail() -> None:
    """The checks answer, whatever they are given."""
    chance = random.Random(3)
    for _ in range(3000):
        try:
            raw = json.loads(hostile.random_message(chance))
        except ValueError:
            continue
        if envelope.objection(raw):
            continue
        hints.objection(raw.get("content-type"), raw.get("content-encoding"), raw["headers"], raw["body"])


def test_a_flood_is_one_line_in_ten_seconds(caplog: pytest.LogCaptureFixture) -> None:
    """Each message is counted; a line tells how many there were since the last one."""
    now = [0.0]
    counted: list[tuple[str, int]] = []
    refusals = Refusals(lambda: now[0])
    refusals.tell(lambda reason, number: counted.append((reason, number)))
    for _ in range(50):
        refusals.add("body")
        now[0] += 0.25
    assert [("body", 1)] * 50 == counted
    assert ["refused 1 broker message(s): reason=body", "refused 40 broker message(s): reason=body"] == caplog.messages


def test_refusing_takes_a_tenth_of_the_time() -> None:
    """However dear a refusal is; a few strange messages cost no pause, and a long rest saves up no more than a little."""
    for cost_s in (0.0001, 0.001, 0.005, 0.05):
        allowance, now_s, spent_s = Allowance(), 1000.0, 0.0
        for _ in range(1000):
            spent_s, now_s = spent_s + cost_s, now_s + cost_s
            pause_s = allowance.pause_after(cost_s, now_s)
            assert 0 <= pause_s <= 0.1
            now_s += pause_s
        assert spent_s <= 0.1 * (now_s - 1000) + 0.01 or cost_s == 0.05  # a single one of that cost is none of ours
    fresh = Allowance()
    assert [0, 0, 0] == [fresh.pause_after(0.001, 10.0 + number) for number in range(3)]
    fresh.pause_after(0, 10_000)
    assert fresh.pause_after(0.02, 10_000) > 0


def test_the_thread_that_refuses_rests() -> None:
    """By the CPU that it used, and not for what it did between two refusals."""
    cpu: list[float] = [0.0]
    slept: list[float] = []
    refusals = Refusals(lambda: 0.0, lambda: cpu[0], slept.append)
    refusals.add("body")
    assert [] == slept
    cpu[0] += 3600.0
    refusals.add("body", 100)
    assert [] == slept  # five milliseconds are the most that one refusal, or one slice, can have taken
    for _ in range(3):
        cpu[0] += 0.004
        refusals.add("body")
    assert 2 == len(slept)
    assert 103 + 1 == refusals.number


def test_a_slice_says_of_a_message_what_kombu_and_the_checks_say(app: App) -> None:
    """The same reason, whichever way a message is read, and a hint of ours passes."""
    Publisher(app).publish(names.ACCEPT_TASK, [["01a"]], queue=names.ACCEPT_QUEUE)
    assert "" == slices.read(json.dumps(published(app, names.ACCEPT_QUEUE)).encode())[1]
    for raw in (b"", b"null", b"[", b"\xff\xfe", hostile.DEEP.encode()):
        assert "envelope" == slices.read(raw)[1]
    assert "failed" == slices.read(json.dumps(hostile.message() | {"body": "x"}).encode())[1]
    chance, passed = random.Random(5), 0
    for _ in range(2000):
        raw = hostile.random_message(chance)
        message, why = slices.read(raw)
        if why in ("envelope", "failed") or envelope.objection(message):
            continue
        assert why == taken(message, app)[1]
        passed += 1
    assert passed > 100


def test_a_slice_is_small_and_holds_nothing_large(servers: Servers) -> None:
    """So many messages, so many bytes, in their order; what is larger than any of ours never leaves the server."""
    with emptied(servers.get(SERVER_KINDS[0])) as server, closing(redis.Redis.from_url(server.url)) as client:
        client.lpush("q", *(str(number) for number in range(150)))
        assert [str(number).encode() for number in range(100)] == slices.popped(client, "q")
        client.delete("q")
        client.lpush("q", "a", b"x" * 3_000_000, *[b"y" * 60_000] * 10)
        taken = slices.popped(client, "q")
        assert ([b"a", b""], 7) == (taken[:2], len(taken))
        assert 5 == client.llen("q")
        client.delete("q")
        assert [] == slices.popped(client, "q")
