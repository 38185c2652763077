"""Daily ramps: how many messages a new number sends on each of its first days."""

import json
from collections import Counter
from dataclasses import replace

import pytest

from paceline.campaigns.options import CampaignOptions
from paceline.campaigns.senders import as_field, senders_of
from paceline.forecast.outlook import forecast_of
from paceline.forecast.ramp import DAY_US, canonical_ramp, figures_of, most_on
from paceline.status.view import status_of
from paceline_worker.verdict.policy import Verdict
from tests.conftest import SENDER, add_account
from tests.properties.uploads import Uploads
from tests.support.drive import ACCEPTED, Drive

OTHER = "+15550100009"
BUSY = Verdict("defer", scope="sender", delay_s=3.0, code="486", words="busy")
REFUSED = Verdict("finish", "rejected", code="422", words="no")
UNAVAILABLE = Verdict("retry", delay_s=2.0, code="503", words="unavailable")


@pytest.fixture
def uploads(drive: Drive) -> Uploads:
    add_account(drive.client, "fast", "600/minute", variation_ms=10)
    return Uploads(drive)


def start(
    uploads: Uploads, name: str, count: int, ramp: str, *, senders: tuple[str, ...] = (SENDER,), first: int = 0
) -> list[str]:
    """A campaign with a ramp; returns the ids of its operations."""
    pool = as_field(senders_of(senders)) if len(senders) > 1 else ""
    uploads.open(name, account="fast", sender=senders[0], options={"ramp": ramp}, fs=pool)
    ids = uploads.write(name, [{"to": f"+1555{first + place:07d}"} for place in range(count)])[1]
    uploads.seal(name)
    return ids


def sent(drive: Drive, *, until_us: int | None = None, answer: Verdict = ACCEPTED) -> list[tuple[str, int]]:
    """Sender and slot of everything that leaves until a time."""
    calls = []
    while (due := drive.next_due_us()) is not None and (until_us is None or due < until_us):
        drive.set_time(max(drive.now_us, due))
        for hint in drive.grant().hints:
            begun = drive.begin_at_slot(hint)
            if begun["s"] == "go":
                calls.append((begun["sender"], int(begun["slot"])))
                drive.settle(hint, answer)
    return calls


def by_day(calls: list[tuple[str, int]]) -> dict[str, list[int]]:
    """Of each sender the calls of each of its days."""
    first: dict[str, int] = {}
    counts: dict[str, Counter[int]] = {}
    for sender, slot in calls:
        day = (slot - first.setdefault(sender, slot)) // DAY_US
        counts.setdefault(sender, Counter())[day] += 1
    return {sender: [days[day] for day in range(max(days) + 1)] for sender, days in counts.items()}


def test_a_number_sends_no_more_than_its_day_allows(drive: Drive, uploads: Uploads) -> None:
    """The last figure holds for all later days, and nobody is left behind."""
    start(uploads, "c1", 30, "3,5,8")
    assert {SENDER: [3, 5, 8, 8, 6]} == by_day(sent(drive))


def test_each_number_of_a_pool_has_its_own_ramp(drive: Drive, uploads: Uploads) -> None:
    """Their days need not begin together."""
    start(uploads, "c1", 40, "4,6", senders=(SENDER, OTHER))
    days = by_day(sent(drive))
    assert {SENDER, OTHER} == set(days)
    assert all([4, 6] == counts[:2] and max(counts) <= 6 for counts in days.values())
    assert 40 == sum(map(sum, days.values()))


