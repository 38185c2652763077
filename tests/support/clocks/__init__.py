"""Processes whose machine sleeps, and state servers whose clock is set; `sitecustomize.py` is the part inside the process."""

from __future__ import annotations

import os
import signal
import struct
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from paceline import names
from tests.support.clocks import sitecustomize

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import redis

    from tests.support.processes import Process

_PATH = os.pathsep.join([str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])])
SHIFT_KEY = f"{names.STATE_ROOT}:test-shift"


def shifted_server() -> Mapping[str, str]:
    """The variables of a process for which `set_server_clock` sets the state server's clock."""
    return {"PYTHONPATH": _PATH, sitecustomize.SHIFTED_SERVER: "1"}


def set_server_clock(client: redis.Redis, seconds: float) -> None:
    """Put the state server's clock so far ahead of the true time; negative: behind it."""
    client.set(SHIFT_KEY, int(seconds * 1e6))


class Sleeper:
    """A machine that can be suspended: its monotonic clock stands still meanwhile.

    Args:
        directory: for the file that tells how long it slept.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / "asleep"
        self._path.write_bytes(struct.pack("d", 0.0))
        self._slept_s = 0.0
        self.environment: Mapping[str, str] = {"PYTHONPATH": _PATH, sitecustomize.ASLEEP_FILE: str(self._path)}

    @contextmanager
    def asleep(self, process: Process) -> Iterator[None]:
        """Suspend the machine of a process that was started with `environment`, until the block ends."""
        os.kill(process.pid, signal.SIGSTOP)
        began_s = time.monotonic()
        try:
            yield
        finally:
            self._slept_s += time.monotonic() - began_s
            with self._path.open("r+b") as file:  # in place: the process has it mapped
                file.write(struct.pack("d", self._slept_s))
            os.kill(process.pid, signal.SIGCONT)
