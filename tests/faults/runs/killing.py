"""F0, F1, F4, F17, F19: workers that are killed, stand still, are asked to end, or are ended by what they send."""

import os
import signal
import sys
import threading
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from celery import Celery

from tests.faults.fleet import Fleet
from tests.faults.profile import Profile
from tests.faults.result import Result
from tests.faults.verdict import judged
from tests.faults.world import LEASE_S, feed, world
from tests.support.processes import Process, spawn

# A call lasts as long as at a real provider, so that kills meet some.
SLOW: Final[dict[str, Any]] = {"defaults": {"limits": ["3000/minute"]}, "latency_ms": 60, "latency_jitter_ms": 60}
RATE: Final = "3000/minute"
PACED: Final = 40.0
BARE_IDLE_S: Final = 6.0


def bare_queue(profile: Profile, seed: int) -> Result:
    """F0: the positive control. A bare Celery queue under the same kills must lose messages, or the suite would see nothing."""
    messages, kills = profile.control
    with world(seed, scenario=SLOW) as built, TemporaryDirectory() as logs:
        environment = {"BARE_BROKER": built.server.url, "BARE_API": built.environment["PACELINE_API_BASE"]}
        app = Celery("producer", broker=built.server.url, set_as_current=False)

        def start(number: int) -> Process:
            args = [
                sys.executable,
                "-m",
                "celery",
                "-A",
                "tests.faults.runs.bare",
                "worker",
                "--pool",
                "threads",
                "-c",
                "4",
                "-l",
                "INFO",
            ]
            worker = spawn(
                [*args, "-n", f"bare{number}@%h", "--without-mingle", "--without-gossip"],
                environment,
                Path(logs) / f"{number}.log",
            )
            worker.wait_for_line(r"\bready\.")
            return worker

        for number in range(messages):
            app.send_task("bare.send", args=[number], queue="celery")
        worker = start(0)
        for kill in range(kills):
            time.sleep(built.random.uniform(0.3, 1.0))
            worker.kill()
            worker = start(kill + 1)
        texts = wait_until_idle(built)
        worker.kill()
        app.close()
    lost = messages - len(texts)
    failures = () if lost else ("the control lost nothing: this harness cannot see a loss",)
    doubled = sum(times > 1 for times in texts.values())
    return Result(
        "F0",
        "bare Celery queue, workers killed (control)",
        f"{messages} messages, {kills} kills",
        messages,
        lost,
        doubled,
        failures=failures,
    )


def wait_until_idle(built: Any) -> Counter[str]:
    """The texts that arrived, once nothing more does."""
    arrived, since_s = -1, time.monotonic()
    while time.monotonic() - since_s < BARE_IDLE_S:
        found = [arrival for arrival in built.sandbox.arrivals() if arrival["accepted"]]
        if len(found) != arrived:
            arrived, since_s = len(found), time.monotonic()
        time.sleep(0.3)
    return Counter(str(arrival["body"]["text"]) for arrival in found)


def kills(profile: Profile, seed: int, policy: str) -> Result:
    """F1: SIGKILL of workers every 0.2 to 2 s while messages leave."""
    messages, number = profile.kills
    with world(seed, scenario=SLOW) as built:
        built.add_account("acme", RATE, "window")
        with Fleet(built.environment, 2, forked=True) as fleet:
            stopping = threading.Event()
            feeder = feed(built, ["acme"], min(PACED, messages / number), stopping, 10**6, policy=policy)
            killed = 0
            while killed < number or len(built.sent) < messages:
                time.sleep(built.random.uniform(0.2, 2.0))
                killed += fleet.kill(built.random.randrange(2))
            while all(worker.exit_code is not None for worker in fleet.workers):
                time.sleep(0.1)  # how long a supervisor and a busy machine take to start one is no matter of ours
            recovery_s = built.recovery_s(time.time())
            stopping.set()
            feeder.join()
            return judged(
                built,
                fleet,
                "F1",
                f"workers killed, {policy}",
                f"{messages} messages, {number} kills",
                recovery_s,
                most_s=LEASE_S + 2,
                alone=True,
                figures={"kills": killed},
            )


def stops(profile: Profile, seed: int) -> Result:
    """F4: a worker stands still for three leases (SIGSTOP), then goes on."""
    with world(seed, scenario=SLOW) as built:
        built.add_account("acme", RATE, "window")
        with Fleet(built.environment, 2) as fleet:
            stopping = threading.Event()
            feeder = feed(built, ["acme"], PACED, stopping, 10**6)
            for _ in range(profile.stops):
                pid = fleet.workers[built.random.randrange(2)].pid
                os.kill(pid, signal.SIGSTOP)
                time.sleep(3 * LEASE_S)
                os.kill(pid, signal.SIGCONT)
                time.sleep(built.random.uniform(1.0, 3.0))
            stopping.set()
            feeder.join()
            return judged(built, fleet, "F4", "worker stands still for 3 leases", f"{profile.stops} stops")


def terms(profile: Profile, seed: int) -> Result:
    """F17: workers are asked to end, one after the other (SIGTERM)."""
    slowest_s, codes = 0.0, Counter[int]()
    with world(seed, scenario=SLOW) as built:
        built.add_account("acme", RATE, "window")
        with Fleet(built.environment, 2, forked=True) as fleet:
            stopping = threading.Event()
            feeder = feed(built, ["acme"], PACED, stopping, 10**6)
            for turn in range(profile.terms):
                time.sleep(2.0)
                began_s = time.monotonic()
                codes[fleet.terminate(turn % 2).wait(timedelta(seconds=60))] += 1
                slowest_s = max(slowest_s, time.monotonic() - began_s)
                time.sleep(3.0)
            stopping.set()
            feeder.join()
            wrong = () if set(codes) <= {0} else (f"exit codes {dict(codes)}",)
            size = f"{profile.terms} SIGTERM"
            return judged(
                built, fleet, "F17", "workers asked to end", size, more=wrong, figures={"slowest exit s": slowest_s}
            )


def poisons(profile: Profile, seed: int) -> Result:
    """F19: whoever sends this message is killed when it arrives. It is dead after three workers, and its lane goes on."""
    deaths = 0
    poisoned = "+15550299999"
    scenario = SLOW | {"faults": [{"kind": "delay", "seconds": 1.5, "to": poisoned}]}
    with world(seed, scenario=scenario) as built:
        built.add_account("acme", RATE, "window")
        with Fleet(built.environment, 1, forked=True) as fleet:
            for _ in range(profile.poisons):
                built.send("acme", "resend", sender="+15550100001", to=poisoned)
                built.send("acme", sender="+15550100001")
                poison = built.sent[-2]
                seen = 0
                while built.states()[poison.id] not in ("dead", "held", "accepted"):
                    met = sum((a["body"] or {}).get("text") == poison.text for a in built.sandbox.arrivals())
                    if met > seen:
                        seen = met
                        fleet.kill(0)
                        deaths += 1
                    time.sleep(0.05)
            built.drain()
            expected = 3 * profile.poisons
            wrong = () if deaths <= expected else (f"{deaths} workers were lost, {expected} at most are to be",)
            return judged(
                built,
                fleet,
                "F19",
                "an operation that ends its worker",
                f"{profile.poisons}",
                more=wrong,
                figures={"workers lost": deaths},
            )
