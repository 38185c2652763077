"""grant.lua on a moved clock: when, whom, how much."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from redis.exceptions import ResponseError

from paceline.names import STATE_ROOT
from paceline_worker.accounts.accounts import Accounts
from tests.conftest import add_account
from tests.support.drive import ACCEPTED, LEASE_US, NOT_MADE, OVERLOADED, REJECTED, SENDER_BUSY, Drive

INTERVAL_US = 6_100_000
LEAD_US = 250_000


def test_a_new_account_starts_with_an_empty_bucket(drive: Drive) -> None:
    """The first slot of a new account is one spacing after it was added, never at once."""
    started = drive.now_us
    drive.send()
    assert started + INTERVAL_US == drive.grant_next().slot_us


def test_slots_are_exactly_one_spacing_apart(drive: Drive) -> None:
    """A backlog leaves every 6.1 s at 10/minute: W/N + J."""
    for _ in range(5):
        drive.send()
    slots = []
    for _ in range(5):
        hint = drive.grant_next()
        drive.begin_at_slot(hint)
        drive.set_time(hint.slot_us)
        drive.settle(hint, ACCEPTED)
        slots.append(hint.slot_us)
    assert [INTERVAL_US] * 4 == [b - a for a, b in pairwise(slots)]


def test_grants_run_ahead_by_the_lead_and_no_further(drive: Drive) -> None:
    """A dispatcher is told to look 250 ms before the slot; a microsecond earlier nothing is granted."""
    drive.send()
    due = drive.due_us()
    slot = drive.now_us + INTERVAL_US
    assert slot - LEAD_US == due
    drive.set_time(due - 1)
    assert [] == drive.grant().hints
    drive.set_time(due)
    assert [slot] == [hint.slot_us for hint in drive.grant().hints]


def test_one_sender_has_one_call_in_flight(drive: Drive) -> None:
    """While a sender's call is under way nothing else of that sender is granted; another sender's is."""
    add_account(drive.client, "fast", "6000/minute", "window", 10)
    drive.send("fast")
    drive.send("fast")
    drive.send("fast", sender="+15550100009")
    drive.advance(1)
    assert 2 == len(drive.grant().hints)
    drive.advance(1)
    assert [] == drive.grant().hints


def test_transactional_goes_before_bulk(drive: Drive) -> None:
    """A transactional message takes the next slot, whatever bulk waits in the same lane."""
    bulk = [drive.send(priority="bulk", to=f"+1555010{i:04d}") for i in range(10)]
    urgent = drive.send()
    assert [urgent, bulk[0], bulk[1]] == [drive.deliver(ACCEPTED) for _ in range(3)]


def test_bulk_of_one_lane_leaves_in_its_order(drive: Drive) -> None:
    """First in, first out."""
    ids = [drive.send(priority="bulk", to=f"+1555010{i:04d}") for i in range(6)]
    assert ids == [drive.deliver(ACCEPTED) for _ in ids]


def test_lanes_take_turns(drive: Drive) -> None:
    """A sender with a long backlog does not starve another sender of the account."""
    first = [drive.send(sender="+15550100001") for _ in range(3)]
    second = [drive.send(sender="+15550100002") for _ in range(3)]
    left = [drive.deliver(ACCEPTED) for _ in range(6)]
    assert [first[0], second[0], first[1], second[1], first[2], second[2]] == left


def test_capacity_bounds_what_is_granted(drive: Drive) -> None:
    """A saturated fleet grants less, and the slots are not lost: they are taken when there is room."""
    add_account(drive.client, "fast", "600000/minute", "window", 0)
    for i in range(10):
        drive.send("fast", sender=f"+155501000{i:02d}")
    drive.advance(1)
    granted = drive.grant(capacity=4)
    assert (4, 0) == (len(granted.hints), granted.room)
    assert 0 == len(drive.grant(capacity=4).hints)
    assert 6 == len(drive.grant(capacity=10).hints)


def test_a_grant_nobody_begins_goes_back_to_the_head(drive: Drive) -> None:
    """A lost hint costs time and nothing else: order is kept, the token grows, and the unused slot goes back."""
    first, second = drive.send(), drive.send()
    lost = drive.grant_next()
    drive.set_time(lost.slot_us + 5_000_001)
    swept = drive.grant()
    assert 1 == swept.given_back
    again = swept.hints[0]
    assert (first, int(lost.token) + 1) == (again.id, int(again.token))
    drive.begin_at_slot(again)
    drive.settle(again, ACCEPTED)
    assert second == drive.deliver(ACCEPTED)


def test_expired_operations_are_settled_without_a_slot(drive: Drive) -> None:
    """valid_until is checked against the slot: too late is an outcome, and the slot goes to the next one."""
    soon = datetime.fromtimestamp(drive.now_us / 1e6, UTC) + timedelta(seconds=2)
    late = drive.send(valid_until=soon)
    good = drive.send()
    assert good == drive.deliver(ACCEPTED)
    assert "expired" == drive.operation(late)["oc"]
    assert 0 == drive.balance().unaccounted


def test_not_before_costs_nothing_until_its_time(drive: Drive) -> None:
    """A scheduled operation is due at its time and not looked at before."""
    at = datetime.fromtimestamp(drive.now_us / 1e6, UTC) + timedelta(hours=1)
    drive.send(not_before=at)
    assert drive.now_us + 3_600_000_000 == drive.due_us()
    drive.go_to_next_due()
    hint = drive.grant_next()
    assert hint.slot_us >= drive.now_us


def test_a_retry_holds_back_what_follows_to_the_same_recipient(drive: Drive) -> None:
    """Order within (sender, recipient) survives a back-off; other recipients go on meanwhile."""
    first = drive.send(to="+15550100002")
    second = drive.send(to="+15550100002")
    other = drive.send(to="+15550100003")
    assert first == drive.deliver(replace(OVERLOADED, delay_s=20.0))
    assert other == drive.deliver(ACCEPTED)
    assert [first, second] == [drive.deliver(ACCEPTED), drive.deliver(ACCEPTED)]


def test_a_busy_sender_pauses_alone(drive: Drive) -> None:
    """486 pauses that sender for its delay; another sender of the account takes the next slot."""
    first = drive.send(sender="+15550100001")
    other = drive.send(sender="+15550100002")
    assert first == drive.deliver(SENDER_BUSY)
    assert other == drive.deliver(ACCEPTED)
    assert first == drive.deliver(ACCEPTED)
    assert "0" == drive.operation(first).get("at", "0")


def test_a_missed_slot_is_not_an_attempt(drive: Drive) -> None:
    """An operation that could not use its slot goes back to the head with its attempts unchanged."""
    first, second = drive.send(), drive.send()
    assert first == drive.deliver(NOT_MADE)
    assert [first, second] == [drive.deliver(ACCEPTED), drive.deliver(REJECTED)]
    assert "0" == drive.operation(first).get("at", "0")


def test_quotas_are_counted_over_a_sliding_day(drive: Drive) -> None:
    """10/minute; 3/day: three leave at the pace of the minute, the fourth a day after the first."""
    add_account(drive.client, "small", "10/minute; 3/day")
    for _ in range(4):
        drive.send("small", valid_until=datetime(2040, 1, 1, tzinfo=UTC))
    slots = []
    for _ in range(4):
        while not (hints := drive.grant().hints):
            drive.set_time(max(drive.now_us, drive.due_us("small") or 0))
        drive.begin_at_slot(hints[0])
        drive.set_time(hints[0].slot_us)
        drive.settle(hints[0], ACCEPTED)
        slots.append(hints[0].slot_us)
    assert [INTERVAL_US, INTERVAL_US] == [slots[1] - slots[0], slots[2] - slots[1]]
    assert 86_400_000_000 + 100_000 == slots[3] - slots[0]


def test_a_slow_call_pushes_the_next_slot_by_its_excess(drive: Drive) -> None:
    """A call that took 2 s may have arrived 2 s late: the next slot keeps its distance from then, less J."""
    drive.send()
    drive.send()
    first = drive.grant_next()
    drive.begin_at_slot(first)
    drive.set_time(first.slot_us + 2_000_000)
    drive.settle(first, ACCEPTED, elapsed_us=2_000_000)
    assert first.slot_us + INTERVAL_US + 1_900_000 == drive.grant_next().slot_us


def test_after_a_restart_of_the_server_every_bucket_starts_empty(drive: Drive) -> None:
    """A server that is not the process we knew may have forgotten its last slots: one spacing of silence."""
    assert not drive.grant().server_restarted
    drive.send()
    drive.advance(100)
    drive.client.hset("paceline:{0}:meta", "run_id", "of another process")
    restarted = drive.grant()
    assert (True, []) == (restarted.server_restarted, restarted.hints)
    assert drive.now_us + INTERVAL_US == drive.grant_next().slot_us


def test_a_slot_granted_before_a_restart_keeps_its_distance_to_the_first_one_after(drive: Drive) -> None:
    """An empty bucket counts its spacing from the last slot that may still be used, which lies up to 250 ms ahead."""
    drive.grant()
    drive.send()
    drive.send(sender="+15550100002")
    granted = drive.grant_next()
    drive.client.hset("paceline:{0}:meta", "run_id", "of another process")
    drive.grant()
    assert "go" == drive.begin_at_slot(granted)["s"]
    drive.set_time(granted.slot_us)
    drive.settle(granted, ACCEPTED)
    assert drive.grant_next().slot_us - granted.slot_us >= INTERVAL_US


def test_an_unused_slot_is_not_lost(drive: Drive) -> None:
    """A slot that goes back to the bucket: the next one is as near as the hop allows, not a spacing later."""
    drive.send()
    hint = drive.grant_next()
    drive.set_time(hint.slot_us + 80_000)
    drive.worker.give_back([hint], "the worker stops")
    again = drive.grant().hints[0]
    assert drive.now_us + 40_000 == again.slot_us


def test_changed_limits_keep_the_buckets_time_and_what_quotas_counted(drive: Drive) -> None:
    """A higher rate does not forget when the last slot was, and a smaller quota remembers the day."""
    add_account(drive.client, "small", "60/minute; 5/day", "window", 0)
    for number in range(4):
        drive.send("small", to=f"+1555010{number:04d}", valid_until=datetime(2040, 1, 1, tzinfo=UTC))
    slots = []
    for number in range(4):
        if number == 3:
            Accounts(drive.client).change("small", rates="60/minute; 3/day", pacing="window", variation=timedelta(0))
        while not (hints := drive.grant().hints):
            drive.set_time(max(drive.now_us, drive.due_us("small") or 0))
        drive.begin_at_slot(hints[0])
        drive.set_time(hints[0].slot_us)
        drive.settle(hints[0], ACCEPTED, elapsed_us=0)
        slots.append(hints[0].slot_us)
    assert [1_000_000, 1_000_000] == [slots[1] - slots[0], slots[2] - slots[1]]
    assert 86_400_000_000 == slots[3] - slots[0]


def test_a_script_that_fails_keeps_the_leases_of_what_it_granted(drive: Drive) -> None:
    """Leases are written together; without one nothing would bring a granted operation back."""
    add_account(drive.client, "broken")
    first = drive.send()
    drive.advance(7)
    second = drive.send("broken")
    interval = str(drive.client.hget(f"{STATE_ROOT}:a:broken", "interval"))
    drive.client.hset(f"{STATE_ROOT}:a:broken", "interval", "none")
    with pytest.raises(ResponseError):
        drive.grant()
    assert [first] == drive.client.zrange(f"{STATE_ROOT}:fl", 0, -1)

    drive.client.hset(f"{STATE_ROOT}:a:broken", "interval", interval)
    drive.advance(30)
    assert {first, second} == {hint.id for hint in drive.grant().hints}


def test_one_call_changes_the_leases_of_many(drive: Drive) -> None:
    """Begun, refused, settled, and settled once more: each has the lease that is its own."""
    add_account(drive.client, "other")
    sent, refused = drive.send(), drive.send("other")
    drive.advance(7)
    hints = {hint.id: hint for hint in drive.grant().hints}
    drive.client.hset(f"{STATE_ROOT}:a:other", "suspended", "by hand")
    assert ["go", "no"] == [answer["s"] for answer in drive.begin([hints[sent], hints[refused]])]
    assert [(sent, float(drive.now_us + LEASE_US))] == drive.client.zrange(f"{STATE_ROOT}:fl", 0, -1, withscores=True)
    assert ["accepted", "stale"] == drive.settle_all([(hints[sent], ACCEPTED), (hints[sent], ACCEPTED)])
    assert 0 == drive.client.zcard(f"{STATE_ROOT}:fl")
