"""A campaign in its recipients' own hours: each set of zones opens and closes by itself, and none stands in the way of another."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from paceline.campaigns.campaign import Campaign
from paceline.campaigns.options import CampaignOptions
from paceline.errors import CampaignConflict
from paceline.state import questions
from paceline.status.view import status_of
from tests.conftest import add_account
from tests.properties.uploads import Uploads, capped
from tests.scripts.campaigns.test_plan import grants_of, plan, start
from tests.scripts.test_costs import commands
from tests.support.drive import ACCEPTED, OVERLOADED, Drive

SECOND_US = 1_000_000
INTERVAL_US = 110_000
DAY = 86_400.0
ZONED = {"window": "09:00-20:00 recipient", "zoned": "1"}


@pytest.fixture
def uploads(drive: Drive) -> Uploads:
    """600 a minute with J of 10 ms: a slot every 110 ms. A campaign `c1` in its recipients' hours is open."""
    add_account(drive.client, "fast", "600/minute", variation_ms=10)
    uploads = Uploads(drive)
    uploads.open("c1", account="fast", options=ZONED)
    return uploads


def rows(count: int, first: int = 0) -> list[dict[str, str]]:
    return [{"to": f"+1555{first + place:07d}"} for place in range(count)]


def test_rows_of_a_closed_zone_do_not_hold_up_those_behind_them(drive: Drive, uploads: Uploads) -> None:
    """Those of the far zone stand first; the near ones leave slot by slot, and then the far ones at their opening."""
    begin_us = drive.now_us
    uploads.hours("c1", far=[(3600, 7200)], near=[(0, 1800)])
    far = uploads.write_zoned("c1", "far", rows(250))
    near = uploads.write_zoned("c1", "near", rows(5, 1000))
    left = [drive.call(ACCEPTED) for _ in range(6)]
    assert [*near, far[0]] == [hint.id for hint in left]
    assert 4 * INTERVAL_US == left[4].slot_us - left[0].slot_us
    assert 3600 * SECOND_US == left[5].slot_us - begin_us


def test_the_zone_that_closes_first_leaves_first(drive: Drive, uploads: Uploads) -> None:
    """Both are open: the rows of the zone that closes in a minute go before those that have the day."""
    uploads.hours("c1", day=[(0, DAY)], short=[(0, 60)])
    day = uploads.write_zoned("c1", "day", rows(3))
    short = uploads.write_zoned("c1", "short", rows(2, 100))
    assert [*short, *day] == [drive.call(ACCEPTED).id for _ in range(5)]


def test_each_zone_opens_and_closes_to_the_slot(drive: Drive, uploads: Uploads) -> None:
    """Three zones an hour apart, each open for two seconds in each of three rounds: nothing leaves outside its own."""
    begin_us = drive.now_us
    hours = {
        z: [(3600 * (place + 3 * turn) + 1.0, 3600 * (place + 3 * turn) + 3.0) for turn in range(3)]
        for place, z in enumerate("abc")
    }
    uploads.hours("c1", **hours)
    zone_of: dict[str, str] = {}
    for place, z in enumerate("abc"):
        zone_of |= dict.fromkeys(uploads.write_zoned("c1", z, rows(40, 100 * place)), z)
    uploads.seal("c1")
    seen: dict[str, list[float]] = {"a": [], "b": [], "c": []}
    for _ in range(120):
        hint = drive.call(ACCEPTED)
        seen[zone_of[hint.id]].append((hint.slot_us - begin_us) / 1e6)
    for z, seconds in seen.items():
        assert 40 == len(seconds)
        assert [] == [second for second in seconds if not any(opens <= second < closes for opens, closes in hours[z])]
        assert hours[z][0][0] == seconds[0]
    drive.grant()
    assert uploads.completed("c1") is not None


def test_a_set_without_a_further_opening_expires_and_the_others_go_on(uploads: Uploads) -> None:
    """Its rows have an outcome each, and take no slots."""
    uploads.hours("c1", over=[(-100, -50)], open=[(0, DAY)])
    uploads.write_zoned("c1", "over", rows(30))
    uploads.write_zoned("c1", "open", rows(3, 100))
    uploads.seal("c1")
    uploads.settle_down(200)
    assert (3, 30) == (uploads.counted("c1", "accepted"), uploads.counted("c1", "expired"))
    assert uploads.completed("c1") is not None


def test_a_row_waits_for_its_not_before_and_then_for_its_zone(drive: Drive, uploads: Uploads) -> None:
    """The time comes while the zone is closed."""
    begin_us = drive.now_us
    uploads.hours("c1", z=[(0, 10), (600, 700)])
    begins = (drive.now + timedelta(seconds=100)).isoformat()
    uploads.write_zoned("c1", "z", [{"to": "+15550000001", "not_before": begins}])
    assert 600 * SECOND_US == drive.call(ACCEPTED).slot_us - begin_us


