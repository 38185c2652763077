"""Real processes for system tests: a worker, the sandbox, or any program, each with its log."""

from __future__ import annotations

import atexit
import functools
import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Self

from paceline_sandbox.embedded import free_port
from tests.support import nursery
from tests.support.wait import POLL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Process", "Sandbox", "free_port", "spawn", "start_sandbox", "start_worker"]

READY_TIMEOUT = timedelta(seconds=180)  # a loaded two-core machine; spent only when the test fails
STOP_DEADLINE = timedelta(seconds=30)  # longer than a worker's soft shutdown
LOG_TAIL_LINES = 40

_numbers = itertools.count(1)


class Process:
    """A child process in a session of its own, so that a Ctrl-C reaches the tests first.

    A context manager that stops on exit. One that a test forgot is killed when the interpreter ends.

    Args:
        args: Program and arguments.
        env: Variables added to those of this process.
        log_path: Where its output goes, standard and error alike; appended to when it exists.
        forked: A child of the nursery, which starts in a tenth of the time, where that is possible.
    """

    def __init__(
        self, args: Sequence[str | Path], env: Mapping[str, str], log_path: Path, *, forked: bool = False
    ) -> None:
        self.log_path = log_path
        variables = {**os.environ, "PYTHONUNBUFFERED": "1", **env}
        self._popen: nursery.Child
        with log_path.open("ab") as log:
            self._log_start = log.tell()
            if forked and nursery.makes(args, env):
                self._popen = nursery.shared().start([str(word) for word in args[1:]], variables, log)
            else:
                self._popen = subprocess.Popen(
                    args,
                    env=variables,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        self.pid = self._popen.pid
        atexit.register(self.kill)

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative when a signal ended it."""
        return self._popen.poll()

    def log_text(self) -> str:
        """All it has written (not what an earlier process wrote into the same file)."""
        return self.log_path.read_bytes()[self._log_start :].decode(errors="replace")

    def wait_for_line(self, pattern: str, timeout: timedelta = READY_TIMEOUT) -> re.Match[str]:
        """Waits until a line of the log matches the regular expression somewhere, and returns that match.

        Raises:
            AssertionError: The process ended before, or the time was up; the message quotes the end of the log.
        """
        deadline = time.monotonic() + timeout.total_seconds()
        while True:
            # In this order: what it wrote just before its end must still be found.
            ended, late = self.exit_code is not None, time.monotonic() >= deadline
            if found := re.search(pattern, self.log_text(), re.MULTILINE):
                return found
            if ended:
                raise AssertionError(self._complaint(f"ended with code {self.exit_code} before it wrote", pattern))
            if late:
                raise AssertionError(self._complaint(f"did not within {timeout.total_seconds():g} s write", pattern))
            time.sleep(POLL.total_seconds())

    def wait(self, timeout: timedelta) -> int:
        """Waits for its end and returns the exit code.

        Raises:
            subprocess.TimeoutExpired: It still runs.
        """
        return self._popen.wait(timeout.total_seconds())

    def terminate(self) -> None:
        """Asks it to end (SIGTERM) and returns at once."""
        self._popen.terminate()

    def kill(self) -> None:
        """Ends it, and whatever it started in its session's group, as a crash would (SIGKILL)."""
        if self._popen.poll() is None:  # not reaped: its number, and so its group's, cannot be another's
            os.killpg(self.pid, signal.SIGKILL)
            self._popen.wait()
        atexit.unregister(self.kill)

    def stop(self, deadline: timedelta = STOP_DEADLINE) -> int:
        """Ends it with SIGTERM, after the deadline with SIGKILL; returns the exit code."""
        self.terminate()
        try:
            self.wait(deadline)
        except subprocess.TimeoutExpired:
            pass
        finally:
            self.kill()
        return self._popen.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _complaint(self, what: str, pattern: str) -> str:
        tail = "\n".join(self.log_text().splitlines()[-LOG_TAIL_LINES:])
        return f"Process {self.pid} ({self._popen.args!r}) {what} {pattern!r}. The end of its log:\n{tail}"


class Sandbox(Process):
    """The emulated provider as a process of its own.

    Attributes:
        origin: Its address without a path, for `SandboxClient`.
        base_url: The address of the API, for `PACELINE_API_BASE`.
    """

    origin: str = ""

    @property
    def base_url(self) -> str:
        return f"{self.origin}/open"


def unignored() -> None:
    """Lets Ctrl-C and a hang-up mean what they mean at a terminal.

    A run in the background (`nohup`, `&`) inherits that both are ignored, and hands that on to every program it starts.
    """
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


def spawn(args: Sequence[str | Path], env: Mapping[str, str], log_path: Path, *, forked: bool = False) -> Process:
    """Starts a program; see `Process` for the arguments."""
    return Process(args, env, log_path, forked=forked)


def start_sandbox(
    port: int = 0, scenario_path: Path | None = None, seed: int = 0, *, log_path: Path | None = None
) -> Sandbox:
    """Starts the emulated provider and returns once it listens.

    Args:
        port: The TCP port; 0 finds a free one.
        scenario_path: A TOML file with what it answers.
        seed: Of its random choices.
        log_path: Where its output goes; without it, a file that is removed when the tests end.
    """
    args = [sys.executable, "-m", "paceline_sandbox", "--port", str(port), "--seed", str(seed)]
    if scenario_path is not None:
        args += ["--scenario", str(scenario_path)]
    sandbox = Sandbox(args, {}, log_path or _own_log("sandbox"))
    try:
        sandbox.origin = sandbox.wait_for_line(r"paceline-sandbox listening on (http://[^/\s]+)")[1]
    except BaseException:
        sandbox.kill()
        raise
    return sandbox


def start_worker(
    env: Mapping[str, str],
    concurrency: int = 4,
    name: str | None = None,
    *,
    log_path: Path | None = None,
    options: Sequence[str] = (),
    forked: bool = False,
) -> Process:
    """Starts a worker and returns once it takes work.

    Args:
        env: Its `PACELINE_*` variables. The metrics port is off unless given: workers share a machine here.
        concurrency: How many threads it has.
        name: The part of its Celery node name before the `@`; without it, one that no other worker here has.
        log_path: Where its output goes; without it, a file that is removed when the tests end.
        options: Further command line options.
        forked: A child of the nursery; leave this out where memory, CPU or the command line is the subject.
    """
    name = name or f"worker{next(_numbers)}"
    args = [sys.executable, "-m", "celery", "-A", "paceline_worker", "worker", "--pool", "threads"]
    args += ["--concurrency", str(concurrency), "-n", f"{name}@%h", "--loglevel", "INFO"]
    args += ["--without-mingle", "--without-gossip", *options]  # a second less to start; nothing of ours needs them
    worker = spawn(args, {"PACELINE_METRICS_PORT": "0", **env}, log_path or _own_log(name), forked=forked)
    try:
        worker.wait_for_line(r"\bready\.")
    except BaseException:
        worker.kill()
        raise
    return worker


def _own_log(name: str) -> Path:
    return _log_directory() / f"{name}-{next(_numbers)}.log"


@functools.cache
def _log_directory() -> Path:
    directory = Path(tempfile.mkdtemp(prefix="paceline-logs-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory
