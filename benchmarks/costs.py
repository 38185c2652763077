"""What a run costs: CPU of its processes, commands and slow scripts of the state server, work that workers gave back."""

import hashlib
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Final
from urllib.request import ProxyHandler, build_opener

import psutil
import redis
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.backlog import NOT_OURS, cpu_seconds
from paceline.state.scripts import source

# Script calls that take longer than this are kept by the state server.
SLOW_US: Final = 5_000
_SLOW_KEPT: Final = 10_000
_PACKAGES: Final = ("paceline", "paceline_worker")
_CALLS: Final = ("EVALSHA", "EVAL", "FCALL")
_METRICS_TIMEOUT_S: Final = 30
_opener = build_opener(ProxyHandler({}))  # a proxy from the environment must not see local calls


@dataclass(frozen=True)
class Costs:
    """Totals at one moment; two of them make a difference.

    Args:
        at_us: when.
        worker_s: CPU of all workers.
        state_s: CPU of the state server; of a cluster, of its primaries.
        stub_s: CPU of the stub.
        machine_s: CPU of everything on this machine.
        commands: what the state server ran, those inside scripts included.
        deferrals: by reason, as the workers count them.
        given_back: leases that ran out before begin, as the workers count them.
        beside_s: CPU of further servers, by their part: each primary, all replicas, the broker.
    """

    at_us: int
    worker_s: float
    state_s: float
    stub_s: float
    machine_s: float
    commands: int
    deferrals: Mapping[str, int]
    given_back: int
    beside_s: Mapping[str, float] = field(default_factory=dict)

    def since(self, before: "Costs") -> "Costs":
        """What was added since then; `at_us` is how long that took."""
        return Costs(
            at_us=self.at_us - before.at_us,
            worker_s=self.worker_s - before.worker_s,
            state_s=self.state_s - before.state_s,
            stub_s=self.stub_s - before.stub_s,
            machine_s=self.machine_s - before.machine_s,
            commands=self.commands - before.commands,
            deferrals=dict(Counter(self.deferrals) - Counter(before.deferrals)),
            given_back=self.given_back - before.given_back,
            beside_s={part: spent - before.beside_s.get(part, 0.0) for part, spent in self.beside_s.items()},
        )


def read_costs(
    clients: Sequence[redis.Redis],
    *,
    workers: Sequence[int],
    servers: Sequence[int],
    stub: int,
    metrics_ports: Sequence[int],
    beside: Mapping[str, Sequence[int]],
) -> Costs:
    """Read all totals.

    Args:
        clients: of the state server; of a cluster, of each primary.
        workers: process ids.
        servers: process ids of the same servers.
        stub: process id of the stub.
        metrics_ports: of the workers.
        beside: process ids of further servers, by their part.
    """
    stats = [row for client in clients for row in client.info("commandstats").items()]
    machine = psutil.cpu_times()
    deferrals: Counter[str] = Counter()
    given_back = 0
    for port in metrics_ports:
        for name, labels, value in _samples(port):
            if name == "paceline_deferrals_total":
                deferrals[labels["reason"]] += int(value)
            elif name == "paceline_leases_given_back_total":
                given_back += int(value)
    return Costs(
        at_us=time.time_ns() // 1000,
        worker_s=sum(cpu_seconds(psutil.Process(pid)) for pid in workers),
        state_s=sum(cpu_seconds(psutil.Process(pid)) for pid in servers),
        stub_s=cpu_seconds(psutil.Process(stub)),
        machine_s=sum(machine) - machine.idle - getattr(machine, "iowait", 0.0),
        commands=sum(int(one["calls"]) for name, one in stats if name not in NOT_OURS),
        deferrals=deferrals,
        given_back=given_back,
        beside_s={part: sum(cpu_seconds(psutil.Process(pid)) for pid in pids) for part, pids in beside.items()},
    )


def _samples(port: int) -> list[tuple[str, dict[str, str], float]]:
    with _opener.open(f"http://127.0.0.1:{port}/metrics", timeout=_METRICS_TIMEOUT_S) as answer:
        text: str = answer.read().decode()
    families = text_string_to_metric_families(text)
    return [(one.name, one.labels, one.value) for family in families for one in family.samples]


@dataclass(frozen=True)
class SlowScripts:
    """Script calls that kept the state server busy for long.

    Args:
        over_5_ms: how many.
        over_10_ms: how many.
        slowest_ms: the slowest, 0 when none took 5 ms.
        slowest: its name.
        worst_ms: the slowest call of each script among them.
        events: by `LATENCY LATEST`: event to its worst milliseconds.
    """

    over_5_ms: int
    over_10_ms: int
    slowest_ms: float
    slowest: str
    worst_ms: Mapping[str, float]
    events: Mapping[str, int]


def watch_slow_scripts(*clients: redis.Redis) -> None:
    """Have each state server keep slow calls, from now on."""
    for client in clients:
        _watch(client)


def _watch(client: redis.Redis) -> None:
    client.config_set("slowlog-max-len", _SLOW_KEPT)
    client.config_set("slowlog-log-slower-than", SLOW_US)
    client.config_set("latency-monitor-threshold", SLOW_US // 1000)
    client.slowlog_reset()
    client.latency_reset()


def slow_scripts(*clients: redis.Redis) -> SlowScripts:
    """What the state servers kept since `watch_slow_scripts`."""
    calls: list[tuple[float, str]] = []
    events: dict[str, int] = {}
    for client in clients:
        for entry in client.slowlog_get(_SLOW_KEPT):
            name = script_name(_text(entry["command"]))
            if name:
                calls.append((entry["duration"] / 1000, name))
        for event in client.latency_latest():
            events[_text(event[0])] = max(int(event[3]), events.get(_text(event[0]), 0))
    worst: dict[str, float] = {}
    for took_ms, name in calls:
        worst[name] = max(took_ms, worst.get(name, 0.0))
    slowest_ms, slowest = max(calls, default=(0.0, ""))
    return SlowScripts(
        over_5_ms=len(calls),
        over_10_ms=sum(took_ms > 10 for took_ms, _ in calls),
        slowest_ms=slowest_ms,
        slowest=slowest,
        worst_ms=worst,
        events=events,
    )


def script_name(command: str) -> str:
    """Which script a command calls: its file's name, the start of what it names when no file has it, '' when it calls none."""
    verb, _, rest = command.partition(" ")
    if verb.upper() not in _CALLS:
        return ""
    called = rest.split(" ", 1)[0]
    if verb.upper() == "EVAL":
        return next((name for text, name in _texts() if rest[:60] == text[:60]), rest[:20])
    return _digests().get(called, called[:20])


@cache
def _texts() -> list[tuple[str, str]]:
    found = []
    for package in _PACKAGES:
        for file in (files(package) / "lua").iterdir():
            if file.name.endswith(".lua"):
                name = file.name.removesuffix(".lua")
                found.append((source(package, name), name))
    return found


@cache
def _digests() -> dict[str, str]:
    return {hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest(): name for text, name in _texts()}


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
