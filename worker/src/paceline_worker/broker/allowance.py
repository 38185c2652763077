"""How much of a worker's time refusals may take: the process that refuses also sends, and sends late while it refuses. Pure."""

from dataclasses import dataclass, field
from typing import Final

SHARE: Final = 0.1
# A few strange messages cost no pause.
_BURST_S: Final = 0.01
# Good messages may stand behind the bad ones, and the same thread listens to remote control.
_LONGEST_PAUSE_S: Final = 0.1
_DEEPEST_DEBT_S: Final = 0.1


@dataclass(slots=True)
class Allowance:
    """CPU time for refusals: a share of all time, and a little at once.

    Args:
        share: of one core.
        burst_s: seconds of CPU that may be spent at once after a rest.
    """

    share: float = SHARE
    burst_s: float = _BURST_S
    _left_s: float | None = field(default=None, init=False)
    _at_s: float = field(default=0.0, init=False)

    def pause_after(self, spent_s: float, now_s: float) -> float:
        """How long to rest after refusals.

        Args:
            spent_s: seconds of CPU that the refusals cost.
            now_s: monotonic seconds.

        Returns:
            Seconds; 0 while there is something left to spend.
        """
        left_s = self.burst_s if self._left_s is None else self._left_s + (now_s - self._at_s) * self.share
        left_s = max(-_DEEPEST_DEBT_S, min(self.burst_s, left_s) - spent_s)
        self._left_s, self._at_s = left_s, now_s
        return min(_LONGEST_PAUSE_S, max(0.0, -left_s / self.share))
