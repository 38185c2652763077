"""Whatever lies in the broker's queues and channels: a worker throws it away, counts it, and goes on with its work."""

import base64
import json
import random
import re
import time
import urllib.request
import zlib
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psutil
import pytest

from paceline import names
from tests.support import hostile, profiles
from tests.support.celery_tools import ask
from tests.support.hostile import control, message
from tests.support.processes import Process, free_port
from tests.support.stack import PATIENCE, Stack
from tests.support.wait import wait_until

pytestmark = [pytest.mark.system]

CONTROL, EVENTS = "/0.paceline.pidbox", "/0.paceline.celeryev/worker.heartbeat"
IDS, FAR_US = [f"{number:026d}" for number in range(300)], 4 * 10**15
# What kombu calls gzip is zlib. A worker refuses it for its header, and unpacks nothing.
BOMB = base64.b64encode(zlib.compress(bytes(4 << 20), 1)).decode()
CANARY = "canary-of-the-broker-77"


def deliver(*items: Any, **changes: Any) -> dict[str, Any]:
    return message(names.DELIVER_TASK, [[list(items)], {}, {}], **changes)


# What it is -> the message, and the reason it is refused for.
POISON: dict[str, tuple[Any, str]] = {
    "a list for an envelope": ([], "envelope"),
    "a number": (5, "envelope"),
    "nothing": ("null", "envelope"),
    "no JSON": (f"not json {CANARY}", "envelope"),
    "no text": (b"\xff\xfe\x00", "envelope"),
    "too deep": (hostile.DEEP[:70_000], "envelope"),
    "too large": (b'"' + b"x" * 3_000_000 + b'"', "envelope"),
    "no properties": (message() | {"properties": []}, "envelope"),
    "no tag": (message(properties={"delivery_tag": [1]}), "envelope"),
    "a body that is no text": (message() | {"body": {"a": 1}}, "envelope"),
    "a body that is no base64": (message() | {"body": "x"}, "failed"),
    "a large body": (message(body=[[IDS * 6], {}, {}]), "size"),
    "another content": (message(content_type="application/data"), "content"),
    "pickle": (message(content_type="application/x-python-serialize"), "content"),
    "another encoding": (message(content_encoding="utf-16"), "content"),
    "a bomb": (message(headers={"compression": hostile.ZIP_BOMB}) | {"body": BOMB}, "compression"),
    "headers of headers": (message(headers={"id": {"a": {}}}), "headers"),
    "a clock at the end of time": (message(headers={"clock": 10**400}), "headers"),
    "no id": (message(headers={"id": None}), "headers"),
    "an id of another kind": (message(headers={"id": f"{CANARY}\r\n"}), "headers"),
    "a time to come": (message(headers={"eta": "2030-01-01T00:00:00+00:00"}), "headers"),
    "a time that has passed": (message(headers={"expires": "2000-01-01T00:00:00+00:00"}), "headers"),
    "a time limit": (message(headers={"timelimit": [1, 1]}), "headers"),
    "a retry": (message(headers={"retries": 3}), "headers"),
    "another task": (message("celery.backend_cleanup"), "task"),
    "a task that is no text": (message(headers={"task": ["x"]}), "envelope"),
    "no task": (message(headers={"task": None}), "envelope"),
    "a body of protocol 1": (message(body={"task": "paceline.accept", "id": "1", "args": []}), "body"),
    "a text for a body": (message(body='"x"'), "body"),
    "a body cut off": (message(body="[[["), "body"),
    "callbacks": (message(body=[[["a"]], {}, {"callbacks": [{"task": "x", "args": []}]}]), "body"),
    "a chain": (message(body=[[["a"]], {}, {"chain": [{"task": "x"}]}]), "body"),
    "named arguments": (message(body=[[], {"rids": ["a"]}, {}]), "body"),
    "records that are none": (message(body=[["a"], {}, {}]), "arguments"),
    "a record that is no name": (message(body=[[["a b\n"]], {}, {}]), "arguments"),
    "too many records": (message(body=[[IDS[:101]], {}, {}]), "arguments"),
    "too many operations": (deliver(*[[name, "1", 0] for name in IDS[:201]]), "arguments"),
    "an operation that is none": (deliver(["a", "1"]), "arguments"),
    "a slot that is none": (deliver(["a", "1", "soon"]), "arguments"),
    "a slot in a year": (deliver(*[[name, "1", FAR_US] for name in IDS[:200]]), "slot"),
}
COMMANDS: dict[str, tuple[Any, str]] = {
    "a number": (5, "envelope"),
    "no JSON": (f"[{CANARY}", "envelope"),
    "too deep": (hostile.DEEP[:70_000], "envelope"),
    "a body that is a list": (message(body=[1]), "control"),
    "no body": (message() | {"body": ""}, "control"),
    "another content": (message(content_type="application/data"), "content"),
    "a date": (message(body='{"__type__": "datetime", "__value__": "x"}'), "content"),
    "an election": (control("election", {"id": "1", "topic": "t"}), "command"),
    "the memory of the worker": (control("memdump"), "command"),
    "no such command": (control("nothing"), "command"),
    "a command that is no text": (control(["ping"]), "command"),
    "further fields": (control("ping", cmd="x"), "control"),
    "a regular expression": (control("ping", pattern="(a*)*b", matcher="pcre"), "control"),
    "arguments that are none": (control("ping", ["x"]), "control"),
    "200,000 revocations": (control("revoke", {"task_id": IDS[:200]}), "control"),
    "a larger one": (control("revoke", {"task_id": IDS * 6}), "size"),
    "another reply address": (
        control("ping", reply_to={"exchange": "", "routing_key": names.DELIVER_QUEUE}, ticket="1"),
        "reply",
    ),
    "a clock that is none": (control("ping", headers={"clock": "x"}), "headers"),
}