def test_a_retry_waits_for_its_zone(drive: Drive, uploads: Uploads) -> None:
    """Its back-off ends when its zone is closed."""
    begin_us = drive.now_us
    uploads.hours("c1", z=[(0, 2), (60, 62)])
    uploads.write_zoned("c1", "z", rows(1))
    drive.call(OVERLOADED)
    assert 60 * SECOND_US == drive.call(ACCEPTED).slot_us - begin_us


def test_changed_hours_hold_for_all_that_waits(drive: Drive, uploads: Uploads) -> None:
    """Shut for an hour, then open at once, then shut again."""
    uploads.hours("c1", z=[(3600, 7200)])
    uploads.write_zoned("c1", "z", rows(5))
    drive.grant()
    drive.advance(10)
    begin_us = drive.now_us
    uploads.hours("c1", z=[(0, 100)])
    assert drive.call(ACCEPTED).slot_us < begin_us + SECOND_US
    begin_us = drive.now_us
    uploads.hours("c1", z=[(500, 600)])
    assert 500 * SECOND_US == drive.call(ACCEPTED).slot_us - begin_us


def test_a_rate_of_the_campaign_holds_over_all_zones(drive: Drive, uploads: Uploads) -> None:
    """One in ten seconds, whichever zone it is of."""
    uploads.change("c1", capped(10 * SECOND_US))
    uploads.hours("c1", a=[(0, 1000)], b=[(0, 2000)])
    uploads.write_zoned("c1", "a", rows(2))
    uploads.write_zoned("c1", "b", rows(2, 100))
    slots = [drive.call(ACCEPTED).slot_us for _ in range(4)]
    assert [True] * 3 == [later - slot >= 9.7 * SECOND_US for slot, later in pairwise(slots)]


def test_a_taken_away_rate_forgets_no_opening(drive: Drive, uploads: Uploads) -> None:
    """The next turn was after the end of the opening; without the rate the rest leaves in the opening that is."""
    uploads.change("c1", capped(3600 * SECOND_US))
    uploads.hours("c1", a=[(0, 600), (DAY, DAY + 600)])
    uploads.write_zoned("c1", "a", rows(3))
    begin_us = drive.now_us
    drive.call(ACCEPTED)
    drive.grant()
    uploads.change("c1", {"cap": "", "rate": ""})
    assert drive.call(ACCEPTED).slot_us < begin_us + 600 * SECOND_US


def test_a_cancelled_campaign_gives_back_every_set(drive: Drive, uploads: Uploads) -> None:
    """Open and closed ones; the books close."""
    uploads.hours("c1", a=[(0, 100)], b=[(5000, 6000)])
    uploads.write_zoned("c1", "a", rows(100))
    uploads.write_zoned("c1", "b", rows(100, 200))
    uploads.seal("c1")
    drive.call(ACCEPTED)
    uploads.control("cancel", "c1")
    uploads.settle_down()
    assert (1, 199) == (uploads.counted("c1", "accepted"), uploads.counted("c1", "cancelled"))
    assert uploads.completed("c1") is not None


def test_one_cancelled_row_leaves_its_set(drive: Drive, uploads: Uploads) -> None:
    """Alone in its closed set, and the campaign is complete without it."""
    uploads.hours("c1", b=[(5000, 6000)])
    (op,) = uploads.write_zoned("c1", "b", rows(1))
    uploads.seal("c1")
    drive.grant()
    assert "cancelled" == drive.state.ask(questions.cancel(op, "by hand"))
    uploads.settle_down()
    assert 1 == uploads.counted("c1", "cancelled")
    assert uploads.completed("c1") is not None


def test_a_deleted_campaign_leaves_no_zones_behind(drive: Drive, uploads: Uploads) -> None:
    """Its sets are forgotten with it."""
    uploads.hours("c1", b=[(5000, 6000)])
    uploads.write_zoned("c1", "b", rows(10))
    uploads.seal("c1")
    uploads.control("delete", "c1")
    uploads.settle_down()
    assert {} == uploads.fields("c1")
    assert [] == list(drive.client.scan_iter("*c1*"))


@pytest.mark.parametrize("z", ["unknown", None])
def test_a_row_whose_zones_are_not_known_is_refused(drive: Drive, uploads: Uploads, z: str | None) -> None:
    """Nothing of the record is taken, and the books say so."""
    uploads.hours("c1", known=[(0, 100)])
    if z is None:
        uploads.write("c1", rows(1))
    else:
        uploads.write_zoned("c1", z, rows(3))
    assert (0, uploads.offered["c1"]) == (uploads.counted("c1", "written"), uploads.counted("c1", "refused"))
    assert [] == drive.grant().hints


def test_a_turn_costs_the_same_however_many_wait_closed(drive: Drive, uploads: Uploads) -> None:
    """The commands of a grant, a begin and a settle beside a closed set of ten rows, and of three thousand."""
    uploads.hours("c1", shut=[(5000, 6000)], open=[(0, 1000)])
    uploads.write_zoned("c1", "open", rows(9))
    costs = []
    for count in (10, 3000):
        for first in range(0, count, 250):
            uploads.write_zoned("c1", "shut", rows(min(250, count), count * 100 + first))
        drive.call(ACCEPTED)
        before = commands(drive)
        drive.call(ACCEPTED)
        costs.append(commands(drive) - before)
    assert costs[0] == costs[1]


