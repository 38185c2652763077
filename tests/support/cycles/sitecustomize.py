"""A process with this on its path tells, when it ends, how many objects only the collector of cycles can free.

Python imports a module of this name when it starts (`PYTHONPATH`).
"""

from __future__ import annotations

import atexit
import gc
import os
from pathlib import Path

FILE = "PACELINE_TEST_CYCLES_FILE"


def tell(path: Path) -> None:
    """Write down when the collector looked, in objects, and what it finds now."""
    path.write_text(f"{gc.get_threshold()[0]} {gc.collect()}")


if path := os.environ.get(FILE):
    atexit.register(tell, Path(path))
