"""Sending windows: their text, and when they are open, above all where the clocks change."""

from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from paceline.errors import InvalidOperation
from paceline.window import LONGEST_WINDOW, Window, as_text, from_text

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
MONDAY = datetime(2026, 6, 1, tzinfo=UTC)

# Nights on which the clocks change, and what is particular about them.
CHANGES = {
    ("Europe/Berlin", date(2026, 3, 29)): "02:00 to 03:00",
    ("Europe/Berlin", date(2026, 10, 25)): "03:00 to 02:00",
    ("America/New_York", date(2026, 3, 8)): "02:00 to 03:00",
    ("America/New_York", date(2026, 11, 1)): "02:00 to 01:00",
    ("Australia/Lord_Howe", date(2026, 10, 4)): "02:00 to 02:30",
    ("Australia/Lord_Howe", date(2026, 4, 5)): "02:00 to 01:30",
    ("America/Havana", date(2024, 11, 3)): "01:00 to midnight",
    ("America/Havana", date(2024, 3, 10)): "midnight to 01:00",
    ("America/St_Johns", date(2010, 11, 7)): "00:01 to 23:01 of the day before",
    ("Pacific/Apia", date(2011, 12, 30)): "a day that was skipped",
    ("Europe/Moscow", date(2014, 10, 26)): "02:00 to 01:00, for good",
    ("Asia/Kathmandu", date(2026, 3, 29)): "never",
}

TIMES = st.builds(lambda hour, quarter: f"{hour:02}:{quarter * 15:02}", st.integers(0, 23), st.integers(0, 3))


@st.composite
def hours(draw: st.DrawFn, *, with_days: bool) -> str:
    begins, ends = draw(TIMES), draw(TIMES | st.just("24:00"))
    assume(begins != ends)
    if not with_days:
        return f"{begins}-{ends}"
    return f"{draw(st.sampled_from(DAYS) | st.builds('{}-{}'.format, *[st.sampled_from(DAYS)] * 2))} {begins}-{ends}"


def windows(zone: str) -> st.SearchStrategy[Window]:
    parts = st.booleans().flatmap(lambda dated: st.lists(hours(with_days=dated), min_size=1, max_size=3))
    return parts.map(lambda found: Window.parse(f"{', '.join(found)} {zone}"))


ANY_WINDOW = st.sampled_from(sorted({zone for zone, _ in CHANGES})).flatmap(windows)


def local(opening: tuple[datetime, datetime], zone: str) -> str:
    """An opening on the clocks of its zone, with their offsets from UTC."""
    return " ".join(instant.astimezone(ZoneInfo(zone)).strftime("%d %H:%M%z") for instant in opening)


def on_the_day(text: str, zone: str, day: date) -> list[str]:
    """What opens on a local day, on its clocks."""
    midnight = datetime.combine(day, time.min, ZoneInfo(zone))
    found = Window.parse(f"{text} {zone}").openings(midnight, midnight + DAY)
    return [local(opening, zone) for opening in found if opening[0] >= midnight]


@cache
def watched_clock(zone: str, day: date) -> list[tuple[datetime, datetime]]:
    """Each minute of some days around one, and what the clocks of the zone show then."""
    start = datetime.combine(day, time.min, UTC) - 6 * DAY
    minutes = (start + minute * MINUTE for minute in range(15 * 24 * 60))
    return [(instant, instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None)) for instant in minutes]


