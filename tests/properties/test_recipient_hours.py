"""The recipient's own hours, whatever zones, hours and recipients: nothing leaves outside them, and nobody is lost."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paceline.window import Window
from tests.conftest import add_account
from tests.properties.uploads import Uploads
from tests.support.drive import ACCEPTED, Drive

ZONES = (
    "Europe/Berlin", "America/New_York", "America/Santiago", "Africa/Cairo", "Australia/Lord_Howe", "Asia/Kathmandu",
    "Pacific/Apia", "America/St_Johns", "Asia/Beirut",
)  # fmt: skip
NAMES = ("aaaaaaaa", "bbbbbbbb", "cccccccc")
# Stretches of seconds: when they open, and for how long.
STRETCHES = st.lists(st.tuples(st.integers(0, 500), st.integers(1, 60)), min_size=1, max_size=3)


def is_open(zone: ZoneInfo, at: datetime, first: int, last: int) -> bool:
    """By the clock on the wall, in minutes of the day: what the window says, without its code."""
    local = at.astimezone(zone)
    minute = local.hour * 60 + local.minute
    return first <= minute < last if first < last else minute >= first or minute < last


@given(
    st.lists(st.sampled_from(ZONES), min_size=1, max_size=3, unique=True),
    st.integers(0, 23 * 4),
    st.integers(0, 23 * 4),
    st.datetimes(datetime(2026, 1, 2), datetime(2026, 12, 28)),  # noqa: DTZ001 - of UTC
    st.lists(st.integers(0, 3 * 24 * 12), min_size=1, max_size=20),
)
def test_openings_are_what_all_clocks_show(
    names: list[str], first: int, last: int, begin: datetime, moments: list[int]
) -> None:
    """A moment lies in an opening exactly when the clocks of all zones show an hour of the window."""
    first, last = first * 15, last * 15
    if first == last:
        last += 15
    window = Window.parse(f"{first // 60:02d}:{first % 60:02d}-{last // 60:02d}:{last % 60:02d} recipient")
    zones, start = [ZoneInfo(name) for name in names], begin.replace(tzinfo=UTC, second=0, microsecond=0)
    openings = window.openings_in(zones, start, start + timedelta(days=4), 50)
    assert all(opens < closes for opens, closes in openings)
    assert all(one[1] < other[0] for one, other in pairwise(openings))
    for moment in moments:
        at = start + timedelta(minutes=5 * moment)
        if any(_near_a_change(zone, at) for zone in zones):
            continue  # an hour that is skipped or shown twice has tables of its own
        inside = any(opens <= at < closes for opens, closes in openings)
        assert inside == all(is_open(zone, at, first, last) for zone in zones), at


def _near_a_change(zone: ZoneInfo, at: datetime) -> bool:
    day = timedelta(days=1)
    return len({(at + step).astimezone(zone).utcoffset() for step in (-day, timedelta(0), day)}) > 1


@given(
    st.tuples(*[STRETCHES] * len(NAMES)),
    st.lists(st.tuples(st.sampled_from(NAMES), st.integers(1, 8)), min_size=1, max_size=6),
)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_everybody_has_it_in_their_hours_or_not_at_all(
    drive: Drive, stretches: tuple[list[tuple[int, int]], ...], chunks: list[tuple[str, int]]
) -> None:
    """Each operation leaves in an opening of its own zones, or expires because none is left; none is lost or sent twice."""
    drive.client.flushall()
    drive = Drive(drive.client)
    add_account(drive.client, "fast", "600/minute", variation_ms=10)
    uploads, begin_us = Uploads(drive), drive.now_us
    uploads.open("c1", account="fast", options={"window": "a test's recipient", "zoned": "1"})
    merged = {name: _merged(own) for name, own in zip(NAMES, stretches, strict=True)}
    uploads.hours("c1", **merged)
    zones: dict[str, str] = {}
    for place, (name, count) in enumerate(chunks):
        rows = [{"to": f"+1555{place:03d}{row:04d}"} for row in range(count)]
        zones |= dict.fromkeys(uploads.write_zoned("c1", name, rows), name)
    uploads.seal("c1")

    sent: dict[str, int] = {}
    while (due := drive.next_due_us()) is not None:
        drive.set_time(max(drive.now_us, due))
        for hint in drive.grant().hints:
            begun = drive.begin_at_slot(hint)
            if begun["s"] == "go":
                assert hint.id not in sent
                sent[hint.id] = int(begun["slot"]) - begin_us
                drive.settle(hint, ACCEPTED)
    for op, at in sent.items():
        assert any(opens * 10**6 <= at < closes * 10**6 for opens, closes in merged[zones[op]])
    outcomes = drive.campaign("c1").outcomes
    assert (len(sent), len(zones) - len(sent)) == (outcomes["accepted"], outcomes["expired"])


def _merged(stretches: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Stretches of a window do not touch."""
    merged: list[tuple[int, int]] = []
    for opens, length in sorted(stretches):
        if merged and opens <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], opens + length))
        else:
            merged.append((opens, opens + length))
    return merged
