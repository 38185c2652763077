"""Slots keep the distance that the formula promises."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from paceline import names
from paceline.state.scripts import Script
from paceline_worker.accounts.accounts import Accounts
from tests.conftest import add_account
from tests.support.drive import ACCEPTED, NOT_MADE, OVERLOADED, THROTTLED, UNKNOWN, Drive

INTERVAL_US = 6_100_000


def test_a_slot_that_goes_back_does_not_take_the_push_of_a_slow_call_with_it(drive: Drive) -> None:
    """A call answered 6 s after its slot may have arrived then; the slot after it, given back, must not be used again at once."""
    for i in range(3):
        drive.send(sender=f"+1555010000{i}")
    slow = drive.grant_next()
    drive.begin_at_slot(slow)
    drive.set_time(slow.slot_us + INTERVAL_US - 250_000)
    second = drive.grant().hints[0]
    drive.set_time(slow.slot_us + 6_000_000)
    drive.settle(slow, ACCEPTED, elapsed_us=6_000_000)
    drive.worker.give_back([second], "not sent")
    following = drive.grant_next()
    assert following.slot_us >= slow.slot_us + 6_000_000 - 100_000 + INTERVAL_US, following.slot_us - slow.slot_us


def test_a_lowered_quota_counts_the_latest_slots(drive: Drive) -> None:
    """10/day lowered to 3/day: the next slot waits for the third latest, not for the oldest of ten."""
    add_account(drive.client, "q", "60/minute; 10/day")
    for _ in range(10):
        drive.send("q", valid_until=datetime(2040, 1, 1, tzinfo=UTC))
    slots = []

    def next_slot() -> int:
        while not (hints := drive.grant().hints):
            drive.set_time(max(drive.now_us, drive.due_us("q") or 0))
        drive.begin_at_slot(hints[0])
        drive.set_time(hints[0].slot_us)
        drive.settle(hints[0], ACCEPTED)
        return hints[0].slot_us

    for i in range(10):
        slots.append(next_slot())
        drive.advance(3600 if i < 9 else 1)
    Accounts(drive.client).change("q", rates="60/minute; 3/day")
    drive.send("q", valid_until=datetime(2040, 1, 1, tzinfo=UTC))
    got = next_slot()
    assert got >= slots[-3] + 86_400_000_000, [s - slots[0] for s in [*slots, got]]


def test_a_probe_that_could_not_connect_says_nothing_about_the_limit(drive: Drive) -> None:
    """After a 429, the probe's connection is refused: the account is still throttled and sends one more probe, not all."""
    for i in range(3):
        drive.send(sender=f"+1555010000{i}")
    drive.deliver(THROTTLED)
    drive.deliver(replace(OVERLOADED, code="connect", reason="not_sent"))
    assert "1" == drive.client.hget("paceline:{0}:a:acme", "throttled")


def test_a_probe_without_an_answer_says_nothing_about_the_limit(drive: Drive) -> None:
    """The same for a timeout; grant.lua's sweep already says so of a probe whose worker died."""
    for i in range(3):
        drive.send(sender=f"+1555010000{i}")
    drive.deliver(THROTTLED)
    drive.deliver(UNKNOWN)
    assert "1" == drive.client.hget("paceline:{0}:a:acme", "throttled")


def test_a_service_may_take_slots_again_when_no_operation_is_left_to_probe(drive: Drive) -> None:
    """The throttled operation expired, nothing else waits: the pause ends for `limits` users too."""
    take = Script("paceline_worker", "take")
    soon = datetime.fromtimestamp(drive.now_us / 1e6, UTC) + timedelta(seconds=30)
    drive.send(valid_until=soon)
    drive.deliver(THROTTLED)
    drive.advance(120)
    drive.grant()
    assert 1 == drive.balance().outcomes["expired"]
    drive.advance(3600)
    assert "1" == take.run(drive.client, "acme", 1, 0, "test")[0]


def test_a_missed_probe_keeps_the_slot(drive: Drive) -> None:
    """Control: a probe given back is probed again one hop later."""
    drive.send()
    drive.deliver(THROTTLED)
    drive.deliver(NOT_MADE)
    assert drive.now_us + 40_000 == drive.grant().hints[0].slot_us


def test_two_quotas_of_one_window_count_each_slot_once(drive: Drive) -> None:
    """Of 10/minute; 6/day; 4/24 hour both days are one window; four may leave, not two."""
    add_account(drive.client, "twin", "10/minute; 6/day; 4/24 hour")
    for _ in range(4):
        drive.send("twin", valid_until=datetime(2040, 1, 1, tzinfo=UTC))
    slots = []
    for _ in range(4):
        while not (hints := drive.grant().hints):
            drive.set_time(max(drive.now_us, drive.due_us("twin") or 0))
        drive.begin_at_slot(hints[0])
        drive.set_time(hints[0].slot_us)
        drive.settle(hints[0], ACCEPTED)
        slots.append(hints[0].slot_us)
    assert slots[3] - slots[0] < 60_000_000, slots[3] - slots[0]


def test_a_quota_is_remembered_for_its_whole_window(drive: Drive) -> None:
    """Slots of 10/day expire in the state server after a day and J; a log that went earlier would admit another ten."""
    add_account(drive.client, "q", "60/minute; 10/day")
    drive.send("q")
    drive.grant_next()
    left_ms = drive.client.pttl(f"{names.STATE_ROOT}:a:q:q:86400000000")
    assert 86_400_000 < left_ms <= 86_400_100 + 60_000