@pytest.fixture(scope="module")
def worker(lasting: Stack) -> Iterator[Process]:
    """A worker that shows its metrics and tells all it does, and the only one there is."""
    for other in lasting.workers:
        other.kill()
    port = free_port()
    running = lasting.start_worker(PACELINE_METRICS_PORT=str(port), options=["--loglevel", "DEBUG"])
    running.metrics_url = f"http://127.0.0.1:{port}/metrics"  # type: ignore[attr-defined]
    yield running
    assert CANARY not in running.log_text()
    assert running.exit_code is None


def refused(worker: Process) -> dict[str, float]:
    with urllib.request.urlopen(worker.metrics_url, timeout=200) as answer:  # type: ignore[attr-defined]
        found = re.findall(
            r'^paceline_broker_messages_refused_total\{reason="(\w+)"\} (\S+)$', answer.read().decode(), re.MULTILINE
        )
    return {reason: float(number) for reason, number in found}


def as_bytes(thing: Any) -> bytes:
    return (
        thing if isinstance(thing, bytes) else thing.encode() if isinstance(thing, str) else json.dumps(thing).encode()
    )


def works(stack: Stack, worker: Process) -> None:
    """A message sent now is taken by its hint and has its outcome; nothing is left in queues, nor unacknowledged."""
    wait_until(lambda: refused(worker) == refused(worker), PATIENCE, "nothing more to refuse")
    other, before = stack.another(), refused(worker)
    other.add_account()
    other.send(1)
    assert 1 == other.settled(1).outcomes["accepted"]
    wait_until(lambda: not left(stack), PATIENCE, lambda: f"nothing left: {left(stack)}")
    assert before == refused(worker)


def left(stack: Stack) -> dict[str, int]:
    client = stack.client
    sizes = {name: client.llen(name) for name in (names.ACCEPT_QUEUE, names.DELIVER_QUEUE)}
    return {name: size for name, size in (sizes | {"unacked": client.hlen("paceline.unacked")}).items() if size}


