"""Dead letters: operations that were rejected or whose attempts are used up."""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain, islice
from typing import Any, Final

import redis

from paceline.errors import InvalidOperation, NotFound, UnknownAccount
from paceline.operations import DEFAULT_VALIDITY
from paceline.state import translated
from paceline.state.scripts import Script
from paceline.state.snapshots import WHERE
from paceline.times import instant, microseconds, utc

# More than anybody reads; a program that wants them all reads the stream of outcomes.
MOST_LISTED: Final = 100_000
# One script looks at so many operations, or replays so many: a few milliseconds of the server's time.
LOOKED_AT: Final = 500
REPLAYED_AT_ONCE: Final = 100
_ACCOUNTS_AT_ONCE: Final = 500
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Match:
    """Which dead letters are meant; all that are left empty mean any.

    Args:
        account: of this account.
        campaign: of this campaign.
        code: with this status code, or word where there was none, such as ``follows`` or ``unknown``.
        older_than: for at least so long.
        newer_than: for at most so long.
    """

    account: str = ""
    campaign: str = ""
    code: str = ""
    older_than: timedelta | None = None
    newer_than: timedelta | None = None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One dead letter.

    Args:
        id: the operation.
        account: account name.
        campaign: campaign name, or None.
        kind: such as ``message.to_number``.
        outcome: ``rejected`` or ``dead``.
        since: when it got its outcome.
        code: the provider's status code, or a word where there was none.
        words: the provider's words, or ours.
    """

    id: str
    account: str
    campaign: str | None
    kind: str
    outcome: str
    since: datetime
    code: str | None
    words: str

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {name: getattr(self, name) for name in self.__slots__} | {"since": self.since.isoformat()}


@dataclass(frozen=True, slots=True)
class DeadList:
    """The oldest of the dead letters that are meant.

    Args:
        now: the state server's time.
        letters: oldest first.
        more: whether there are others.
        total: how many there are, listed or not; None when only reading them all could tell.
    """

    now: datetime
    letters: Sequence[DeadLetter]
    more: bool
    total: int | None


@dataclass(frozen=True, slots=True)
class NotReplayed:
    """One operation that stays as it is.

    Args:
        id: the operation.
        reason: why, without its id.
    """

    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of some operations.

    Args:
        replayed: how many wait again; of a dry run, how many would.
        refused: those that stay as they are.
        gone: how many were deleted after their retention time while they were looked for.
    """

    replayed: int = 0
    refused: Sequence[NotReplayed] = ()
    gone: int = 0

    @property
    def seen(self) -> int:
        """All of them."""
        return self.replayed + len(self.refused) + self.gone

    def __add__(self, other: "Replayed") -> "Replayed":
        return Replayed(self.replayed + other.replayed, (*self.refused, *other.refused), self.gone + other.gone)


@dataclass(frozen=True, slots=True)
class Selection:
    """The dead letters that were meant at one moment; what dies later is not among them.

    Args:
        match: which are meant.
        now: that moment, by the state server's clock.
        from_us: those that died then or later.
        before_us: and before this.
        heads: accounts with letters in that time: name, how many, since when the first of them (us).
    """

    match: Match
    now: datetime
    from_us: int
    before_us: int
    heads: Sequence[tuple[str, int, int]]

    @property
    def total(self) -> int | None:
        """How many; None when only reading them all could tell."""
        is_told_by_time = not self.match.code and not self.match.campaign
        return sum(number for _, number, _ in self.heads) if is_told_by_time else None


