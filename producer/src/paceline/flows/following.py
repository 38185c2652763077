"""Streams of outcomes, page by page."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from paceline.errors import InvalidOperation, NotFound, OutcomesTrimmed
from paceline.flows.steps import Flow, Pause, pauses
from paceline.state import questions
from paceline.status.entry import OutcomeEntry, entries_of

# One page is one script run, during which the server does nothing else: 2 ms (1,000 entries are 4).
PAGE: Final = 500
FIRST_LOOK_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Page:
    """Entries in their order.

    Args:
        entries: what was read; those of receipts are left out unless they were asked for.
        next: where the next page begins.
        more: whether the next page may be read at once.
        complete: whether the campaign was complete when they were read.
    """

    entries: list[OutcomeEntry]
    next: str
    more: bool
    complete: bool


def reading(campaign: str | None, begin: str, limit: int = PAGE, *, receipts: bool = False) -> Flow[Page]:
    """Read one page.

    Args:
        campaign: whose own stream; None reads the stream of all outcomes.
        begin: as outcomes.lua takes it.
        limit: most entries.
        receipts: entries of receipts as well.

    Raises:
        NotFound: no such campaign.
        OutcomesTrimmed: entries before the page are gone.
        InvalidOperation: the page begins after an entry of another stream.
    """
    what, *found = yield questions.outcomes(campaign or "", begin, limit)
    if what == "unknown campaign":
        raise NotFound(f"no campaign named {campaign!r}: see `paceline campaign list`")
    if what == "unknown place":
        raise InvalidOperation("after: is not the id of an entry of this stream")
    if what == "trimmed":
        raise OutcomesTrimmed(begin[1:] if begin.startswith("(") else "0", found[0] or None, campaign)
    raw = json.loads(found[1])
    entries = [entry for entry_id, flat in raw for entry in entries_of(entry_id, paired(flat))]
    following = f"({raw[-1][0]}" if raw else begin
    kept = [entry for entry in entries if receipts or entry.event == "settled"]
    # A page of several shards is not filled, and says whether there is more.
    more = len(raw) == limit if len(found) == 2 else found[2] == "1"
    return Page(kept, following, more, found[0] == "1")


class Walk:
    """A way through a stream: page after page, and with `follow` what comes.

    Args:
        campaign: whose own stream; None reads the stream of all outcomes.
        begin: as outcomes.lua takes it.
        follow: go on with what comes; of a campaign until it is complete.
        receipts: entries of receipts as well.
    """

    def __init__(self, campaign: str | None, begin: str, *, follow: bool, receipts: bool = False) -> None:
        self._campaign = campaign
        self._begin = begin
        self._follow = follow
        self._receipts = receipts
        self._rhythm = looks()
        self._pause_s = 0.0
        self._ended = False

    def following(self) -> Flow[list[OutcomeEntry] | None]:
        """The entries of the next page, empty when none came; None at the end. Waits before a look that follows an empty one."""
        if self._ended:
            return None
        if self._pause_s:
            yield Pause(self._pause_s)
        page = yield from reading(self._campaign, self._begin, receipts=self._receipts)
        if page.next != self._begin:
            self._begin, self._rhythm = page.next, looks()
        self._pause_s = 0.0 if page.more else next(self._rhythm)
        self._ended = not page.more and (page.complete or not self._follow)
        return page.entries


def looks() -> Iterator[float]:
    """Seconds between looks for new entries."""
    return pauses(FIRST_LOOK_S)


def paired(flat: Iterable[str]) -> dict[str, str]:
    """A flat list of names and values as a mapping."""
    texts = iter(flat)
    return dict(zip(texts, texts, strict=True))
