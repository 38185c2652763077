"""Whether this machine slept: a virtual machine that was paused, a laptop that was closed.

The monotonic clock stands still meanwhile. What a worker was about to send must not leave after that: it may be another worker's.
"""

import time
from typing import Final

# Linux has a clock that goes on. Elsewhere the wall clock does; when somebody sets that, an operation is asked for once more.
_BOOT_CLOCK: Final[int | None] = getattr(time, "CLOCK_BOOTTIME", None)


def sleepless_s() -> float:
    """Seconds on a clock that goes on while the machine sleeps: only the difference of two readings means something."""
    return time.time() if _BOOT_CLOCK is None else time.clock_gettime(_BOOT_CLOCK)


def asleep_s() -> float:
    """Seconds that this machine has slept, up to a constant: only the difference of two readings means something."""
    return sleepless_s() - time.monotonic()


def may_leave(*, lateness_s: float, tolerance_s: float, held_s: float, slept_s: float, fence_s: float) -> bool:
    """Whether an operation may be sent now; otherwise its worker asks for it once more.

    Args:
        lateness_s: from its slot, on the monotonic clock.
        tolerance_s: lateness allowed.
        held_s: since it was asked for, on the monotonic clock.
        slept_s: how long the machine slept since it was asked for.
        fence_s: a call that begins so long after its question still ends within the lease that the answer gave it.
    """
    return lateness_s + slept_s <= tolerance_s and held_s + slept_s <= fence_s
