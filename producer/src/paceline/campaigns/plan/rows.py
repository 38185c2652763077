"""Reading the recipients of a plan: counted while they stream, and when they would leave.

Of a recipient 8 bytes are kept, to tell duplicates.
"""

from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from paceline.campaigns.draft import Draft
from paceline.campaigns.excluding import EXCLUDED_IDS
from paceline.campaigns.plan.inspection import Inspection, Seen
from paceline.campaigns.recipients import NOT_BEFORE, VALID_UNTIL, ZONES, Row, numbered
from paceline.errors import InvalidRow
from paceline.forecast.backlog import Lane, Pace, Place
from paceline.forecast.flow import departures
from paceline.times import instant

# Ids that state is asked about at once; also the rows between two calls of `on_progress`.
_BATCH: Final = 1000
# Of more different validities than this, some are taken for the next earlier one.
_MOST_ENDS: Final = 1000


# A sender, and the id of a set of time zones; '' is that of a campaign without them.
Part = tuple[str, str]


@dataclass(slots=True)
class Rows:
    """What a source of recipients holds, counted while it streams.

    Args:
        ends_us: until when a row is valid that does not say it.
        now_us: the present.
        offered: rows read.
        recipients: distinct ones to be added.
        duplicates: rows that repeat an earlier row of the source.
        known: recipients that the campaign has already.
        invalid: bad rows.
        left_out: recipients that a campaign leaves out now, by reason.
        begun: recipients that may be sent at once.
        first_begin_us: the earliest time before which one of the others is not to be sent.
        last_begin_us: the latest such time.
        parts: of a campaign with several senders, or in its recipients' own hours: the same for each sender and set of zones.
        numbers: of a part: the places of its recipients among all of them, from 0.
    """

    ends_us: int
    now_us: int
    offered: int = 0
    recipients: int = 0
    duplicates: int = 0
    known: int = 0
    invalid: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    begun: int = 0
    first_begin_us: int = 0
    last_begin_us: int = 0
    parts: "dict[Part, Rows]" = field(default_factory=dict)
    numbers: "array[int]" = field(default_factory=lambda: array("q"))
    _ends: "array[int]" = field(default_factory=lambda: array("q"))
    _counts: "array[int]" = field(default_factory=lambda: array("q"))
    _different: set[int] = field(default_factory=set)

    def take(self, number: int, *, ends_us: int = 0, begins_us: int = 0, part: Part | None = None) -> None:
        """Count recipients that are alike, the next ones in order."""
        if not number:
            return

        if part is not None:
            own = self.parts.setdefault(part, Rows(ends_us=self.ends_us, now_us=self.now_us))
            own.take(number, ends_us=ends_us, begins_us=begins_us)
            own.numbers.extend(range(self.recipients, self.recipients + number))

        self.recipients += number
        if begins_us > self.now_us:
            self.first_begin_us = min(self.first_begin_us or begins_us, begins_us)
            self.last_begin_us = max(self.last_begin_us, begins_us)
        else:
            self.begun += number

        end = ends_us or self.ends_us
        if self._ends and self._ends[-1] == end:
            self._counts[-1] += number
            return

        self._ends.append(end)
        self._counts.append(number)
        if len(self._different) < _MOST_ENDS:
            self._different.add(end)

    @property
    def all_begin_later(self) -> bool:
        """Whether none may be sent at once."""
        return not self.begun and self.recipients > 0

    def runs(self) -> Iterator[tuple[int, int]]:
        """Ends of validity in the order of the recipients, and how many in a row have them."""
        return zip(self._ends, self._counts, strict=True)

    def ends(self) -> list[int]:
        """The different ends in order; of very many the earliest and some of the others."""
        if len(self._different) < _MOST_ENDS:
            return sorted(self._different)
        sample = self._ends[:: len(self._ends) // _MOST_ENDS + 1]
        return sorted({*sample, min(self._ends), max(self._ends)})


def read(
    rows: Rows,
    described: Draft,
    recipients: Iterable[Mapping[str, object]],
    *,
    known: Callable[[Iterable[str]], int] | None,
    on_invalid: Callable[[Row, str], None] | None,
    on_progress: Callable[[int], None] | None,
    left_out: Callable[[list[tuple[str, str]]], list[str]] | None = None,
) -> Inspection:
    """Read recipients as an upload does, and count them.

    Args:
        rows: counts.
        described: the campaign.
        recipients: any iterable.
        known: how many of some ids are there already; None when none can be.
        on_invalid: called with a bad row and its fault.
        on_progress: called with the number of rows read, now and then.
        left_out: why the campaign leaves rows out now, by number and ids in other campaigns; '' for the others. None: no row is.

    Returns:
        What there is to be seen of the rows themselves.
    """
    inspection = Inspection(described.compiled)
    seen, now = Seen(), instant(rows.now_us)
    encoder = described.encoder()
    batch: list[dict[str, str]] = []

    def flush() -> None:
        there = known([fields["id"] for fields in batch]) if known and batch else 0
        rows.known += there
        # Which ones is not told. An upload that was interrupted has written the first.
        new = batch[there:]
        asked = [(fields["to"], described.exclusions.of(fields).get(EXCLUDED_IDS, "")) for fields in new]
        for fields, code in zip(new, left_out(asked) if asked and left_out else [""] * len(new), strict=True):
            if code:
                rows.left_out[code] += 1
                continue
            part = None
            if described.senders or ZONES in fields:
                part = (described.sender_of(fields["to"]), fields.get(ZONES, ""))
            ends_us, begins_us = int(fields.get(VALID_UNTIL, 0)), int(fields.get(NOT_BEFORE, 0))
            rows.take(1, ends_us=ends_us, begins_us=begins_us, part=part)
        batch.clear()

    for row in numbered(recipients):
        rows.offered += 1
        try:
            fields = encoder(row, now=now)
        except InvalidRow as error:
            rows.invalid += 1
            if on_invalid:
                on_invalid(row, error.reason)
        else:
            if seen.add(fields["id"]):
                batch.append(fields)
                inspection.take(fields, encoder.empty_columns(row))
            else:
                rows.duplicates += 1
        if len(batch) == _BATCH:
            flush()
        if on_progress and rows.offered % _BATCH == 0:
            on_progress(rows.offered)
    flush()
    if on_progress and rows.offered % _BATCH:
        on_progress(rows.offered)
    return inspection


@dataclass(frozen=True, slots=True)
class Times:
    """When recipients leave.

    Args:
        first_us: the first; None: none will.
        last_us: the last, if it is valid that long; None: it never leaves.
        in_time: recipients that leave while they are valid.
        late_from: the first one (from 1) that does not; None: all do.
    """

    first_us: int | None
    last_us: int | None
    in_time: int
    late_from: int | None


def foresee(lanes: Sequence[Lane], pace: Pace, rows: Rows, *, sender: str, name: str, before: int) -> Times:
    """Predict when recipients leave that stand in a source one behind the other.

    Args:
        lanes: all that waits, they among it.
        pace: the account's slots.
        rows: the recipients.
        sender: of the lane.
        name: of the source.
        before: operations of the source that stand before them.
    """
    total = rows.recipients
    if not total:
        return Times(None, None, 0, None)

    def leave(numbers: Sequence[int]) -> list[int | None]:
        found = departures(lanes, pace, [Place(sender, name, before + number) for number in numbers])
        return [departure.at_us if departure else None for departure in found]

    first, last = leave([0, total - 1])
    ends = rows.ends()
    if last is not None and last < ends[0]:
        return Times(first, last, total, None)
    most = _leaving_before(ends, total, leave)
    in_time, read_so_far, late_from = 0, 0, None
    for end, number in rows.runs():
        # An expired row leaves its turn to the next.
        taken = min(number, max(0, most[bisect_right(ends, end) - 1] - in_time))
        if taken < number and late_from is None:
            late_from = read_so_far + taken + 1
        in_time += taken
        read_so_far += number
    return Times(first, last, in_time, late_from)


def foresee_parts(lanes: Sequence[Lane], pace: Pace, rows: Rows, *, name: str, before: Mapping[Part, int]) -> Times:
    """Predict when recipients leave that stand in several sources.

    Args:
        lanes: as for `foresee`, and so the next two.
        pace: see there.
        rows: see there; with parts.
        name: the campaign.
        before: of each part the operations that stand before its recipients.
    """
    parts = [
        (own, foresee(lanes, pace, own, sender=part[0], name=named_source(name, part[1]), before=before.get(part, 0)))
        for part, own in rows.parts.items()
    ]
    firsts = [times.first_us for _, times in parts if times.first_us is not None]
    lasts = [times.last_us for _, times in parts]
    late = [own.numbers[times.late_from - 1] + 1 for own, times in parts if times.late_from is not None]
    return Times(
        first_us=min(firsts, default=None),
        last_us=None if None in lasts else max((last for last in lasts if last is not None), default=None),
        in_time=sum(times.in_time for _, times in parts),
        late_from=min(late, default=None),
    )


def named_source(name: str, zones: str) -> str:
    """What a campaign, or what it has in a set of zones, is called as a source of a lane."""
    return f"{name}:{zones}" if zones else name


def _leaving_before(ends: Sequence[int], total: int, leave: Callable[[Sequence[int]], list[int | None]]) -> list[int]:
    """For each time, how many leave before it: a binary search for all of them at once."""
    low, high = [0] * len(ends), [total] * len(ends)
    while open_ones := [place for place in range(len(ends)) if low[place] < high[place]]:
        middles = [(low[place] + high[place]) // 2 for place in open_ones]
        for place, middle, at in zip(open_ones, middles, leave(middles), strict=True):
            if at is not None and at < ends[place]:
                low[place] = middle + 1
            else:
                high[place] = middle
    return low
