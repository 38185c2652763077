"""The account's bucket as a storage and a strategy of the ``limits`` library.

A service that calls 2Chat directly shares the bucket with the workers::

    storage = PacelineStorage("paceline+redis://127.0.0.1:6379/0")
    limiter = SlotRateLimiter(storage)
    limiter.hit(parse("10/minute"), "acme")          # True: call now
    limiter.reserve("acme", horizon=10.0)            # a Slot up to 10 s ahead, or None
"""

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import limits
from limits.storage import RedisStorage
from limits.strategies import RateLimiter
from limits.util import WindowStats

from paceline import names
from paceline.errors import UnknownAccount
from paceline.state import connect, read_address
from paceline.state.scripts import Script


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in an account's bucket.

    Args:
        taken: whether it is ours.
        wait_s: seconds from now until it (until the earliest possible one, when it was not taken).
    """

    taken: bool
    wait_s: float


class SlotSupport(ABC):
    """What a storage must be able to do for `SlotRateLimiter`."""

    @abstractmethod
    def take_slot(self, account: str, *, cost: int, horizon_s: float, test: bool) -> Slot:
        """Take slots of an account's bucket.

        Args:
            account: its name.
            cost: how many slots.
            horizon_s: how far ahead the first one may lie.
            test: look only.

        Returns:
            What was decided, and when.

        Raises:
            UnknownAccount: there is no such account.
        """


class PacelineStorage(RedisStorage, SlotSupport):
    """Paceline's state server as a ``limits`` storage.

    Args:
        uri: the state address with ``paceline+`` before it.
        namespace: whose accounts they are.
        options: for redis-py.
    """

    # Own schemes: registering a known one would silently replace the library's storage.
    STORAGE_SCHEME = [  # noqa: RUF012 - the library's own form
        f"paceline+{scheme}"
        for scheme in (
            "redis",
            "rediss",
            "unix",
            "redis+cluster",
            "rediss+cluster",
            "redis+sentinel",
            "rediss+sentinel",
        )
    ]

    def __init__(self, uri: str, namespace: str = names.NAMESPACE, **options: Any) -> None:
        self._root = names.state_root(namespace)
        url = uri.removeprefix("paceline+")
        address = read_address(url)
        if address.kind != "redis":
            options |= {"connection_pool": connect(url, namespace=namespace).connection_pool}
        super().__init__(address.for_redis_py(), decode_responses=True, **options)

    def initialize_storage(self, _uri: str) -> None:
        """Load our script beside the library's."""
        super().initialize_storage(_uri)
        self._take = Script("paceline_worker", "take")
        self.storage.root = self._root

    def take_slot(self, account: str, *, cost: int, horizon_s: float, test: bool) -> Slot:
        """See `SlotSupport.take_slot`."""
        verb = "test" if test else "take"
        reply = self._take.run(self.get_connection(), account, cost, int(horizon_s * 1e6), verb)  # type: ignore[arg-type]
        if reply == "unknown account":
            raise UnknownAccount(f"no account named {account!r}: see `paceline accounts list`")
        taken, now, slot = reply
        return Slot(taken == "1", max(0, int(slot) - int(now)) / 1e6)


class SlotRateLimiter(RateLimiter):
    """The strategy: an account's own limits decide, whatever item is passed; its name is the last identifier.

    The limit is not part of the key, so a changed limit keeps the bucket's time, and workers and services share it.

    Args:
        storage: one with `SlotSupport`.
    """

    def __init__(self, storage: PacelineStorage) -> None:
        if not isinstance(storage, SlotSupport):
            raise NotImplementedError(f"slots are not implemented for storage of type {storage.__class__}")
        super().__init__(storage)
        self._slots: SlotSupport = storage

    def hit(self, item: limits.RateLimitItem, *identifiers: str, cost: int = 1) -> bool:  # noqa: ARG002
        """Whether a call may go now; if so, its slot is taken."""
        return self._slots.take_slot(identifiers[-1], cost=cost, horizon_s=0, test=False).taken

    def test(self, item: limits.RateLimitItem, *identifiers: str, cost: int = 1) -> bool:  # noqa: ARG002
        """Whether a call might go now."""
        return self._slots.take_slot(identifiers[-1], cost=cost, horizon_s=0, test=True).taken

    def get_window_stats(self, item: limits.RateLimitItem, *identifiers: str) -> WindowStats:  # noqa: ARG002
        """When the next slot is (seconds since the epoch), and 1 or 0 calls that may go now."""
        slot = self._slots.take_slot(identifiers[-1], cost=1, horizon_s=0, test=True)
        return WindowStats(time.time() + slot.wait_s, int(slot.taken))

    def reserve(self, account: str, *, horizon: float, cost: int = 1) -> Slot:
        """Take the next slot even if it lies ahead.

        Args:
            account: its name.
            horizon: seconds it may lie ahead.
            cost: slots.

        Returns:
            The slot: wait ``wait_s``, then call; or not taken.
        """
        return self._slots.take_slot(account, cost=cost, horizon_s=horizon, test=False)

    def clear(self, item: limits.RateLimitItem, *identifiers: str) -> None:
        """Not offered: an emptied record of what was sent would break the limit."""
        raise NotImplementedError("the bucket of an account cannot be cleared; change its limit instead")
