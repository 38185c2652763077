"""Where the primary is, when an address names nodes of a cluster or Sentinels: they are asked, and asked again after trouble.

Pure: connections.py asks and connects. A guide remembers the place that it was told, so that a connection more costs no question.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Final

from redis.crc import key_slot
from redis.exceptions import AskError, MovedError
from redis.exceptions import ConnectionError as RedisConnectionError

from paceline.settings.address import Address, Place

# Nodes of a large cluster that are remembered besides those of the address: enough to find the others.
_MOST_DOORS: Final = 16


class Guide(ABC):
    """Leads connections to the primary that has the keys of one root.

    Attributes:
        question: the command that doors are asked.
        asking: what differs for a connection that asks, such as another user.
        place: host and port of the primary, as far as known.
    """

    question: tuple[str, ...]

    def __init__(self, doors: Sequence[Place], asking: Mapping[str, Any]) -> None:
        self._written = tuple(doors)
        self._doors = list(doors)
        self.asking = asking
        self.place: Place | None = None

    @property
    def doors(self) -> tuple[Place, ...]:
        """Whom to ask, in this order."""
        return tuple(self._doors)

    @property
    def likely(self) -> Place | None:
        """Where the primary is, or was when somebody told last."""
        return self.place

    def answered(self, door: Place, reply: Any) -> Place:
        """Learn from a reply.

        Raises:
            ConnectionError: of redis-py; the reply names no primary.
        """
        self.place = self._read(door, reply)
        return self.place

    def failed(self, door: Place) -> None:
        """A door did not answer: the others come first from now on."""
        if door in self._doors:
            self._doors = [other for other in self._doors if other != door] + [door]

    def forget(self) -> None:
        """The place is in trouble: whoever connects next asks first."""
        self.place = None

    def follow(self, error: Exception) -> None:
        """Learn from what the server answered instead of doing what it was told."""
        if isinstance(error, MovedError) and error.host:
            self.place = (str(error.host), int(error.port))
        elif not isinstance(error, AskError) or isinstance(error, MovedError):
            self.forget()

    @abstractmethod
    def _read(self, door: Place, reply: Any) -> Place: ...

    @abstractmethod
    def under(self, root: str) -> "Guide":
        """A guide to the primary that has the keys of another root."""


class _SlotMap:
    """Which primary serves which slots, as a node told last; guides to other roots of the cluster begin with that."""

    def __init__(self) -> None:
        self._ranges: list[tuple[int, int, Place]] = []

    def learn(self, ranges: list[tuple[int, int, Place]]) -> None:
        """Replace what was told before."""
        self._ranges = ranges

    def place_of(self, slot: int) -> Place | None:
        """The primary of a slot; None: nobody told."""
        return next((place for first, last, place in self._ranges if first <= slot <= last), None)


class ClusterGuide(Guide):
    """Leads to the node that serves the slot of a root.

    Args:
        doors: nodes of the cluster, any of them.
        root: first part of the keys.
        slots: what guides to other roots of the same cluster learn; None: nothing yet.
    """

    question = ("CLUSTER", "SLOTS")

    def __init__(self, doors: Sequence[Place], root: str, slots: _SlotMap | None = None) -> None:
        super().__init__(doors, {})
        self.slot = key_slot(root.encode())
        self._slots = slots or _SlotMap()
        self.place = self._slots.place_of(self.slot)

    @property
    def likely(self) -> Place | None:
        """As told by a node, perhaps to another guide, and perhaps before the trouble began."""
        return self.place or self._slots.place_of(self.slot)

    def _read(self, door: Place, reply: Any) -> Place:
        known: list[Place] = []
        ranges: list[tuple[int, int, Place]] = []
        for first, last, *nodes in reply:
            places = [(str(node[0] or door[0]), int(node[1])) for node in nodes if node[0] != "?"]
            known += places
            if places and nodes[0][0] != "?":
                ranges.append((int(first), int(last), places[0]))
        self._slots.learn(ranges)
        place = self._slots.place_of(self.slot)
        # Who answered stays first; nodes of the address are never given up.
        order = dict.fromkeys((door, *self._written, *known))
        self._doors = list(order)[: len(self._written) + _MOST_DOORS]
        if place is None:
            raise RedisConnectionError(f"no node of the cluster serves slot {self.slot}")
        return place

    def under(self, root: str) -> "ClusterGuide":
        """A guide that knows the same doors, and the primary, if a node told of all slots before."""
        guide = ClusterGuide(self._written, root, self._slots)
        guide._doors = list(self._doors)
        return guide


class SentinelGuide(Guide):
    """Leads to the primary of a group that Sentinels watch.

    Args:
        doors: Sentinels.
        service: name of the group.
        asking: user and password of the Sentinels.
    """

    def __init__(self, doors: Sequence[Place], service: str, asking: Mapping[str, Any]) -> None:
        super().__init__(doors, {"db": 0} | dict(asking))
        self.question = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", service)

    def _read(self, door: Place, reply: Any) -> Place:
        if not reply:
            raise RedisConnectionError(f"the Sentinel watches no group named {self.question[-1]}")
        self._doors = list(dict.fromkeys((door, *self._doors)))
        host, port = reply
        return str(host), int(port)

    def under(self, root: str) -> "SentinelGuide":  # noqa: ARG002 - the group has the keys of all roots
        """This guide."""
        return self


def guide_of(address: Address, root: str) -> Guide | None:
    """The guide that an address needs; None: the address is the place.

    Args:
        address: of the state.
        root: first part of the keys.
    """
    if address.kind == "cluster":
        return ClusterGuide(address.places, root)
    if address.kind == "group":
        names = ("username", "password")
        login = {name: address.more.get(f"sentinel_{name}") or None for name in names}
        return SentinelGuide(address.places, address.service, login)
    return None
