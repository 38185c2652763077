"""What a call costs this worker: how long it takes, and how much CPU. Told in its heartbeat, for `wanted`."""

import threading
from dataclasses import dataclass
from typing import Final

# With fewer calls in a beat, what the process does anyway would pass for the cost of calls.
_LEAST_CALLS: Final = 20
# So much of what earlier beats found is kept: a change shows within some ten busy beats.
_KEPT: Final = 0.9


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one call; 0: not measured.

    Args:
        latency_s: from sending to the answer.
        cpu_s: of this process.
    """

    latency_s: float = 0.0
    cpu_s: float = 0.0


class Effort:
    """Averages over the beats in which there was enough to measure. Any thread may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls = 0
        self._duration_s = 0.0
        self._cpu_at_s: float | None = None
        self._kept_calls = 0.0
        self._kept_duration_s = 0.0
        self._kept_cpu_s = 0.0

    def called(self, duration_s: float) -> None:
        """A call was answered.

        Args:
            duration_s: after so long.
        """
        with self._lock:
            self._calls += 1
            self._duration_s += duration_s

    def beat(self, cpu_at_s: float) -> Cost:
        """Close a beat.

        Args:
            cpu_at_s: CPU that the process has used.

        Returns:
            What a call costs, over the busy beats.
        """
        with self._lock:
            calls, duration_s, self._calls, self._duration_s = self._calls, self._duration_s, 0, 0.0
            cpu_s, self._cpu_at_s = cpu_at_s - (self._cpu_at_s if self._cpu_at_s is not None else cpu_at_s), cpu_at_s
            if calls >= _LEAST_CALLS and cpu_s > 0:
                self._kept_calls = self._kept_calls * _KEPT + calls
                self._kept_duration_s = self._kept_duration_s * _KEPT + duration_s
                self._kept_cpu_s = self._kept_cpu_s * _KEPT + cpu_s
            if not self._kept_calls:
                return Cost()
            return Cost(self._kept_duration_s / self._kept_calls, self._kept_cpu_s / self._kept_calls)
