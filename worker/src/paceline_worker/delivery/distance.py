"""How long something takes, usually and at worst: for the way from a grant to its call, and the parts of that way."""

from dataclasses import dataclass, field

# Gains and factor of TCP's estimate of a round trip (RFC 6298, section 2).
_MEAN_GAIN = 1 / 8
_DEVIATION_GAIN = 1 / 4
_DEVIATIONS = 4


@dataclass(slots=True)
class Estimate:
    """How long something takes, from samples. Pure.

    Args:
        floor_s: the least that is told, in seconds.
        cap_s: the most, in seconds.
    """

    floor_s: float
    cap_s: float
    _mean_s: float | None = field(default=None, init=False)
    _deviation_s: float = field(default=0.0, init=False)

    def observe(self, took_s: float) -> None:
        """Learn from one sample, in seconds."""
        if self._mean_s is None:
            self._mean_s, self._deviation_s = took_s, took_s / 2
            return
        self._deviation_s += (abs(took_s - self._mean_s) - self._deviation_s) * _DEVIATION_GAIN
        self._mean_s += (took_s - self._mean_s) * _MEAN_GAIN

    @property
    def least_s(self) -> float:
        """What most samples exceed: their mean less one mean deviation, in seconds."""
        return self._within(-1)

    @property
    def usual_s(self) -> float:
        """What most samples stay below: their mean and one mean deviation, in seconds; the floor before the first sample."""
        return self._within(1)

    @property
    def most_s(self) -> float:
        """What nearly all samples stay below: their mean and four mean deviations, in seconds."""
        return self._within(_DEVIATIONS)

    def _within(self, deviations: int) -> float:
        if self._mean_s is None:
            return self.floor_s
        return min(self.cap_s, max(self.floor_s, self._mean_s + deviations * self._deviation_s))
