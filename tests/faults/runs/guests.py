"""F28: two deployments of Paceline and another Celery application on one database; the other one does not notice."""

import json
import re
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from celery import Celery

from paceline import Settings
from paceline_worker.celery import build_app
from tests.faults.fleet import Fleet
from tests.faults.profile import Profile
from tests.faults.result import Result, merged
from tests.faults.runs.severing import LIMITED, RATE
from tests.faults.verdict import judged
from tests.faults.world import World, feed, neighbour, world
from tests.support.processes import Process, free_port, spawn
from tests.support.servers import start_server

APP: Final = [sys.executable, "-m", "celery", "-A", "tests.faults.runs.host"]
PACED: Final = 10.0
LONGEST_TASK_S: Final = 90.0
_ENDING_S: Final = 60.0
# What differs from one run to the next: times, process numbers, ids, ports, and how long a task took.
_VARIES: Final = (
    (re.compile(r"\[\d{4}-\d\d-\d\d [\d:,]+: "), "["),
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "ID"),
    (re.compile(r"127\.0\.0\.1:\d+"), "HOST"),
    (re.compile(r"0x[0-9a-f]+"), "ADDRESS"),
    (re.compile(r"\d+\.\d+(e-\d+)?s"), "TIME"),
    (re.compile(r"ForkPoolWorker-\d+|ThreadPoolExecutor-\d+_\d+"), "POOL"),
)


def shared_server(profile: Profile, seed: int) -> Result:
    """F28: the other application's log, and what its control commands and Flower say, are those of a run without us."""
    with TemporaryDirectory() as logs, start_server() as alone, world(seed, scenario=LIMITED) as built:
        first = Host(alone.url, Path(logs) / "alone", profile.shared_s)
        beside = Host(built.server.url, Path(logs) / "beside", profile.shared_s)
        with neighbour(built, "staging") as staging:
            rows = _ours([built, staging], [first, beside], profile.shared_s)
        row = merged(dict(enumerate(rows)), of=2)
        apart, together = first.told(), beside.told()
    wrong = [f"only alone: {one!r}" for one in (apart - together)] + [
        f"only beside us: {one!r}" for one in together - apart
    ]
    worked = sum(times for line, times in together.items() if "succeeded in" in line)
    wrong += [f"{worked} of the other's {beside.tasks} tasks were worked"] * (worked != beside.tasks)
    figures = {**row.figures, "lines of the other's log": sum(together.values()), "other's tasks": beside.tasks}
    return Result(
        "F28",
        "two namespaces and another Celery application on one database",
        f"{profile.shared_s:g} s",
        row.messages,
        row.lost,
        row.doubled,
        row.violations,
        row.unresolved,
        figures=figures,
        failures=(*row.failures, *wrong[:5]),
    )


def _ours(deployments: Sequence[World], hosts: Sequence["Host"], seconds: float) -> list[Result]:
    """Both deployments under load, with control commands of theirs and a worker killed now and then, until the hosts are done."""
    fleets, feeders, stopping = [], [], threading.Event()
    for built in deployments:
        built.add_account(built.namespace, RATE, "window")
        fleets.append(Fleet(built.environment, 1).__enter__())
        feeders.append(feed(built, [built.namespace], PACED, stopping, 10**6))
    try:
        for host in hosts:
            host.start()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            time.sleep(min(15.0, seconds / 4))
            for built, fleet in zip(deployments, fleets, strict=True):
                _command(built)
                if built.random.random() < 1 / len(deployments):
                    fleet.kill(0)
        for host in hosts:
            host.join()
        stopping.set()
        for feeder in feeders:
            feeder.join()
        return [
            judged(built, fleet, "F28", built.namespace, "") for built, fleet in zip(deployments, fleets, strict=True)
        ]
    finally:
        stopping.set()
        for fleet in fleets:
            fleet.__exit__()


