"""begin.lua on a moved clock: what is late moves to another slot of the same bucket, and is sent by the worker that has it."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from paceline.window import from_text
from paceline_worker.accounts.accounts import Accounts
from tests.conftest import add_account
from tests.support.drive import ACCEPTED, OWNER, Drive

INTERVAL_US = 6_100_000
TOLERANCE_US = 50_000
NOTICE_US = 4_000


def slot_of(answer: dict[str, object]) -> int:
    return int(str(answer["slot"]))


def test_an_operation_that_is_in_time_keeps_its_slot(drive: Drive) -> None:
    """A little late is in time: half of the tolerance, as the worker expects to be ready."""
    drive.send()
    hint = drive.grant_next()
    drive.set_time(hint.slot_us + TOLERANCE_US // 2 - NOTICE_US)
    answer = drive.begin([hint], notice_us=NOTICE_US)[0]
    assert (hint.slot_us, False) == (slot_of(answer), "moved" in answer)


def test_a_late_operation_gets_the_first_slot_that_its_worker_can_make(drive: Drive) -> None:
    """Its own slot went back, so the account loses the lateness and no more."""
    drive.send()
    drive.send()
    hint = drive.grant_next()
    drive.set_time(hint.slot_us + 700_000)
    answer = drive.begin([hint], notice_us=NOTICE_US)[0]
    assert drive.now_us + NOTICE_US == slot_of(answer)
    drive.settle(hint, ACCEPTED)
    assert slot_of(answer) + INTERVAL_US == drive.grant_next().slot_us


def test_arrivals_keep_their_distance_however_late_a_worker_is(drive: Drive) -> None:
    """Three senders, every begin late by another time: no two slots are closer than the spacing."""
    for number in range(12):
        drive.send(sender=f"+1555010000{number % 3}")
    slots = []
    for late_us in (0, 60_000, 400_000, 5_000, 1_900_000, 80_000) * 2:
        hint = drive.grant_next()
        drive.set_time(max(drive.now_us, hint.slot_us + late_us))
        answer = drive.begin([hint], notice_us=NOTICE_US)[0]
        assert answer["s"] == "go"
        slots.append(slot_of(answer))
        drive.settle(hint, ACCEPTED)
    assert min(b - a for a, b in pairwise(slots)) >= INTERVAL_US


def test_a_worker_that_is_late_after_begin_asks_again(drive: Drive) -> None:
    """It has not sent: the second question brings another slot, the first one asked again changes nothing."""
    drive.send()
    hint = drive.grant_next()
    first = slot_of(drive.begin_at_slot(hint))
    drive.set_time(first + 90_000)
    second = drive.begin([hint], question=2, notice_us=NOTICE_US)[0]
    assert ("go", drive.now_us + NOTICE_US) == (second["s"], slot_of(second))
    assert "stale" == drive.begin([hint], question=1)[0]["why"]
    drive.advance(30)
    again = drive.begin([hint], question=2, notice_us=NOTICE_US)[0]
    assert ("go", slot_of(second)) == (again["s"], slot_of(again))


def test_a_question_that_arrives_late_takes_nothing_back(drive: Drive) -> None:
    """The worker asked twice while state was mute, and sends; its other question arrives when the account is paused."""
    op = drive.send()
    hint = drive.grant_next()
    assert "go" == drive.begin_at_slot(hint)["s"]
    Accounts(drive.client).suspend("acme")
    assert "go" == drive.begin([hint])[0]["s"]
    assert "s" == drive.operation(op)["s"]


def test_a_late_operation_of_an_account_that_pauses_goes_back(drive: Drive) -> None:
    """Asked again it is refused like any other, for its worker says that it has not sent."""
    op = drive.send()
    hint = drive.grant_next()
    drive.begin_at_slot(hint)
    Accounts(drive.client).suspend("acme")
    assert "suspended" == drive.begin([hint], question=2)[0]["why"]
    assert "w" == drive.operation(op)["s"]
    assert "stale" == drive.begin([hint], question=3)[0]["why"]


def test_another_worker_cannot_ask_about_what_is_being_sent(drive: Drive) -> None:
    """However often it was asked."""
    drive.send()
    hint = drive.grant_next()
    drive.begin_at_slot(hint, "worker-1")
    assert ["stale"] * 3 == [drive.begin([hint], "worker-2", question=number)[0]["why"] for number in (1, 2, 3)]


def test_with_more_time_until_its_slot_it_stays_granted(drive: Drive) -> None:
    """Two senders of an account are late, so the second slot is half a second away; killed meanwhile, nothing is unknown."""
    add_account(drive.client, "fast", "120/minute", "window", 0)
    ops = [drive.send("fast", sender=f"+1555010000{number}") for number in range(2)]
    drive.advance(1)
    hints = [drive.grant_next()]
    drive.set_time(hints[0].slot_us + 300_000)
    hints += drive.grant().hints
    drive.advance(0.9)
    first, second = drive.begin(hints, notice_us=NOTICE_US)
    assert ("go", "wait") == (first["s"], second["s"])
    assert 500_000 == slot_of(second) - slot_of(first)
    assert ["s", "g"] == [drive.operation(op)["s"] for op in ops]
    drive.set_time(slot_of(second) - 10_000)
    assert ("go", second["slot"]) == tuple(str(drive.begin([hints[1]], question=2)[0][name]) for name in ("s", "slot"))


def test_a_slot_that_is_too_far_ahead_is_not_waited_for(drive: Drive) -> None:
    """A slow call pushed the account's next slot by seconds: the operation goes back, and the slot too."""
    first, second = drive.send(sender="+15550100001"), drive.send(sender="+15550100002")
    slow = drive.grant_next()
    drive.begin_at_slot(slow)
    drive.set_time(slow.slot_us + INTERVAL_US - 200_000)
    (late,) = drive.grant().hints
    drive.settle(slow, ACCEPTED, elapsed_us=6_000_000)
    drive.set_time(late.slot_us + 300_000)
    assert {first, second} == {slow.id, late.id}
    assert "far" == drive.begin([late])[0]["why"]
    again = drive.grant_next()
    assert (late.id, slow.slot_us + 6_000_000 - 100_000 + INTERVAL_US) == (again.id, again.slot_us)