BERLIN = [{"to": f"+49151{number:08d}"} for number in range(12345000, 12345040)]
NEW_YORK = [{"to": f"+1212556{number:04d}"} for number in range(1000, 1040)]
DAYTIME = "09:00-20:00 recipient"


@pytest.mark.parametrize("hour", [5, 17.95])
def test_a_plan_of_two_continents_is_what_then_happens(drive: Drive, hour: float) -> None:
    """One operation in 6.1 s: uploaded before either opens, and three minutes before Berlin closes."""
    drive.advance((hour - drive.now.hour) % 24 * 3600 - drive.now.minute * 60)
    rows = [row for pair in zip(BERLIN, NEW_YORK, strict=True) for row in pair]
    found = plan(drive, rows, window=DAYTIME)
    start(drive, rows, window=DAYTIME)
    ahead = Campaign("spring", drive.state).forecast()
    assert (80, 80, ()) == (found.recipients, found.in_time, found.problems)
    slots = grants_of(drive, "spring", 80)
    assert found.starts_at and found.ends_at and ahead.starts_at and ahead.ends_at  # noqa: PT018
    for starts, ends in ((found.starts_at, found.ends_at), (ahead.starts_at, ahead.ends_at)):
        assert abs(slots[0] - starts) < timedelta(seconds=10)
        assert abs(slots[-1] - ends) < timedelta(seconds=30)


def test_an_operation_says_which_hours_it_waits_for(drive: Drive) -> None:
    """In words, and with the time at which it then leaves."""
    drive.advance((3 - drive.now.hour) % 24 * 3600 - drive.now.minute * 60)
    start(drive, NEW_YORK[:1], window=DAYTIME)
    [op] = [key.rpartition(":")[2] for key in drive.client.scan_iter("*:o:*")]
    drive.grant()
    looked_up = drive.state.operation(op)
    assert looked_up
    status = status_of(looked_up)
    assert status.expected_at is not None
    opens = f"{status.expected_at:%Y-%m-%d %H:%M:%S} UTC"
    assert f"the hours of its recipient ({DAYTIME}, America/New_York) open at {opens}" == status.why
    why = Campaign("spring", drive.state).forecast().why
    assert why.startswith(f"the hours of its recipients ({DAYTIME}) open first at ")


def test_another_window_holds_for_all_zones_and_none_lets_all_leave(drive: Drive) -> None:
    """From the recipients' hours to a zone's, and to no window."""
    drive.advance((3 - drive.now.hour) % 24 * 3600 - drive.now.minute * 60)
    start(drive, [*BERLIN[:2], *NEW_YORK[:2]], window=DAYTIME)
    campaign = Campaign("spring", drive.state)
    campaign.change(CampaignOptions(window=""))
    assert 4 == len(grants_of(drive, "spring", 4))
    assert drive.now.hour < 4


def test_rows_without_zones_cannot_take_the_recipients_hours(drive: Drive) -> None:
    """They were uploaded for another window: the message says what to do."""
    start(drive, BERLIN[:2])
    with pytest.raises(CampaignConflict, match="uploaded without the zones of its recipients"):
        Campaign("spring", drive.state).change(CampaignOptions(window=DAYTIME))
    found = plan(drive, BERLIN[:3], window=DAYTIME)
    assert "uploaded without the zones" in found.problems[0]


def test_an_upload_that_goes_on_keeps_the_recipients_hours(drive: Drive) -> None:
    """Its options do not name the window again."""
    start(drive, BERLIN[:2], window=DAYTIME)
    start(drive, BERLIN[:5])
    assert 5 == drive.campaign().written


def test_a_single_operation_waits_for_the_hours_of_its_number(drive: Drive) -> None:
    """By the zone that the number tells."""
    drive.advance((3 - drive.now.hour) % 24 * 3600 - drive.now.minute * 60)
    now = drive.now
    drive.send(to="+12125550100", window=DAYTIME, valid_until=now + timedelta(days=2))
    left = grants_of_single(drive)
    assert "09:00" == f"{left.astimezone(ZoneInfo('America/New_York')):%H:%M}"


def grants_of_single(drive: Drive) -> datetime:
    return datetime.fromtimestamp(drive.call(ACCEPTED).slot_us / 1e6, UTC)


def test_the_second_row_to_a_recipient_leaves_after_the_first(drive: Drive, uploads: Uploads) -> None:
    """The first backs off, and the second waits behind it: the second comes back to the list of its zones, where it is found."""
    uploads.hours("c1", z=[(0, DAY)])
    ids = uploads.write_zoned("c1", "z", [{"to": "+15550200002", "key": f"k{place}"} for place in range(3)])
    uploads.seal("c1")
    assert ids[0] == drive.deliver(OVERLOADED)
    drive.advance(1)
    drive.grant()
    assert ids[0] == drive.deliver(ACCEPTED)
    assert ids[1:] == uploads.settle_down(30)
    assert uploads.completed("c1") is not None
