"""/info: when it is read, what it changes, and that a lowered limit holds for what was sent before."""

from datetime import timedelta

import pytest

from paceline.state.scripts import Script
from paceline_worker.accounts.accounts import Accounts
from paceline_worker.accounts.info import Info
from paceline_worker.accounts.secrets import ApiKey, KeyRing
from paceline_worker.pacing.bucket import Pacing
from tests.conftest import SECRET, add_account
from tests.support.drive import ACCEPTED, THROTTLED, UNPAID, Drive

QUARTER_US = 900_000_000
MINUTE_US = 60_000_000


@pytest.fixture
def told(drive: Drive) -> Drive:
    """Instead of `acme` of 10 a minute an account `acme` whose limit nobody set."""
    Accounts(drive.client).remove("acme")
    add(drive)
    return drive


def add(drive: Drive, rates: str = "", pacing: Pacing = "spacing", info: Info | None = None) -> None:
    Accounts(drive.client).add("acme", ApiKey("k"), ring=KeyRing(SECRET), rates=rates, pacing=pacing, info=info)


def backlog(drive: Drive, count: int) -> None:
    for number in range(count):
        drive.send(sender=f"+155501{number:05d}")


def test_an_account_without_a_limit_sends_nothing_before_info_was_read(told: Drive) -> None:
    """Its figures are the first call; the operation leaves at the rate they tell."""
    told.send()
    turn = told.info_turn()
    told.advance(5)
    assert ("acme", []) == (turn.account, told.grant().hints)
    assert "done" == told.learn(Info(per_minute=60))
    assert told.grant_next().slot_us - told.now_us <= MINUTE_US


def test_an_account_whose_info_never_answers_goes_on_after_a_minute(told: Drive) -> None:
    """At the safe rate of 10 a minute; it is asked for again meanwhile."""
    added = told.now_us
    told.send()
    told.info_turn()
    slot = told.grant_next().slot_us
    assert 60_000_000 <= slot - added <= 75_000_000


def test_info_is_read_every_quarter_of_an_hour_at_a_slot_of_the_account(drive: Drive) -> None:
    """It is a call like any other: the operations beside it keep their distance from it."""
    Accounts(drive.client).remove("acme")
    add(drive, "10/minute", info=Info(per_minute=10))
    started = drive.now_us
    turn = drive.info_turn()
    assert QUARTER_US <= turn.slot_us - started <= QUARTER_US + 300_000
    drive.send()
    assert turn.slot_us + 6_100_000 == drive.grant_next().slot_us


def test_an_answer_that_does_not_come_is_asked_for_again_after_a_minute(told: Drive) -> None:
    """And never at once: a dispatcher has other things to do."""
    first = told.info_turn()
    second = told.info_turn()
    assert MINUTE_US - 250_000 <= second.slot_us - first.slot_us <= MINUTE_US + 7_000_000


def test_a_reading_that_missed_its_slot_gives_the_slot_back(told: Drive) -> None:
    """Soon again, and an operation may use the time."""
    Accounts(told.client).resume("acme")
    turn = told.info_turn()
    told.send()
    told.info_later()
    assert told.grant_next().slot_us - turn.slot_us <= 40_000


def test_after_a_429_info_is_read_before_anything_else_leaves(told: Drive) -> None:
    """Perhaps the limit was lowered; without an answer the account goes on after half a minute."""
    told.info_turn()
    told.learn(Info(per_minute=60))
    backlog(told, 3)
    paused = told.call(THROTTLED).slot_us + MINUTE_US
    told.send()
    turn = told.info_turn()
    assert [] == told.grant().hints
    assert turn.slot_us >= paused
    assert told.grant_next().slot_us >= paused + 30_000_000


def test_the_limit_by_hand_is_the_ceiling(drive: Drive) -> None:
    """/info may lower it and not raise it."""
    intervals = []
    for per_minute in (600, 5, 600):
        drive.learn(Info(per_minute=per_minute))
        intervals.append(int(drive.client.hget("paceline:{0}:a:acme", "interval") or 0))
    assert [6_100_000, 12_100_000, 6_100_000] == intervals


def test_a_limit_changed_by_hand_meanwhile_is_not_overwritten(drive: Drive) -> None:
    """What was computed for another limit is computed again."""
    stale = Script("paceline_worker", "account")
    assert "changed" == stale.run(drive.client, "info", "acme", "5/minute", 1, 0, "1", "interval", "200000")
    assert "6100000" == drive.client.hget("paceline:{0}:a:acme", "interval")


