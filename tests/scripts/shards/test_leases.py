"""Which worker grants for which shard: an even share for each that lives, and nothing for one that is gone."""

from paceline_worker.dispatch.membership import FLEET_TTL_S, GRANT_LEASE_S
from paceline_worker.state.values import Beat, Fleet
from tests.support.drive import Drive

SHARDS = 8
SEVEN = 7


def beat(drive: Drive, worker: str, **more: object) -> Fleet:
    measured = Beat(200, 200, wants_grant_s=GRANT_LEASE_S, shards=SHARDS, **more)  # type: ignore[arg-type]
    return drive.worker.heartbeat(worker, measured, FLEET_TTL_S)


def held(drive: Drive, *workers: str) -> list[int]:
    return [len(beat(drive, worker).held) for worker in workers]


def test_a_lone_worker_grants_for_all(drive: Drive) -> None:
    fleet = beat(drive, "a")
    assert (True, frozenset(range(SHARDS))) == (fleet.grants, fleet.held)


def test_workers_share_evenly(drive: Drive) -> None:
    """Who has more than a share gives back at the next heartbeat, and nobody has a shard of another one."""
    beat(drive, "a")
    assert [0, 4, 4] == held(drive, "b", "a", "b")
    assert [0, 3, 3, 2] == held(drive, "c", "a", "b", "c")
    shares = [beat(drive, worker).held for worker in ("a", "b", "c")]
    assert set(range(SHARDS)) == frozenset.union(*shares)
    assert SHARDS == sum(map(len, shares))


def test_the_shards_of_a_dead_worker_are_taken_over_when_its_leases_end(drive: Drive) -> None:
    """Not when it no longer counts as alive, which is much later."""
    held(drive, "a", "b", "a", "b")
    drive.advance(GRANT_LEASE_S - 0.5)
    assert 4 == len(beat(drive, "a").held)
    drive.advance(0.6)
    assert SHARDS == len(beat(drive, "a").held)


def test_a_worker_that_leaves_leaves_its_shards(drive: Drive) -> None:
    held(drive, "a", "b", "a", "b")
    drive.worker.leave("b", SHARDS)
    assert SHARDS == len(beat(drive, "a").held)


def test_who_has_no_shard_knows_when_one_may_be_free(drive: Drive) -> None:
    workers = [f"w{number}" for number in range(SHARDS + 2)]
    held(drive, *workers, *workers)
    assert [1] * SHARDS + [0, 0] == sorted(held(drive, *workers), reverse=True)
    idle = [fleet for fleet in (beat(drive, worker) for worker in workers) if not fleet.grants]
    assert [drive.now_us + round(GRANT_LEASE_S * 1e6)] * 2 == [fleet.granter_until_us for fleet in idle]
    assert [0, 1] == sorted(fleet.rank for fleet in idle)


def test_granters_tell_each_other_what_is_in_flight(drive: Drive) -> None:
    held(drive, "a", "b", "a", "b")
    own = min(beat(drive, "a").held)
    beat(drive, "a", loads={own: SEVEN})
    assert [SEVEN if shard == own else 0 for shard in range(SHARDS)] == list(beat(drive, "b").loads)


def test_each_shard_learns_the_way_from_grants_to_calls(drive: Drive) -> None:
    fleet = beat(drive, "a", way_s=0.1, longest_way_s=0.4)
    assert (100_000, 500_000) == (fleet.hop_us, fleet.lead_us)
    drive.worker.tell_way(fleet)
    assert ["100000", "500000"] == drive.client.hmget("paceline:{0}:meta", "hop", "lead")


def test_state_of_one_shard_has_no_leases_of_shards(drive: Drive) -> None:
    drive.worker.heartbeat("a", Beat(200, 200, wants_grant_s=GRANT_LEASE_S), FLEET_TTL_S)
    assert 0 == drive.client.exists("paceline:{0}:leases")
