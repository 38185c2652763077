"""The recipient's own hours: zones of numbers, and the openings that several zones have in common."""

from datetime import UTC, datetime, timedelta

import pytest

from paceline.campaigns.hours import RecipientHours
from paceline.errors import InvalidOperation
from paceline.recipients.zones import LONGEST_PREFIX, zone_id, zone_infos, zones_named, zones_of_number
from paceline.window import Window

DAY = Window.parse("09:00-20:00 recipient")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def opened(window: Window, zones: str, begin: str, days: int = 1) -> list[str]:
    """Openings as ``10-24 07:00/18:00``, in UTC."""
    start = utc(begin)
    found = window.openings_in(zone_infos(zones_named(zones)), start, start + timedelta(days=days))
    return [f"{opens:%m-%d %H:%M}/{closes:%H:%M}" for opens, closes in found]


# Zone, and for each day around a change of its clocks the opening of 09:00-20:00 local in UTC. Both changes of five countries.
CHANGES = [
    ("Europe/Berlin", "2026-03-28", ["03-28 08:00/19:00", "03-29 07:00/18:00", "03-30 07:00/18:00"]),
    ("Europe/Berlin", "2026-10-24", ["10-24 07:00/18:00", "10-25 08:00/19:00", "10-26 08:00/19:00"]),
    ("America/New_York", "2026-03-07", ["03-07 14:00/01:00", "03-08 13:00/00:00", "03-09 13:00/00:00"]),
    ("America/New_York", "2026-10-31", ["10-31 13:00/00:00", "11-01 14:00/01:00", "11-02 14:00/01:00"]),
    ("America/Santiago", "2026-04-04", ["04-04 12:00/23:00", "04-05 13:00/00:00", "04-06 13:00/00:00"]),
    ("America/Santiago", "2026-09-05", ["09-05 13:00/00:00", "09-06 12:00/23:00", "09-07 12:00/23:00"]),
    ("Africa/Cairo", "2026-04-23", ["04-23 07:00/18:00", "04-24 06:00/17:00", "04-25 06:00/17:00"]),
    ("Africa/Cairo", "2026-10-29", ["10-29 06:00/17:00", "10-30 07:00/18:00", "10-31 07:00/18:00"]),
    ("Australia/Lord_Howe", "2026-04-03", ["04-03 22:00/09:00", "04-04 22:30/09:30", "04-05 22:30/09:30"]),
    ("Australia/Lord_Howe", "2026-10-02", ["10-02 22:30/09:30", "10-03 22:00/09:00", "10-04 22:00/09:00"]),
]


@pytest.mark.parametrize(("zone", "begin", "expected"), CHANGES, ids=[f"{zone} {day}" for zone, day, _ in CHANGES])
def test_hours_of_a_recipient_follow_both_clock_changes(zone: str, begin: str, expected: list[str]) -> None:
    """09:00 to 20:00 is what the recipient's clock shows, on the day before, of and after a change."""
    found = opened(DAY, zone, f"{begin}T02:00:00", 5)
    assert expected == found[found.index(expected[0]) :][: len(expected)]


# A night's window over the hour that is skipped or shown twice: 01:30 to 02:30, where clocks change at 02:00 or 03:00.
NIGHTS = [
    ("Europe/Berlin", "2026-03-29", "03-29 00:30/01:00"),  # 02:30 is skipped: it ends when the clock skips
    ("Europe/Berlin", "2026-10-25", "10-24 23:30/01:30"),  # 02:30 is shown twice: it ends at the second one
    ("America/New_York", "2026-03-08", "03-08 06:30/07:00"),
    ("America/New_York", "2026-11-01", "11-01 05:30/07:30"),  # 01:30 is shown twice: it begins at the first one
    ("Australia/Sydney", "2026-04-05", "04-04 14:30/16:30"),
    ("Australia/Sydney", "2026-10-04", "10-03 15:30/16:00"),
    ("America/Santiago", "2026-04-05", "04-05 05:30/06:30"),
    ("America/Santiago", "2026-09-06", "09-06 04:30/05:30"),
    ("Africa/Cairo", "2026-04-24", "04-23 22:30/23:30"),
    ("Africa/Cairo", "2026-10-30", "10-29 23:30/00:30"),
]


@pytest.mark.parametrize(("zone", "day", "expected"), NIGHTS, ids=[f"{zone} {day}" for zone, day, _ in NIGHTS])
def test_a_night_window_over_the_changed_hour(zone: str, day: str, expected: str) -> None:
    """Hours begin at the first and end at the last instant that shows their time; a skipped time is the skip itself."""
    night = Window.parse("01:30-02:30 recipient")
    start = (utc(f"{day}T00:00:00") - timedelta(hours=13)).isoformat().removesuffix("+00:00")
    assert expected in opened(night, zone, start)


# Countries with several zones: the common hours of all of them, in summer and after each change.
SEVERAL = [
    # 09:00 in Los Angeles to 20:00 in New York; for eight days a year no difference changes, because both change.
    ("America/New_York America/Los_Angeles", "2026-03-07", ["03-07 17:00/01:00", "03-08 16:00/00:00"]),
    ("America/New_York America/Los_Angeles", "2026-11-01", ["11-01 17:00/01:00", "11-02 17:00/01:00"]),
    # Phoenix does not change its clocks: it is with Los Angeles in summer, with Denver in winter.
    ("America/Phoenix America/Denver", "2026-07-01", ["07-01 16:00/02:00", "07-02 16:00/02:00"]),
    ("America/Phoenix America/Denver", "2026-12-01", ["12-01 16:00/03:00", "12-02 16:00/03:00"]),
    # Lisbon and the Azores; Madrid and the Canaries; the east and the west of Australia.
    ("Europe/Lisbon Atlantic/Azores", "2026-07-01", ["07-01 09:00/19:00"]),
    ("Europe/Madrid Atlantic/Canary", "2026-01-10", ["01-10 09:00/19:00"]),
    ("Australia/Sydney Australia/Perth", "2026-01-10", ["01-10 01:00/09:00"]),
    ("Australia/Sydney Australia/Perth", "2026-07-10", ["07-10 01:00/10:00"]),
]


