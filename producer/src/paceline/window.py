"""Sending windows: the local hours, in a zone, in which an operation or a campaign may leave.

::

    window = hours {"," hours} zone         zone   an IANA name, such as Europe/Berlin, or `recipient`
    hours  = [days] HH:MM "-" HH:MM         until 24:00; an end before the beginning is on the next day
    days   = day ["-" day]                  Mon Tue Wed Thu Fri Sat Sun; a range may wrap; left out of all: every day

Where the clocks change, hours begin at the first and end at the last instant that shows their time. A time that the
clocks skip is the instant at which they skip it, so hours that lie wholly inside the gap are not there that day.

The zone `recipient` stands for the zones of each recipient. Where a number may be in several zones, the window is open while
it is open in all of them.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import Final, Self
from zoneinfo import ZoneInfo

from paceline.errors import InvalidOperation
from paceline.times import utc

# Twice a day on every day of the week is half of that.
LONGEST_WINDOW: Final = 500
MOST_OPENINGS: Final = 400
RECIPIENT: Final = "recipient"

_EXAMPLE: Final = "write it as in Mon-Fri 09:00-18:00, Sat 10:00-14:00 Europe/Berlin"
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_HOURS: Final = re.compile(r"(?:([A-Za-z]+)(?:-([A-Za-z]+))? )?([0-9]{2}:[0-9]{2})-([0-9]{2}:[0-9]{2})")
# A key becomes a path below the zone data, so it is names and inner slashes only. What follows is in some such folders
# but no zone: copies (posix), the same counting leap seconds (right), and whatever the machine is set to.
# What people write for hours, and is read as a zone: 9-18, 9:00-18.
_LOOSE_HOURS: Final = re.compile(r"[0-9]{1,2}(:[0-9]{2})?\s*-\s*[0-9]{1,2}(:[0-9]{2})?")
_ZONE: Final = re.compile(r"(?!posix|right|localtime)[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z][A-Za-z0-9_+-]*)*")
_WHOLE_DAY: Final = 24 * 60
_WEEK: Final = 7
_DAY: Final = timedelta(days=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

Opening = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Hours:
    """A stretch of local time that begins on each of some days of the week.

    Args:
        first: the first day, Monday 0.
        count: how many days from there, 1 to 7.
        begins: minutes after that day's midnight.
        ends: minutes after the same midnight; more than a day for hours that cross the next one.
    """

    first: int
    count: int
    begins: int
    ends: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """One part of a window, such as ``Mon-Fri 09:00-18:00``."""
        match = _HOURS.fullmatch(text)
        if not match:
            raise _refusal(f"{text!r:.40} is not [days] HH:MM-HH:MM")
        first, last = (_day(match[1]), _day(match[2] or match[1])) if match[1] else (0, 6)
        begins, ends = _minutes(match[3]), _minutes(match[4])
        if begins == _WHOLE_DAY:
            raise _refusal("24:00 is a time to end, not to begin")
        if begins == ends:
            raise _refusal(f"{match[3]}-{match[4]} is empty, the whole day is 00:00-24:00")
        count = (last - first) % 7 + 1
        return cls(first if count < 7 else 0, count, begins, ends if ends > begins else ends + _WHOLE_DAY)

    def __str__(self) -> str:
        """The part with its days."""
        # The end of hours until midnight is 24:00, however it was written.
        ends = self.ends if self.ends <= _WHOLE_DAY else self.ends - _WHOLE_DAY
        hours = f"{self.begins // 60:02}:{self.begins % 60:02}-{ends // 60:02}:{ends % 60:02}"
        days = _DAYS[self.first]
        if self.count > 1:
            days += f"-{_DAYS[(self.first + self.count - 1) % 7]}"
        return f"{days} {hours}"

    def begin_on(self, day: date) -> bool:
        """Whether the stretch begins on that day."""
        return (day.weekday() - self.first) % 7 < self.count


@dataclass(frozen=True, slots=True)
class Window:
    """Local hours with a zone. Made by `parse`; two that are written alike are equal.

    Args:
        text: canonical text.
        hours: its parts, in the order written.
        zone: where the hours are local; None: in the zones of the recipient.
    """

    text: str
    hours: tuple[Hours, ...] = field(compare=False, repr=False)
    zone: ZoneInfo | None = field(compare=False, repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a window.

        Args:
            text: such as ``Mon-Fri 09:00-18:00, Sat 10:00-14:00 Europe/Berlin``, up to `LONGEST_WINDOW` characters.
                Hours without days are every day's; with days beside hours without, it is not clear what is meant.

        Returns:
            The window.

        Raises:
            InvalidOperation: says what is wrong, and shows a right one.
        """
        _check_length(text)
        parts, _, key = " ".join(text.split()).rpartition(" ")
        if not key or ":" in key:
            raise _refusal("names no zone")

        key = RECIPIENT if key.lower() == RECIPIENT else key
        zone = None if key == RECIPIENT else zone_named(key)
        if not parts:
            raise _refusal("names no hours")

        texts = [part.strip() for part in parts.split(",")]
        hours = tuple(map(Hours.parse, texts))
        if len({text[0].isalpha() for text in texts}) > 1:
            raise _refusal("names days for some hours only")

        every_day = all(part.count == _WEEK for part in hours)
        written = (str(part).removeprefix("Mon-Sun ") if every_day else str(part) for part in hours)
        canonical = f"{', '.join(written)} {key}"
        _check_length(canonical)  # it may have spaces that the given text did without

        return cls(canonical, hours, zone)

    def __str__(self) -> str:
        """The canonical text, which parses to an equal window."""
        return self.text

    @property
    def is_recipients(self) -> bool:
        """Whether the hours are local to each recipient."""
        return self.zone is None

    def openings(self, begin: datetime, end: datetime, most: int = MOST_OPENINGS) -> list[Opening]:
        """When the window is open between two instants.

        Args:
            begin: the first instant of interest, with a zone.
            end: the first instant that is not.
            most: how many openings at most, the earliest.

        Returns:
            Pairs of instants in UTC: the first that is open and the first that is not any more. They are in order and do
            not touch. The first may have opened before ``begin`` (of an opening of several days, the last two days before
            are told), and the last may close after ``end`` (hours that begin after it are not joined to it).

        Raises:
            InvalidOperation: the hours are the recipient's; `openings_in` takes the zones.
            ValueError: a time without a zone, or outside the years that state can hold.
        """
        if self.zone is None:
            raise _refusal(
                f"{RECIPIENT} is not possible as a zone here, because there is no number to derive a zone from"
            )
        begin, end = utc(begin), utc(end)
        return list(islice(self._openings(begin, end, self.zone), most)) if begin < end else []

    def openings_in(
        self, zones: Sequence[ZoneInfo], begin: datetime, end: datetime, most: int = MOST_OPENINGS
    ) -> list[Opening]:
        """When the window is open in all of some zones at once.

        Args:
            zones: the zones that a recipient may be in, at least one. A window with a zone of its own disregards them.
            begin: as for `openings`, and so the others.
            end: see there.
            most: see there.

        Returns:
            As `openings`; empty when the zones have no instant in common.

        Raises:
            ValueError: as `openings`.
        """
        if self.zone is not None:
            return self.openings(begin, end, most)
        begin, end = utc(begin), utc(end)
        if begin >= end:
            return []
        common = list(self._openings(begin, end, zones[0]))
        for zone in zones[1:]:
            common = _intersection(common, self._openings(begin, end, zone))
        return [opening for opening in common if opening[1] > begin][:most]

    def _openings(self, begin: datetime, end: datetime, zone: ZoneInfo) -> Iterator[Opening]:
        current: Opening | None = None
        for opens, closes in self._stretches(begin, end, zone):
            if current and opens <= current[1]:
                current = (current[0], max(current[1], closes))
                continue
            if current and current[1] > begin:
                yield current
            current = (opens, closes)
        if current and current[1] > begin:
            yield current

    def _stretches(self, begin: datetime, end: datetime, zone: ZoneInfo) -> Iterator[Opening]:
        """What begins before ``end`` and may last until ``begin``, in the order of its beginning, and a little before."""
        hours = sorted(self.hours, key=lambda part: part.begins)
        # Hours reach into the next day. One more day on both sides, as clocks that go back may go back to yesterday.
        day = begin.astimezone(zone).date() - 2 * _DAY
        last = end.astimezone(zone).date() + _DAY
        while day <= last:
            for part in hours:
                if part.begin_on(day):
                    midnight = datetime.combine(day, time.min, zone)
                    opens, _ = _first_and_last(midnight + timedelta(minutes=part.begins))
                    _, closes = _first_and_last(midnight + timedelta(minutes=part.ends))
                    if opens < closes and opens < end:
                        yield opens, closes
            day += _DAY


