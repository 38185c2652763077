"""How many operations may be in flight on each shard: the fleet takes on so many in all. Pure."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

# With the fleet full, a look finds nothing to grant until something is settled.
_FULL_PAUSE_S: Final = 0.02
# Grants lie 250 ms ahead at the least: a shard that is looked at later would miss slots.
_LONGEST_FULL_PAUSE_S: Final = 0.2


def full_pause_s(busy: int) -> float:
    """How long a shard rests that has no room, in seconds: the more are busy, the longer, up to a bound.

    Args:
        busy: shards with something in flight, of those that this worker grants for.
    """
    return min(_LONGEST_FULL_PAUSE_S, _FULL_PAUSE_S * max(1, busy))


class Rooms:
    """Operations in flight by shard, as one worker knows: of shards that it looks at by its own looks, of others by heartbeats.

    Any thread may call: each number is written in one step.

    Args:
        count: how many shards there are.
    """

    def __init__(self, count: int = 1) -> None:
        self._loads = [0] * count

    def looked(self, shard: int, in_flight: int) -> None:
        """A look at a shard told how many are in flight there."""
        self._loads[shard] = in_flight

    def told(self, loads: Sequence[int], held: Collection[int]) -> None:
        """A heartbeat told of all shards; of those that this worker holds, its own looks know better."""
        for shard, load in enumerate(loads):
            if shard not in held:
                self._loads[shard] = load

    def held(self, shards: Collection[int]) -> Mapping[int, int]:
        """What a heartbeat tells of the shards that this worker holds."""
        return {shard: self._loads[shard] for shard in sorted(shards)}

    @property
    def total(self) -> int:
        """Operations in flight on all shards."""
        return sum(self._loads)

    def busy(self, shards: Collection[int]) -> int:
        """How many of these shards have something in flight."""
        return sum(1 for shard in shards if self._loads[shard])

    def capacity(self, shard: int, intake: int) -> int:
        """How many operations may be in flight on a shard: what others leave free, and an equal share in any case.

        So a busy shard has the whole fleet while the others are idle, and comes down to its share within a call's time when they
        are busy too.

        Args:
            shard: its number.
            intake: operations that all workers take on.
        """
        others = [load for number, load in enumerate(self._loads) if number != shard and load]
        if not others:
            return intake
        return max(-(-intake // (len(others) + 1)), intake - sum(others))