def test_campaigns_share_the_ramp_of_a_number(drive: Drive, uploads: Uploads) -> None:
    """A number is new once: the second campaign finds it on its second day."""
    start(uploads, "c1", 4, "3,5")
    first = sent(drive, until_us=drive.now_us + DAY_US // 2)
    assert 3 == len(first)
    start(uploads, "c2", 10, "3,5", first=100)
    assert {SENDER: [3, 5, 5, 1]} == by_day(first + sent(drive))


def test_a_campaign_without_a_ramp_is_not_held_back_by_the_ramp_of_another(drive: Drive, uploads: Uploads) -> None:
    """And does not count."""
    start(uploads, "c1", 4, "2")
    start(uploads, "c2", 10, "", first=100)
    calls = sent(drive, until_us=drive.now_us + DAY_US // 2)
    assert 12 == len(calls)
    assert 2 == len(sent(drive))


@pytest.mark.parametrize("answer", [BUSY, REFUSED, UNAVAILABLE], ids=["busy", "rejected", "unavailable"])
def test_a_call_that_sent_nothing_does_not_count(drive: Drive, uploads: Uploads, answer: Verdict) -> None:
    """Neither of the first day, which then has not begun, nor of a later one."""
    start(uploads, "c1", 40, "2,4")
    drive.set_time(drive.now_us + 1)
    until = drive.now_us + 1_000_000
    assert sent(drive, until_us=until, answer=answer)
    lane = drive.client.hgetall(f"paceline:{{0}}:l:fast:{SENDER}")
    assert not {"rb", "rd", "rn"} & set(lane)
    drive.advance(3600)
    days = by_day(sent(drive))[SENDER]
    assert [2, 4] == days[:2]


def test_an_answer_that_never_came_counts(drive: Drive, uploads: Uploads) -> None:
    """The message may have left; when it is looked up and found, it counts once."""
    start(uploads, "c1", 3, "1")
    drive.set_time(drive.next_due_us() or 0)
    (hint,) = drive.grant().hints
    drive.begin_at_slot(hint)
    drive.settle(hint, Verdict("unknown", code="timeout", words="no answer"))
    lane = drive.client.hmget(f"paceline:{{0}}:l:fast:{SENDER}", "rd", "rn")
    assert ["1", "1"] == lane
    assert [] == [slot for _, slot in sent(drive, until_us=drive.now_us + 5_000_000)]


def test_a_ramp_can_be_changed_and_taken_away(drive: Drive, uploads: Uploads) -> None:
    """A greater figure lets more leave at once; without a ramp all of it leaves."""
    start(uploads, "c1", 20, "2")
    day = drive.now_us + DAY_US // 2
    assert 2 == len(sent(drive, until_us=day))
    drive.state.control_campaign("change", "c1", json.dumps(CampaignOptions(ramp="5").texts()))
    assert 3 == len(sent(drive, until_us=day))
    drive.state.control_campaign("change", "c1", json.dumps(CampaignOptions(ramp="").texts()))
    assert 15 == len(sent(drive, until_us=day))


def test_the_forecast_knows_the_ramp(drive: Drive, uploads: Uploads) -> None:
    """Before the first message, and in the middle of a day; the reason names number and day."""
    start(uploads, "c1", 30, "3,5,8")
    picture = drive.state.campaign_picture("c1")
    assert picture
    ahead = forecast_of("c1", picture)
    first = sent(drive, until_us=drive.now_us + 3_600_000_000)
    picture = drive.state.campaign_picture("c1")
    assert picture
    later = forecast_of("c1", picture)
    assert f"{SENDER} has sent the 3 messages of day 1 of its ramp; day 2 begins at" in later.why
    calls = first + sent(drive)
    assert ahead.starts_at
    assert ahead.ends_at
    assert later.ends_at
    assert abs(ahead.starts_at.timestamp() - calls[0][1] / 1e6) < 2
    assert abs(ahead.ends_at.timestamp() - calls[-1][1] / 1e6) < 5
    assert abs(later.ends_at.timestamp() - calls[-1][1] / 1e6) < 5


def test_a_waiting_operation_says_what_it_waits_for(drive: Drive, uploads: Uploads) -> None:
    """`explain` and `status` tell the number, its day, and when the next one begins."""
    ids = start(uploads, "c1", 5, "2")
    sent(drive, until_us=drive.now_us + 3_600_000_000)
    status = status_of(drive.picture(ids[-1]))
    assert "has sent the 2 messages of day 1 of its ramp" in status.why
    assert status.expected_at
    assert (status.expected_at - drive.now).total_seconds() > 86_400


def test_a_handed_over_recipient_counts_where_it_is_sent(drive: Drive, uploads: Uploads) -> None:
    """A number that refuses sends nothing, so its day is not used; the other number counts its own."""
    start(uploads, "c1", 12, "50", senders=(SENDER, OTHER))
    gone = Verdict("finish", "rejected", code="404", words="the number was not found")
    while (due := drive.next_due_us()) is not None:
        drive.set_time(max(drive.now_us, due))
        for hint in drive.grant().hints:
            begun = drive.begin_at_slot(hint)
            if begun["s"] == "go":
                drive.settle(hint, gone if begun["sender"] == SENDER else ACCEPTED)
    lanes = [drive.client.hget(f"paceline:{{0}}:l:fast:{number}", "rn") for number in (SENDER, OTHER)]
    assert [None, "12"] == lanes


def test_figures_are_read_and_refused() -> None:
    """As they are written, with blanks and with dots at the end."""
    assert "20,40,80" == canonical_ramp(" 20, 40,080, ...")
    assert "20" == canonical_ramp("20…")
    assert "" == canonical_ramp("")
    assert (20, 40) == figures_of("20,40")
    assert [20, 40, 40] == [most_on((20, 40), day) for day in (1, 2, 3)]
    for wrong in ("0", "20,,40", "20;40", "-1", "many", "1.5", "9" * 8, ",".join(["1"] * 61), "..."):
        with pytest.raises(ValueError, match=r"messages a day|more than 60 days"):
            canonical_ramp(wrong)


def test_snapshots_read_the_ramp(drive: Drive, uploads: Uploads) -> None:
    """Of the campaign and of the number."""
    start(uploads, "c1", 5, "2,9")
    sent(drive, until_us=drive.now_us + 3_600_000_000)
    picture = drive.state.campaign_picture("c1")
    assert picture
    assert "2,9" == picture.campaign.ramp
    (lane,) = picture.lanes
    assert (1, 2) == (lane.ramp_day, lane.ramp_sent)
    assert "" == replace(picture.campaign).changed(CampaignOptions(ramp="").texts()).ramp
