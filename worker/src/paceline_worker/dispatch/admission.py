"""How many operations a worker takes on: as many as it gets to their slots in time."""

from dataclasses import dataclass, field
from typing import Final

# Operations that are this late, on average, are too many for this worker: the ones behind them wait in it and not in their lanes,
# where they would cost nothing.
LATE_S: Final = 0.25
# In a beat with fewer operations one slow answer would decide.
_LEAST_SAMPLES: Final = 8
# Multiplicative decrease, additive increase (Chiu and Jain, 1989): workers that share cores come to equal shares.
_LESS: Final = 0.8
_MORE: Final = 0.08
# A worker with so few at once is always worth having.
_FEWEST: Final = 16
# Until it is late for the first time, a worker that is in use doubles what it takes on (slow start: Jacobson, 1988). Ten workers
# that began with 200 each had two thousand operations in flight on two cores, before any of them knew that it was late.
_AT_FIRST: Final = 50
# So many operations are nothing to one event loop, and not worth the way through the broker: ten workers that shared 50 operations
# a second cost the state server 1.4 times the commands of one.
_FEW: Final = 100
# Of a core: who uses so much shares whatever it grants. Calls that end at once leave few operations in flight even then.
_BUSY: Final = 0.4
# The intake grows only while it is what binds.
_IN_USE: Final = 0.7


@dataclass(slots=True)
class Admission:
    """The intake of one worker, between a few operations and its capacity. Pure: one thread calls `beat`, any may read.

    Args:
        capacity: operations it may have in flight at the most.
    """

    capacity: int
    intake: int = field(init=False)
    _few: int = field(init=False, default=_FEW)
    _was_late: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self.intake = min(self.capacity, _AT_FIRST)

    @property
    def few(self) -> int:
        """So many operations this worker sends alone: three quarters of its intake at the most, so that the intake can grow."""
        return min(self._few, self.intake * 3 // 4)

    def beat(self, *, lateness_s: float, samples: int, load: int, busy: float = 0.0) -> int:
        """Decide for the next beat.

        Args:
            lateness_s: mean time from slot to readiness of the operations since the last beat, 0 for those in time.
            samples: how many these were.
            load: operations in flight at most in that time.
            busy: the share of a core that this worker used.

        Returns:
            The intake.
        """
        self._few = int(_FEW * max(0.0, 1 - busy / _BUSY))
        if samples >= _LEAST_SAMPLES and lateness_s > LATE_S:
            self._was_late = True
            self.intake = max(min(_FEWEST, self.capacity), int(min(self.intake, max(load, 1)) * _LESS))
        elif load >= self.intake * _IN_USE:
            more = max(1, int(self.intake * _MORE)) if self._was_late else self.intake
            self.intake = min(self.capacity, self.intake + more)
        return self.intake
