"""Producers of every kind leave their hints: forks, requests, pools, programs that end at once, servers without threads."""

import base64
import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from types import ModuleType, SimpleNamespace

import pytest
import redis

from paceline import Outbox, SendMessage, Settings, names
from paceline.inbox.hints import HintBus
from paceline.state import connect
from paceline_sandbox.embedded import EmbeddedServer
from tests.conftest import SENDER, add_account
from tests.support.stack import PATIENCE
from tests.support.wait import wait_until

HELLO = SendMessage(account="acme", sender=SENDER, to="+15550100002", text="Hello")

# Handlers of `atexit` that are registered first run last. A busy machine needs more patience than the product has.
PREAMBLE = """
import atexit, os, sys, time, threading, multiprocessing
def no_thread_is_left():
    assert "paceline-hints" not in {thread.name for thread in threading.enumerate()}
atexit.register(no_thread_is_left)
import paceline.inbox.hints
from paceline import Outbox, SendMessage
paceline.inbox.hints._FLUSH_S = 60
HELLO = SendMessage(account="acme", sender="+15550100001", to="+15550100002", text="Hello")
def send(outbox):
    began = time.monotonic()
    outbox.send(HELLO)
    assert time.monotonic() - began < 3
"""
ENDS_AT_ONCE = "send(Outbox())"
POOL = """
outbox = Outbox()
send(outbox)
context = multiprocessing.get_context("fork")
children = [context.Process(target=send, args=(outbox,)) for _ in range(5)]
for child in children: child.start()
for child in children: child.join()
assert [0] * 5 == [child.exitcode for child in children]
"""
FORKS = """
outbox = Outbox()
send(outbox)
ended = threading.Event()
def busy():
    while not ended.is_set():
        send(outbox)
        time.sleep(0.01)
thread = threading.Thread(target=busy)
thread.start()
for _ in range(25):
    child = os.fork()
    if child == 0:
        send(outbox)
        send(Outbox())
        outbox.close()
        os._exit(0)
    assert (child, 0) == os.waitpid(child, 0)
ended.set()
thread.join()
outbox.close()
"""
# The thread ends with the last outbox that is closed.
CLOSES = """
first, second = Outbox(), Outbox()
send(first)
thread = next(one for one in threading.enumerate() if one.name == "paceline-hints")
first.close()
assert thread.is_alive()
second.close()
thread.join(20)
assert not thread.is_alive()
"""


@pytest.fixture
def prepared(server: EmbeddedServer, client: redis.Redis) -> Iterator[EmbeddedServer]:
    add_account(client, "acme")
    yield server
    client.flushall()


def hinted(client: redis.Redis) -> Counter[str]:
    """Record ids that hints name."""
    messages = [json.loads(str(text)) for text in client.lrange(names.ACCEPT_QUEUE, 0, -1)]
    return Counter(rid for one in messages for rid in json.loads(base64.b64decode(one["body"]))[0][0])


def written(client: redis.Redis) -> Counter[str]:
    return Counter(map(str, client.zrange(f"{names.STATE_ROOT}:inbox", 0, -1)))