def _intersection(one: Iterable[Opening], other: Iterable[Opening]) -> list[Opening]:
    """The stretches that two rows of openings have in common; both are in order."""
    common: list[Opening] = []
    left, right = iter(one), iter(other)
    first, second = next(left, None), next(right, None)
    while first and second:
        opens, closes = max(first[0], second[0]), min(first[1], second[1])
        if opens < closes:
            common.append((opens, closes))
        if first[1] <= second[1]:
            first = next(left, None)
        else:
            second = next(right, None)
    return common


def as_text(openings: Iterable[Opening]) -> str:
    """Openings as state holds them.

    Args:
        openings: from `Window.openings`.

    Returns:
        ``open-close open-close ...`` in microseconds since the epoch.
    """
    # Not `record.microseconds`: record stands on operations, which may have windows.
    return " ".join(
        f"{(opens - _EPOCH) // _MICROSECOND}-{(closes - _EPOCH) // _MICROSECOND}" for opens, closes in openings
    )


def from_text(text: str) -> list[tuple[int, int]]:
    """What `as_text` wrote, as pairs of microseconds since the epoch."""
    return [(int(opens), int(closes)) for opens, _, closes in (pair.partition("-") for pair in text.split())]


def _refusal(why: str) -> InvalidOperation:
    return InvalidOperation(f"window: {why}; {_EXAMPLE}")


