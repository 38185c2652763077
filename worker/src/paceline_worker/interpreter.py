"""How a worker sets Python up: when a thread hands the interpreter on, and how rarely the collector looks for cycles."""

import gc
import sys
from typing import Final

# A thread that computes hands the interpreter on after so long, in seconds. Dispatcher and heartbeats wait for the engine's thread
# several times in each call; with Python's usual 5 ms two busy workers sent 6 % less, and used 6 % more CPU for each operation.
_SWITCH_INTERVAL_S: Final = 0.001
# The collector looks when so many more objects were made than freed, the older ones at every tenth look. Python's usual 700 are
# reached again and again by operations that come and go, and a seventh of a worker's CPU went into looking at them. An operation
# leaves no cycle behind, so the looks found nothing.
_OBJECTS: Final = (50_000, 10, 10)


def tune() -> None:
    """Set up the interpreter of this process; what was imported before is never looked at again."""
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    gc.freeze()
    gc.set_threshold(*_OBJECTS)