@pytest.mark.parametrize("pacing", ["spacing", "window"])
@pytest.mark.parametrize(("before", "after"), [(120, 12), (600, 10), (60, 10), (60, 59), (20, 10), (10, 1)], ids=str)
def test_a_lowered_limit_holds_for_every_window_of_the_providers_log(
    drive: Drive, pacing: Pacing, before: int, after: int
) -> None:
    """From the reading on no minute that ends later holds more than the new limit, whatever was sent at the old one."""
    Accounts(drive.client).remove("acme")
    add(drive, pacing=pacing, info=Info(per_minute=before))
    backlog(drive, before + 2 * after + 20)
    slots = [drive.call(ACCEPTED).slot_us for _ in range(before + 5)]
    assert "slower" == drive.learn(Info(per_minute=after))
    lowered = drive.now_us
    slots += [drive.call(ACCEPTED).slot_us for _ in range(2 * after + 3)]
    for end in (slot for slot in slots if slot > lowered):
        assert sum(end - MINUTE_US < slot <= end for slot in slots) <= after


def test_a_limit_lowered_while_the_account_is_slowed_down_holds_too(drive: Drive) -> None:
    """The factor changes between the last slot and the reading; the last slot is still known well enough."""
    Accounts(drive.client).remove("acme")
    add(drive, info=Info(per_minute=60))
    backlog(drive, 60)
    slots = [drive.call(ACCEPTED).slot_us for _ in range(30)]
    drive.client.hset("paceline:{0}:a:acme", mapping={"slow": "2000", "slow_at": str(drive.now_us)})
    drive.learn(Info(per_minute=10))
    slots += [drive.call(ACCEPTED).slot_us for _ in range(12)]
    for end in slots[30:]:
        assert sum(end - MINUTE_US < slot <= end for slot in slots) <= 10


def test_a_slot_given_back_after_the_limit_was_lowered_does_not_bring_the_old_distance_back(drive: Drive) -> None:
    """Granted before the reading, not sent after it: the window of the new limit still counts."""
    Accounts(drive.client).remove("acme")
    add(drive, info=Info(per_minute=60))
    backlog(drive, 40)
    slots = [drive.call(ACCEPTED).slot_us for _ in range(30)]
    hint = drive.grant_next()
    drive.learn(Info(per_minute=10))
    drive.worker.give_back([hint], "not sent")
    end = drive.grant_next().slot_us
    assert sum(end - MINUTE_US < slot <= end for slot in slots) < 10


def test_a_raised_limit_is_used_at_once(drive: Drive) -> None:
    """From the next slot on."""
    Accounts(drive.client).remove("acme")
    add(drive, info=Info(per_minute=10))
    backlog(drive, 4)
    drive.deliver(ACCEPTED)
    assert "done" == drive.learn(Info(per_minute=600))
    slots = [drive.call(ACCEPTED).slot_us for _ in range(3)]
    assert [200_000] * 2 == [slots[1] - slots[0], slots[2] - slots[1]]


def test_an_unpaid_account_is_asked_about_and_resumes_by_itself(drive: Drive) -> None:
    """Suspended after a 402: /info is read all the same, and when it may send again it does."""
    Accounts(drive.client).remove("acme")
    add(drive, info=Info(per_minute=10))
    op = drive.send()
    drive.deliver(UNPAID)
    drive.info_turn()
    drive.learn(Info(per_minute=10, credits_left=0), again=timedelta(minutes=1))
    assert [] == drive.grant().hints
    drive.info_turn()
    drive.learn(Info(per_minute=10, credits_left=100))
    assert op == drive.deliver(ACCEPTED)


def test_figures_that_were_read_when_it_was_added_are_of_then(drive: Drive) -> None:
    """So that nobody is told that they were never read, and no alert says that they are old."""
    Accounts(drive.client).remove("acme")
    add(drive)
    assert drive.client.hget("paceline:{0}:about:acme", "info_read_at") is None
    Accounts(drive.client).remove("acme")
    add(drive, info=Info(per_minute=10))
    assert str(drive.now_us) == drive.client.hget("paceline:{0}:about:acme", "info_read_at")


def test_an_account_suspended_by_hand_is_not_asked_about(told: Drive) -> None:
    """Nothing of it is due."""
    Accounts(told.client).suspend("acme")
    assert told.due_us() is None


def test_an_account_that_never_reads_info_is_not_due_for_it(drive: Drive) -> None:
    """`acme` of these tests."""
    add_account(drive.client, "quiet")
    assert (None, None) == (drive.due_us(), drive.due_us("quiet"))


@pytest.mark.parametrize("is_told", [True, False])
def test_a_slow_call_for_figures_keeps_the_distance_of_what_follows(drive: Drive, is_told: bool) -> None:
    """It may have arrived as late as its answer came; the next call must not come too close behind it."""
    Accounts(drive.client).remove("acme")
    add(drive, rates="60/minute")
    turn = drive.info_turn()
    drive.advance(3)
    if is_told:
        drive.learn(Info(per_minute=60))
    else:
        Script("paceline_worker", "account").run(drive.client, "info failed", "acme")
    drive.send()
    hint = drive.grant_next()
    assert hint.slot_us - turn.slot_us >= 3_000_000 - 100_000 + 1_000_000
