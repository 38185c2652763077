"""The streams of outcomes, read: services learn here the outcome of their messages (docs/outcomes.md)."""

import re
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Final

import redis

from paceline.errors import InvalidOperation, OutcomesTrimmed
from paceline.flows.following import Page, Walk, looks, reading
from paceline.flows.steps import Asked, run
from paceline.shards.cursors import Places, is_places, read_places
from paceline.state.calls import State
from paceline.status.entry import FINAL_KIND, OutcomeEntry, entry_of
from paceline.times import microseconds

__all__ = ["FINAL_KIND", "OutcomeEntry", "Outcomes", "OutcomesTrimmed", "entry_of", "is_before", "place"]

MOST_READ: Final = 1000
_ENTRY_ID: Final = re.compile(r"([0-9]{1,18})(?:-([0-9]{1,18}))?", re.ASCII)


class Outcomes:
    """Reads streams of outcomes; any number of readers may, each at its own place, and none keeps others waiting.

    New entries are polled for: one look asks in one step for the entries, for a gap before them, and for the campaign's end,
    which a blocking read could not, and no connection is held meanwhile. A look that finds nothing costs microseconds.

    Args:
        client: from `paceline.state.connect`.
        sleep: takes seconds; how it waits between two looks.
        state: asked instead of the client's.
    """

    def __init__(
        self,
        client: redis.Redis | None = None,
        *,
        sleep: Callable[[float], object] = time.sleep,
        state: Asked | None = None,
    ) -> None:
        if state is None:
            if client is None:
                raise TypeError("Outcomes needs a client")
            state = State(client)
        self._state = state
        self._sleep = sleep

    def read(
        self,
        campaign: str | None = None,
        after: str = "0",
        limit: int = MOST_READ,
        block: timedelta | None = None,
        *,
        receipts: bool = False,
    ) -> list[OutcomeEntry]:
        """The next entries.

        Args:
            campaign: read this campaign's own stream. None: the stream of all outcomes.
            after: the last handled entry of the same stream; "0" begins with the oldest kept entry.
            limit: largest number of entries, 1 to 1,000.
            block: time to wait for the first entry; None does not wait.
            receipts: True: include entries of receipts.

        Returns:
            Entries in the order in which they were written; empty when there are none.

        Raises:
            OutcomesTrimmed: entries after `after` may be deleted; or all of a complete campaign are.
            NotFound: no such campaign.
            InvalidOperation: `after` or `limit` is malformed.
            StateUnavailable: Redis did not answer.
        """
        if not 1 <= limit <= MOST_READ:
            raise InvalidOperation(f"limit: must be 1 to {MOST_READ:,}")
        begin, pauses, left_s = place(after), looks(), block.total_seconds() if block else 0.0
        while True:
            page: Page = run(reading(campaign, begin, limit, receipts=receipts), self._state, self._sleep)
            begin = page.next
            if page.entries or not (page.more or left_s > 0):
                return page.entries
            if not page.more:
                pause = min(next(pauses), left_s)
                self._sleep(pause)
                left_s -= pause

    def each(
        self, campaign: str | None = None, after: str = "0", *, since: datetime | None = None, receipts: bool = False
    ) -> Iterator[OutcomeEntry]:
        """Everything there is, page by page: memory does not grow with the number of entries.

        Args:
            campaign: read this campaign's own stream. None: the stream of all outcomes.
            after: the last handled entry of the same stream; "0" begins with the oldest kept entry.
            since: begin instead with the first kept entry written at or after this time.
            receipts: True: include entries of receipts.

        Yields:
            Entries in the order in which they were written.

        Raises:
            OutcomesTrimmed, NotFound, InvalidOperation, StateUnavailable: with the first or any later entry.
        """
        return self._walk(Walk(campaign, place(after, since), follow=False, receipts=receipts), _never)

    def follow(
        self,
        campaign: str | None = None,
        after: str = "0",
        *,
        since: datetime | None = None,
        receipts: bool = False,
        stopped: Callable[[], bool] | None = None,
    ) -> Iterator[OutcomeEntry]:
        """Everything there is, then what comes; of a campaign until it is complete, else without end.

        Args:
            campaign: read this campaign's own stream. None: the stream of all outcomes.
            after: the last handled entry of the same stream; "0" begins with the oldest kept entry.
            since: begin instead with the first kept entry written at or after this time.
            receipts: True: include entries of receipts.
            stopped: asked before each look; true ends the iteration.

        Yields:
            Entries in the order in which they were written, a new one within about a second.
        """
        return self._walk(Walk(campaign, place(after, since), follow=True, receipts=receipts), stopped or _never)

    def _walk(self, walk: Walk, stopped: Callable[[], bool]) -> Iterator[OutcomeEntry]:
        while not stopped() and (entries := run(walk.following(), self._state, self._sleep)) is not None:
            for entry in entries:
                yield entry
                if stopped():
                    return


def _never() -> bool:
    return False


def is_before(one: str, other: str) -> bool:
    """Whether an entry stands before another one of its stream, by their ids; of several shards, before it on every shard."""
    if is_places(one) and is_places(other):
        return _places(one).is_before(_places(other))
    return _order(one) < _order(other)


def _order(entry_id: str) -> tuple[int, int]:
    found = _ENTRY_ID.fullmatch(entry_id)
    if not found:
        raise InvalidOperation("after: is not the id of an entry, such as 1769850000000-0")
    return int(found[1]), int(found[2] or 0)


def _places(entry_id: str) -> Places:
    try:
        return read_places(entry_id)
    except ValueError:
        raise InvalidOperation("after: is not the id of an entry of several shards, copied whole") from None


def place(after: str, since: datetime | None = None) -> str:
    """Where outcomes.lua begins.

    Args:
        after: the last entry handled, or "0".
        since: a time, instead.

    Raises:
        InvalidOperation: one of them is malformed.
    """
    if since is not None:
        if since.tzinfo is None:
            raise InvalidOperation("since: has no time zone")
        return str(max(0, microseconds(since) // 1000))
    if is_places(after):
        _places(after)
        return f"({after}"
    milliseconds, number = _order(after)
    return f"({milliseconds}-{number}" if (milliseconds, number) != (0, 0) else "-"
