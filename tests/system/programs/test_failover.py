"""A server that changes its role, is full, cannot save or lacks replicas: who starts says why, who runs goes on when it is over."""

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TypeAlias

import pytest
import redis

from paceline import Outbox, SendMessage, Settings
from paceline.errors import ConfigurationError, StateUnavailable
from paceline.state import connect
from paceline.state.calls import State
from paceline_sandbox.embedded import EmbeddedServer
from paceline_worker.runtime import Runtime
from tests.conftest import add_account
from tests.support.celery_tools import CELERY
from tests.support.processes import Process, Sandbox, spawn
from tests.support.proxy import Proxy
from tests.support.servers import start_server
from tests.support.stack import PATIENCE, SECRET, Stack
from tests.support.wait import wait_until

pytestmark = [pytest.mark.system]

Undo: TypeAlias = Callable[[], object]
Spoil: TypeAlias = Callable[[redis.Redis], Undo]


@pytest.fixture(scope="module")
def own() -> Iterator[EmbeddedServer]:
    """A server that these tests may spoil."""
    with start_server(extra=("--enable-protected-configs", "yes")) as server:
        yield server


def full(client: redis.Redis) -> Undo:
    client.config_set("maxmemory", "100kb")
    return lambda: client.config_set("maxmemory", "0")


def without_replicas(client: redis.Redis) -> Undo:
    client.config_set("min-replicas-to-write", "1")
    return lambda: client.config_set("min-replicas-to-write", "0")


def replica(client: redis.Redis) -> Undo:
    client.replicaof("127.0.0.1", "1")
    return lambda: client.replicaof("no", "one")


def blind_replica(client: redis.Redis) -> Undo:
    client.config_set("replica-serve-stale-data", "no")
    client.replicaof("127.0.0.1", "1")

    def undo() -> None:
        client.replicaof("no", "one")
        client.config_set("replica-serve-stale-data", "yes")

    return undo


