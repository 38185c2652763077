"""A supervised set of workers."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from paceline import names
from tests.faults.usage import Usage, usage_of
from tests.support.processes import Process, free_port, start_worker
from tests.support.stack import SHARING

_WATCH_S: Final = 0.05


@dataclass
class Fleet:
    """Workers that are started again when they end, as a supervisor does; started and ended from one thread of their own.

    Args:
        environment: of each worker.
        size: how many run.
        more: further variables of each place.
        name: of all of them; without it, each has its own.
        forked: started as forks of a process that has imported what workers import: for faults that end very many.
    """

    environment: Mapping[str, str]
    size: int
    more: Sequence[Mapping[str, str]] = ()
    name: str | None = None
    forked: bool = False
    workers: list[Process] = field(default_factory=list)
    all_ever: list[Process] = field(default_factory=list)
    ended_by_themselves: int = 0
    metrics_port: int = field(default_factory=free_port)
    at_first: Mapping[int, Usage] = field(default_factory=dict)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _asked: set[int] = field(default_factory=set)

    def __enter__(self) -> Self:
        self.workers = [self._start(place) for place in range(self.size)]
        self.at_first = {place: usage_of(worker.pid) for place, worker in enumerate(self.workers)}
        self._threads = [
            threading.Thread(target=self._supervise, args=(place,), daemon=True) for place in range(self.size)
        ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        for worker in self.workers:
            worker.kill()

    def kill(self, place: int) -> bool:
        """End one worker as a crash does; it is started again. False when none is up there."""
        worker = self.workers[place]
        if worker.exit_code is not None:
            return False
        self._asked.add(worker.pid)
        worker.kill()
        return True

    def terminate(self, place: int) -> Process:
        """Ask one worker to end; it is started again. Returns the process that was asked."""
        worker = self.workers[place]
        self._asked.add(worker.pid)
        worker.terminate()
        return worker

    def _start(self, place: int) -> Process:
        """A worker; the first place has metrics."""
        metrics = {names.ENV_METRICS_PORT: str(self.metrics_port)} if place == 0 else {}
        more = self.more[place] if self.more else {}
        worker = start_worker({**SHARING, **self.environment, **metrics, **more}, name=self.name, forked=self.forked)
        self.all_ever.append(worker)
        return worker

    def _supervise(self, place: int) -> None:
        while not self._stopping.wait(_WATCH_S):
            worker = self.workers[place]
            if worker.exit_code is None:
                continue
            self.ended_by_themselves += worker.pid not in self._asked
            try:
                self.workers[place] = self._start(place)
            except AssertionError:  # it ended before it was ready: the state server is away
                self.ended_by_themselves += 1
