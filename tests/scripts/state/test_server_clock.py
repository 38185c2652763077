"""A server clock that is set, and a server that restarts."""

import asyncio
import time

import pytest

from paceline.state.scripts import Script
from paceline_worker.state.clock import ServerClock
from paceline_worker.state.delivery import DeliveryState
from paceline_worker.state.values import Answered, Beat
from tests.conftest import add_account
from tests.support.drive import ACCEPTED, LEASE_US, Drive

INTERVAL_US = 6_100_000
SPACING_US = 6_000_000  # what the provider counts: 10/minute, evenly


def test_after_the_clock_went_back_an_hour_accounts_are_looked_at_within_one_spacing(drive: Drive) -> None:
    """Sending stops for one spacing, not until the old time is reached again."""
    drive.send()
    drive.send()
    drive.deliver(ACCEPTED)
    drive.advance(-3600)
    drive.worker.restart_buckets()
    drive.advance(0.5)
    drive.grant()
    drive.advance(7)
    assert 1 == len(drive.grant().hints), f"due in {(drive.due_us() or 0) - drive.now_us} us"


def test_a_slot_granted_before_the_clock_went_back_is_not_used_beside_the_new_ones(drive: Drive) -> None:
    """F16, 5 s back: the old hint's slot lies in the new future; begun there, it meets the restarted bucket's first slot."""
    drive.send()
    drive.send(sender="+15550100002")
    first = drive.grant_next()
    drive.advance(-5)
    drive.worker.restart_buckets()
    drive.send(sender="+15550100003")  # touches the account: its bucket starts empty here
    arrivals = [first.slot_us] if drive.begin_at_slot(first)["s"] == "go" else []
    while len(arrivals) < 2:
        drive.go_to_next_due()
        arrivals += [hint.slot_us for hint in drive.grant().hints if drive.begin_at_slot(hint)["s"] == "go"]
    assert arrivals[1] - arrivals[0] >= SPACING_US, arrivals[1] - arrivals[0]


def test_a_slot_granted_before_a_restart_keeps_its_distance_to_the_first_slot_after_it(drive: Drive) -> None:
    """Grants run 250 ms ahead: an empty bucket must count its spacing from the last slot that may still be used."""
    beat = Script("paceline_worker", "heartbeat")
    beat.run(drive.client, "w", "10", 5_000_000)
    drive.send()
    drive.send(sender="+15550100002")
    granted = drive.grant_next()  # its slot lies 250 ms ahead
    drive.client.hset("paceline:{0}:meta", "run_id", "of another process")
    drive.grant()
    drive.advance(0.01)
    drive.send(sender="+15550100003")  # touches the account: the bucket starts empty at this moment
    assert "go" == drive.begin_at_slot(granted)["s"]
    following = drive.grant_next()
    assert following.slot_us - granted.slot_us >= SPACING_US, following.slot_us - granted.slot_us


@pytest.mark.parametrize("first_to_see", ["heartbeat", "begin", "settle"])
def test_a_jump_is_noticed_whoever_sees_it_first(drive: Drive, first_to_see: str) -> None:
    """Every reply carries the server's time; the first one after a jump must lead to restarted buckets."""
    state = drive.worker
    add_account(drive.client, "other")
    state.grant(most=1, fleet_capacity=1)
    drive.advance(3600)
    if first_to_see == "heartbeat":
        state.heartbeat("w", Beat(1, 1), 5.0)
    else:  # DeliveryState.begin and .settle call the same, and drop what it returns
        clock: ServerClock = state._clock  # noqa: SLF001
        assert clock.observe(time.monotonic(), drive.now_us, time.monotonic())
    assert state.grant(most=1, fleet_capacity=1).clock_jumped


def test_an_operation_that_begins_just_after_a_jump_keeps_its_distance(drive: Drive) -> None:
    """Nobody has granted since, so its bucket trusts the old time: its slot has passed by an hour, and it would leave at once."""
    drive.send()
    drive.send(sender="+15550100002")
    drive.deliver(ACCEPTED)
    second = drive.grant_next()
    at = drive.client.connection_pool.connection_kwargs

    async def scene() -> list[Answered]:
        clock = ServerClock()
        url = f"redis://{at['host']}:{at['port']}"
        state = DeliveryState(url, clock, owner="w", lease_s=20, tolerance_floor_s=0.005, retention_s=60, grace_s=15)
        [before] = await state.begin([("nobody", "1", 1)], 0)
        drive.advance(3600)
        [at_once] = await state.begin([(second.id, second.token, 1)], 0)
        assert clock.trusts(time.monotonic())
        [later] = await state.begin([(second.id, second.token, 2)], 0)
        await state.client.aclose()
        return [before, at_once, later]

    before, at_once, later = asyncio.run(scene())
    assert (False, True) == (before.is_void, at_once.is_void)
    assert "go" == at_once.answer["s"]
    assert ("no", "far") == (later.answer["s"], later.answer["why"])
    jumped_us = drive.now_us
    again = drive.grant_next()
    assert second.id == again.id
    assert again.slot_us - jumped_us >= SPACING_US


def test_what_was_asked_before_buckets_were_restarted_is_not_trusted() -> None:
    """Whoever saw the jump: a reply that was under way meanwhile has a slot of the old time."""
    clock = ServerClock()
    clock.observe(10.0, 1_000_000, 10.0)
    assert clock.trusts(10.0)
    clock.observe(11.0, 3_600_000_000, 11.0)
    assert not clock.trusts(12.0)
    clock.restarted(12.5)
    assert [False, True] == [clock.trusts(asked_s) for asked_s in (12.4, 12.6)]


@pytest.mark.parametrize("who", ["a worker that saw it", "a worker that starts"])
def test_a_clock_set_back_an_hour_holds_no_lease_for_an_hour(drive: Drive, who: str) -> None:
    """The worker of a begun operation died, then the clock went back: its lease ends within the time of a lease."""
    op = drive.send(on_unknown="hold")
    drive.begin_at_slot(drive.grant_next())
    drive.advance(-3600)
    if who == "a worker that saw it":
        drive.worker.restart_buckets()
    else:
        assert 1 == drive.worker.shorten_leases()
    drive.advance(LEASE_US / 1e6 + 0.1)
    drive.grant()
    assert "held" == drive.operation(op)["oc"]


def test_a_lease_of_the_present_is_left_alone(drive: Drive) -> None:
    """Workers start all the time, and may have another deadline."""
    drive.send()
    drive.begin_at_slot(drive.grant_next())
    assert 0 == drive.worker.shorten_leases()


def test_after_the_clock_went_back_an_hour_another_worker_grants_and_the_dead_count_no_more(drive: Drive) -> None:
    """The one that granted died just before: nobody waits an hour for the end of its time."""
    beat = Beat(10, 10, wants_grant_s=1.25)
    assert drive.worker.heartbeat("died", beat, 5.0).grants
    drive.advance(-3600)
    fleet = drive.worker.heartbeat("lives", beat, 5.0)
    assert (True, 1, 10) == (fleet.grants, fleet.workers, fleet.capacity)


def test_the_providers_pause_ends_within_a_minute_whatever_the_clock_does(drive: Drive) -> None:
    """The longest pause of the provider's breaker is a minute."""
    drive.client.hset("paceline:{0}:meta", "pb_until", drive.now_us + 30_000_000)
    drive.advance(-3600)
    drive.worker.restart_buckets()
    assert int(drive.client.hget("paceline:{0}:meta", "pb_until") or 0) <= drive.now_us + 60_000_000
