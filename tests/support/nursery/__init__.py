"""Programs of ours that start in a tenth of a second: forks of a process that has imported what they import.

A worker imports for longer than most tests last. The nursery is a process of its own, without threads, which imports once and
then makes a child for each order: the same program with its own arguments, environment, log and session, and with an end like
that of any interpreter. A program whose interpreter or command line is the subject is started as a user would start it.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from io import BufferedWriter

# Bytes of an order: mostly the environment.
ORDER_BYTES: Final = 1_000_000
# Where its module is found, whichever folder the test is in that asks first.
_ROOT: Final = Path(__file__).parents[3]
# Threads that ask first at the same time get one nursery.
_FIRST: Final = threading.Lock()
# An interpreter reads these before it runs anything.
_READ_AT_THE_START: Final = ("PYTHON", "LD_", "MALLOC_", "OTEL_PYTHON_")


class Child(Protocol):
    """What `subprocess.Popen` and a child of the nursery have in common."""

    pid: int
    args: Any

    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def terminate(self) -> None: ...


class Nursery:
    """The process that makes the children, and the way to it. Any thread may ask."""

    def __init__(self) -> None:
        self._one_at_a_time = threading.Lock()
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._popen = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                cwd=_ROOT,
            )
        atexit.register(self.close)

    def start(self, args: Sequence[str], env: Mapping[str, str], log: BufferedWriter) -> Fork:
        """Make a child, which leads a session of its own.

        Args:
            args: what follows the interpreter: ``-m``, a module and its arguments.
            env: all its variables.
            log: where its output goes.
        """
        order = json.dumps({"args": [*args], "env": {**env}}).encode()
        with self._one_at_a_time:
            socket.send_fds(self._channel, [order], [log.fileno()])
            return Fork(self, self._answer(), args)

    def code(self, pid: int) -> int | None:
        """The exit code of a child, None while it runs. The number of a child is nobody else's until this was asked."""
        with self._one_at_a_time:
            self._channel.send(json.dumps({"ended": pid}).encode())
            code: int | None = self._answer()
        return code

    def close(self) -> None:
        """End it; children that still run are nobody's."""
        self._channel.close()
        self._popen.wait()

    def _answer(self) -> Any:
        answer = self._channel.recv(ORDER_BYTES)
        if not answer:
            raise RuntimeError(f"the nursery has ended with code {self._popen.wait()}: see its words above")
        return json.loads(answer)


class Fork:
    """A child of the nursery, as `subprocess.Popen` would show it."""

    def __init__(self, nursery: Nursery, pid: int, args: Sequence[str]) -> None:
        self.pid = pid
        self.args: Any = args
        self._nursery = nursery
        self._code: int | None = None
        self._one_at_a_time = threading.Lock()

    def poll(self) -> int | None:
        """The exit code, None while it runs; negative when a signal ended it."""
        with self._one_at_a_time:  # its number is free once its end was told
            if self._code is None:
                self._code = self._nursery.code(self.pid)
            return self._code

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end.

        Raises:
            subprocess.TimeoutExpired: it still runs.
        """
        if self.poll() is None:
            descriptor = os.pidfd_open(self.pid)
            try:
                select.select([descriptor], [], [], timeout)
            finally:
                os.close(descriptor)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
        return code

    def terminate(self) -> None:
        """Ask it to end, unless it has."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGTERM)


def makes(args: Sequence[Any], env: Mapping[str, str]) -> bool:
    """Whether the nursery can make this program.

    Args:
        args: interpreter, ``-m``, module and arguments.
        env: variables beside those of this process.
    """
    ours = [str(word) for word in args[:2]] == [sys.executable, "-m"]
    plain = not any(name.startswith(_READ_AT_THE_START) for name in env)
    return ours and plain and sys.platform == "linux"


def shared() -> Nursery:
    """The nursery of this process, started when somebody first asks."""
    with _FIRST:
        return _shared()


@cache
def _shared() -> Nursery:
    return Nursery()
