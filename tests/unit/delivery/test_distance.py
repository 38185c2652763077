"""How long the way to a call takes, from samples."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline_worker.delivery.distance import Estimate

samples = st.lists(st.floats(0, 2), min_size=1, max_size=50)


def test_nothing_is_known_before_the_first_sample() -> None:
    """The floor stands in for it."""
    estimate = Estimate(floor_s=0.04, cap_s=1.0)
    assert (0.04, 0.04, 0.04) == (estimate.least_s, estimate.usual_s, estimate.most_s)


@given(samples)
def test_the_estimates_stay_within_floor_and_cap(took: list[float]) -> None:
    """Whatever is measured, and the usual is never above the most."""
    estimate = Estimate(floor_s=0.02, cap_s=1.0)
    for one in took:
        estimate.observe(one)
        assert 0.02 <= estimate.least_s <= estimate.usual_s <= estimate.most_s <= 1.0


@pytest.mark.parametrize("round_trip_s", [0.001, 0.02, 0.08, 0.2])
def test_a_steady_way_is_learned_within_some_samples(round_trip_s: float) -> None:
    """Twenty of them are enough to come within a tenth of it."""
    estimate = Estimate(floor_s=0.0, cap_s=1.0)
    for _ in range(20):
        estimate.observe(round_trip_s)
    assert round_trip_s <= estimate.most_s <= round_trip_s * 1.1


@given(st.lists(st.floats(0.05, 0.3), min_size=40, max_size=80), st.randoms())
def test_nearly_all_of_a_varying_way_is_below_the_most(took: list[float], random: object) -> None:
    """What varies between 50 and 300 ms is rarely above the estimate that was made before it."""
    del random
    estimate, above = Estimate(floor_s=0.0, cap_s=1.0), 0
    for number, one in enumerate(took):
        above += number >= 8 and one > estimate.most_s
        estimate.observe(one)
    assert above <= len(took) / 4


def test_a_way_that_has_become_short_again_is_learned_too() -> None:
    """A slow minute does not cost latency for an hour."""
    estimate = Estimate(floor_s=0.0, cap_s=1.0)
    for _ in range(20):
        estimate.observe(0.5)
    for _ in range(60):
        estimate.observe(0.002)
    assert estimate.most_s < 0.01
