"""heartbeat.lua on a moved clock: who grants, and what the fleet's measurements make of hop and lead."""

from typing import Any

import pytest

from paceline_worker.state.values import Beat
from tests.support.drive import Drive

LEASE_S = 1.25
GRANTER, FIRST, SECOND = "m", "a", "z"


def beat(drive: Drive, worker: str, **measured: Any) -> bool:
    return drive.worker.heartbeat(worker, Beat(200, 150, wants_grant_s=LEASE_S, **measured), 5.0).grants


def meta(drive: Drive, name: str) -> int:
    return int(str(drive.client.hget("paceline:{0}:meta", name)))


def test_one_worker_grants_at_a_time(drive: Drive) -> None:
    """The first that asks, as long as it goes on asking."""
    assert beat(drive, "one")
    for _ in range(5):
        drive.advance(0.4)
        assert (True, False) == (beat(drive, "one"), beat(drive, "two"))


def test_another_takes_over_when_it_falls_silent(drive: Drive) -> None:
    """When its time is over, and not before."""
    beat(drive, "one")
    drive.advance(LEASE_S - 0.001)
    assert not beat(drive, "two")
    drive.advance(0.001)
    assert beat(drive, "two")
    assert not beat(drive, "one")


def test_a_worker_that_leaves_hands_over_at_once(drive: Drive) -> None:
    """A stop in order costs the fleet nothing."""
    beat(drive, "one")
    drive.worker.leave("one")
    assert beat(drive, "two")


def test_a_worker_that_stands_by_knows_until_when(drive: Drive) -> None:
    """So it can ask just when the time is over."""
    beat(drive, "one")
    drive.advance(0.5)
    told = drive.worker.heartbeat("two", Beat(200, 200, wants_grant_s=LEASE_S), 5.0)
    assert (False, drive.now_us + 750_000) == (told.grants, told.granter_until_us)


def test_those_who_stand_by_have_ranks(drive: Drive) -> None:
    """By their names; the granter has none, and whoever falls silent has none either."""
    told = {
        name: drive.worker.heartbeat(name, Beat(200, 200, wants_grant_s=LEASE_S), 1.0) for name in (GRANTER, SECOND)
    }
    assert (0, 0) == (told[GRANTER].rank, told[SECOND].rank)
    assert 0 == drive.worker.heartbeat(FIRST, Beat(200, 200, wants_grant_s=LEASE_S), 0.5).rank
    assert 1 == drive.worker.heartbeat(SECOND, Beat(200, 200, wants_grant_s=LEASE_S), 1.0).rank

    drive.advance(0.6)
    drive.worker.heartbeat(GRANTER, Beat(200, 200, wants_grant_s=LEASE_S), 1.0)
    assert 0 == drive.worker.heartbeat(SECOND, Beat(200, 200, wants_grant_s=LEASE_S), 1.0).rank


def test_the_intake_of_the_fleet_is_what_all_workers_take_on(drive: Drive) -> None:
    """One of the previous release tells its capacity alone."""
    drive.client.hset("paceline:{0}:workers", "old", f"30|{drive.now_us + 5_000_000}|0|0")
    told = drive.worker.heartbeat("one", Beat(200, 120), 5.0)
    assert (230, 150, 2) == (told.capacity, told.intake, told.workers)


def test_a_call_costs_what_workers_measured_on_average(drive: Drive) -> None:
    """Those that have measured nothing do not count."""
    beat(drive, "one", cpu_s=0.002)
    beat(drive, "two", cpu_s=0.001)
    told = drive.worker.heartbeat("three", Beat(200, 200), 5.0)
    assert 1500 == told.cpu_us


@pytest.mark.parametrize(
    ("way_s", "longest_way_s", "hop_us", "lead_us"),
    [
        (0.0, 0.0, 20_000, 250_000),
        (0.012, 0.03, 20_000, 250_000),
        (0.3, 0.35, 300_000, 450_000),
        (0.8, 2.5, 800_000, 1_000_000),
        (3.0, 3.0, 1_000_000, 1_000_000),
    ],
)
def test_grants_run_ahead_by_what_the_way_takes(
    drive: Drive, way_s: float, longest_way_s: float, hop_us: int, lead_us: int
) -> None:
    """At least a quarter of a second, at most a second."""
    beat(drive, "one", way_s=way_s, longest_way_s=longest_way_s)
    assert (hop_us, lead_us) == (meta(drive, "hop"), meta(drive, "lead"))
    drive.send()
    due = drive.due_us()
    assert due is not None
    drive.set_time(due)
    (hint,) = drive.grant().hints
    assert lead_us == hint.slot_us - drive.now_us


def test_the_longest_way_of_the_fleet_counts(drive: Drive) -> None:
    """A hint may reach any worker."""
    beat(drive, "near", way_s=0.01, longest_way_s=0.02)
    beat(drive, "far", way_s=0.2, longest_way_s=0.3)
    beat(drive, "near", way_s=0.01, longest_way_s=0.02)
    assert (200_000, 400_000) == (meta(drive, "hop"), meta(drive, "lead"))
