"""When will the operation at a place leave? A forecast from the backlog and its pace, without looking at operations.

It lets work flow instead of counting it. Between two events (a list is empty, a pause ends, a window opens or closes, a quota
is used up) every list is served at a constant rate, so the cost is that of the events, whatever waits. An operation leaves
once as many of its list have been served as stand before it. With the account to itself that is exactly its slot; among
others it is off by a few places, because a turn is not divisible.

What keeps a distance of its own (a cap, a cycle) leaves in the first slot after it, so where slots are taken without a gap
its distance becomes a multiple of theirs. Where several such leave gaps, they are taken not to get into each other's way:
that may tell them up to a fifth too early.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, inf, nextafter
from typing import Final

from paceline.forecast.backlog import Departure, Lane, Pace, Place, Quota, Source
from paceline.forecast.ramp import DAY_US, LaneRamp

# Of an operation: less than any share that a list gets in a microsecond, more than the error of a float.
_CRUMB: Final = 1e-6
# A part of a slot that is worth finishing.
_PART: Final = 1e-3
# Rates below this part of the account's are what subtraction left over.
_NOISE: Final = 1e-9
# A small quota, and much that waits, make endlessly many events; so far a forecast follows each, then it takes the average.
_QUOTA_EVENTS: Final = 3000
# So do a small ramp, and much that waits.
_RAMP_EVENTS: Final = 1000


def departures(lanes: Sequence[Lane], pace: Pace, places: Sequence[Place]) -> list[Departure | None]:
    """Forecast when operations leave, if nothing is added and everybody goes on as now.

    Args:
        lanes: all that waits for the account.
        pace: the account's slots.
        places: the operations in question.

    Returns:
        For each place its departure; None where it never leaves as things stand: paused, no opening left, nothing there.
    """
    account = _Account(lanes, pace)
    return account.run(places)


@dataclass(slots=True, eq=False)
class _Queue:
    """One list while it is served. Times are us since the first slot, because a float holds those exactly."""

    lane: Lane
    source: Source
    start_us: int
    ramp: LaneRamp | None = None
    served: float = 0.0
    rate: float = 0.0
    opening: int = 0

    @property
    def left(self) -> float:
        return self.source.waiting - self.served

    @property
    def closes(self) -> float:
        """When the opening that is closes."""
        openings = self.source.openings
        return inf if openings is None else float(openings[self.opening][1]) if self.opening < len(openings) else 0.0

    @property
    def interval_us(self) -> int:
        """Least distance of its own between two of its operations; 0: none."""
        source = self.source
        return (
            max(source.interval_us, DAY_US // source.ramp[-1])
            if self.ramp is None and source.ramp
            else source.interval_us
        )

    def serve(self, amount: float, now: float) -> None:
        if self.ramp and amount:
            self.ramp.note(now, amount)
        self.served = min(self.served + amount, float(self.source.waiting))
        if self.left < _CRUMB:
            self.served = float(self.source.waiting)

    def stretch(self, now: float) -> tuple[float, float] | None:
        """From when until when it may send next, or None."""
        source = self.source
        if source.paused or not self.left:
            return None
        begin = max(now, float(max(source.free_at_us, self.lane.paused_until_us) - self.start_us))
        if source.openings is None:
            return self._on_ramp(begin), inf
        while self.opening < len(source.openings):
            opens, closes = source.openings[self.opening]
            at = self._on_ramp(max(begin, float(opens - self.start_us)))
            if at < closes - self.start_us:
                return at, float(closes - self.start_us)
            self.opening += 1
        return None

    def _on_ramp(self, at: float) -> float:
        return self.ramp.free_from(self.source.ramp, at) if self.ramp else at


@dataclass(slots=True)
class _Sending:
    """The lists of a lane that may send now."""

    lane: Lane
    transactional: _Queue | None
    bulk: list[_Queue]


class _Allowance:
    """A quota over time: what may have been served by now is what was served one window ago, and n."""

    def __init__(self, quota: Quota, pace: Pace) -> None:
        self._n, self._window = quota.n, float(quota.window_us)
        # How much had been served when, straight lines between; what came before the forecast counts below 0.
        self._points = deque([(0.0, 0.0)])
        if quota.used:
            gap = pace.interval_us
            if quota.newest_us and quota.used > 1:
                gap = max(0, quota.newest_us - quota.oldest_us) // (quota.used - 1)
            # Only the last n count: of a quota that was made smaller, more may have been used than it allows.
            used = min(quota.used, quota.n)
            oldest = min(quota.oldest_us - pace.next_slot_us + (quota.used - used) * gap, -1)
            end = max(oldest + 1, min(0, oldest + used * gap))
            self._points.extendleft([(float(end), 0.0), (float(oldest), float(-used))])

    @property
    def average_interval_us(self) -> int:
        return ceil(self._window / self._n)

    def ceiling(self, now: float) -> tuple[float, float, float]:
        """What may have been served by now, how fast that grows, until when."""
        while len(self._points) > 1 and self._points[1][0] + self._window <= now:
            self._points.popleft()
        at, served = self._points[0]
        if now < at + self._window:
            return served + self._n, 0.0, at + self._window
        until, more = self._points[1]
        slope = (more - served) / (until - at)
        return served + slope * (now - self._window - at) + self._n, slope, until + self._window

    def note(self, now: float, total: float) -> None:
        """So much had been served by now."""
        points = self._points
        if points[-1][0] == now:
            points[-1] = (now, total)
            return
        if len(points) > 1:
            (first, least), (at, served) = points[-2], points[-1]
            straight = least + (total - least) * (at - first) / (now - first)
            if abs(straight - served) < _CRUMB:
                points.pop()
        points.append((now, total))


class _Account:
    def __init__(self, lanes: Sequence[Lane], pace: Pace) -> None:
        self._interval = pace.interval_us
        self._bulk_interval = pace.bulk_interval_us
        self._quotas = [_Allowance(quota, pace) for quota in pace.quotas]
        self._quota_events = 0
        self._start_us = pace.next_slot_us
        self._now = 0.0
        self._free_at = 0.0
        self._total = 0.0
        self._ramp_events = 0
        self._ramps = {lane.sender: self._ramp_of(lane) for lane in lanes if any(one.ramp for one in lane.sources)}
        self._lanes = [
            (
                lane,
                _Queue(lane, Source("", lane.transactional), self._start_us),
                [
                    _Queue(lane, one, self._start_us, self._ramps.get(lane.sender) if one.ramp else None)
                    for one in lane.sources
                ],
            )
            for lane in lanes
        ]
        self._queues = [queue for _, transactional, bulk in self._lanes for queue in (transactional, *bulk)]

    def _ramp_of(self, lane: Lane) -> LaneRamp:
        began = float(lane.ramp_began_us - self._start_us) if lane.ramp_began_us else None
        return LaneRamp(began, lane.ramp_day, float(lane.ramp_sent))

    def run(self, places: Sequence[Place]) -> list[Departure | None]:
        found: list[Departure | None] = [None] * len(places)
        queues: dict[tuple[str, str | None], _Queue] = {}
        for lane, transactional, bulk in self._lanes:
            queues[lane.sender, None] = transactional
            queues |= {(lane.sender, queue.source.name): queue for queue in bulk}

        pending = {
            number: (queue, place.position)
            for number, place in enumerate(places)
            if (queue := queues.get((place.sender, place.source)))
            and not queue.source.paused
            and place.position < queue.source.waiting
        }
        while pending:
            end = self._next_event()
            for number, (queue, position) in list(pending.items()):
                wait = 0.0
                if position - queue.served > _CRUMB and queue.rate:
                    wait = (position - queue.served) / queue.rate
                # An operation whose turn comes just when its list may no longer send leaves when the list may again.
                if queue.rate and queue.rate * (end - self._now - wait) > _CRUMB:
                    ahead = self._total + wait * sum(other.rate for other in self._queues)
                    found[number] = Departure(self._start_us + round(self._now + wait), round(ahead))
                    del pending[number]
            if end == inf:
                break
            self._advance(end)

        return found

    def _next_event(self) -> float:
        """Set the rates as they are from now on, and say until when."""
        stretches = [(queue, stretch) for queue in self._queues if (stretch := queue.stretch(self._now))]
        waits = [begin for _, (begin, _) in stretches if begin > self._now]
        ready = {queue for queue, (begin, _) in stretches if begin <= self._now}
        limit, changes = self._limit(busy=bool(ready))
        rates = self._rates(ready, limit)
        if not rates and self._finish_slot():
            return self._next_event()

        for queue in self._queues:
            queue.rate = rates.get(queue, 0.0)

        drained = (self._now + queue.left / rate for queue, rate in rates.items())
        closed = (end for queue, (_, end) in stretches if queue in ready)
        end = min((*waits, *drained, *closed), default=inf)
        changes = min((changes, *self._used_up(sum(rates.values()))))
        if changes < end and self._quotas:
            self._quota_events += 1

        return min(end, changes, self._next_of_ramps() if self._ramps else inf)

    def _next_of_ramps(self) -> float:
        """When a number has sent as many as its day allows, or its day ends."""
        if self._ramp_events > _RAMP_EVENTS:
            for queue in self._queues:
                queue.ramp = None
            self._ramps = {}
            return self._now
        first = inf
        for ramp in self._ramps.values():
            queues = [queue for queue in self._queues if queue.ramp is ramp and queue.rate]
            if queues:
                rate = sum(queue.rate for queue in queues)
                least = min(ramp.left(queue.source.ramp, self._now) for queue in queues)
                first = min(first, ramp.day_end(self._now), self._now + max(0.0, least) / rate)
                self._ramp_events += 1
        return first

    def _advance(self, end: float) -> None:
        for queue in self._queues:
            queue.serve(queue.rate * (end - self._now), self._now)
        self._now = max(end, nextafter(self._now, inf))
        self._count()

    def _count(self) -> None:
        self._total = sum(queue.served for queue in self._queues)
        for quota in self._quotas:
            quota.note(self._now, self._total)

    def _finish_slot(self) -> bool:
        """All stop: the slot that is being served belongs to an operation that has left, and the next comes after it."""
        rate = sum(queue.rate for queue in self._queues)
        part = self._total % 1
        sending = [queue for queue in self._queues if queue.rate]
        rates = [queue.rate for queue in sending]
        for queue in sending:
            queue.rate = 0.0
        if not rate or not _PART < part < 1 - _PART:
            return False
        for queue, more in zip(sending, _share(1 - part, rates, [queue.left for queue in sending]), strict=True):
            queue.serve(more, self._now)
        self._free_at = self._now + max(0.0, self._interval - part / rate)
        self._count()
        return True

    def _limit(self, *, busy: bool) -> tuple[float, float]:
        """The account's rate, and until when."""
        if self._quota_events > _QUOTA_EVENTS:
            self._interval = max(self._interval, *(quota.average_interval_us for quota in self._quotas))
            self._quotas = []
            self._quota_events = 0

        if self._now < self._free_at:
            return 0.0, self._free_at

        limit, until = 1 / self._interval, inf
        for quota in self._quotas if busy else ():
            most, slope, changes = quota.ceiling(self._now)
            until = min(until, changes)
            if self._total > most + _CRUMB:
                limit = 0.0
                until = min(until, self._now + (self._total - most) / slope) if slope else until
            elif self._total >= most - _CRUMB:
                limit = min(limit, slope)

        return limit, until

    def _used_up(self, rate: float) -> Iterator[float]:
        """When quotas will be, at this rate."""
        for quota in self._quotas:
            most, slope, _ = quota.ceiling(self._now)
            if rate - slope > _NOISE * rate and self._total < most - _CRUMB:
                yield self._now + (most - self._total) / (rate - slope)

    def _rates(self, ready: set[_Queue], limit: float) -> dict[_Queue, float]:
        """How fast each list is served now."""
        lanes = [
            _Sending(lane, first if first in ready else None, _foremost([queue for queue in bulk if queue in ready]))
            for lane, first, bulk in self._lanes
        ]
        rates = self._divide(lanes, limit, 0, 0)
        # Who is not served before a time t gets the first slot after it. Where slots are taken without a gap, that is the next
        # multiple of their distance.
        taken = sum(rates.values())
        if taken < limit * (1 - _NOISE) and self._bulk_interval:
            bulk = sum(rates.get(queue, 0.0) for sending in lanes for queue in sending.bulk)
            if bulk * self._bulk_interval > 1 - _NOISE:
                stepped = self._divide(lanes, limit, 0, self._bulk_interval)
                return stepped if sum(stepped.values()) > taken - limit * _NOISE else rates
        elif limit == 1 / self._interval:
            stepped = self._divide(lanes, limit, self._interval, self._interval)
            return stepped if sum(stepped.values()) > taken - limit * _NOISE else rates
        return rates

    def _divide(self, lanes: Sequence[_Sending], limit: float, slot: int, bulk_slot: int) -> dict[_Queue, float]:
        first = [one.transactional for one in lanes if one.transactional]
        shares = _share(limit, [1] * len(first), [_at_most(queue.lane.cycle_us, slot) for queue in first])
        rates = dict(zip(first, shares, strict=True))
        room = min(limit - sum(shares), _at_most(self._bulk_interval, slot))
        bulk = [one for one in lanes if one.bulk]
        caps = [[_at_most(queue.interval_us, bulk_slot) for queue in one.bulk] for one in bulk]
        most = [
            min(
                _at_most(one.lane.cycle_us, bulk_slot) - (rates[one.transactional] if one.transactional else 0),
                sum(each),
            )
            for one, each in zip(bulk, caps, strict=True)
        ]
        for one, share in zip(bulk, _share(room, [1] * len(bulk), most), strict=True):
            rates |= zip(one.bulk, _share_turns(share, one.bulk), strict=True)
        return {queue: rate for queue, rate in rates.items() if rate > _NOISE * limit}


