"""The three measurements: throughput without limits, pace of many keys, and what kills do to messages."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import psutil
import redis
from tests.support.processes import Process, spawn, start_sandbox
from tests.support.sandbox_client import SandboxClient
from tests.support.servers import start_server

from benchmarks.arrivals import Arrivals, pace_between, violations
from benchmarks.backlog import NOT_OURS, cpu_seconds
from benchmarks.rig import StubClient, start_stub
from benchmarks.versus.peers import Installation, Peer
from paceline.state import connect

KEYS_WITHOUT_LIMIT: Final = 4
_QUIET_S: Final = 15  # nothing arrived for so long: nothing more comes
_FIRST_WITHIN_S: Final = 60
_READY: Final = timedelta(seconds=60)
_WINDOW_US: Final = 60_000_000


@dataclass
class Contest:
    """One contestant with a server and a provider of its own.

    Args:
        peer: The contestant.
        installation: Its packages.
        environment: Variables of its programs.
        client: Of the server.
        server: Process id of the server.
        logs: Folder of its logs.
        exit: Ends everything.
        workers: Its workers.
    """

    peer: Peer
    installation: Installation
    environment: dict[str, str]
    client: redis.Redis
    server: int
    logs: Path
    exit: ExitStack
    workers: list[Process] = field(default_factory=list)
    started: int = 0

    def start_workers(self, number: int) -> None:
        """More workers, all at once; returns when they take work."""
        started = []
        for _ in range(number):
            self.started += 1
            command = self.installation.work(self.peer, self.started)
            worker = spawn(command, self.environment, self.logs / f"worker-{self.started}.log")
            self.exit.callback(worker.kill)
            started.append(worker)
        for worker in started:
            worker.wait_for_line(self.peer.ready, _READY)
        self.workers += started

    def call(self, *arguments: str) -> Process:
        """Start the peer's program."""
        command = self.installation.call(self.peer, *arguments)
        program = spawn(command, self.environment, self.logs / f"{arguments[0]}.log")
        self.exit.callback(program.kill)
        return program

    def run(self, *arguments: str) -> None:
        """Run the peer's program to its end.

        Raises:
            RuntimeError: It failed; the message is its log.
        """
        program = self.call(*arguments)
        if program.wait(timedelta(minutes=15)):
            raise RuntimeError(program.log_text())

    def worker_seconds(self) -> float:
        """CPU of the workers and of their children."""
        processes = [psutil.Process(worker.pid) for worker in self.workers]
        families = [one for process in processes for one in (process, *process.children(recursive=True))]
        return sum(cpu_seconds(one) for one in families)

    def commands(self) -> int:
        """Commands that the server ran, those inside scripts included."""
        stats = self.client.info("commandstats")
        return sum(int(row["calls"]) for name, row in stats.items() if name not in NOT_OURS)


@contextmanager
def contest(
    peer: Peer, installation: Installation, provider: str, *, keys: int, per_minute: int, redelivery_s: int = 3600
) -> Iterator[Contest]:
    """Start a server, and what the contestant prepares."""
    with ExitStack() as stack:
        logs = Path(stack.enter_context(TemporaryDirectory(prefix="versus-")))
        server = stack.enter_context(start_server())
        client = connect(server.url, answer_timeout_s=60)
        stack.callback(client.close)
        environment = {
            **installation.environment(peer),
            "VERSUS_REDIS": server.url,
            "VERSUS_PROVIDER": provider,
            "VERSUS_PER_MINUTE": str(per_minute),
            "VERSUS_KEYS": str(keys),
            "VERSUS_REDELIVERY_S": str(redelivery_s),
            "PACELINE_BROKER_URL": server.url,
            "PACELINE_API_BASE": f"{provider}/open",
            "PACELINE_METRICS_PORT": "0",
        }
        running = Contest(peer, installation, environment, client, server.pid, logs, stack)
        if peer.prepares:
            running.run("prepare")
        yield running


@dataclass(frozen=True)
class Throughput:
    """Without limits: messages a second between the 5th and the 95th percentile of arrivals, and the cost of a message."""

    arrived: int
    per_s: float
    worker_ms: float
    server_ms: float
    commands: float


