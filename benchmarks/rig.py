"""A fleet to measure: a state server, the stub of the provider, workers and many accounts, ended when the block ends."""

import base64
import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any, Final
from urllib.request import ProxyHandler, Request, build_opener

import redis
from tests.support.clusters import Node, start_cluster
from tests.support.processes import Process, free_port, spawn, start_worker
from tests.support.proxy import Proxy
from tests.support.servers import start_server

from benchmarks.arrivals import Arrivals, Pacing
from benchmarks.costs import Costs, read_costs
from paceline import Outbox, Settings
from paceline.errors import StateUnavailable
from paceline.state import connect
from paceline.state.calls import State
from paceline_sandbox.embedded import EmbeddedServer, Source
from paceline_worker.accounts.account import NewAccount
from paceline_worker.accounts.accounts import Accounts
from paceline_worker.accounts.secrets import ApiKey, KeyRing

VARIATION: Final = timedelta(milliseconds=100)
EMPTY: Final[Mapping[str, str]] = MappingProxyType({})
_PIPELINED: Final = 200
_UPLOAD_ATTEMPTS: Final = 10
_TIMEOUT_S: Final = 60
# While a primary is away the others take commands.
_GOES_ON: Final = ("--cluster-require-full-coverage", "no")
_BUSY: Final = "while True: pass"


class StubClient:
    """Talks to `/stub/*` of a running stub.

    Args:
        origin: its address without a path.
    """

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self._opener = build_opener(ProxyHandler({}))

    def arrivals(self) -> Arrivals:
        """Everything that arrived."""
        return Arrivals.from_bytes(self._call("GET", "/stub/arrivals"))

    def count(self) -> int:
        """How many calls arrived."""
        return int(json.loads(self._call("GET", "/stub/count"))["arrivals"])

    def reset(self) -> None:
        """Forget all arrivals."""
        self._call("POST", "/stub/reset")

    def set_latency(self, latency_ms: float, jitter_ms: float = 0) -> None:
        """How long answers take from now on."""
        self._call("PUT", "/stub/latency", json.dumps({"latency_ms": latency_ms, "jitter_ms": jitter_ms}).encode())

    def _call(self, method: str, path: str, body: bytes = b"") -> bytes:
        with self._opener.open(
            Request(self.origin + path, data=body or None, method=method), timeout=_TIMEOUT_S
        ) as said:
            content: bytes = said.read()
        return content


