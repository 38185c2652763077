from dataclasses import dataclass, field
from typing import Final

# Longer than any back-off of Celery's own reconnection, which is tried first.
PATIENCE_S: Final = 30.0


@dataclass(slots=True)
class DeafnessCheck:
    """Notices a worker that is alive but deaf: hints run out unheard, again and again, and none reaches it.

    Celery's consumer can lose its broker connection for good without the process ending; a supervisor can only help
    when it does end. Silence alone is no deafness: perhaps nobody spoke. Pure: times are arguments.

    Args:
        patience_s: how long hints may go unheard.
    """

    patience_s: float = PATIENCE_S
    _since_s: float | None = field(default=None, init=False)
    _last_s: float = field(default=0.0, init=False)

    def heard(self) -> None:
        """A hint reached this worker."""
        self._since_s = None

    def stalled(self, given_back: int, now_s: float) -> bool:
        """Whether this worker should end.

        Args:
            given_back: leases that just ran out before anybody began.
            now_s: monotonic seconds.

        Returns:
            True when hints have been running out for the whole patience, and this worker heard none of them.
        """
        if not given_back:
            return False
        if self._since_s is None or now_s - self._last_s > self.patience_s:
            self._since_s = now_s
        self._last_s = now_s
        return now_s - self._since_s > self.patience_s
