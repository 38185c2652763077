"""How much of the machine a worker uses."""

from dataclasses import dataclass
from pathlib import Path

import psutil

_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Usage:
    """What one process holds.

    Args:
        descriptors: open files and connections.
        memory_mib: resident memory.
    """

    descriptors: int
    memory_mib: float


def usage_of(pid: int) -> Usage:
    """What a process holds now; nothing when it has ended."""
    try:
        resident = psutil.Process(pid).memory_info().rss
        return Usage(len(list(Path(f"/proc/{pid}/fd").iterdir())), resident / _MIB)
    except (psutil.NoSuchProcess, OSError):
        return Usage(0, 0.0)