def throughput(peer: Peer, installation: Installation, *, messages: int) -> Throughput:
    """Enqueue everything, then start the workers."""
    with (
        start_stub() as (stub, _),
        contest(peer, installation, stub.origin, keys=KEYS_WITHOUT_LIMIT, per_minute=0) as running,
    ):
        running.run("produce", str(messages // KEYS_WITHOUT_LIMIT), "0")
        running.start_workers(peer.workers)
        while not stub.count():
            time.sleep(0.05)
        before = running.worker_seconds(), cpu_seconds(psutil.Process(running.server)), running.commands()
        first = stub.count()
        _wait(stub, messages)
        after = running.worker_seconds(), cpu_seconds(psutil.Process(running.server)), running.commands()
        times = sorted(stub.arrivals().times_us)
    low, high = len(times) // 20, len(times) * 19 // 20
    counted = max(1, len(times) - first)
    worker_s, server_s, commands = (late - early for late, early in zip(after, before, strict=True))
    return Throughput(
        arrived=len(times),
        per_s=(high - low) / max(1, times[high] - times[low]) * 1e6,
        worker_ms=worker_s / counted * 1e3,
        server_ms=server_s / counted * 1e3,
        commands=commands / counted,
    )


@dataclass(frozen=True)
class Pace:
    """Share of the allowed rate, its poorest key, violations of the limit (sliding window) and doubled messages."""

    share: float
    poorest: float
    violations: int
    doubled: int
    worker_ms: float
    server_ms: float


def pace(
    peer: Peer, installation: Installation, *, keys: int, per_minute: int, warm_up_s: float, seconds: float
) -> Pace:
    """Keep a backlog waiting for each key, and count what arrives."""
    rows = round(per_minute * (warm_up_s + seconds + 30) / 60) + 5
    with (
        start_stub() as (stub, _),
        contest(peer, installation, stub.origin, keys=keys, per_minute=per_minute) as running,
    ):
        running.start_workers(2)
        begun_us = _now_us()
        running.run("produce", str(rows), "0")
        time.sleep(warm_up_s)
        before = running.worker_seconds(), cpu_seconds(psutil.Process(running.server))
        first_us, first = _now_us(), stub.count()
        time.sleep(seconds)
        last_us, last = _now_us(), stub.count()
        after = running.worker_seconds(), cpu_seconds(psutil.Process(running.server))
        time.sleep(60 / per_minute * 1.1)
        log = stub.arrivals()
        end_us = _now_us()
    return _pace(
        log,
        keys=keys,
        per_minute=per_minute,
        instants_us=(begun_us, first_us, last_us, end_us),
        before=before,
        after=after,
        sent=max(1, last - first),
    )


def _pace(
    log: Arrivals,
    *,
    keys: int,
    per_minute: int,
    instants_us: tuple[int, int, int, int],
    before: Sequence[float],
    after: Sequence[float],
    sent: int,
) -> Pace:
    begun_us, first_us, last_us, end_us = instants_us
    times = list(log.by_key().values())
    times += [[]] * (keys - len(times))
    allowed = per_minute * (last_us - first_us) / _WINDOW_US
    shares = [pace_between(key, first_us, last_us, log_us=(begun_us, end_us)) / allowed for key in times]
    worker_s, server_s = (late - early for late, early in zip(after, before, strict=True))
    return Pace(
        share=sum(shares) / keys,
        poorest=min(shares),
        violations=sum(violations(key, number=per_minute, window_us=_WINDOW_US, pacing="window") for key in times),
        doubled=log.doubled(),
        worker_ms=worker_s / sent * 1e3,
        server_ms=server_s / sent * 1e3,
    )


@dataclass(frozen=True)
class Kills:
    """What became of the messages when workers were killed again and again."""

    messages: int
    kills: int
    lost: int
    doubled: int


def kills(
    peer: Peer, installation: Installation, *, number: int, per_second: int, every_s: float, patience_s: float
) -> Kills:
    """Two workers under a steady stream; every few seconds SIGKILL ends one, and another one starts."""
    per_key = round(per_second * every_s * (number + 2) / KEYS_WITHOUT_LIMIT)
    total = per_key * KEYS_WITHOUT_LIMIT
    with start_sandbox() as process:
        sandbox = SandboxClient(process.origin)
        sandbox.put_scenario({"defaults": {"limits": []}, "latency_ms": 20, "serial_senders": False})
        with contest(
            peer, installation, process.origin, keys=KEYS_WITHOUT_LIMIT, per_minute=0, redelivery_s=10
        ) as running:
            running.start_workers(2)
            producer = running.call("produce", str(per_key), str(per_second))
            for _ in range(number):
                time.sleep(every_s)
                running.workers.pop(0).kill()
                running.start_workers(1)
            producer.wait(timedelta(minutes=5))
            deadline = time.monotonic() + patience_s
            while len(texts := _texts(sandbox)) < total and time.monotonic() < deadline:
                time.sleep(1)
            texts = _texts(sandbox)
    return Kills(total, number, lost=total - len(texts), doubled=sum(texts.values()) - len(texts))


def _texts(sandbox: SandboxClient) -> Counter[str]:
    return Counter(arrival["body"]["text"] for arrival in sandbox.arrivals() if arrival["accepted"])


def _wait_for_first(stub: StubClient) -> None:
    deadline = time.monotonic() + _FIRST_WITHIN_S
    while not stub.count():
        if time.monotonic() > deadline:
            raise RuntimeError(f"no message arrived within {_FIRST_WITHIN_S} s")
        time.sleep(0.05)


def _wait(stub: StubClient, messages: int) -> None:
    count, quiet_since_s = 0, time.monotonic()
    while count < messages and time.monotonic() - quiet_since_s < _QUIET_S:
        time.sleep(0.25)
        if (now := stub.count()) != count:
            count, quiet_since_s = now, time.monotonic()


def _now_us() -> int:
    return time.time_ns() // 1000