@pytest.mark.parametrize(("zones", "begin", "expected"), SEVERAL)
def test_of_several_zones_the_strictest_holds(zones: str, begin: str, expected: list[str]) -> None:
    """The window is open while it is open in all of them."""
    assert expected == opened(DAY, zones, f"{begin}T03:30:00", 2)[: len(expected)]


def test_zones_without_a_common_hour_never_open() -> None:
    """An hour in the morning, and zones on both sides of the earth."""
    morning = Window.parse("09:00-10:00 recipient")
    assert [] == opened(morning, "Pacific/Auckland Europe/Berlin", "2026-06-01T00:00:00", 30)


def test_days_of_the_week_are_the_recipients_own() -> None:
    """Monday begins in Auckland while it is Sunday in London."""
    monday = Window.parse("Mon 00:00-24:00 recipient")
    assert ["11-29 11:00/11:00"] == opened(monday, "Pacific/Auckland", "2026-11-28T00:00:00", 7)
    assert ["11-30 00:00/00:00"] == opened(monday, "Europe/London", "2026-11-28T00:00:00", 7)


@pytest.mark.parametrize(
    ("number", "zones"),
    [
        ("+4915112345678", ("Europe/Berlin",)),
        ("+12125550100", ("America/New_York",)),
        ("+13125550100", ("America/Chicago",)),
        ("+5511987654321", ("America/Sao_Paulo",)),
        ("+525512345678", ("America/Mexico_City",)),
        ("+819012345678", ("Asia/Tokyo",)),
    ],
)
def test_a_number_tells_its_zone(number: str, zones: tuple[str, ...]) -> None:
    """By the tables of libphonenumber, and the second time from memory."""
    assert (zones, zones) == (zones_of_number(number), zones_of_number(number))


def test_a_mobile_number_of_a_large_country_may_be_in_any_of_its_zones() -> None:
    """Russian and Australian mobile numbers tell no place."""
    assert {"Europe/Moscow", "Asia/Vladivostok"} < set(zones_of_number("+79161234567"))
    assert {"Australia/Sydney", "Australia/Perth"} < set(zones_of_number("+61412345678"))


def test_a_number_that_tells_no_zone_is_refused() -> None:
    """Numbers for fiction, and networks that are no country's."""
    for number in ("+15550100001", "+88812345678"):
        with pytest.raises(ValueError, match="does not reveal a time zone"):
            zones_of_number(number)


def test_a_set_of_zones_has_one_name_whatever_its_order() -> None:
    """Rows that write the same zones in another order share a place in state."""
    one, other = zones_named("Europe/Berlin, Europe/Paris"), zones_named("Europe/Paris Europe/Berlin Europe/Paris")
    assert (one, zone_id(one)) == (other, zone_id(other))
    assert zone_id(one) != zone_id(("Europe/Berlin",))


@pytest.mark.parametrize("word", ["Europe/Nowhere", ";", "Europe/Berlin;Europe/Paris", "9-18"])
def test_an_unknown_zone_is_named(word: str) -> None:
    """The word stands in the message, whole."""
    with pytest.raises(ValueError, match=f"^'{word}' is not a zone in the time zone data of this machine$"):
        zones_named(word)


@pytest.mark.parametrize("text", [",", " , ,", "\u00a0,"])
def test_a_text_of_separators_names_no_zone(text: str) -> None:
    """It is refused, so it is one bad row and not the end of the upload."""
    with pytest.raises(ValueError, match=r"^names no zone$"):
        zones_named(text)
    with pytest.raises(ValueError, match=r"^names no zone$"):
        RecipientHours("09:00-18:00 recipient").place("+4915112345678", text)


def test_the_recipients_window_is_written_in_one_way() -> None:
    """The word `recipient` in any case; it stands where a zone stands."""
    window = Window.parse("Mon-Fri 09:00-20:00 Recipient")
    assert ("Mon-Fri 09:00-20:00 recipient", True) == (window.text, window.is_recipients)
    assert window == Window.parse(window.text)
    with pytest.raises(InvalidOperation, match="no number to derive a zone from"):
        window.openings(utc("2026-01-01T00:00:00"), utc("2026-01-02T00:00:00"))


def test_a_window_with_a_zone_of_its_own_disregards_the_recipients() -> None:
    """`openings_in` serves both kinds."""
    berlin = Window.parse("09:00-20:00 Europe/Berlin")
    assert ["01-10 08:00/19:00"] == opened(berlin, "America/New_York", "2026-01-10T00:00:00")


def test_no_prefix_of_the_tables_is_cut_off() -> None:
    """A number is looked up by as many digits as the longest prefix of libphonenumber's tables has."""
    from phonenumbers.tzdata import TIMEZONE_LONGEST_PREFIX  # noqa: PLC0415 - slow to load

    assert TIMEZONE_LONGEST_PREFIX == LONGEST_PREFIX
