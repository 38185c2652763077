"""What a worker measures on the way from a grant to its call: lateness, and how long each part of the way takes."""

import threading
from dataclasses import dataclass
from typing import Final

from paceline_worker.delivery.distance import Estimate

# A way that takes longer is late in any case.
_LONGEST_S: Final = 1.0
_LOOKS: Final = 1.5


@dataclass(frozen=True, slots=True)
class Lateness:
    """Of the operations since the last look.

    Args:
        mean_s: mean time from slot to readiness, 0 for those in time.
        samples: how many operations.
        load: operations in flight at most.
    """

    mean_s: float
    samples: int
    load: int


class Way:
    """The way from a grant to the call. Any thread may call.

    looking: one look of the dispatcher. arrival: from the grant until the worker has the hint. asking: from the question (begin)
    until the worker can make the call. notice: the part of asking after the state server's answer left it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._looking = Estimate(0.0, _LONGEST_S)
        self._arrival = Estimate(0.005, _LONGEST_S)
        self._asking = Estimate(0.01, _LONGEST_S)
        self._notice = Estimate(0.002, _LONGEST_S / 2)
        self._sum_s = 0.0
        self._samples = 0
        self._load = 0

    def looked(self, took_s: float) -> None:
        """The dispatcher's question and the state server's answer took so long."""
        with self._lock:
            self._looking.observe(took_s)

    def arrived(self, took_s: float) -> None:
        """A batch of hints reached the worker so long after its grant."""
        with self._lock:
            self._arrival.observe(max(0.0, took_s))

    def asked(self, asking_s: float, notice_s: float) -> None:
        """A batch was begun.

        Args:
            asking_s: from the question until the worker could make the first call.
            notice_s: from the server's time in the answer until then.
        """
        with self._lock:
            self._asking.observe(max(0.0, asking_s))
            self._notice.observe(max(0.0, notice_s))

    def ready(self, late_s: float) -> None:
        """An operation could be sent, so long after the slot that it was granted for (negative: before it)."""
        with self._lock:
            self._sum_s += max(0.0, late_s)
            self._samples += 1

    def carries(self, load: int) -> None:
        """So many operations are in flight in this worker."""
        self._load = max(self._load, load)

    @property
    def ahead_s(self) -> float:
        """How long before its slot an operation is to be begun."""
        return self._asking.most_s

    @property
    def notice_us(self) -> int:
        """From the state server's time until this worker can make a call that it begins, in us."""
        return int(self._notice.usual_s * 1e6)

    @property
    def least_s(self) -> float:
        """From a grant to the call, at least.

        An operation that needs longer moves to another slot, at little cost. An operation that needs less would keep its
        place for nothing.
        """
        return self._arrival.least_s + self._asking.least_s

    @property
    def most_s(self) -> float:
        """From the instant at which an account is due to its call, nearly always: a look under way ends first, and one is sent."""
        return self._looking.most_s * _LOOKS + self._arrival.most_s + self._asking.most_s

    def take(self, load: int) -> Lateness:
        """The lateness since the last call; the next one begins with the present load."""
        with self._lock:
            mean_s = self._sum_s / self._samples if self._samples else 0.0
            found = Lateness(mean_s, self._samples, max(self._load, load))
            self._sum_s, self._samples, self._load = 0.0, 0, load
        return found