@dataclass
class Rig:
    """Everything a run touches.

    Args:
        server: the state server and broker; with a cluster, the broker.
        stub: what the provider saw.
        stub_pid: its process.
        outbox: a producer.
        client: of the state server, not through any proxy.
        state: for reading.
        secret: encrypts the keys.
        environment: of the workers.
        exit: ends everything.
        nodes: of a cluster, its primaries.
        beside: process ids of servers by their part, of a cluster.
        workers: their processes.
        metrics_ports: one of each worker.
        forked: whether workers are children of the tests' nursery.
    """

    server: EmbeddedServer
    stub: StubClient
    stub_pid: int
    outbox: Outbox
    client: redis.Redis
    state: State
    secret: str
    environment: dict[str, str]
    exit: ExitStack
    nodes: Sequence[Node] = ()
    beside: Mapping[str, Sequence[int]] = field(default_factory=dict)
    workers: list[Process] = field(default_factory=list)
    metrics_ports: list[int] = field(default_factory=list)
    forked: bool = False

    def start_worker(self) -> None:
        """One more worker; it ends with the block."""
        port = free_port()
        worker = start_worker({**self.environment, "PACELINE_METRICS_PORT": str(port)}, forked=self.forked)
        self.exit.enter_context(worker)
        self.workers.append(worker)
        self.metrics_ports.append(port)

    def add_accounts(self, names: Sequence[str], rate: str, pacing: Pacing) -> None:
        """Add accounts whose keys are their names."""
        ring = KeyRing(self.secret)
        if self.nodes:
            never = timedelta(0)
            new = (
                NewAccount(
                    name=name, key=ApiKey(name), rates=rate, pacing=pacing, variation=VARIATION, info_every=never
                )
                for name in names
            )
            Accounts(self.client).add_many(new, ring=ring)
            return
        for start in range(0, len(names), _PIPELINED):
            with self.client.pipeline(transaction=False) as pipe:
                accounts = Accounts(pipe)
                for name in names[start : start + _PIPELINED]:
                    accounts.add(
                        name,
                        ApiKey(name),
                        ring=ring,
                        rates=rate,
                        pacing=pacing,
                        variation=VARIATION,
                        info_every=timedelta(0),  # every call is a message
                    )
                pipe.execute()

    def suspend(self, names: Sequence[str]) -> None:
        """Nothing of these accounts leaves."""
        with self._burst() as accounts:
            for name in names:
                accounts.suspend(name)

    def resume(self, names: Sequence[str]) -> None:
        """All of these accounts may send again, in one burst."""
        with self._burst() as accounts:
            for name in names:
                accounts.resume(name)

    @contextmanager
    def _burst(self) -> Iterator[Accounts]:
        """Accounts whose changes make one round trip; on a cluster one after the other."""
        if self.nodes:
            yield Accounts(self.client)
            return
        with self.client.pipeline(transaction=False) as pipe:
            yield Accounts(pipe)
            pipe.execute()

    def upload(
        self, account: str, *, senders: int = 1, rows: int, columns: Mapping[str, str] = EMPTY, **options: Any
    ) -> None:
        """One campaign for each of the account's senders, named ``<account>-<number of the sender>``.

        Args:
            account: its name, which ends with a number.
            senders: how many.
            rows: of each campaign.
            columns: further columns, the same in all rows.
            options: of `CampaignSpec`.
        """
        number = int(account.lstrip("a"))
        for sender in range(senders):
            recipients = [{"to": f"+4915{row:09d}", "name": f"Customer {row}", **columns} for row in range(rows)]
            for attempt in range(_UPLOAD_ATTEMPTS):
                try:
                    self.outbox.start_campaign(
                        f"{account}-{sender}",
                        account=account,
                        sender=f"+1555{number:05d}{sender:02d}",
                        template="Hi {name}",
                        recipients=recipients,
                        **options,
                    )
                    break
                except StateUnavailable:  # so busy is the server; an upload of the same name goes on
                    if attempt == _UPLOAD_ATTEMPTS - 1:
                        raise

    def resume_campaigns(self, names: Sequence[str]) -> None:
        """All of these campaigns may send, in one burst."""
        with self.client.pipeline(transaction=False) as pipe:
            state = State(pipe)
            for name in names:
                state.control_campaign("resume", name)
            pipe.execute()

    def wait_until_accepted(self, patience_s: float) -> int:
        """Wait until workers have taken everything into lanes; returns how many records they have not, when patience ends."""
        deadline = time.monotonic() + patience_s
        while (left := int(self.state.fleet().inbox)) and time.monotonic() < deadline:
            time.sleep(0.2)
        return left

    @property
    def clients(self) -> list[redis.Redis]:
        """A client of each server that has state as a primary."""
        return [node.client for node in self.nodes] or [self.client]

    def costs(self) -> Costs:
        """All totals now."""
        servers = [node.server for node in self.nodes] or [self.server]
        return read_costs(
            self.clients,
            workers=[worker.pid for worker in self.workers],
            servers=[server.pid for server in servers],
            stub=self.stub_pid,
            metrics_ports=self.metrics_ports,
            beside=self.beside,
        )


def end_in_order() -> None:
    """Have SIGTERM and Ctrl-C end this program through its blocks, so that no process is left behind."""
    for ending in (
        signal.SIGINT,
        signal.SIGTERM,
    ):  # in the background of a shell, SIGINT is ignored unless told otherwise
        signal.signal(ending, signal.default_int_handler)


def set_priority(pid: int, nice: int) -> None:
    """Give all threads of a process a scheduling priority.

    Raises:
        PermissionError: only root may raise one.
    """
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.setpriority(os.PRIO_PROCESS, int(thread.name), nice)


@contextmanager
def at_distance(server: EmbeddedServer, round_trip_ms: tuple[float, float] | None) -> Iterator[str]:
    """The address of a state server, or of a proxy that puts it so far away."""
    if round_trip_ms is None:
        yield server.url
        return
    shortest, longest = (timedelta(milliseconds=both_ways / 2) for both_ways in round_trip_ms)
    with Proxy(server.port) as proxy:
        proxy.delay(shortest, longest)
        yield server.url.replace(f":{server.port}", f":{proxy.port}")