@pytest.mark.parametrize("queue", [names.ACCEPT_QUEUE, names.DELIVER_QUEUE])
def test_a_poisoned_queue_is_emptied_and_counted(lasting: Stack, worker: Process, queue: str) -> None:
    """Each form, with its reason; the worker lives, keeps nothing, quotes nothing, and sends what is sent beside it."""
    expected = refused(worker)
    for thing, reason in POISON.values():
        expected[reason] = expected.get(reason, 0) + 1
        lasting.client.lpush(queue, as_bytes(thing))
    wait_until(lambda: not left(lasting), PATIENCE, lambda: f"nothing left: {left(lasting)}")
    wait_until(lambda: refused(worker) == expected, PATIENCE, lambda: f"{expected}; it is {refused(worker)}")
    works(lasting, worker)


def test_poisoned_channels_do_nothing(lasting: Stack, worker: Process) -> None:
    """Neither remote control nor events: each message is refused with its reason, nobody answers to where a stranger wants."""
    expected = refused(worker)
    for thing, reason in COMMANDS.values():
        expected[reason] = expected.get(reason, 0) + 1
        assert lasting.client.publish(CONTROL, as_bytes(thing))
    assert 0 == lasting.client.publish(EVENTS, as_bytes(message(body=[1])))
    wait_until(lambda: refused(worker) == expected, PATIENCE, lambda: f"{expected}; it is {refused(worker)}")
    works(lasting, worker)


def test_what_was_not_acknowledged_may_be_poisoned_too(lasting: Stack, worker: Process) -> None:
    """A worker puts back what a dead one left; what cannot be put back is forgotten."""
    for tag, kept in {"a": "5", "b": "[[], 1, 2]", "c": "not json", "d": json.dumps([{}, "x", "y"])}.items():
        lasting.client.hset("paceline.unacked", tag, kept)
        lasting.client.zadd("paceline.unacked_index", {tag: 1})
    wait_until(lambda: not lasting.client.zcard("paceline.unacked_index"), PATIENCE, "nothing to put back")
    works(lasting, worker)


@pytest.mark.parametrize("queue", [names.ACCEPT_QUEUE, names.DELIVER_QUEUE])
def test_a_queue_that_became_something_else_is_one_again(lasting: Stack, worker: Process, queue: str) -> None:
    """An empty queue is no key, so whoever may write there can make one of another type, and every worker would be deaf."""
    before = refused(worker).get("envelope", 0)
    lasting.client.delete(queue, f"_kombu.binding.{queue}")
    lasting.client.set(queue, CANARY)
    lasting.client.hset(f"_kombu.binding.{queue}", CANARY, CANARY)
    wait_until(lambda: refused(worker)["envelope"] >= before + 2, PATIENCE, "both are gone")
    lasting.client.set(f"{queue}\x06\x163", CANARY)  # a queue of another priority
    wait_until(lambda: refused(worker)["envelope"] >= before + 3, PATIENCE, "that one, too")
    works(lasting, worker)


def test_only_our_two_tasks_exist(lasting: Stack, worker: Process) -> None:
    """None of Celery's own, which could run others."""
    assert [names.ACCEPT_TASK, names.DELIVER_TASK] == ask(lasting, worker, "registered", "", "True")


