"""Moving an account to another shard: suspended, handed over key by key, and found where it is from then on."""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import ResponseError

from paceline.errors import InvalidOperation, PacelineError, UnknownAccount
from paceline.state.scripts import Script
from paceline.state.shards import at, fresh_layout
from paceline_worker.accounts.accounts import Accounts

if TYPE_CHECKING:
    import redis

# The reason of the suspension of an account that is being moved; finish of move.lua ends no other one.
MOVES: Final = "moves"
_PASSES: Final = ("1", "2", "3", "4")
# Keys that a call looks at, and hands over: some milliseconds of the server.
_LOOK: Final = 500
_AT_ONCE: Final = 50
# Where a service goes on sending, the inbox is empty for moments only.
_PAUSE_S: Final = 0.02
# The name of no key; and what RESTORE says of an empty text to a user who may restore.
_NO_KEY: Final = "rights"
_IS_NO_DUMP: Final = re.compile("DUMP payload|Bad data format", re.IGNORECASE)


class NotMoved(PacelineError):
    """The account could not be moved now; says why and what to do."""


class Move:
    """One account on its way. Each step may be repeated, so a move that was interrupted is begun once more with the same words.

    Args:
        client: of the whole state.
        account: account name.
        shard: on which it shall live.
        sleep: takes seconds.
    """

    # Whether something of the account has changed or may have: from then on only `run` brings it back.
    has_begun = False

    def __init__(
        self, client: "redis.Redis", account: str, shard: int, sleep: Callable[[float], object] = time.sleep
    ) -> None:
        self._client, self._account, self._shard, self._sleep = client, account, shard, sleep
        self._script, self._directory = Script("paceline_worker", "move"), Script("paceline", "directory")

    def run(self, patience_s: float) -> int:
        """Move it.

        Args:
            patience_s: seconds to wait until nothing of the account is in flight.

        Returns:
            How many keys were handed over.

        Raises:
            InvalidOperation: there is no such shard, or it is being moved to another one.
            UnknownAccount: there is no such account.
            NotMoved: something of the account is in flight, or waits for a worker.
        """
        layout = fresh_layout(self._client)
        if not 0 <= self._shard < layout.count:
            raise InvalidOperation(f"shard: state has the shards 0 to {layout.count - 1}")
        leaves = layout.shard_of(self._account)
        began = self._account in layout.moving
        if leaves == self._shard and not began:
            if not self._at(leaves, "stands"):
                raise UnknownAccount(self._account)
            return 0
        if not began and self._at(leaves, "stands") != "here":
            raise UnknownAccount(self._account)
        if not began:
            self._check_rights(leaves)
        target = int(self._directory.run(self._client, "begin", self._account, self._shard))
        if target != self._shard:
            raise InvalidOperation(
                f"shard: account {self._account!r} is being moved to shard {target}: finish that first"
            )

        self.has_begun = True
        moved = 0
        if self._at(leaves, "stands") in ("here", "seized"):
            self._seize(leaves, patience_s)
            moved = self._hand_over(leaves)
        self._unveil()
        self._at(self._shard, "finish")
        self._directory.run(self._client, "move", self._account, self._shard)
        fresh_layout(self._client)
        return moved

    def _check_rights(self, leaves: int) -> None:
        """Before anything changes: what DUMP and RESTORE say of a key that is not there, and of nothing."""
        try:
            self._at(leaves, "take", _NO_KEY)
            self._at(self._shard, "put", _NO_KEY, "0", "")
        except ResponseError as error:
            if _IS_NO_DUMP.search(str(error)):
                return
            raise NotMoved(
                f"account {self._account!r} cannot be moved, and stays where it is: the state server refused DUMP or RESTORE"
                f" ({error}). Give its user both commands, and repeat"
            ) from error

    def _seize(self, leaves: int, patience_s: float) -> None:
        until_s = time.monotonic() + patience_s
        accounts = Accounts(at(self._client, leaves))
        while (why := self._at(leaves, "seize")) != "seized":
            if why == "unknown account":
                raise UnknownAccount(self._account)
            if why == "it is not suspended":
                accounts.suspend(self._account, MOVES)
                continue
            if time.monotonic() >= until_s:
                raise NotMoved(
                    f"account {self._account!r} cannot be moved now: {why}. It stays suspended: repeat the command"
                )
            self._sleep(_PAUSE_S)

    def _hand_over(self, leaves: int) -> int:
        moved = 0
        for number in _PASSES:
            while batches := list(self._pages(leaves, number)):
                for names in batches:
                    moved += self._hand(leaves, names)
        return moved

    def _pages(self, leaves: int, number: str) -> Iterator[Sequence[bytes]]:
        cursor = b"0"
        while True:
            cursor, *names = self._at(leaves, "page", number, cursor, _LOOK)
            # The account itself leaves last: whoever goes on after an interruption finds out by it that something is left.
            others = [name for name in names if name != self._itself]
            for start in range(0, len(others), _AT_ONCE):
                yield others[start : start + _AT_ONCE]
            if cursor == b"0":
                if len(names) > len(others):
                    yield [self._itself]
                return

    @property
    def _itself(self) -> bytes:
        return f"a:{self._account}".encode()

    def _hand(self, leaves: int, names: Sequence[bytes]) -> int:
        """Copy keys, and delete what did not change meanwhile; the rest is copied once more by the next pass."""
        taken = self._at(leaves, "take", *names)
        held = [(name, *entry) for name, entry in zip(names, taken, strict=True) if entry]
        if not held:
            return 0
        self._at(self._shard, "put", *(word for name, content, ttl, _ in held for word in (name, _lives(ttl), content)))
        changed = self._at(leaves, "drop", *(word for name, _, _, digest in held for word in (name, digest)))
        return len(held) - len(changed)

    def _unveil(self) -> None:
        while True:
            cursor, number = b"0", 0
            while True:
                cursor, some = self._at(self._shard, "unveil", cursor, _LOOK)
                number += int(some)
                if cursor == b"0":
                    break
            if not number:
                return

    def _at(self, shard: int, verb: str, *arguments: str | int | bytes) -> Any:
        """What move.lua says on a shard: texts where they are ours, bytes of what keys hold."""
        reply = self._script.run_in_bytes(at(self._client, shard), verb, self._account, *arguments)
        return reply.decode() if isinstance(reply, bytes) else reply


def _lives(ttl_ms: int) -> int:
    """A time to live as RESTORE takes it: 0 for ever."""
    return 0 if ttl_ms < 0 else max(1, ttl_ms)
