"""F10, F26, F30: a full state server, and workers without file descriptors, without memory, or without a way to the provider."""

import resource
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psutil

from tests.faults.backlog import BASE, LATENCY_S, SETTLING_S, Backlog, answers, capped, length_s, watch
from tests.faults.fleet import Fleet
from tests.faults.invariants import while_loaded
from tests.faults.profile import Profile
from tests.faults.result import Result
from tests.faults.runs.load import result
from tests.faults.verdict import judged
from tests.faults.world import World, feed, world
from tests.faults.yardstick import Stretch, share
from tests.support.processes import Process, start_worker
from tests.support.stack import SHARING

RATE: Final = "3000/minute"
PACED: Final = 40.0
LIMITED: Final[dict[str, Any]] = {"defaults": {"limits": ["3000/minute"]}, "latency_ms": 40, "latency_jitter_ms": 40}
FULL_S: Final = 4.0
# Above what a worker has when it starts.
DESCRIPTORS: Final = 4
MEMORY: Final = 1 << 20
# Of the pace of two workers, beside a third one that is weak.
LEAST_BESIDE: Final = 0.95
NOWHERE: Final = "http://127.0.0.1:9/open"
_NO_WAY: Final = "cannot reach the provider"


def full_server(profile: Profile, seed: int) -> Result:
    """F10: the state server has no memory left for a while."""
    longest_s = 0.0
    with world(seed, scenario=LIMITED) as built:
        built.add_account("acme", RATE, "window")
        with Fleet(built.environment, 2) as fleet:
            stopping = threading.Event()
            feeder = feed(built, ["acme"], PACED, stopping, 10**6)
            for _ in range(max(1, profile.wipes // 2)):
                time.sleep(2.0)
                used: Any = built.client.info("memory")
                built.client.config_set("maxmemory", int(used["used_memory"]))
                time.sleep(FULL_S)
                built.client.config_set("maxmemory", 0)
                longest_s = max(longest_s, built.recovery_s(time.time()))
            stopping.set()
            feeder.join()
            wrong = () if built.failed_sends else ("a full server refused nobody",)
            size = f"{max(1, profile.wipes // 2)} x {FULL_S:g} s"
            return judged(built, fleet, "F10", "state server full", size, longest_s, most_s=8.0, more=wrong)


def few_descriptors(pid: int) -> None:
    """Let a process open hardly anything more."""
    most = len(list(Path(f"/proc/{pid}/fd").iterdir())) + DESCRIPTORS
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, most))


def little_memory(pid: int) -> None:
    """Refuse a process hardly any more memory than it has."""
    most = int(psutil.Process(pid).memory_info().data) + MEMORY
    resource.prlimit(pid, resource.RLIMIT_DATA, (most, most))


def weak_worker(profile: Profile, seed: int, what: str, limit: Callable[[int], None]) -> Result:
    """F26: one of two workers gets hardly any further connection, or hardly any further memory; nothing is lost."""
    messages = profile.ambiguous * 2
    with world(seed, scenario=LIMITED | {"latency_ms": 400}) as built:
        built.add_account("acme", RATE, "window")
        with Fleet(built.environment, 2) as fleet:
            limit(fleet.workers[0].pid)
            feed(built, ["acme"], PACED, threading.Event(), messages).join()
            return judged(built, fleet, "F26", what, f"{messages} messages")


def weak_beside(profile: Profile, seed: int) -> Result:
    """F30: a third worker that cannot reach the provider, cannot connect, or has no memory; the other two send as before."""
    figures: dict[str, float] = {}
    wrong: list[str] = []
    with world(seed, scenario=answers(LATENCY_S)) as built, Fleet(capped(built), 2) as fleet:
        backlog = Backlog(built)
        backlog.add(4 * BASE, seconds=3 * length_s(profile.overload_s, profile.turns))
        time.sleep(SETTLING_S)
        for name, weak in (
            ("no way out", _lost),
            ("descriptors", _limited(few_descriptors)),
            ("memory", _limited(little_memory)),
        ):
            alone, beside = [watch(built, profile.overload_s)], list[Stretch]()
            for _ in range(profile.turns):
                with weak(built):
                    beside.append(watch(built, profile.overload_s))
                time.sleep(SETTLING_S)
                alone.append(watch(built, profile.overload_s))
            figures[name] = share(beside, alone)
            wrong += [f"{name}: two workers send {figures[name]:.0%} of their pace beside one that is weak"] * (
                figures[name] < LEAST_BESIDE
            )
        violations = built.violations()
        unwell = while_loaded(built, fleet)
    size = f"{profile.turns} x {profile.overload_s:g} s of each"
    return result("F30", "one of three workers is weak", size, wrong + unwell, violations, figures)


@contextmanager
def _lost(built: World) -> Iterator[Process]:
    """A worker that cannot reach the provider."""
    with start_worker({**SHARING, **capped(built), "PACELINE_API_BASE": NOWHERE}) as worker:
        worker.wait_for_line(_NO_WAY)
        yield worker


def _limited(limit: Callable[[int], None]) -> Callable[[World], Any]:
    """A worker that is limited as soon as it runs."""

    @contextmanager
    def limited(built: World) -> Iterator[Process]:
        with start_worker({**SHARING, **capped(built)}) as worker:
            limit(worker.pid)
            time.sleep(SETTLING_S)
            yield worker

    return limited
