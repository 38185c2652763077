from dataclasses import dataclass, field
from typing import Final

# Longer than any back-off of Celery's own reconnection, which is tried first.
PATIENCE_S: Final = 30.0


@dataclass(slots=True)
class ProgressCheck:
    """Notices a worker that is alive but deaf: hints run out unheard, and none has reached it for a long time.

    Celery's consumer can lose its broker connection for good without the process ending; a supervisor can only help
    when it does end. Pure: times are arguments.

    Args:
        patience_s: how long without a hint.
        heard_at_s: monotonic seconds of the last hint, or of the start.
    """

    heard_at_s: float
    patience_s: float = PATIENCE_S
    _unheard: int = field(default=0, init=False)

    def heard(self, now_s: float) -> None:
        """A hint reached this worker."""
        self.heard_at_s = now_s
        self._unheard = 0

    def stalled(self, given_back: int, now_s: float) -> bool:
        """Whether this worker should end.

        Args:
            given_back: leases that just ran out before anybody began.
            now_s: monotonic seconds.

        Returns:
            True when work was due, nobody heard of it, and we have been deaf for the whole patience.
        """
        self._unheard += given_back
        return self._unheard > 0 and now_s - self.heard_at_s > self.patience_s
