"""Broker and state behind real Sentinels: the group's name leads to its primary, and to the next one when that is gone."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis

from paceline import Outbox, SendMessage, Settings
from paceline.errors import StateUnavailable
from paceline.state import connect
from paceline_sandbox.embedded import EmbeddedServer, find_server_binary
from paceline_worker.celery import build_app
from tests.support import profiles
from tests.support.celery_tools import node
from tests.support.processes import Process, Sandbox, free_port, spawn
from tests.support.servers import SERVER_KINDS, start_server
from tests.support.stack import Stack
from tests.support.wait import wait_until

pytestmark = [pytest.mark.system]

GROUP = "group-1"
PATIENCE = timedelta(seconds=150)
RULES = f"""
sentinel monitor {GROUP} 127.0.0.1 %d 1
sentinel down-after-milliseconds {GROUP} 1000
sentinel failover-timeout {GROUP} 5000
"""


@pytest.fixture
def group(tmp_path: Path) -> Iterator[tuple[str, redis.Redis, dict[int, EmbeddedServer]]]:
    """A primary, its replica and a Sentinel: the address for brokers, a client of the Sentinel, and the servers by port."""
    kind = SERVER_KINDS[0]
    with ExitStack() as stack:
        primary, replica = (stack.enter_context(start_server(kind)) for _ in range(2))
        with closing(connect(replica.url)) as client:
            client.replicaof("127.0.0.1", str(primary.port))
            wait_until(lambda: client.info("replication")["master_link_status"] == "up", PATIENCE, "a replica")
        rules = tmp_path / "sentinel.conf"
        rules.write_text(f"port {(port := free_port())}\nbind 127.0.0.1\ndir {tmp_path}\n{RULES % primary.port}")
        stack.enter_context(spawn([find_server_binary(kind), rules, "--sentinel"], {}, tmp_path / "sentinel.log"))
        asked = stack.enter_context(closing(redis.Redis(port=port, decode_responses=True)))
        wait_until(lambda: knows_replicas(asked), PATIENCE, "a Sentinel that knows both")
        url = f"sentinel://127.0.0.1:{free_port()};sentinel://127.0.0.1:{port}?master_name={GROUP}"
        yield url, asked, {primary.port: primary, replica.port: replica}


def knows_replicas(sentinel: redis.Redis) -> bool:
    try:
        return bool(sentinel.sentinel_slaves(GROUP))
    except redis.RedisError:
        return False


def primary_of(sentinel: redis.Redis) -> int:
    found: Any = sentinel.sentinel_get_master_addr_by_name(GROUP)
    return int(found[1])


def hears(settings: Settings, worker: Process) -> bool:
    """Whether the worker answers through the broker."""
    try:
        with closing(build_app(settings)) as app:
            return [[node(worker)]] == [list(one) for one in app.control.ping(timeout=2)]
    except OSError:
        return False


def test_hints_go_through_the_group_and_through_its_next_primary(
    stack: Stack, group: tuple[str, redis.Redis, dict[int, EmbeddedServer]]
) -> None:
    """One of two Sentinels is not there; the primary is killed; worker and producer find the replica that is promoted."""
    url, sentinel, servers = group
    stack.add_account()
    settings = Settings(broker_url=url, state_url=stack.server.url)
    worker = stack.start_worker(PACELINE_BROKER_URL=url, PACELINE_STATE_URL=stack.server.url)
    with Outbox(settings=settings) as outbox:

        def send(number: int) -> None:
            sender, to = "+15550100001", f"+1555020{number:04d}"
            outbox.send(SendMessage(account=stack.name, sender=sender, to=to, text=f"message {number}"))

        send(1)
        stack.settled(1)
        before = primary_of(sentinel)
        servers[before].kill()
        send(2)
        wait_until(lambda: primary_of(sentinel) != before, PATIENCE, "another primary")
        wait_until(lambda: hears(settings, worker), PATIENCE, "a worker that hears the other primary")
        send(3)
        stack.settled(3)
    assert worker.exit_code is None
    assert {f"message {number}": 1 for number in (1, 2, 3)} == stack.texts_accepted()


def test_state_goes_on_with_the_next_primary(
    sandbox: Sandbox, group: tuple[str, redis.Redis, dict[int, EmbeddedServer]]
) -> None:
    """One address for broker and state; a primary is killed under load (the long profile: five), nothing is lost or doubled."""
    url, sentinel, servers = group
    # One replica is left after the failover.
    with start_server() as third, closing(connect(third.url)) as client:
        servers[third.port] = third
        client.replicaof("127.0.0.1", str(primary_of(sentinel)))
        wait_until(lambda: client.info("replication")["master_link_status"] == "up", PATIENCE, "a replica")
        wait_until(lambda: len(sentinel.sentinel_slaves(GROUP)) == 2, PATIENCE, "a Sentinel that knows all")
        with Stack(
            third, sandbox, PACELINE_BROKER_URL=url, PACELINE_STATE_URL=url, PACELINE_WAIT_REPLICAS="1"
        ) as built:
            built.scenario()
            built.add_account()
            worker = built.start_worker()
            number, recoveries = 0, []
            for _ in range(5 if profiles.is_long() else 1):
                for _ in range(20):
                    send_surely(built, number)
                    number += 1
                killed, began = servers[primary_of(sentinel)], time.monotonic()
                killed.kill()
                send_surely(built, number)
                recoveries.append(f"{time.monotonic() - began:.1f} s")
                for _ in range(19):
                    number += 1
                    send_surely(built, number)
                number += 1
                killed.restart()
                wait_until(lambda: in_step(servers) == 2, PATIENCE, "two replicas in step")
            print(f"messages were taken again after {', '.join(recoveries)}")  # noqa: T201 - for who asks
            books = built.settled(number, PATIENCE)
            arrived = built.texts_accepted()
            assert (0, number) == (books.unaccounted, books.outcomes["accepted"] + books.outcomes["held"])
            assert {} == {text: times for text, times in arrived.items() if times > 1}
            assert books.outcomes["accepted"] == len(arrived)
            assert worker.exit_code is None
            assert "Traceback" not in worker.log_text()


def in_step(servers: dict[int, EmbeddedServer]) -> int:
    """How many replicas follow a primary."""
    links = []
    for server in servers.values():
        with closing(connect(server.url)) as client:
            try:
                links.append(client.info("replication").get("master_link_status"))
            except redis.RedisError:
                continue
    return links.count("up")


def send_surely(stack: Stack, number: int) -> None:
    """As a service does: again, with the same idempotency key, until state has it."""
    deadline = time.monotonic() + PATIENCE.total_seconds()
    while True:
        try:
            stack.send(number, idempotency_key=f"{stack.name}-{number}")
        except StateUnavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
