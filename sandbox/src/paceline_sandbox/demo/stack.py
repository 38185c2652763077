"""The processes of the demo, each under a keeper, so that none outlives it however it ends."""

import base64
import os
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from paceline import names
from paceline.errors import PacelineError
from paceline_sandbox.embedded import EmbeddedServer, EmbeddedServerError, free_port
from paceline_sandbox.keeper import KILL, Keeper

_PACELINE: Final = (sys.executable, "-m", "paceline.cli")
_READY_DEADLINE: Final = timedelta(seconds=60)  # a laptop under load; ordinary is some three seconds
_COMMAND_DEADLINE: Final = timedelta(seconds=60)
_POLL: Final = timedelta(milliseconds=20)
_RECONCILE_GRACE_S: Final = 2  # and so long until the conversation is read
_HTTP_DEADLINE_S: Final = 5  # the lease of a call is this and 5 s: the messages of a killed worker wait so long
_THREADS: Final = 4


class DemoFailed(PacelineError):
    """The demo cannot go on; the message says why."""


class Child:
    """One process and its log.

    Args:
        name: what people call it.
        command: program and arguments.
        environment: all its variables.
        log_path: where its output goes.
    """

    def __init__(self, name: str, command: tuple[str, ...], environment: Mapping[str, str], log_path: Path) -> None:
        self.name = name
        self._log_path = log_path
        with log_path.open("ab") as log:
            self.keeper = Keeper(command, log, env=environment)

    @property
    def running(self) -> bool:
        """Whether it is there."""
        return self.keeper.process.poll() is None

    def log_text(self) -> str:
        """All it has written."""
        return self._log_path.read_text(encoding="utf-8", errors="replace")

    def check(self) -> None:
        """Nothing while it runs.

        Raises:
            DemoFailed: it ended; quotes the last line of its log.
        """
        if not self.running:
            lines = [line.strip() for line in self.log_text().splitlines() if line.strip()]
            raise DemoFailed(f"{self.name} ended unexpectedly: {lines[-1] if lines else 'its log is empty'}")


