"""A small Paceline on this machine under the eyes of a real Prometheus: what the demo starts, and who looks at it."""

import os
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Self

from deploy.rehearsal.errors import RehearsalError
from deploy.rehearsal.prometheus import RULES, Prometheus
from paceline import names
from paceline.outbox import Outbox
from paceline.settings import Settings
from paceline_sandbox.background import RunningSandbox
from paceline_sandbox.demo.interrupts import Interrupts
from paceline_sandbox.demo.stack import Child, Stack
from paceline_sandbox.embedded import free_port
from paceline_sandbox.faults.scenario import Scenario

KEY_VARIABLE: Final = "REHEARSAL_API_KEY"


class Fleet:
    """Server, sandbox, workers, exporter, receiver of receipts and Prometheus; a context manager that ends them all.

    Args:
        folder: for logs and data.
        interrupts: turns signals into an exception, and leaves starting and stopping alone.
        workers: names of the workers it begins with.
        rules: the alerting rules. Default: those of the deployment.
    """

    def __init__(
        self, folder: Path, interrupts: Interrupts, workers: tuple[str, ...], *, rules: Path | None = None
    ) -> None:
        self.prometheus = Prometheus(folder, free_port(), rules or RULES / "*.yml")
        self.stack = Stack(folder, interrupts.shield)
        self.receipts_base = ""
        self._workers = workers
        self._folder = folder
        self._interrupts = interrupts
        self._exit = ExitStack()
        self._lookers: list[Child] = []

    def __enter__(self) -> Self:
        self._exit.enter_context(self.stack)
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    @property
    def outbox(self) -> Outbox:
        """What services send with."""
        return self._outbox

    def provider(self, scenario: Scenario) -> None:
        """What the provider does from now on.

        Args:
            scenario: of the sandbox.
        """
        self._sandbox.use(scenario)

    def paceline(self, *arguments: str, **secret: str) -> None:
        """Run the command as an operator does.

        Args:
            arguments: of the command line.
            secret: variables added to its environment.

        Raises:
            RehearsalError: it failed.
        """
        done = self.stack.paceline(*arguments, **secret)
        if done.returncode:
            words = " ".join((done.stderr or done.stdout).split())
            raise RehearsalError(f"`paceline {' '.join(arguments)}` failed: {words or 'without a word'}")

    def kill_worker(self, name: str) -> None:
        """End a worker as a crash would; Prometheus goes on looking for it.

        Args:
            name: of the worker.
        """
        self.stack.kill_worker(name)

    def replace_worker(self, dead: str, name: str) -> None:
        """Start a worker in place of a dead one, and tell Prometheus.

        Args:
            dead: name of the one that is no more.
            name: of the new one.
        """
        self.stack.metrics_ports.pop(dead)
        self.stack.start_worker(name)
        self.prometheus.look_at(self.stack.metrics_ports)

    def check(self) -> None:
        """Nothing while all that should run runs.

        Raises:
            DemoFailed: one ended unexpectedly.
        """
        self.stack.check()
        for child in self._lookers:
            child.check()

    def wait_until_seen(self) -> None:
        """Wait until Prometheus reads all of them.

        Raises:
            DemoFailed: one ended unexpectedly, or it took too long.
        """
        every = f'count(up{{job=~"paceline-.*"}} == 1) == {len(self._workers) + 2}'
        self.stack.wait_until(lambda: self.prometheus.says(every), "Prometheus to see everybody")

    def _start(self) -> None:
        self.stack.start_server()
        self.stack.start_sandbox("", seed=0)
        self._sandbox = RunningSandbox(self.stack.sandbox_root)
        for name in self._workers:
            self.stack.start_worker(name)
        exporter, receipts = free_port(), free_port()
        self._look("the exporter", (sys.executable, "-m", "paceline_worker.exporter", "--port", str(exporter)))
        self._look("the receiver", (sys.executable, "-m", "paceline_worker.receipts", "--port", str(receipts)))
        self.receipts_base = f"http://127.0.0.1:{receipts}"
        self.prometheus.configure(exporter, receipts, self.stack.metrics_ports)
        self._look("prometheus", self.prometheus.command)
        settings = Settings(broker_url=self.stack.url, state_url=self.stack.url)
        self._outbox = self._exit.enter_context(Outbox(settings=settings))
        joined = len(self._workers)
        self.stack.wait_until(lambda: self._outbox.state.fleet().workers == joined, "the workers to join the fleet")
        self.wait_until_seen()

    def _stop(self) -> None:
        self._interrupts.ignore()
        self._exit.close()

    def _look(self, name: str, command: tuple[str, ...]) -> None:
        environment = {key: text for key, text in os.environ.items() if not key.startswith("PACELINE_")}
        environment[names.ENV_BROKER_URL] = self.stack.url
        log = self._folder / f"{name.rsplit(maxsplit=1)[-1]}.log"
        with self._interrupts.shield():
            child = Child(name, command, environment, log)
            self._exit.callback(child.keeper.end)
            self._lookers.append(child)


def wait_s(seconds: float, fleet: Fleet) -> None:
    """Let time go by while all is well.

    Args:
        seconds: how long.
        fleet: whose processes have to keep running.
    """
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        fleet.check()
        time.sleep(0.1)