def _foremost(queues: list[_Queue]) -> list[_Queue]:
    """Of each campaign the list that may leave and closes first."""
    by_group: dict[str, _Queue] = {}
    for queue in queues:
        other = by_group.setdefault(queue.source.group, queue)
        if queue.closes < other.closes:
            by_group[queue.source.group] = queue
    return list(by_group.values())


def _share(amount: float, weights: Sequence[float], caps: Sequence[float]) -> list[float]:
    """Divide by weight, to none more than its cap: what one cannot take goes to the others."""
    shares = [0.0] * len(weights)
    weight = float(sum(weights))
    for place in sorted(range(len(weights)), key=lambda place: caps[place] / weights[place]):
        shares[place] = max(0.0, min(caps[place], amount * weights[place] / weight))
        amount -= shares[place]
        weight -= weights[place]
    return shares


def _share_turns(rate: float, queues: Sequence[_Queue]) -> list[float]:
    """Divide a lane's turns among its sources."""
    weights = [queue.source.weight for queue in queues]
    gaps = [queue.interval_us for queue in queues]
    # A capped source waits for the lane's first turn after its gap, if others fill the turns until then.
    stepped = [1 / max(1, ceil(gap * rate - _CRUMB)) * rate if gap else inf for gap in gaps]
    shares = _share(rate, weights, stepped)
    return shares if sum(shares) > rate * (1 - _NOISE) else _share(rate, weights, [_at_most(gap, 0) for gap in gaps])


def _at_most(gap_us: int, slot_us: int) -> float:
    """The rate of what keeps such a gap, where it can leave in any slot of a row, or (0) at any time."""
    if not gap_us:
        return inf
    return 1 / (-(-gap_us // slot_us) * slot_us if slot_us else gap_us)
