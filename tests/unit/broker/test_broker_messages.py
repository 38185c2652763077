"""What a worker takes from the broker: every message of ours, and no other."""

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from paceline import names
from paceline.inbox.app import App
from paceline.inbox.publisher import Publisher
from paceline.settings import Settings
from paceline_worker.broker import commands, envelope, hints
from paceline_worker.broker.refusals import Refusals
from paceline_worker.celery import build_app, publisher
from paceline_worker.state.values import Hint
from tests.support import hostile

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
    counted: list[str] = []
    refusals = Refusals(lambda: now[0])
    refusals.tell(counted.append)
    for _ in range(50):
        refusals.add("body")
        now[0] += 0.25
    assert ["body"] * 50 == counted
    assert ["refused 1 broker message(s): reason=body", "refused 40 broker message(s): reason=body"] == caplog.messages
