"""The parts of a campaign's plan that need no server: counting rows, predicting, and telling it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline import Campaign, Outbox, Plan
from paceline.campaigns.draft import draft
from paceline.campaigns.options import CampaignOptions
from paceline.campaigns.plan.inspection import Seen
from paceline.campaigns.plan.rows import Rows, foresee, read
from paceline.cli.campaign.plan import PlanFails, tell_plan
from paceline.errors import StateUnavailable, UnknownAccount
from paceline.forecast.backlog import Lane, Pace, Source
from paceline.forecast.outlook import source_of, with_more, with_source
from paceline.ids import derived_id
from paceline.state.campaigns import CampaignSnapshot
from paceline.testing import RecordingOutbox
from tests.unit.samples import ACCOUNT, SENDER, message

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
NOW_US = 1_769_860_800_000_000
SECOND = 1_000_000
DAY = 86_400 * SECOND
PACE = Pace(SECOND, NOW_US)
SPRING = draft("spring", account=ACCOUNT, sender=SENDER, template="Hi {name}")
PLAN = Plan(
    name="spring",
    account="acme",
    sender=SENDER,
    offered=5,
    recipients=3,
    duplicates=1,
    known=0,
    invalid=1,
    requests=3,
    credits=3,
    credits_left=None,
    account_expires_at=None,
    valid_until=NOW + timedelta(days=1),
    window="09:00-18:00 UTC",
    starts_at=NOW,
    ends_at=NOW + timedelta(seconds=2),
    in_time=3,
    late_from=None,
    problems=(),
    warnings=("the account's /info was never read",),
)


def counted(rows: list[dict[str, str]], known: Callable[..., int] | None = None, **options: Any) -> Rows:
    found = Rows(ends_us=NOW_US + DAY, now_us=NOW_US)
    given: dict[str, Any] = {"on_invalid": None, "on_progress": None} | options
    read(found, SPRING, rows, known=known, **given)
    return found


def row(number: int, **more: str) -> dict[str, str]:
    return {"to": f"+1555010{number:04d}", "name": "Ada", **more}


def times(*, ends: list[tuple[int, int]], lane: Lane | None = None, before: int = 0, pace: Pace = PACE) -> Any:
    """The prediction for so many recipients in a row of each validity (us after now), one second between two."""
    rows = Rows(ends_us=NOW_US + DAY, now_us=NOW_US)
    for end, number in ends:
        rows.take(number, ends_us=NOW_US + end)
    source = Source("spring", before + rows.recipients)
    return foresee(
        with_source([lane] if lane else [], SENDER, source), pace, rows, sender=SENDER, name="spring", before=before
    )


@given(st.lists(st.integers(0, 40)))
def test_an_id_is_new_once(numbers: list[int]) -> None:
    """However often it comes again."""
    seen = Seen()
    assert len(set(numbers)) == sum(seen.add(derived_id("campaign", str(number))) for number in numbers)


def test_many_ids_are_told_apart() -> None:
    """Each of them is new, and each of them is then known."""
    seen, ids = Seen(), [derived_id("campaign", str(number)) for number in range(20_000)]
    assert all(map(seen.add, ids))
    assert not any(map(seen.add, ids))


def test_rows_are_counted_by_what_becomes_of_them() -> None:
    """A recipient is told apart by its key, else by its number."""
    rows = [row(1), row(1), row(1, key="a"), row(2, key="a"), row(3), {"to": "+15550100004"}]
    found = counted(rows)
    assert (6, 3, 2, 1) == (found.offered, found.recipients, found.duplicates, found.invalid)


def test_progress_is_told_now_and_then_and_at_the_end() -> None:
    """In rows read."""
    seen: list[int] = []
    counted([row(number) for number in range(2_500)], on_progress=seen.append)
    assert [1000, 2000, 2500] == seen


def test_state_is_asked_about_a_thousand_at_a_time() -> None:
    """And about no row twice."""
    asked: list[list[str]] = []

    def known(ids: list[str]) -> int:
        asked.append(list(ids))
        return 600 if len(asked) == 1 else 0

    found = counted([row(number % 2_100) for number in range(4_000)], known)
    assert [1000, 1000, 100] == [len(ids) for ids in asked]
    assert 2_100 == len({op_id for ids in asked for op_id in ids})
    assert (600, 1_500, 1_900) == (found.known, found.recipients, found.duplicates)


def test_rows_with_times_of_their_own_are_kept_apart() -> None:
    """Validities in runs, and the first and the last time before which one may not leave."""
    later, end = NOW + timedelta(hours=1), NOW + timedelta(hours=5)
    rows = [row(1), row(2), row(3, valid_until=end.isoformat()), row(4, not_before=later.isoformat())]
    found = counted(rows)
    ends = [NOW_US + DAY, NOW_US + DAY * 5 // 24, NOW_US + DAY + DAY // 24]
    assert list(zip(ends, [2, 1, 1], strict=True)) == list(found.runs())
    assert sorted(ends) == found.ends()
    assert (3, *[NOW_US + DAY // 24] * 2) == (found.begun, found.first_begin_us, found.last_begin_us)
    assert not found.all_begin_later


def test_of_very_many_validities_some_are_taken_for_earlier_ones() -> None:
    """The earliest is among them, so that each row has one; what is in time is then a little less."""
    rows = Rows(ends_us=0, now_us=NOW_US)
    for number in range(5_000, 0, -1):
        rows.take(1, ends_us=NOW_US + number * SECOND)
    ends = rows.ends()
    assert NOW_US + SECOND == ends[0]
    assert 500 <= len(ends) <= 2_000


@pytest.mark.parametrize(
    ("ends", "in_time", "late_from"),
    [
        ([(10 * SECOND, 10)], 10, None),
        ([(10 * SECOND, 11)], 10, 11),
        # A slot at the very end of the validity is too late.
        ([(9 * SECOND, 10)], 9, 10),
        ([(0, 3)], 0, 1),
        # What expired leaves its turn to the next.
        ([(2 * SECOND, 5), (4 * SECOND, 3)], 4, 3),
        ([(DAY, 2), (SECOND, 3), (DAY, 2)], 4, 3),
    ],
)
def test_what_is_in_time(ends: list[tuple[int, int]], in_time: int, late_from: int | None) -> None:
    """One leaves every second, from now on."""
    found = times(ends=ends)
    total = sum(number for _, number in ends)
    assert (in_time, late_from) == (found.in_time, found.late_from)
    assert (NOW_US, NOW_US + (total - 1) * SECOND) == (found.first_us, found.last_us)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 6)), min_size=1, max_size=8))
def test_what_is_in_time_is_what_a_queue_would_send(ends: list[tuple[int, int]]) -> None:
    """One by one: each takes the next free second, if it is still valid then."""
    sent, late = 0, []
    for place, end in enumerate([end for end, number in ends for _ in range(number)], 1):
        if sent < end:
            sent += 1
        else:
            late.append(place)
    found = times(ends=[(end * SECOND, number) for end, number in ends])
    assert (sent, late[0] if late else None) == (found.in_time, found.late_from)


def test_what_waits_before_and_beside_them_comes_first() -> None:
    """Older rows of the campaign, transactional work, and a campaign of the same weight."""
    assert NOW_US + 5 * SECOND == times(ends=[(DAY, 3)], before=5).first_us
    assert NOW_US + 4 * SECOND == times(ends=[(DAY, 3)], lane=Lane(SENDER, transactional=4)).first_us
    shared = times(ends=[(DAY, 50)], lane=Lane(SENDER, sources=(Source("other", 500),)))
    assert 98 == pytest.approx((shared.last_us - NOW_US) / SECOND, abs=2)


def test_a_campaign_of_a_million_is_foreseen_without_looking_at_each() -> None:
    """Half of it is in time."""
    found = times(ends=[(500_000 * SECOND, 1_000_000)])
    assert (500_000, 500_001) == (found.in_time, found.late_from)


def test_changed_options_take_the_place_of_old_ones() -> None:
    """The window's openings and the cap's next time go with them, as in campaign.lua."""
    stored = {"weight": "2", "window": "09:00-10:00 UTC", "openings": "1-2", "opens": "1", "closes": "2", "cap": "5"}
    old = CampaignSnapshot.read(stored | {"cap_next": "9", "rate": "x"})
    assert old == old.changed({})
    new = old.changed(CampaignOptions(weight=3, window="", rate="1/minute").texts(NOW))
    assert Source("spring", 7, weight=3, interval_us=60 * SECOND) == source_of("spring", new, 7)
    assert Source("spring", 7, 2, False, 5, 9, ((1, 2), (1, 2))) == source_of("spring", old, 7)


def test_a_source_is_added_or_replaced() -> None:
    """In the lane of its sender, which is made if there is none."""
    lanes = [Lane("+1", sources=(Source("a", 1), Source("b", 2)))]
    assert [Lane("+1", sources=(Source("b", 2), Source("a", 9)))] == with_source(lanes, "+1", Source("a", 9))
    assert [*lanes, Lane("+2", sources=(Source("a", 9),))] == with_source(lanes, "+2", Source("a", 9))
    assert [Lane("+1", sources=(Source("a", 1), Source("b", 5)))] == with_more(lanes, {"b": 3, "c": 1})


def upload(outbox: Outbox, *numbers: int) -> Campaign:
    rows = [row(number) for number in numbers]
    return outbox.start_campaign("spring", account=ACCOUNT, sender=SENDER, template="Hi {name}", recipients=rows)


def plan(outbox: Outbox, *numbers: int, **options: Any) -> Plan:
    rows: list[Mapping[str, str]] = [row(number) for number in numbers]
    chosen: dict[str, Any] = {"account": ACCOUNT, "sender": SENDER, "template": "Hi {name}"} | options
    return outbox.plan_campaign("spring", recipients=rows, **chosen)


def test_a_recording_outbox_plans_too() -> None:
    """Services that show a plan before they upload can test that; nothing is recorded."""
    outbox = RecordingOutbox(clock=lambda: NOW)
    outbox.send(message())
    found = plan(outbox, 1, 2, 2)
    assert (2, 1, 0, ()) == (found.recipients, found.duplicates, found.known, found.problems)
    assert (NOW + timedelta(days=1), 2) == (found.valid_until, found.in_time)
    assert {} == outbox.campaigns
    campaign = upload(outbox, 1, 2)
    assert (1, 2) == ((more := plan(outbox, 1, 2, 3)).recipients, more.known)
    assert 2 == campaign.plan().recipients
    assert "exists with another" in plan(outbox, 1, template="Ho").problems[0]
    campaign.cancel()
    assert "cancelled" in plan(outbox, 1).problems[0]


def test_a_recording_outbox_fails_a_plan_as_it_fails_an_upload() -> None:
    """An unknown account, or no state."""
    outbox = RecordingOutbox(unknown_accounts={ACCOUNT})
    with pytest.raises(UnknownAccount):
        plan(outbox, 1)
    outbox.fail_with = StateUnavailable("Redis is down")
    with pytest.raises(StateUnavailable, match="Redis is down"):
        plan(outbox, 1)


def test_a_plan_is_plain_json() -> None:
    """Every field, times in ISO 8601."""
    plain = json.loads(json.dumps(PLAN.as_json()))
    assert list(PLAN.__slots__) == list(plain)
    assert ("2026-01-31T12:00:00+00:00", None, []) == (plain["starts_at"], plain["late_from"], plain["problems"])


def test_a_plan_without_problems_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Numbers in a table, warnings in sentences."""
    tell_plan(PLAN, as_json=False)
    told = capsys.readouterr().out
    for words in ("3 needed, unknown left", "09:00-18:00 UTC", "(after 2 s)", "Warning: the account's", "Nothing was"):
        assert words in told
    assert "Problem" not in told


@pytest.mark.parametrize("as_json", [False, True])
def test_a_plan_with_problems_is_told_and_fails(capsys: pytest.CaptureFixture[str], *, as_json: bool) -> None:
    """The command ends with a failure after everything was said."""
    bad = replace(PLAN, ends_at=None, in_time=1, late_from=2, problems=("it is late", "it is poor"))
    with pytest.raises(PlanFails, match=r"campaign 'spring' has 2 problems"):
        tell_plan(bad, as_json=as_json)
    told = capsys.readouterr().out
    if as_json:
        assert json.loads(told) == bad.as_json()
    else:
        assert "Problem: it is late.\nProblem: it is poor.\n" in told
        assert "1 of 3" in told
