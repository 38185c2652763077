"""How often workers that stand by ask: a few of them watch the granter, the others cost next to nothing."""

from random import Random

import pytest

from paceline_worker.dispatch.membership import (
    DEPUTIES,
    DEPUTY_S,
    FLEET_TTL_S,
    GRANT_LEASE_S,
    HEARTBEAT_S,
    STANDBY_S,
    standby_pause_s,
)

RANDOMS = [Random(seed) for seed in range(50)]


@pytest.mark.parametrize("rank", range(DEPUTIES))
def test_a_deputy_takes_over_within_two_seconds(rank: int) -> None:
    """However long after its last question the granter dies."""
    for random in RANDOMS:
        for tenth in range(int(GRANT_LEASE_S * 10) + 1):
            over_s = tenth / 10
            asks_at_s = pause_s = standby_pause_s(rank, over_s, random)
            while asks_at_s < over_s:
                asks_at_s += standby_pause_s(rank, over_s - asks_at_s, random)
            assert over_s <= asks_at_s <= over_s + 0.1
            assert pause_s <= DEPUTY_S
    assert GRANT_LEASE_S + 0.1 < 2.0


def test_the_others_ask_at_their_leisure() -> None:
    """Not at once; two of their questions fit into the time after which they would no longer count."""
    pauses_s = {standby_pause_s(DEPUTIES, 0.0, random) for random in RANDOMS}
    assert len(pauses_s) == len(RANDOMS)
    assert STANDBY_S * 0.9 < min(pauses_s)
    assert max(pauses_s) <= STANDBY_S < FLEET_TTL_S / 2


def test_the_granter_says_so_twice_before_its_time_is_over() -> None:
    """One lost heartbeat changes nothing."""
    assert 2 * HEARTBEAT_S < GRANT_LEASE_S


@pytest.mark.parametrize("rank", [0, DEPUTIES])
def test_a_worker_whose_intake_changes_says_so_soon(rank: int) -> None:
    """Ten workers that are late must come down within seconds; a deputy still takes over in time."""
    for random in RANDOMS:
        assert standby_pause_s(rank, 1.2, random, is_changing=True) <= HEARTBEAT_S
    assert standby_pause_s(0, 0.2, RANDOMS[0], is_changing=True) < 0.3