@pytest.mark.parametrize(
    ("program", "least"),
    [(ENDS_AT_ONCE, 1), (CLOSES, 1), (POOL, 6), (FORKS, 51)],
    ids=["script", "closes", "pool", "forks"],
)
def test_no_hint_is_left_behind(prepared: EmbeddedServer, client: redis.Redis, program: str, least: int) -> None:
    """Each record is named in exactly one hint, although processes fork under load or end with their last message.

    No thread of ours is left when the interpreter goes down.
    """
    environment = {**os.environ, names.ENV_BROKER_URL: prepared.url}
    done = subprocess.run(
        [sys.executable, "-c", PREAMBLE + program],
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert (0, "") == (done.returncode, done.stderr)
    assert written(client) == hinted(client)
    assert len(written(client)) >= least


def test_an_outbox_for_every_request_leaves_nothing_behind(prepared: EmbeddedServer, client: redis.Redis) -> None:
    """Hundreds of outboxes, closed or not, share one thread and one connection to the broker."""
    before = threading.active_count()
    connected = len(client.client_list())
    for number in range(60):
        outbox = Outbox(broker_url=prepared.url)
        outbox.send(HELLO)
        if number % 2:
            outbox.close()
    assert threading.active_count() <= before + 1
    wait_until(lambda: written(client) == hinted(client), PATIENCE, "all hints")
    assert len(client.client_list()) <= connected + 4
    outbox.close()


@pytest.mark.parametrize("options", [{}, {"processes": b"2"}], ids=str)
def test_without_threads_the_caller_publishes(
    prepared: EmbeddedServer,
    client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    options: dict[str, bytes],
) -> None:
    """uWSGI runs no threads of Python unless it is told to: the hint is out when `send` returns, and the log says why, once."""
    monkeypatch.setitem(sys.modules, "uwsgi", uwsgi(options))
    with Outbox(broker_url=prepared.url) as outbox:
        for _ in range(3):
            outbox.send(HELLO)
            assert written(client) == hinted(client)
    assert 1 == caplog.text.count("threads do not run in this process")


def test_a_thread_that_comes_late_is_told_of_as_what_it_is(
    prepared: EmbeddedServer, client: redis.Redis, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """On a busy machine threads run, only late: the caller publishes, and the log does not speak of a process without threads."""
    with Outbox(broker_url=prepared.url) as outbox:
        with monkeypatch.context() as patched:
            patched.setattr("paceline.inbox.hints._PATIENCE_S", -1.0)
            outbox.send(HELLO)
        wait_until(lambda: written(client) == hinted(client), PATIENCE, "the hint")
    assert 1 == caplog.text.count("the thread for hints did not run for a second")
    assert "threads do not run" not in caplog.text


@pytest.mark.parametrize("options", [{"enable-threads": True}, {b"threads": b"4"}], ids=str)
def test_with_threads_nothing_is_said(
    prepared: EmbeddedServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    options: dict[str | bytes, object],
) -> None:
    """A server that runs threads is like any other process."""
    monkeypatch.setitem(sys.modules, "uwsgi", uwsgi(options))
    with Outbox(broker_url=prepared.url) as outbox:
        outbox.send(HELLO)
    assert "" == caplog.text


def test_nothing_works_in_a_thread_while_workers_are_forked(
    prepared: EmbeddedServer, client: redis.Redis, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """uWSGI forks without Python's handlers: what the application sends while it is loaded, the caller publishes."""
    workers = uwsgi({"enable-threads": True})
    monkeypatch.setattr(workers, "worker_id", lambda: 0, raising=False)
    monkeypatch.setitem(sys.modules, "uwsgi", workers)
    before = set(threading.enumerate())
    with Outbox(broker_url=prepared.url) as outbox:
        outbox.send(HELLO)
        assert written(client) == hinted(client)
        assert "paceline-hints" not in {thread.name for thread in set(threading.enumerate()) - before}
        monkeypatch.setattr(workers, "worker_id", lambda: 1)
        outbox.send(HELLO)
        wait_until(lambda: written(client) == hinted(client), PATIENCE, "the hint of a worker")
    assert "" == caplog.text


def uwsgi(options: object) -> ModuleType:
    return SimpleNamespace(opt=options)  # type: ignore[return-value]


def test_a_thread_that_stands_still_is_noticed(
    prepared: EmbeddedServer, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever keeps it from running: hints that nobody takes are published by the next caller."""
    monkeypatch.setattr("paceline.inbox.hints._PATIENCE_S", 0.0)
    monkeypatch.setattr("paceline.inbox.hints._Line._run", lambda _: None)
    with Outbox(broker_url=prepared.url) as outbox:
        outbox.send(HELLO)
        outbox.send(HELLO)
        assert written(client) == hinted(client)


def test_namespaces_do_not_share_hints(prepared: EmbeddedServer, client: redis.Redis) -> None:
    """An outbox of another namespace, on the same broker in the same process, has a queue of its own."""
    with closing(connect(prepared.url, namespace="other")) as others:
        add_account(others, "acme")
        with (
            Outbox(broker_url=prepared.url) as one,
            Outbox(settings=Settings(broker_url=prepared.url, namespace="other")) as two,
        ):
            one.send(HELLO)
            two.send(HELLO)
    assert [1, 1] == [client.llen(queue) for queue in ("paceline.accept", "other.accept")]
    assert 1 == client.zcard("other:{0}:inbox")


def test_hints_of_campaigns_are_few(
    prepared: EmbeddedServer, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first leaves at once; those that come soon after it share the next one, which single messages overtake."""
    monkeypatch.setattr("paceline.inbox.hints._REST_OF_BULK_S", 1000.0)
    with closing(HintBus(Settings(broker_url=prepared.url))) as hints:
        hints.tell("first", is_bulk=True)
        wait_until(lambda: hinted(client) == Counter(["first"]), PATIENCE, "the first")
        for number in range(50):
            hints.tell(f"bulk {number}", is_bulk=True)
        hints.tell("single")
        wait_until(lambda: hinted(client) == Counter(["first", "single"]), PATIENCE, "the single message")
    assert 52 == hinted(client).total()
    assert 3 == client.llen(names.ACCEPT_QUEUE)
