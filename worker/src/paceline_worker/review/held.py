"""Operations of unknown outcome that wait for a person."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import redis

from paceline.errors import InvalidOperation, NotFound, Refusal, UnknownAccount
from paceline.operations import DEFAULT_VALIDITY
from paceline.state import translated
from paceline.state.scripts import Script
from paceline.state.snapshots import WHERE
from paceline.times import instant, microseconds, utc

# More than a person reads, and a moment of the server's time.
MOST_LISTED: Final = 1000
# As many characters as a line of an operation's story has.
_LONGEST_REASON: Final = 160
_MICROSECOND: Final = timedelta(microseconds=1)


class NotHeld(Refusal):
    """The operation does not wait for a person; the message says where it is."""


class CampaignCancelled(Refusal):
    """The operation's campaign was cancelled: none of its operations is sent again."""


@dataclass(frozen=True, slots=True)
class HeldOperation:
    """One operation that waits for a person.

    Args:
        id: the operation.
        account: account name.
        kind: such as ``message.to_number``.
        since: when it was held.
        words: the last report.
    """

    id: str
    account: str
    kind: str
    since: datetime
    words: str

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {name: getattr(self, name) for name in self.__slots__} | {"since": self.since.isoformat()}


@dataclass(frozen=True, slots=True)
class HeldList:
    """The oldest of the operations that are held.

    Args:
        now: the state server's time.
        total: how many are held, listed or not.
        operations: oldest first.
    """

    now: datetime
    total: int
    operations: Sequence[HeldOperation]


class Held:
    """The held operations in state.

    Args:
        client: from `paceline.state.connect`.
        retention: how long an operation is kept after its outcome.
    """

    def __init__(self, client: redis.Redis, *, retention: timedelta) -> None:
        self._client = client
        self._retention_ms = retention // timedelta(milliseconds=1)
        self._script = Script("paceline_worker", "held")

    def list(self, account: str = "", *, limit: int = 100) -> HeldList:
        """What is held, oldest first.

        Args:
            account: of this account only; '' is all of them.
            limit: at most so many, 1 to 1000.

        Raises:
            InvalidOperation: the limit is out of range.
            UnknownAccount: there is no such account.
            StateUnavailable: Redis did not answer.
        """
        if not 1 <= limit <= MOST_LISTED:
            raise InvalidOperation(f"limit: must be 1 to {MOST_LISTED}")
        reply = self._run("list", limit, account)
        if reply == "unknown account":
            raise UnknownAccount(f"no account named {account!r}: see `paceline accounts list`")
        now, total, *rows = reply
        operations = (HeldOperation(op, name, kind, instant(since), words) for op, name, kind, since, words in rows)
        return HeldList(instant(now), int(total), tuple(operations))

    def release(self, op_id: str, *, valid_until: datetime | None = None) -> None:
        """Send it again, because it did not take effect: it goes to the head of its lane, with all its attempts.

        Args:
            op_id: the operation.
            valid_until: not sent later, with a zone. None keeps its own, or means 24 hours from now if that has passed.

        Raises:
            InvalidOperation: the time has passed, or has no zone.
            NotFound: there is no such operation.
            NotHeld: it is not held.
            CampaignCancelled: its campaign was cancelled; it can be dropped.
            StateUnavailable: Redis did not answer; when it did the work, a second try says that it is not held.
        """
        until_us = "" if valid_until is None else str(_until_us(valid_until))
        self._done(self._run("release", op_id, until_us, DEFAULT_VALIDITY // _MICROSECOND), op_id)

    def drop(self, op_id: str, *, reason: str = "") -> None:
        """Drop an operation, whether its call took effect or not: it is cancelled, and its followers are rejected.

        Args:
            op_id: the operation.
            reason: to show with the outcome.

        Raises:
            InvalidOperation: the reason is too long.
            NotFound: no such operation.
            NotHeld: the operation is not held.
            StateUnavailable: Redis did not answer; if it did the work, a second try raises NotHeld.
        """
        words = " ".join(reason.split())
        if len(words) > _LONGEST_REASON:
            raise InvalidOperation(f"reason: has more than {_LONGEST_REASON} characters")
        self._done(self._run("drop", op_id, self._retention_ms, words), op_id)

    @translated
    def _run(self, *arguments: str | int) -> Any:
        return self._script.run(self._client, *arguments)

    @staticmethod
    def _done(reply: Sequence[str], op_id: str) -> None:
        if reply[0] == "past":
            raise InvalidOperation("valid_until: has passed")
        if reply[0] == "unknown operation":
            raise NotFound(f"no operation {op_id!r}: never accepted, or deleted after its retention time")
        if reply[0] == "not held":
            raise NotHeld(f"operation {op_id!r} is not held: it is {WHERE.get(reply[1], reply[1])}")
        if reply[0] == "cancelled":
            raise CampaignCancelled(f"operation {op_id!r}: its campaign {reply[1]!r} was cancelled; drop it instead")


def _until_us(until: datetime) -> int:
    try:
        return microseconds(utc(until))
    except ValueError as error:
        raise InvalidOperation(f"valid_until: {error}") from error