def without_a_disk(client: redis.Redis) -> Undo:
    name = str(client.config_get("dbfilename")["dbfilename"])
    (Path(str(client.config_get("dir")["dir"])) / "folder").mkdir(exist_ok=True)
    client.config_set("dbfilename", "folder")
    client.config_set("save", "1 1")
    client.set("changed", "1")
    client.bgsave()
    wait_until(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err", PATIENCE, "a snapshot that fails")

    def undo() -> None:
        client.config_set("save", "")
        client.config_set("dbfilename", name)

    return undo


def restricted(*rules: str) -> Spoil:
    def apply(client: redis.Redis) -> Undo:
        client.execute_command(  # type: ignore[no-untyped-call]
            "ACL", "SETUSER", "guest", "reset", "on", ">pass", "~*", "&*", "+@all", *rules
        )
        return lambda: client.acl_deluser("guest")

    return apply


STATES = {
    "full": (full, "", "is full: it reached its maxmemory"),
    "lacks replicas": (without_replicas, "", "has fewer replicas than its min-replicas-to-write"),
    "replica": (replica, "", "is a replica, which takes no writes: name the primary"),
    "replica without its primary": (blind_replica, "", "is a replica whose primary is away"),
    "cannot save": (without_a_disk, "", "cannot save its data to disk"),
    "keys of others": (restricted("resetkeys", "~other:*"), "guest:pass@", "refused access: "),
    "no scripts": (restricted("-@scripting"), "guest:pass@", "refused access: "),
    "wrong password": (restricted(), "guest:s3cr3t@", "refused access: "),
}


@pytest.mark.parametrize(("spoil", "login", "words"), STATES.values(), ids=STATES)
def test_each_state_of_the_server_is_one_sentence(
    own: EmbeddedServer,
    spoil: Spoil,
    login: str,
    words: str,
) -> None:
    """A worker that starts says what is wrong; a service that sends learns it in the same words, and sends when it is over."""
    admin = connect(own.url)
    admin.flushall()
    add_account(admin, "acme")
    undo = spoil(admin)
    url = own.url.replace("redis://", f"redis://{login}")
    settings = Settings(broker_url=url, secret_key=SECRET, metrics_port=0, allow_volatile=True)
    hello = SendMessage(account="acme", sender="+15550100001", to="+15550100002", text="Hello")
    with closing(admin), Outbox(settings=settings) as outbox:
        try:
            runtime = Runtime(settings, lambda *_: None)
            with pytest.raises(ConfigurationError, match=f"^the state server {words}") as refused:
                runtime.start()
            runtime.stop()
            assert "s3cr3t" not in str(refused.value)
            assert not re.search(r"\n|Traceback", str(refused.value))
            if login != "guest:pass@" or words != "refused access: ":
                with pytest.raises(StateUnavailable, match=f"^the state server {words}"):
                    outbox.send(hello)
        finally:
            undo()
        if not login:
            outbox.send(hello)
        admin.flushall()


def test_what_never_starts_says_so_in_one_line(stack: Stack, own: EmbeddedServer) -> None:
    """The real program: one sentence on stderr, exit code 1, no traceback."""
    with closing(connect(own.url)) as admin:
        undo = replica(admin)
        worker = spawned(stack, own.url)
        assert 1 == worker.wait(PATIENCE)
        undo()
    assert ["paceline: the state server is a replica, which takes no writes: name the primary"] == [
        line for line in worker.log_text().splitlines() if line.startswith("paceline: ")
    ]
    assert "Traceback" not in worker.log_text()


def spawned(stack: Stack, url: str) -> Process:
    """A worker that need not become ready."""
    log = Path(stack.workers[-1].log_path if stack.workers else f"/tmp/{stack.name}.log")
    environment = {**stack.environment, "PACELINE_BROKER_URL": url, "PACELINE_METRICS_PORT": "0"}
    return spawn([*CELERY, "worker", "--pool", "threads", "-n", "never@%h"], environment, log)


def test_a_failover_is_survived_with_old_connections_open(sandbox: Sandbox) -> None:
    """The primary becomes a replica and answers on: producers and workers find the other one within seconds, and say so."""
    with (
        start_server() as first,
        start_server() as second,
        Proxy(port_of(first)) as door,
        closing(connect(first.url)) as old,
        closing(connect(second.url)) as new,
        Stack(first, sandbox, PACELINE_BROKER_URL=f"redis://127.0.0.1:{door.port}/0") as built,
        Outbox(broker_url=built.environment["PACELINE_BROKER_URL"]) as outbox,
    ):
        built.scenario()
        built.add_account()
        worker = built.start_worker()
        before, built.outbox = built.outbox, outbox
        new.replicaof("127.0.0.1", str(port_of(first)))
        wait_until(lambda: new.info("replication")["master_link_status"] == "up", PATIENCE, "a replica")
        for number in range(10):
            built.send(number)
        built.settled(10)
        assert 1 == old.wait(1, 10_000)
        door.lead_to(port_of(second))
        new.replicaof("no", "one")
        old.replicaof("127.0.0.1", str(port_of(second)))
        built.state = State(new)
        for number in range(10, 20):
            built.send(number)
        built.settled(20)
        assert worker.exit_code is None
        assert {f"message {number}": 1 for number in range(20)} == built.texts_accepted()
        built.outbox = before


def test_a_worker_outlives_a_server_that_refuses(sandbox: Sandbox) -> None:
    """Full, without replicas, away: the worker stays, says when it began and when it ended, and sends what came meanwhile."""
    with start_server() as server, Stack(server, sandbox) as built:
        built.scenario()
        built.add_account()
        worker = built.start_worker()
        built.send(0)
        built.settled(1)
        undo = without_replicas(built.client)
        worker.wait_for_line(r"the state server does not answer.*min-replicas-to-write")
        with pytest.raises(StateUnavailable, match="min-replicas-to-write"):
            built.send(1)
        undo()
        worker.wait_for_line("the state server answers again")
        built.send(1)
        built.settled(2)
        server.kill()
        server.restart()
        built.send(2)
        built.settled(3)
        assert worker.exit_code is None
    assert {f"message {number}": 1 for number in range(3)} == built.texts_accepted()


def port_of(server: EmbeddedServer) -> int:
    return int(server.url.rpartition(":")[2].partition("/")[0])