def test_a_flood_is_read_in_slices(lasting: Stack, worker: Process) -> None:
    """Hints of ours among 3,000 strange messages reach their tasks, and kombu reads few of the strange ones, one at a time."""
    calls, before = commands(lasting), refused(worker)
    strange = [
        as_bytes(thing) for thing, reason in POISON.values() if reason != "slot" and len(as_bytes(thing)) < 5_000
    ]
    hints = [as_bytes(message(body=[[[f"01nosuch{number:04d}"]], {}, {}])) for number in range(30)]
    with lasting.client.pipeline() as pipe:
        for number in range(3_000):
            pipe.lpush(
                names.ACCEPT_QUEUE,
                strange[number % len(strange)],
                *hints[number // 100 : number // 100 + (number % 100 == 50)],
            )
        pipe.execute()
    expected = sum(before.values()) + 3_000
    wait_until(lambda: sum(refused(worker).values()) == expected, PATIENCE, lambda: f"{expected}: {refused(worker)}")
    wait_until(lambda: not left(lasting), PATIENCE, lambda: f"nothing left: {left(lasting)}")
    now = commands(lasting)
    assert now["brpop"] - calls["brpop"] < 600
    assert now["hdel"] - calls["hdel"] >= 30  # each hint was given to its task, and acknowledged
    works(lasting, worker)


def commands(stack: Stack) -> Counter[str]:
    """How often the server ran each command."""
    stats: dict[str, Any] = stack.client.info("commandstats")
    return Counter({name.removeprefix("cmdstat_"): int(one["calls"]) for name, one in stats.items()})


# Two accounts that call from one number at a time keep each other busy (486).
OF_ITS_OWN = "+15550109999"


class Pace:
    """How many messages a second leave of a campaign of an account that may send ten, while something else goes on.

    Args:
        stack: its server and workers.
    """

    def __init__(self, stack: Stack) -> None:
        self._stack = stack.another()
        self._stack.add_account("600/minute")
        rows = [{"to": f"+1555{n:07d}"} for n in range(30_000 if profiles.is_long() else 100)]
        self._campaign = stack.outbox.start_campaign(
            f"pace-{self._stack.name}", account=self._stack.name, sender=OF_ITS_OWN, template="Hi", recipients=rows
        )
        self._stack.wait_for(lambda books: books.outcomes["accepted"] > 0, "the first has left")
        self.begin()

    def begin(self) -> None:
        """Count from now."""
        self._since, self._sent = time.monotonic(), self._accepted()

    def end(self) -> float:
        """Messages a second since `begin`; the rest is cancelled."""
        pace = self._pace()
        self._campaign.cancel()
        return pace

    def over(self, seconds: float) -> float:
        """Messages a second in the next so many seconds."""
        self.begin()
        time.sleep(seconds)
        return self._pace()

    def _pace(self) -> float:
        return (self._accepted() - self._sent) / (time.monotonic() - self._since)

    def _accepted(self) -> int:
        return self._stack.balance().outcomes["accepted"]


@pytest.mark.timeout(0 if profiles.is_long() else 300)
def test_random_messages_do_no_harm(lasting: Stack, worker: Process) -> None:
    """From a grammar of real messages: no death, no hang, no growth, nothing left; what is sent meanwhile is sent, at its pace."""
    total, seed = (1_000_000 if profiles.is_long() else 2_000), 20
    pace = Pace(lasting)
    usual = pace.over(60 if profiles.is_long() else 1)
    chance, process = random.Random(seed), psutil.Process(worker.pid)
    other = lasting.another()
    other.add_account("600000/minute")
    before = process.memory_info().rss
    pace.begin()
    for done in range(0, total, 500):
        with lasting.client.pipeline(transaction=False) as pipe:
            for _ in range(500):
                pipe.lpush(chance.choice([names.ACCEPT_QUEUE, names.DELIVER_QUEUE]), hostile.random_message(chance))
            for _ in range(20):
                pipe.publish(CONTROL, hostile.random_message(chance))
            pipe.execute()
        other.send(done // 500)
        wait_until(lambda: lasting.client.llen(names.ACCEPT_QUEUE) < 2_000, PATIENCE * 5, "the queue to shrink")
    beside = pace.end()
    assert total // 500 == other.settled(total // 500, timedelta(minutes=2)).outcomes["accepted"]
    wait_until(lambda: not left(lasting), PATIENCE * 5, lambda: f"nothing left: {left(lasting)}")
    # Commands come in order: with this answer, all that was published before is refused, too.
    assert ask(lasting, worker, "registered", "", "True")
    works(lasting, worker)
    assert process.memory_info().rss - before < 100_000_000
    # Of the short run nothing can be said but that the work went on: it ends before ten messages have their turn.
    assert beside >= (0.9 * usual if profiles.is_long() else 0)