class Stack:
    """Server, sandbox and workers; a context manager that stops them in the opposite order.

    Args:
        directory: for logs and data.
        shield: makes a stretch in which no exception comes from outside.
    """

    def __init__(self, directory: Path, shield: Callable[[], AbstractContextManager[None]] = nullcontext) -> None:
        self.directory = directory
        self.sandbox_root = ""
        self.workers: dict[str, Child] = {}
        self.metrics_ports: dict[str, int] = {}
        self._server: EmbeddedServer | None = None
        self._sandbox: Child | None = None
        self._command: subprocess.Popen[str] | None = None
        self._shield = shield
        # Not one setting of the caller's own installation: the demo must not reach it, nor be changed by it.
        self._environment = {name: text for name, text in os.environ.items() if not name.startswith("PACELINE_")}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Broker and state."""
        return self._environment[names.ENV_BROKER_URL]

    def start_server(self) -> str:
        """Start the state server; it is the broker as well.

        Returns:
            What it is, such as ``valkey 9.1.0``.

        Raises:
            DemoFailed: there is none on this machine, or it does not start.
        """
        try:
            with self._shield():
                server = self._server = EmbeddedServer.start(self.directory / "server")
        except EmbeddedServerError as error:
            raise DemoFailed(str(error)) from error
        self._environment |= {
            names.ENV_BROKER_URL: server.url,
            names.ENV_SECRET_KEY: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            names.ENV_HTTP_DEADLINE: str(_HTTP_DEADLINE_S),
            names.ENV_RECONCILE_GRACE: str(_RECONCILE_GRACE_S),
        }
        return f"{server.kind} {server.version}"

    def start_sandbox(self, scenario: str, seed: int) -> None:
        """Start the emulated provider.

        Args:
            scenario: TOML.
            seed: of its random choices.

        Raises:
            DemoFailed: it does not start.
        """
        path = self.directory / "scenario.toml"
        path.write_text(scenario, encoding="utf-8")
        options = ("--port", "0", "--scenario", str(path), "--seed", str(seed))
        command = (sys.executable, "-m", "paceline_sandbox", *options)
        with self._shield():
            child = self._sandbox = Child("the sandbox", command, self._environment, self.directory / "sandbox.log")

        def address() -> str:
            found = re.search(r"listening on (http://\S+)", child.log_text())
            return found[1] if found else ""

        self.wait_until(lambda: bool(address()), "the sandbox to listen")
        self.sandbox_root = address()
        self._environment[names.ENV_API_BASE] = f"{self.sandbox_root}/open"

    def start_worker(self, name: str, metrics_port: int | None = None) -> None:
        """Start a worker; it joins the fleet some seconds later.

        Args:
            name: the first part of its Celery node name.
            metrics_port: where it shows its metrics; a free port when not given.
        """
        self.metrics_ports[name] = metrics_port or free_port()
        environment = self._environment | {names.ENV_METRICS_PORT: str(self.metrics_ports[name])}
        options = ("--pool", "threads", "--concurrency", str(_THREADS), "-n", f"{name}@%h", "--loglevel", "WARNING")
        command = (sys.executable, "-m", "celery", "-A", "paceline_worker", "worker", *options)
        with self._shield():
            self.workers[name] = Child(f"worker {name}", command, environment, self.directory / f"{name}.log")

    def kill_worker(self, name: str) -> None:
        """End a worker as a crash would (SIGKILL).

        Args:
            name: of the worker.
        """
        with self._shield():
            self.workers.pop(name).keeper.end(KILL)

    def paceline(self, *arguments: str, **secret: str) -> subprocess.CompletedProcess[str]:
        """Run the ``paceline`` command.

        Args:
            arguments: its arguments.
            secret: variables added to its environment.

        Raises:
            DemoFailed: it does not come to an end.
        """
        with self._shield():
            command = self._command = subprocess.Popen(
                (*_PACELINE, *arguments),
                env=self._environment | secret,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,  # a Ctrl-C in the terminal is for the demo, which ends it
            )
        try:
            said, complained = command.communicate(timeout=_COMMAND_DEADLINE.total_seconds())
        except subprocess.TimeoutExpired as error:
            raise DemoFailed(f"`paceline {' '.join(arguments)}` did not finish") from error
        return subprocess.CompletedProcess(arguments, command.returncode, said, complained)

    def check(self) -> None:
        """Nothing while all that should run runs.

        Raises:
            DemoFailed: one ended unexpectedly.
        """
        if self._server and not self._server.running:
            raise DemoFailed(f"the state server ended unexpectedly; its log is {self._server.log_path}")
        for child in (self._sandbox, *self.workers.values()):
            if child:
                child.check()

    def wait_until(self, ready: Callable[[], bool], what: str) -> None:
        """Wait for something while everything keeps running.

        Args:
            ready: asked until it is true.
            what: for the message: "the workers to be ready".

        Raises:
            DemoFailed: a process ended, or it took too long.
        """
        deadline = time.monotonic() + _READY_DEADLINE.total_seconds()
        while not ready():
            self.check()
            if time.monotonic() > deadline:
                raise DemoFailed(f"waited {_READY_DEADLINE.total_seconds():.0f} s for {what}")
            time.sleep(_POLL.total_seconds())

    def stop(self) -> None:
        """Stop everything in order: workers first, so that what they have under way finds provider and state."""
        if self._command:
            with self._command as command:
                command.kill()
        for child in self.workers.values():
            child.keeper.begin_end()
        for child in self.workers.values():
            child.keeper.end()
        self.workers.clear()
        if self._sandbox:
            self._sandbox.keeper.end()
            self._sandbox = None
        if self._server:
            self._server.stop()
            self._server = None