def open_minutes(window: Window, day: date) -> set[datetime]:
    """The minutes around a day at which a window is open, found by watching the clock and nothing else."""
    *parts, zone = window.text.replace(",", "").split()
    clock = watched_clock(zone, day)
    shown: dict[datetime, list[datetime]] = {}
    for instant, wall in clock:
        shown.setdefault(wall, []).append(instant)

    def instants(wall: datetime) -> list[datetime]:
        """When the clock shows a time, or else first shows a later one."""
        return shown.get(wall) or [next(instant for instant, later in clock if later > wall)]

    found = set()
    days = "Mon-Sun"
    for part in parts:
        if part[0].isalpha():
            days = part
            continue
        first, last = (DAYS.index(name) for name in (days[:3], days[-3:]))
        begins, ends = (timedelta(hours=int(text[:2]), minutes=int(text[3:])) for text in part.split("-"))
        ends += DAY * (ends <= begins)
        midnight = datetime.combine(clock[0][1] + DAY, time.min)
        while midnight + ends < clock[-1][1]:
            if midnight.weekday() in ([*range(7)] * 2)[first : last + 1 + 7 * (last < first)]:
                opens, closes = instants(midnight + begins)[0], instants(midnight + ends)[-1]
                found |= {opens + minute * MINUTE for minute in range((closes - opens) // MINUTE)}
            midnight += DAY
        days = "Mon-Sun"
    return found


@pytest.mark.parametrize(
    ("canonical", "text"),
    [
        ("Mon-Fri 09:00-18:00 Europe/Berlin", "Mon-Fri 09:00-18:00 Europe/Berlin"),
        ("Mon-Fri 09:00-18:00 Europe/Berlin", "  MON-fri   09:00-18:00\tEurope/Berlin\n"),
        ("09:00-12:00, 13:30-18:00 America/Sao_Paulo", "09:00-12:00,13:30-18:00 America/Sao_Paulo"),
        ("09:00-12:00, 13:30-18:00 UTC", "09:00-12:00 , 13:30-18:00 UTC"),
        ("Mon-Fri 09:00-18:00, Sat 10:00-14:00 UTC", "mon-fri 09:00-18:00, sAT 10:00-14:00 UTC"),
        ("Fri-Mon 22:00-06:00 UTC", "Fri-Mon 22:00-06:00 UTC"),
        ("Mon 09:00-10:00, Wed 09:00-10:00 UTC", "Mon 09:00-10:00, Wed 09:00-10:00 UTC"),
        ("Mon 09:00-10:00 UTC", "Mon-Mon 09:00-10:00 UTC"),
        ("09:00-10:00 UTC", "Mon-Sun 09:00-10:00 UTC"),
        ("09:00-10:00 UTC", "Thu-Wed 09:00-10:00 UTC"),
        ("00:00-24:00 UTC", "00:00-24:00 UTC"),
        ("22:00-24:00 UTC", "22:00-00:00 UTC"),
        ("00:00-00:01 Etc/GMT+5", "00:00-00:01 Etc/GMT+5"),
        ("23:59-24:00 America/Port-au-Prince", "23:59-24:00 America/Port-au-Prince"),
        ("00:01-24:00 America/Argentina/Buenos_Aires", "00:01-24:00 America/Argentina/Buenos_Aires"),
    ],
)
def test_a_window_has_one_canonical_text(canonical: str, text: str) -> None:
    """Spaces, case and days that say nothing do not matter; what is written alike is equal."""
    window = Window.parse(text)
    assert canonical == window.text == str(window)
    assert Window.parse(canonical) == window


@pytest.mark.parametrize(
    ("why", "text"),
    [
        ("names no zone", ""),
        ("names no zone", "   "),
        ("names no hours", "Europe/Berlin"),
        ("names no zone", "09:00-18:00"),
        ("names no zone", "Mon-Fri 09:00-18:00"),
        ("names no zone", "Mon 09:00-10:00, Wed 09:00-10:00"),
        ("'Mon' is not [days] HH:MM-HH:MM", "Mon Europe/Berlin"),
        ("'' is not [days] HH:MM-HH:MM", "09:00-10:00, Europe/Berlin"),
        ("'' is not [days] HH:MM-HH:MM", "09:00-10:00,,11:00-12:00 UTC"),
        ("'' is not [days] HH:MM-HH:MM", ", UTC"),
        ("'9:00-18:00' is not [days] HH:MM-HH:MM", "9:00-18:00 UTC"),
        ("'09:00 - 18:00' is not [days] HH:MM-HH:MM", "09:00 - 18:00 UTC"),
        ("'09:00' is not [days] HH:MM-HH:MM", "09:00 UTC"),
        ("'Mon Wed 09:00-10:00' is not [days] HH:MM-HH:MM", "Mon Wed 09:00-10:00 UTC"),
        ("'Mon' is not [days] HH:MM-HH:MM", "Mon,Wed 09:00-10:00 UTC"),
        ("'09:00\u201318:00' is not [days] HH:MM-HH:MM", "09:00\u201318:00 UTC"),
        ("'\u0660\u0669:00-18:00' is not [days] HH:MM-HH:MM", "\u0660\u0669:00-18:00 UTC"),
        ("'\u017fat 09:00-18:00' is not [days] HH:MM-HH:MM", "\u017fat 09:00-18:00 UTC"),
        ("'09:00-18:00\\x00' is not [days] HH:MM-HH:MM", "09:00-18:00\0 UTC"),
        ("'Mo' is not a day, such as Mon", "Mo-Fr 09:00-18:00 UTC"),
        ("'Freitag' is not a day, such as Mon", "Mon-Freitag 09:00-18:00 UTC"),
        ("24:01 is not a time of day", "09:00-24:01 UTC"),
        ("25:00 is not a time of day", "25:00-26:00 UTC"),
        ("09:60 is not a time of day", "09:60-10:00 UTC"),
        ("24:00 is a time to end, not to begin", "24:00-06:00 UTC"),
        ("24:00 is a time to end, not to begin", "24:00-24:00 UTC"),
        ("09:00-09:00 is empty, the whole day is 00:00-24:00", "09:00-09:00 UTC"),
        ("00:00-00:00 is empty, the whole day is 00:00-24:00", "Mon 00:00-00:00 UTC"),
        ("is longer than 500 characters", "09:00-18:00 " + " " * LONGEST_WINDOW + "UTC"),
        ("is longer than 500 characters", "09:00-18:00 " + "x" * 100_000),
    ],
)
def test_what_is_wrong_is_said_and_a_right_one_shown(why: str, text: str) -> None:
    """A window that cannot be read is refused with a sentence and an example."""
    with pytest.raises(InvalidOperation) as refusal:
        Window.parse(text)
    assert f"window: {why}; write it as in Mon-Fri 09:00-18:00, Sat 10:00-14:00 Europe/Berlin" == str(refusal.value)


def test_the_longest_window_can_be_read_again() -> None:
    """The canonical text has the same limit, although it may have more spaces than the text given."""
    longest = Window.parse(",".join(["09:00-18:00"] * 38) + " UTC")
    assert LONGEST_WINDOW - 13 < len(str(longest)) <= LONGEST_WINDOW
    assert longest == Window.parse(str(longest))
    with pytest.raises(InvalidOperation, match=r"^window: is longer than 500 characters; "):
        Window.parse(",".join(["09:00-18:00"] * 39) + " UTC")


def test_the_example_of_the_refusal_is_a_window() -> None:
    """Who copies it from the message gets a window."""
    with pytest.raises(InvalidOperation) as refusal:
        Window.parse("")
    example = str(refusal.value).partition("write it as in ")[2]
    assert example == str(Window.parse(example))


@pytest.mark.parametrize(
    "key",
    [
        "Europe/Berln",
        "Europe",
        "America/Argentina",
        "CET/",
        "/etc/passwd",
        "/usr/share/zoneinfo/Europe/Berlin",
        "../../../etc/passwd",
        "..",
        ".",
        "Europe/../Europe/Berlin",
        "Europe/./Berlin",
        "Europe//Berlin",
        "Europe\\Berlin",
        "Europe/Berlin\0",
        "posix/Europe/Berlin",
        "right/Europe/Berlin",
        "posixrules",
        "localtime",
        "leapseconds",
        "tzdata.zi",
        "zone.tab",
        "__init__.py",
        "Europe/__init__",
        "+01",
        "\u00c9urope/Berlin",
        "\ud800",
        "\U0001f600",
        "x" * 400,
        "a/" * 200,
        "UTC,",
    ],
)
def test_a_zone_that_is_none_is_refused_in_the_same_words(key: str) -> None:
    """Typing errors, paths, folders and files that hold no zone: one refusal, without the longer part of a long key."""
    with pytest.raises(
        InvalidOperation, match=r"^window: '.* is not a zone in the time zone data of this machine; "
    ) as e:
        Window.parse(f"09:00-18:00 {key}")
    assert len(str(e.value)) < 250


@given(st.text() | st.text("Mon-Fri 09:24,/UTCx").map("09:00-18:00 {}".format) | st.text().map("{} UTC".format))
def test_any_text_is_a_window_or_refused(text: str) -> None:
    """Whatever is given: a window that its own text gives again, or the refusal and no other error."""
    try:
        window = Window.parse(text)
    except InvalidOperation:
        return
    assert window == Window.parse(str(window))


@given(st.text("abcEurop/.-+_~\\\0 "))
def test_any_key_is_a_zone_or_refused(key: str) -> None:
    """Nothing that stands where the zone should raises anything but the refusal."""
    with suppress(InvalidOperation):
        Window.parse(f"09:00-18:00 {key}")


@pytest.mark.parametrize(
    ("openings", "text"),
    [
        (["01 09:00 01 18:00", "02 09:00 02 18:00"], "Mon-Tue 09:00-18:00"),
        (["03 09:00 03 12:00", "03 13:30 03 18:00"], "Wed 13:30-18:00, Wed 09:00-12:00"),
        (["03 09:00 03 18:00"], "Wed 09:00-12:00, Wed 12:00-18:00"),
        (["03 09:00 03 18:00"], "Wed 09:00-18:00, Wed 10:00-11:00"),
        (["06 00:00 08 00:00"], "Sat-Sun 00:00-24:00"),
        (["03 22:00 04 06:00"], "Wed 22:00-06:00"),
        (["31 22:00 01 06:00", "07 22:00 08 06:00"], "Sun 22:00-06:00"),
        (["31 22:00 01 06:00", "01 22:00 02 06:00", "06 22:00 07 06:00", "07 22:00 08 06:00"], "Sat-Mon 22:00-06:00"),
        (["06 22:00 07 07:00"], "Sat 22:00-06:00, Sun 05:00-07:00"),
        (["03 09:00 03 10:00", "06 20:00 06 21:00"], "Wed 09:00-10:00, Sat 20:00-21:00"),
        (["30 00:00 08 00:00"], "00:00-24:00"),
    ],
)
def test_hours_open_on_their_days(openings: list[str], text: str) -> None:
    """Monday, the 1st, until the end of Sunday, the 7th: hours belong to the day they begin on, and join where they touch."""
    found = Window.parse(f"{text} UTC").openings(MONDAY, MONDAY + 7 * DAY)
    assert openings == [local(opening, "UTC").replace("+0000", "") for opening in found if opening[1] > MONDAY]


def test_hours_with_days_do_not_stand_beside_hours_without() -> None:
    """Afternoons of every day, or of the days named before? Written out, it is clear."""
    with pytest.raises(InvalidOperation, match="names days for some hours only"):
        Window.parse("Mon-Fri 09:00-12:00, 13:30-18:00 UTC")
    found = Window.parse("Mon-Fri 09:00-12:00, Mon-Sun 13:30-18:00 UTC")
    assert (found.text, 5 + 7) == (str(found), len(found.openings(MONDAY, MONDAY + 7 * DAY)))


def test_an_opening_is_whole() -> None:
    """One that has begun, and one that goes on, are told from their beginning to their end."""
    whole = [(MONDAY + timedelta(hours=9), MONDAY + timedelta(hours=18))]
    noon = MONDAY + timedelta(hours=12)
    assert whole == Window.parse("09:00-18:00 UTC").openings(noon, noon + MINUTE)
    assert whole == Window.parse("09:00-12:00, 12:00-18:00 UTC").openings(noon, noon + MINUTE)


def test_the_end_of_an_opening_and_of_the_question_are_outside() -> None:
    """At 18:00 the window is shut, and one that opens at the end asked for is not told."""
    window = Window.parse("09:00-18:00 UTC")
    evening, morning = MONDAY + timedelta(hours=18), MONDAY + timedelta(hours=33)
    assert [] == window.openings(evening, morning)
    assert 1 == len(window.openings(evening - timedelta(microseconds=1), morning))
    assert 1 == len(window.openings(evening, morning + timedelta(microseconds=1)))


@pytest.mark.parametrize("length", [timedelta(0), -DAY])
def test_no_time_has_no_openings(length: timedelta) -> None:
    """An end that is not after the beginning leaves nothing."""
    noon = MONDAY + timedelta(hours=12)
    assert [] == Window.parse("00:00-24:00 UTC").openings(noon, noon + length)


def test_at_most_so_many_are_told() -> None:
    """The earliest ones, however far the end is."""
    window = Window.parse("09:00-12:00, 13:30-18:00 America/Sao_Paulo")
    assert 400 == len(window.openings(MONDAY, MONDAY + 365 * DAY))
    assert window.openings(MONDAY, MONDAY + 2 * DAY)[:3] == window.openings(MONDAY, MONDAY + 80_000 * DAY, most=3)


def test_the_instants_are_in_utc_whatever_is_asked_in() -> None:
    """The question may be in any zone, but it needs one."""
    window = Window.parse("09:00-18:00 Asia/Kathmandu")
    asked = window.openings(MONDAY.astimezone(ZoneInfo("America/New_York")), MONDAY + DAY)
    assert [(MONDAY + timedelta(hours=3, minutes=15), MONDAY + timedelta(hours=12, minutes=15))] == asked
    assert {UTC} == {instant.tzinfo for opening in asked for instant in opening}
    with pytest.raises(ValueError, match="needs a time zone"):
        window.openings(MONDAY.replace(tzinfo=None), MONDAY)


@pytest.mark.parametrize(
    ("opening", "hours"),
    [
        ("29 00:00+0100 30 00:00+0200", "Sun 00:00-24:00"),
        ("29 01:00+0100 29 03:00+0200", "01:00-02:00"),
        ("29 01:00+0100 29 03:00+0200", "01:00-02:30"),
        ("29 01:00+0100 29 03:00+0200", "01:00-03:00"),
        ("29 01:00+0100 29 04:00+0200", "01:00-04:00"),
        ("29 03:00+0200 29 04:00+0200", "02:00-04:00"),
        ("29 03:00+0200 29 04:00+0200", "02:30-04:00"),
        ("29 03:00+0200 29 04:00+0200", "03:00-04:00"),
        ("29 03:00+0200 30 02:15+0200", "Sun 02:30-02:15"),
        (None, "02:00-03:00"),
        (None, "02:15-02:45"),
    ],
)
def test_berlin_in_spring(opening: str | None, hours: str) -> None:
    """At 02:00 it is 03:00: what would happen in between happens then, and hours in between are not there."""
    assert [opening] * bool(opening) == on_the_day(hours, "Europe/Berlin", date(2026, 3, 29))


@pytest.mark.parametrize(
    ("length", "opening", "hours"),
    [
        (25, "25 00:00+0200 26 00:00+0100", "Sun 00:00-24:00"),
        (0.75, "25 01:00+0200 25 01:45+0200", "01:00-01:45"),
        (2, "25 01:00+0200 25 02:00+0100", "01:00-02:00"),
        (2.5, "25 01:00+0200 25 02:30+0100", "01:00-02:30"),
        (3, "25 01:00+0200 25 03:00+0100", "01:00-03:00"),
        (2, "25 02:00+0200 25 03:00+0100", "02:00-03:00"),
        (1.5, "25 02:15+0200 25 02:45+0100", "02:15-02:45"),
        (2.5, "25 02:30+0200 25 04:00+0100", "02:30-04:00"),
        (1, "25 03:00+0100 25 04:00+0100", "03:00-04:00"),
    ],
)
def test_berlin_in_autumn(length: float, opening: str, hours: str) -> None:
    """At 03:00 it is 02:00 again: what is shown twice begins at the first and ends at the second."""
    assert [opening] == on_the_day(hours, "Europe/Berlin", date(2026, 10, 25))
    begin, end = (datetime.strptime(text, "%d %H:%M%z") for text in (opening[:13], opening[14:]))
    assert timedelta(hours=length) == end - begin


@pytest.mark.parametrize(
    ("zone", "day", "opening", "hours"),
    [
        ("America/New_York", date(2026, 3, 8), "08 03:00-0400 08 09:00-0400", "02:30-09:00"),
        ("America/New_York", date(2026, 3, 8), "08 00:00-0500 08 03:00-0400", "00:00-02:59"),
        ("America/New_York", date(2026, 3, 8), None, "02:00-03:00"),
        ("America/New_York", date(2026, 3, 7), "07 22:00-0500 08 06:00-0400", "Sat 22:00-06:00"),
        ("America/New_York", date(2026, 11, 1), "01 01:30-0400 01 09:00-0500", "01:30-09:00"),
        ("America/New_York", date(2026, 11, 1), "01 00:00-0400 01 01:30-0500", "00:00-01:30"),
        ("America/New_York", date(2026, 11, 1), "01 02:00-0500 01 03:00-0500", "02:00-03:00"),
        ("America/New_York", date(2026, 10, 31), "31 22:00-0400 01 06:00-0500", "Sat 22:00-06:00"),
        ("Australia/Lord_Howe", date(2026, 10, 4), "04 02:30+1100 04 03:00+1100", "02:10-03:00"),
        ("Australia/Lord_Howe", date(2026, 10, 4), "04 01:00+1030 04 02:30+1100", "01:00-02:10"),
        ("Australia/Lord_Howe", date(2026, 10, 4), None, "02:00-02:30"),
        ("Australia/Lord_Howe", date(2026, 4, 5), "05 01:40+1100 05 01:50+1030", "01:40-01:50"),
        ("Australia/Lord_Howe", date(2026, 4, 5), "05 01:00+1100 05 01:20+1100", "01:00-01:20"),
        ("Australia/Lord_Howe", date(2026, 4, 5), "05 02:00+1030 05 03:00+1030", "02:00-03:00"),
        ("Asia/Kathmandu", date(2026, 3, 29), "29 02:00+0545 29 03:00+0545", "02:00-03:00"),
        ("Asia/Kathmandu", date(2026, 10, 25), "25 22:00+0545 26 06:00+0545", "22:00-06:00"),
        ("America/Havana", date(2024, 3, 10), "10 01:00-0400 11 00:00-0400", "Sun 00:00-24:00"),
        ("America/Havana", date(2024, 11, 3), "03 00:00-0400 04 00:00-0500", "Sun 00:00-24:00"),
        ("Pacific/Apia", date(2011, 12, 29), "29 22:00-1000 31 00:00+1400", "Thu 22:00-06:00"),
        ("Pacific/Apia", date(2011, 12, 31), None, "Fri 09:00-18:00"),
    ],
)
def test_elsewhere(zone: str, day: date, opening: str | None, hours: str) -> None:
    """Changes before midnight's end, of half an hour, at midnight, of a whole day, and none."""
    assert [opening] * bool(opening) == on_the_day(hours, zone, day)


@pytest.mark.parametrize(
    ("opening", "hours", "asked"),
    [
        ("07 00:00-0230 07 01:00-0330", "Sun 00:00-01:00", "06 23:30-0330"),
        ("05 23:50-0230 06 23:40-0330", "Fri 23:50-23:40", "07 00:00-0230"),
    ],
)
def test_a_clock_that_goes_back_to_the_day_before(opening: str, hours: str, asked: str) -> None:
    """At 00:01 on the 7th it was 23:01 on the 6th: the 7th had begun, and the 6th was not over."""
    zone = "America/St_Johns"
    instant = datetime.strptime(f"2010-11-{asked}", "%Y-%m-%d %H:%M%z")
    found = Window.parse(f"{hours} {zone}").openings(instant, instant + timedelta(seconds=30))
    assert [opening] == [local(each, zone) for each in found]


@given(st.sampled_from(sorted(CHANGES)), st.integers(-36, 36), st.integers(1, 72), st.data())
def test_a_window_is_open_when_a_watched_clock_says_so(
    change: tuple[str, date], before: int, length: int, data: st.DataObject
) -> None:
    """Minute by minute around a change: open are those from the first that shows the beginning to the last at the end."""
    zone, day = change
    window = data.draw(windows(zone))
    begin = datetime.combine(day, time.min, UTC) + timedelta(hours=before)
    end = begin + timedelta(hours=length)
    found = set()
    for opens, closes in window.openings(begin, end):
        first, last = max(opens, begin), min(closes, end)
        found |= {first + minute * MINUTE for minute in range((last - first) // MINUTE)}
    assert {instant for instant in open_minutes(window, day) if begin <= instant < end} == found


@given(ANY_WINDOW, st.integers(-54 * 365, 50 * 365), st.integers(0, 60 * 24 * 30))
def test_openings_are_in_order_and_apart(window: Window, days: int, length: int) -> None:
    """Each has a length, lies in the time asked for, and is shut for a while before the next."""
    begin = MONDAY + days * DAY
    end = begin + length * MINUTE
    openings = window.openings(begin, end)
    assert [] == [opening for opening in openings if not (opening[0] < opening[1] > begin and opening[0] < end)]
    assert [] == [pair for pair in pairwise(openings) if pair[0][1] >= pair[1][0]]
    assert openings[:5] == window.openings(begin, end, most=5)


@given(ANY_WINDOW, st.integers(0, 60 * 24 * 400), st.integers(1, 60 * 24 * 10))
def test_who_asks_later_hears_the_same(window: Window, before: int, later: int) -> None:
    """Asking from a later instant leaves out what is over by then, and changes nothing of what follows the first."""
    begin = MONDAY + before * MINUTE
    asked = begin + later * MINUTE
    end = begin + 30 * DAY
    still = [opening for opening in window.openings(begin, end) if opening[1] > asked]
    assert still[1:] == window.openings(asked, end)[1:]
    assert [closes for _, closes in still] == [closes for _, closes in window.openings(asked, end)]


def test_state_holds_openings_as_microseconds() -> None:
    """Pairs with a space between them; none is an empty text."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert "" == as_text([])
    assert [] == from_text("")
    openings = [(epoch, epoch + timedelta(microseconds=1)), (epoch + DAY, epoch + 2 * DAY)]
    assert "0-1 86400000000-172800000000" == as_text(openings)
    assert [(0, 1), (86_400_000_000, 172_800_000_000)] == from_text(as_text(openings))


@given(ANY_WINDOW)
def test_what_state_holds_is_exact(window: Window) -> None:
    """Reading back gives the same instants to the microsecond."""
    openings = window.openings(MONDAY, MONDAY + 30 * DAY)
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    back = [tuple(epoch + timedelta(microseconds=us) for us in pair) for pair in from_text(as_text(openings))]
    assert openings == back


@given(ANY_WINDOW)
def test_the_canonical_text_is_the_window(window: Window) -> None:
    """Reading a window's text gives an equal window that is open at the same times."""
    again = Window.parse(str(window))
    assert window == again
    assert window.hours == again.hours
    assert {window: 1} == {again: 1}