def _check_length(text: str) -> None:
    if len(text) > LONGEST_WINDOW:
        raise _refusal(f"is longer than {LONGEST_WINDOW} characters")


def _day(name: str) -> int:
    if name.capitalize() not in _DAYS:
        raise _refusal(f"{name!r:.40} is not a day, such as Mon")
    return _DAYS.index(name.capitalize())


def _minutes(text: str) -> int:
    hour, minute = int(text[:2]), int(text[3:])
    if minute > 59 or hour * 60 + minute > _WHOLE_DAY:
        raise _refusal(f"{text} is not a time of day")
    return hour * 60 + minute


def zone_named(key: str) -> ZoneInfo:
    """The zone of an IANA name.

    Raises:
        InvalidOperation: this machine's time zone data has no zone of that name.
    """
    try:
        if _ZONE.fullmatch(key):
            return ZoneInfo(key)
    except (KeyError, OSError, ValueError):  # no such file; a folder; a file of another kind
        pass
    if _LOOSE_HOURS.fullmatch(key):
        raise InvalidOperation(
            f'window: {key!r}: write hours as 09:00-18:00, for example "Mon-Fri 09:00-18:00 Europe/Berlin"'
        )
    raise _refusal(f"{key!r:.40} is not a zone in the time zone data of this machine")


def _first_and_last(wall: datetime) -> Opening:
    """The first and the last instant at which a local clock shows a time, in UTC: they differ where it goes back.

    Both are the end of the gap for a time that the clock skips (PEP 495 tells the cases apart).
    """
    first, last = wall.replace(fold=0).astimezone(UTC), wall.replace(fold=1).astimezone(UTC)
    if first <= last:
        return first, last
    # In a gap the two offsets are applied the wrong way round, so one instant is before the change and one after it.
    before = last.astimezone(wall.tzinfo).utcoffset()
    seconds = bisect_left(
        range((first - last) // timedelta(seconds=1)),
        True,  # noqa: FBT003 - what the key is to become
        key=lambda second: (last + timedelta(seconds=second)).astimezone(wall.tzinfo).utcoffset() != before,
    )
    change = last + timedelta(seconds=seconds)
    return change, change
