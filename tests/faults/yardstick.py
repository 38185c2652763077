"""What a fleet sent in a stretch of time, against what the same fleet can send, and how fairly. Pure.

Stretches of both kinds alternate within one run, so a machine that others share takes from both alike.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stretch:
    """Calls that arrived within a stretch of time.

    Args:
        began_s: its begin.
        ended_s: its end.
        calls: when each call arrived, and the key of its account, in order.
    """

    began_s: float
    ended_s: float
    calls: Sequence[tuple[float, str]]

    @property
    def rate(self) -> float:
        """Calls a second."""
        return len(self.calls) / (self.ended_s - self.began_s)

    def under_way(self, latency_s: float) -> float:
        """Calls under way at the same time, on average; `calls` must reach back by one answer's time.

        Args:
            latency_s: how long each answer takes.
        """
        inside = sum(max(0.0, min(at_s + latency_s, self.ended_s) - max(at_s, self.began_s)) for at_s, _ in self.calls)
        return inside / (self.ended_s - self.began_s)

    def longest_turn(self, keys: Iterable[str], *, to_its_end: bool = True) -> int:
        """The most calls of all accounts that passed while one account waited for its next.

        Calls, not seconds, are counted: a machine that stands still is unfair to nobody. The begin of the stretch counts as a
        call of each account.

        Args:
            keys: of the accounts that have something due.
            to_its_end: they have something due until the end, which counts as a call of each, too.
        """
        last = dict.fromkeys(keys, -1)
        longest = 0
        for place, (_, key) in enumerate(self.calls):
            if key in last:
                longest = max(longest, place - last[key] - 1)
                last[key] = place
        still_waiting = [len(self.calls) - 1 - place for place in last.values()] if to_its_end else []
        return max([longest, *still_waiting])


def share(measured: Sequence[Stretch], reference: Sequence[Stretch]) -> float:
    """The rate of some stretches as a share of that of others.

    Args:
        measured: those under the fault.
        reference: those beside it that show what the fleet can send.
    """
    can_send = sum(len(one.calls) for one in reference) / sum(one.ended_s - one.began_s for one in reference)
    sent = sum(len(one.calls) for one in measured) / sum(one.ended_s - one.began_s for one in measured)
    return sent / can_send if can_send else 0.0
