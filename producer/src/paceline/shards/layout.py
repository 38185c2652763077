"""How state is spread: how many shards there are, and on which of them an account lives. Pure."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

MOST_SHARDS: Final = 1024
# Of state on a cluster, unless somebody says otherwise: enough for 30 servers.
SHARDS_ON_CLUSTER: Final = 64
# Names (of campaigns, operations, records) whose shard a client remembers.
_MOST_PLACES: Final = 10_000
# Before the name of an account that was moved, and of one that is being moved, in the directory.
_MOVED: Final = "="
_MOVES: Final = "~"


def proposed(account: str, count: int) -> int:
    """The shard of an account that was never moved.

    Args:
        account: account name.
        count: how many shards there are.

    Returns:
        The number of a shard. The same for ever: changing this function would lose accounts.
    """
    if count == 1:
        return 0
    return int.from_bytes(hashlib.blake2b(account.encode(), digest_size=8).digest()) % count


@dataclass(frozen=True, slots=True)
class Layout:
    """Where accounts live.

    Args:
        count: how many shards there are.
        version: of the directory; each move of an account raises it.
        moved: accounts that live on another shard than the proposed one.
        moving: accounts that are being moved, with the shards on which they shall live.
        places: shards of names that were looked for, as far as a client remembers.
    """

    count: int = 1
    version: int = 0
    moved: Mapping[str, int] = field(default_factory=dict)
    moving: Mapping[str, int] = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=dict, compare=False)

    def shard_of(self, account: str) -> int:
        """The shard on which an account lives, or would live."""
        return self.moved.get(account, proposed(account, self.count))

    @property
    def shards(self) -> range:
        """All shards."""
        return range(self.count)

    def remember(self, name: str, shard: int) -> None:
        """Where something was; it may be elsewhere the next time."""
        if len(self.places) >= _MOST_PLACES:
            self.places.clear()
        self.places[name] = shard

    def by_shard(self, accounts: Iterable[str]) -> dict[int, list[str]]:
        """Accounts by their shards, in the order given."""
        parts: dict[int, list[str]] = {}
        for account in accounts:
            parts.setdefault(self.shard_of(account), []).append(account)
        return parts


ALONE: Final = Layout()


def read_layout(flat: Sequence[Any]) -> Layout:
    """The layout that a directory tells.

    Args:
        flat: fields and values, as layout.lua tells them; empty: state has one shard.
    """
    told = dict(zip(map(str, flat[::2]), map(str, flat[1::2]), strict=True))
    moved, moving = (
        {name.removeprefix(mark): int(shard) for name, shard in told.items() if name.startswith(mark)}
        for mark in (_MOVED, _MOVES)
    )
    return Layout(int(told.get("shards", 1)), int(told.get("version", 0)), moved, moving)