class DeadLetters:
    """The dead letters in state.

    Args:
        client: from `paceline.state.connect`.
        retention: how long an operation is kept after its outcome.
    """

    def __init__(self, client: redis.Redis, *, retention: timedelta) -> None:
        self._client = client
        self._retention_ms = retention // timedelta(milliseconds=1)
        self._script = Script("paceline_worker", "dead")

    def list(self, match: Match = Match(), *, limit: int = 100) -> DeadList:
        """Dead letters, oldest first.

        Args:
            match: which are meant.
            limit: at most so many, 1 to 100,000.

        Raises:
            InvalidOperation: the limit is out of range, or no time is as old and as young as asked.
            UnknownAccount: there is no such account.
            NotFound: there is no such campaign.
            StateUnavailable: Redis did not answer.
        """
        if not 1 <= limit <= MOST_LISTED:
            raise InvalidOperation(f"limit: must be 1 to {MOST_LISTED}")
        chosen = self.select(match)
        most = LOOKED_AT if chosen.total is None else min(LOOKED_AT, limit + 1)
        found = tuple(islice(self._oldest_first(chosen, most), limit + 1))
        return DeadList(chosen.now, found[:limit], len(found) > limit, chosen.total)

    def select(self, match: Match) -> Selection:
        """Fix what is meant by the server's time.

        Args:
            match: which are meant.

        Raises:
            InvalidOperation: no time is as old and as young as asked.
            UnknownAccount: no such account.
            NotFound: no such campaign.
            StateUnavailable: Redis did not answer.
        """
        older, newer = match.older_than, match.newer_than
        if older is not None and newer is not None and older >= newer:
            raise InvalidOperation("older_than: must be less than newer_than")
        reply = self._run("begin", match.account, match.campaign)
        if reply == "unknown account":
            raise UnknownAccount(f"no account named {match.account!r}: see `paceline accounts list`")
        if reply == "unknown campaign":
            raise NotFound(f"no campaign named {match.campaign!r}: see `paceline campaign list`")
        now_us = int(reply[0])
        from_us = 0 if newer is None else max(0, now_us - newer // _MICROSECOND)
        before_us = max(0, now_us + 1 - (0 if older is None else older // _MICROSECOND))
        replies = [self._run("heads", from_us, before_us, *names) for names in _parts(reply[1], _ACCOUNTS_AT_ONCE)]
        heads = tuple((name, int(number), int(since)) for name, number, since in chain.from_iterable(replies))
        return Selection(match, instant(now_us), from_us, before_us, heads)

    def replay_selected(
        self, chosen: Selection, *, valid_until: datetime | None = None, dry_run: bool = False
    ) -> Iterator[Replayed]:
        """Let selected dead letters wait again, at most 100 at a time; see `replay`.

        Args:
            chosen: from `select`. What died again since then is left alone.
            valid_until: see `replay`.
            dry_run: only say what would become of them.

        Yields:
            What became of the next of them, account by account, oldest first.

        Raises:
            InvalidOperation, StateUnavailable: see `replay`.
        """
        letters = chain.from_iterable(self._letters(name, chosen, LOOKED_AT) for name, _, _ in chosen.heads)
        for ids in _parts((letter.id for letter in letters), REPLAYED_AT_ONCE):
            done = self._replay(ids, valid_until, chosen.before_us, dry_run=dry_run)
            refused = tuple(one for one in done.refused if one.reason != _UNKNOWN)
            yield Replayed(done.replayed, refused, len(done.refused) - len(refused))

    def replay(
        self, op_ids: Iterable[str], *, valid_until: datetime | None = None, dry_run: bool = False
    ) -> Iterator[Replayed]:
        """Let dead letters wait again, at the tails of their lanes, with all their attempts, under their ids and keys.

        Args:
            op_ids: the operations.
            valid_until: not sent later, with a zone. None keeps their own, or means 24 hours from now if that has passed.
            dry_run: only say what would become of them.

        Yields:
            What became of the next of them, at most 100.

        Raises:
            InvalidOperation: the time has passed, or has no zone.
            StateUnavailable: Redis did not answer; when it did the work, a second try says that they are no dead letters.
        """
        for ids in _parts(dict.fromkeys(op_ids), REPLAYED_AT_ONCE):
            yield self._replay(ids, valid_until, None, dry_run=dry_run)

    def _replay(
        self, ids: Sequence[str], valid_until: datetime | None, before_us: int | None, *, dry_run: bool
    ) -> Replayed:
        until_us = "" if valid_until is None else str(_until_us(valid_until))
        validity_us = DEFAULT_VALIDITY // _MICROSECOND
        before = "" if before_us is None else before_us
        reply = self._run("replay", until_us, validity_us, self._retention_ms, before, str(int(dry_run)), *ids)
        if reply == "past":
            raise InvalidOperation("valid_until: has passed")
        answers = zip(ids, reply, strict=True)
        refused = tuple(NotReplayed(op, _reason(why, more)) for op, (why, more) in answers if why != "replayed")
        return Replayed(len(ids) - len(refused), refused)

    def _oldest_first(self, chosen: Selection, most: int) -> Iterator[DeadLetter]:
        """Of all accounts; one is not looked into before the time of its first letter has come."""
        unread = sorted(chosen.heads, key=lambda head: head[2], reverse=True)
        heads: list[tuple[datetime, str, DeadLetter, Iterator[DeadLetter]]] = []

        def put_next(rest: Iterator[DeadLetter]) -> None:
            letter = next(rest, None)
            if letter:
                heapq.heappush(heads, (letter.since, letter.id, letter, rest))

        while unread or heads:
            while unread and (not heads or instant(unread[-1][2]) <= heads[0][0]):
                put_next(self._letters(unread.pop()[0], chosen, most))
            if heads:
                _, _, letter, rest = heapq.heappop(heads)
                yield letter
                put_next(rest)

    def _letters(self, account: str, chosen: Selection, most: int) -> Iterator[DeadLetter]:
        """Of one account, oldest first; read page by page as they are asked for."""
        cursor, match = f"{chosen.from_us}:", chosen.match
        while cursor:
            cursor, *rows = self._run("page", account, cursor, chosen.before_us, most, match.code, match.campaign)
            for op, since, outcome, kind, campaign, code, words in rows:
                yield DeadLetter(op, account, campaign or None, kind, outcome, instant(since), code or None, words)

    @translated
    def _run(self, *arguments: str | int) -> Any:
        return self._script.run(self._client, *arguments)


_UNKNOWN: Final = "the operation was never accepted, or was deleted after its retention time"


def _reason(why: str, more: str) -> str:
    match why:
        case "unknown operation":
            return _UNKNOWN
        case "no dead letter":
            return f"it is {WHERE.get(more, more)}, not a dead letter"
        case "died again":
            return "it was replayed and died again meanwhile"
        case "account removed":
            return f"its account {more!r} was removed"
    return f"its campaign {more!r} was cancelled"


def _until_us(until: datetime) -> int:
    try:
        return microseconds(utc(until))
    except ValueError as error:
        raise InvalidOperation(f"valid_until: {error}") from error


def _parts(items: Iterable[str], size: int) -> Iterator[tuple[str, ...]]:
    """So many at a time."""
    rest = iter(items)
    while part := tuple(islice(rest, size)):
        yield part
