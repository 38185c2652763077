"""The streams of outcomes, read: who answers for a message elsewhere learns here what became of it (docs/outcomes.md)."""

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal, cast

import redis

from paceline.errors import InvalidOperation, NotFound, OutcomesTrimmed
from paceline.inbox.record import instant, microseconds
from paceline.literals import KindName, Outcome
from paceline.state import translated
from paceline.state.scripts import Script

__all__ = ["OutcomeEntry", "Outcomes", "OutcomesTrimmed", "entry_of", "is_before"]

# The kind of a campaign's final entry, which is about no single operation.
FINAL_KIND: Final = "campaign"
MOST_READ: Final = 1000
# One page is one script run, during which the server does nothing else: 2 ms (1,000 entries are 4).
_PAGE: Final = 500
# The first look soon, because outcomes come in bursts; later ones seldom enough to cost nothing.
FIRST_PAUSE_S: Final = 0.05
LONGEST_PAUSE_S: Final = 1.0
_ENTRY_ID: Final = re.compile(r"([0-9]{1,18})(?:-([0-9]{1,18}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class OutcomeEntry:
    """What became of one operation; when several entries have the same ``id``, the last one counts.

    Args:
        entry_id: its place in the stream; a consumer resumes after the last one it handled.
        id: the operation; empty in a campaign's final entry.
        account: account name.
        campaign: campaign name, or None.
        kind: such as ``message.to_number``; ``campaign`` in a campaign's final entry.
        outcome: accepted, rejected, expired, cancelled, dead or held; in a final entry ``complete`` or ``cancelled``.
        code: the provider's status code, or a word where there was none.
        message_uuid: the provider's handle of the message, or of the group that was made.
        words: the provider's words, or ours.
        accepted_at: when a worker took the operation into its lane; in a final entry, when the campaign was created.
        settled_at: when it got this outcome.
        to: the recipient; only in a campaign's own stream.
        count: in a final entry: operations of the campaign, or how many were cancelled.
        key: what told its recipient apart in the upload; only in a campaign's own stream.
    """

    entry_id: str
    id: str
    account: str
    campaign: str | None
    kind: KindName | Literal["campaign"]
    outcome: Outcome | Literal["complete"]
    code: str | None
    message_uuid: str | None
    words: str | None
    accepted_at: datetime
    settled_at: datetime
    to: str | None = None
    count: int | None = None
    key: str | None = None

    @property
    def is_final(self) -> bool:
        """Whether it says that a campaign is over, and not what became of an operation."""
        return self.kind == FINAL_KIND

    def as_json(self) -> dict[str, Any]:
        """Plain values, times in ISO 8601."""
        return {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name in self.__slots__
            for value in (getattr(self, name),)
        }


def entry_of(entry_id: str, found: Mapping[str, str]) -> OutcomeEntry:
    """Read one entry of a stream.

    Args:
        entry_id: the stream's id of it.
        found: its fields; those of a later release are ignored.

    Returns:
        The entry; what is empty there is None here.
    """
    return OutcomeEntry(
        entry_id=entry_id,
        id=found["id"],
        account=found["account"],
        campaign=found["campaign"] or None,
        kind=cast("KindName", found["kind"]),
        outcome=cast("Outcome", found["outcome"]),
        code=found["code"] or None,
        message_uuid=found["message_uuid"] or None,
        words=found["words"] or None,
        accepted_at=instant(found["accepted_at_us"]),
        settled_at=instant(found["settled_at_us"]),
        to=found.get("to") or None,
        count=int(found["count"]) if "count" in found else None,
        key=_key(found.get("metadata", "")),
    )


def entries_of(entry_id: str, found: Mapping[str, str]) -> list[OutcomeEntry]:
    """Read one entry of a stream; one that tells of many recipients that were not reached is an entry for each.

    Args:
        entry_id: as for `entry_of`.
        found: likewise.
    """
    entry = entry_of(entry_id, found)
    if "recipients" not in found:
        return [entry]
    return [
        replace(entry, id=op_id, to=to, key=_key(metadata)) for op_id, to, metadata in json.loads(found["recipients"])
    ]


def _key(metadata: str) -> str | None:
    """The key among what an operation keeps, if it is there."""
    try:
        found = json.loads(metadata or "{}")
    except ValueError:
        return None
    return found.get("key") if isinstance(found, dict) else None


@dataclass(frozen=True, slots=True)
class _Page:
    """Entries in their order, whether there may be more, and whether their campaign was complete when they were read."""

    entries: list[OutcomeEntry]
    is_full: bool
    complete: bool


class Outcomes:
    """Reads streams of outcomes; any number of readers may, each at its own place, and none keeps others waiting.

    New entries are polled for: one look asks in one step for the entries, for a gap before them, and for the campaign's end,
    which a blocking read could not, and no connection is held meanwhile. A look that finds nothing costs microseconds.

    Args:
        client: from `paceline.state.connect`.
        sleep: takes seconds; how it waits between two looks.
    """

    def __init__(self, client: redis.Redis, *, sleep: Callable[[float], object] = time.sleep) -> None:
        self._client = client
        self._sleep = sleep
        self._script = Script("paceline", "outcomes")

    def read(
        self,
        campaign: str | None = None,
        after: str = "0",
        limit: int = MOST_READ,
        block: timedelta | None = None,
    ) -> list[OutcomeEntry]:
        """The next entries.

        Args:
            campaign: whose own stream; None reads the stream of all outcomes.
            after: the last entry handled, of the same stream; "0" begins with the oldest that is kept.
            limit: at most so many entries, 1 to 1,000.
            block: wait so long for the first one; None does not wait.

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
        begin, pauses, left_s = _begin(after), _pauses(), block.total_seconds() if block else 0.0
        while not (entries := self._page(campaign, begin, limit).entries) and left_s > 0:
            pause = min(next(pauses), left_s)
            self._sleep(pause)
            left_s -= pause
        return entries

    def each(
        self, campaign: str | None = None, after: str = "0", *, since: datetime | None = None
    ) -> Iterator[OutcomeEntry]:
        """Everything there is, page by page: memory does not grow with the number of entries.

        Args:
            campaign: as for `read`.
            after: as for `read`.
            since: begin instead with the first kept entry written at or after this time.

        Yields:
            Entries in the order in which they were written.

        Raises:
            OutcomesTrimmed, NotFound, InvalidOperation, StateUnavailable: as for `read`, with the first or any later entry.
        """
        return self._walk(campaign, _begin(after, since), follow=False)

    def follow(
        self, campaign: str | None = None, after: str = "0", *, since: datetime | None = None
    ) -> Iterator[OutcomeEntry]:
        """Everything there is, then what comes; of a campaign until it is complete, else without end.

        Arguments and errors are those of `each`.

        Yields:
            Entries in the order in which they were written, a new one within about a second.
        """
        return self._walk(campaign, _begin(after, since), follow=True)

    def _walk(self, campaign: str | None, begin: str, *, follow: bool) -> Iterator[OutcomeEntry]:
        pauses = _pauses()
        while True:
            page = self._page(campaign, begin, _PAGE)
            yield from page.entries
            if page.entries:
                begin, pauses = f"({page.entries[-1].entry_id}", _pauses()
            if page.is_full:
                continue
            if page.complete or not follow:
                return
            self._sleep(next(pauses))

    @translated
    def _page(self, campaign: str | None, begin: str, limit: int) -> _Page:
        what, *found = self._script.run(self._client, campaign or "", begin, limit)
        if what == "unknown campaign":
            raise NotFound(f"no campaign named {campaign!r}")
        if what == "trimmed":
            raise OutcomesTrimmed(begin[1:] if begin.startswith("(") else "0", found[0] or None, campaign)
        complete, entries = found[0] == "1", json.loads(found[1])
        told = [entry for entry_id, flat in entries for entry in entries_of(entry_id, _paired(flat))]
        return _Page(told, len(entries) >= limit, complete)


def is_before(one: str, other: str) -> bool:
    """Whether an entry stands before another one of its stream, by their ids."""
    return _order(one) < _order(other)


def _order(entry_id: str) -> tuple[int, int]:
    found = _ENTRY_ID.fullmatch(entry_id)
    if not found:
        raise InvalidOperation("after: is not the id of an entry, such as 1769850000000-0")
    return int(found[1]), int(found[2] or 0)


def _begin(after: str, since: datetime | None = None) -> str:
    """Where the script begins."""
    if since is not None:
        if since.tzinfo is None:
            raise InvalidOperation("since: has no time zone")
        return str(max(0, microseconds(since) // 1000))
    milliseconds, number = _order(after)
    return f"({milliseconds}-{number}" if (milliseconds, number) != (0, 0) else "-"


def _pauses() -> Iterator[float]:
    """Seconds between looks: half as long again each time."""
    pause = FIRST_PAUSE_S
    while True:
        yield pause
        pause = min(pause * 1.5, LONGEST_PAUSE_S)


def _paired(flat: Iterable[str]) -> dict[str, str]:
    texts = iter(flat)
    return dict(zip(texts, texts, strict=True))