@contextmanager
def busy(number: int) -> Iterator[None]:
    """So many processes that compute as long as the block lasts."""
    with ExitStack() as stack:
        logs = Path(stack.enter_context(TemporaryDirectory(prefix="paceline-busy-")))
        for each in range(number):
            loop = spawn([sys.executable, "-c", _BUSY], {}, logs / f"{each}.log")
            stack.callback(loop.kill)
        yield


@contextmanager
def start_stub(latency_ms: float = 0, *, forked: bool = False) -> Iterator[tuple[StubClient, int]]:
    """The stub of the provider in a process of its own; yields its client and its process id.

    Args:
        latency_ms: From a call to its answer.
        forked: A child of the tests' nursery.
    """
    arguments = [sys.executable, "-m", "benchmarks.stub", "--latency-ms", str(latency_ms)]
    with (
        TemporaryDirectory(prefix="paceline-stub-") as logs,
        spawn(arguments, {}, Path(logs) / "stub.log", forked=forked) as stub,
    ):
        yield StubClient(stub.wait_for_line(r"listening on (http://\S+)")[1]), stub.pid


@contextmanager
def rigged(
    *,
    workers: int,
    server: Source | None = None,
    latency_ms: float = 0,
    busy_loops: int = 0,
    round_trip_ms: tuple[float, float] | None = None,
    cluster: bool = False,
    shards: int = 0,
    wait_replicas: int = 0,
    server_nice: int | None = None,
    forked: bool = False,
    **environment: str,
) -> Iterator[Rig]:
    """Start it all, and stop it in order.

    Args:
        workers: how many.
        server: which state server; by default the first that this machine has.
        latency_ms: of the provider's answers.
        busy_loops: processes that compute beside it.
        round_trip_ms: shortest and longest time between a worker and the state server, there and back.
        cluster: state is on a cluster of three primaries and three replicas.
        shards: of state on the cluster; 0: the default.
        wait_replicas: how many of them have a write before it counts.
        server_nice: scheduling priority of the state server, -20 (first) to 19; None: as everything else.
        forked: workers and the stub are children of the tests' nursery, which starts them for less CPU.
        environment: further variables of the workers.
    """
    secret = base64.urlsafe_b64encode(os.urandom(32)).decode()
    with ExitStack() as stack:
        state_server = stack.enter_context(start_server(server))
        stub, stub_pid = stack.enter_context(start_stub(latency_ms, forked=forked))
        nodes: Sequence[Node] = ()
        beside: dict[str, Sequence[int]] = {}
        settings = Settings(broker_url=state_server.url, shards=shards, wait_replicas=wait_replicas)
        if cluster:
            made = stack.enter_context(start_cluster(server, replicas=3, spread=True, extra=_GOES_ON))
            nodes = made.nodes[:3]
            beside = {f"primary {number}": [node.server.pid] for number, node in enumerate(nodes)}
            beside |= {"replicas": [node.server.pid for node in made.nodes[3:]], "broker": [state_server.pid]}
            settings = settings.model_copy(update={"state_url": made.url})
            environment |= {"PACELINE_STATE_URL": made.url, "PACELINE_SHARDS": str(shards)}
        if server_nice is not None:
            for server_pid in [node.server.pid for node in nodes] or [state_server.pid]:
                set_priority(server_pid, server_nice)
        environment |= {"PACELINE_WAIT_REPLICAS": str(wait_replicas)}
        outbox = stack.enter_context(Outbox(settings=settings))
        # What is measured may keep the server busy for long.
        client = connect(settings.state_url, answer_timeout_s=_TIMEOUT_S)
        client.shards = shards
        stack.callback(client.close)
        variables = {
            "PACELINE_BROKER_URL": stack.enter_context(at_distance(state_server, round_trip_ms)),
            "PACELINE_SECRET_KEY": secret,
            "PACELINE_API_BASE": f"{stub.origin}/open",
            **environment,
        }
        parts = (state_server, stub, stub_pid, outbox, client, State(client), secret, variables, stack)
        rig = Rig(*parts, nodes=nodes, beside=beside, forked=forked)
        for _ in range(workers):
            rig.start_worker()
        stack.enter_context(busy(busy_loops))
        yield rig