def _command(built: World) -> None:
    """Commands that every worker of ours obeys."""
    settings = Settings(broker_url=built.environment["PACELINE_BROKER_URL"], namespace=built.namespace)
    with closing(build_app(settings)) as app:
        app.control.ping(timeout=1)
        app.control.broadcast("paceline_resume")


class Host(threading.Thread):
    """The other application: a worker, Flower, and somebody who gives both work, for so many seconds.

    Args:
        url: its broker.
        directory: for logs.
        seconds: how long.
    """

    def __init__(self, url: str, directory: Path, seconds: float) -> None:
        super().__init__(daemon=True)
        directory.mkdir()
        self._directory = directory
        self._environment = {"HOST_BROKER": url, "FLOWER_UNAUTHENTICATED_API": "true"}
        self._app = Celery("host", broker=url, set_as_current=False)
        self._seconds = seconds
        self._answers = Counter[str]()
        self._log = ""
        self.tasks = 0

    def told(self) -> Counter[str]:
        """What it wrote, and what it answered, without what varies."""
        log = self._log
        for pattern, instead in _VARIES:
            log = pattern.sub(instead, log)
        lines = Counter(log.splitlines())
        return lines + self._answers

    def run(self) -> None:
        """Work, and end; what goes wrong is told with the rest."""
        try:
            self._run()
        except Exception as error:  # noqa: BLE001 - of a thread: nobody else would hear of it
            self._answers[f"it broke: {type(error).__name__}: {str(error).splitlines()[:1]} {id(self)}"] += 1

    def _run(self) -> None:
        port = free_port()
        args = [*APP, "worker", "--pool", "threads", "-c", "8", "-n", "host@%h", "-l", "INFO", "--without-mingle"]
        flower = [*APP, "flower", f"--port={port}", "--address=127.0.0.1", "--inspect_timeout=10000"]
        with spawn(args, self._environment, self._directory / "worker") as worker:
            worker.wait_for_line(r"\bready\.")
            with spawn(flower, self._environment, self._directory / "flower") as shown:
                shown.wait_for_line(r"Connected to redis:")
                self._work(port)
                self._end(worker)
                self._answers[f"Flower failed {shown.log_text().count('Traceback')} times"] += 1
            self._app.control.shutdown()
            self._answers[f"its worker ended with {worker.wait(timedelta(seconds=60))}"] += 1
            self._log = worker.log_text()
        self._app.close()

    def _work(self, port: int) -> None:
        began_s = time.monotonic()
        for second in range(int(self._seconds)):
            time.sleep(max(0.0, began_s + second - time.monotonic()))
            self._app.send_task("host.soon", [second], countdown=1 + (second * 7) % 20)
            self.tasks += 1
            if second % 30 == 5:
                self._app.send_task("host.late", [second, min(LONGEST_TASK_S, self._seconds / 4)])
                self.tasks += 1
            if second % 15 == 10:
                self._ask(port)

    def _ask(self, port: int) -> None:
        """Remote control, and Flower's picture of the workers."""
        pinged = self._app.control.ping(timeout=5)
        self._answers[f"ping {sorted(name.split('@')[0] for one in pinged for name in one)}"] += 1
        queues = self._app.control.inspect(timeout=5).active_queues() or {}
        self._answers[f"queues {sorted(queue['name'] for found in queues.values() for queue in found)}"] += 1
        workers = _got(f"http://127.0.0.1:{port}/api/workers?refresh=1")
        self._answers[f"Flower {sorted(name.split('@')[0] for name in workers)}"] += 1

    def _end(self, worker: Process) -> None:
        """Wait until every task was worked."""
        deadline = time.monotonic() + self._seconds / 4 + _ENDING_S
        while worker.log_text().count("succeeded in") < self.tasks and time.monotonic() < deadline:
            time.sleep(0.5)


def _got(url: str) -> Any:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=60) as answer:
        return json.load(answer)
