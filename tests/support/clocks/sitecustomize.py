"""Clocks that behave like those of a machine that slept, or of a state server that was set: for a process with this on its path.

Python imports a module of this name by itself when it starts (`PYTHONPATH`), so any program can be run under these clocks.
`tests/support/clocks/__init__.py` tells a process which clocks to use.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
from functools import cache
from pathlib import Path

ASLEEP_FILE = "PACELINE_TEST_ASLEEP_FILE"
SHIFTED_SERVER = "PACELINE_TEST_SHIFTED_SERVER"


def stand_still(path: Path) -> None:
    """Take the seconds that a file holds off the monotonic clock: that long this machine has slept."""
    with path.open("rb") as file:
        asleep = mmap.mmap(file.fileno(), 8, prot=mmap.PROT_READ)
    monotonic = time.monotonic

    def awake() -> float:
        slept: float = struct.unpack("d", asleep[:8])[0]
        return monotonic() - slept

    time.monotonic = awake


def shift_server() -> None:
    """Have scripts add to the server's clock the microseconds that a key holds."""
    from paceline.state import scripts  # noqa: PLC0415 - other programs start without it

    plain = scripts.source

    @cache
    def shifted(package: str, name: str) -> str:
        now = "tonumber(t[1]) * 1000000 + tonumber(t[2])"
        return plain(package, name).replace(now, f"{now} + tonumber(redis.call('GET', root .. ':test-shift') or '0')")

    scripts.source = shifted


if path := os.environ.get(ASLEEP_FILE):
    stand_still(Path(path))
if os.environ.get(SHIFTED_SERVER):
    shift_server()