def test_a_slot_of_a_clock_that_was_set_back_is_not_waited_for(drive: Drive) -> None:
    """F16: begun before anybody noticed the jump, it would leave minutes late, long after it was given up."""
    drive.send()
    hint = drive.grant_next()
    drive.set_time(hint.slot_us - 30_000 - 300_000_000)
    assert "far" == drive.begin([hint])[0]["why"]


def test_a_late_operation_keeps_to_its_validity(drive: Drive) -> None:
    """Its new slot would be after valid_until: it goes back, and expires."""
    until = datetime.fromtimestamp((drive.now_us + INTERVAL_US + 200_000) / 1e6, UTC)
    op = drive.send(valid_until=until)
    hint = drive.grant_next()
    drive.set_time(hint.slot_us + 400_000)
    assert "far" == drive.begin([hint])[0]["why"]
    drive.grant()
    assert "expired" == drive.operation(op)["oc"]


def test_a_late_operation_keeps_to_its_window(drive: Drive) -> None:
    """The window closed meanwhile: it waits for the next opening."""
    opens, closes = drive.now - timedelta(minutes=5), drive.now + timedelta(minutes=1)
    op = drive.send(priority="bulk", window=f"{opens:%H:%M}-{closes:%H:%M} UTC")
    closing = next(until for since, until in from_text(drive.operation(op)["wi"]) if since <= drive.now_us < until)
    drive.set_time(closing - 100_000)
    (hint,) = drive.grant().hints
    drive.set_time(closing + 50_001)
    assert "far" == drive.begin([hint])[0]["why"]
    assert drive.grant_next().slot_us >= closing + 86_000_000_000


def test_a_quota_counts_an_operation_that_moved_once(drive: Drive) -> None:
    """10/minute; 3/day: three leave, each of them late, and the fourth a day after the first."""
    add_account(drive.client, "small", "10/minute; 3/day")
    slots = []
    for _ in range(4):
        drive.send("small", valid_until=datetime(2040, 1, 1, tzinfo=UTC))
    for _ in range(4):
        while not (hints := drive.grant().hints):
            drive.set_time(max(drive.now_us, drive.due_us("small") or 0))
        drive.set_time(max(drive.now_us, hints[0].slot_us + 300_000))
        slots.append(slot_of(drive.begin(hints)[0]))
        drive.settle(hints[0], ACCEPTED)
    assert slots[2] - slots[0] < 20_000_000
    assert 86_400_000_000 + 100_000 <= slots[3] - slots[0] < 86_402_000_000


def test_a_budget_counts_an_operation_that_moved_once(drive: Drive) -> None:
    """Two calls a minute of one sender: the third waits for a minute after the slot at which the first was sent."""
    Accounts(drive.client).change("acme", budgets={"*": "2/minute"})
    for _ in range(3):
        drive.send()
    slots = []
    for _ in range(3):
        hint = drive.grant_next()
        drive.set_time(max(drive.now_us, hint.slot_us + 800_000))
        slots.append(slot_of(drive.begin([hint])[0]))
        drive.settle(hint, ACCEPTED)
    assert slots[1] - slots[0] < 10_000_000
    assert slots[2] - slots[0] >= 60_000_000


@pytest.mark.parametrize("late_us", [0, 2_000_000])
def test_the_lease_of_what_is_begun_counts_from_begin(drive: Drive, late_us: int) -> None:
    """Whoever has it has the HTTP deadline, and a margin, from then on."""
    drive.send(on_unknown="hold")
    hint = drive.grant_next()
    drive.set_time(hint.slot_us + late_us)
    assert "go" == drive.begin([hint], OWNER)[0]["s"]
    drive.advance(19.9)
    assert [] == list(drive.grant().settled)
    drive.advance(0.2)
    assert ["held"] == [outcome for _, _, outcome, _ in drive.grant().settled]
