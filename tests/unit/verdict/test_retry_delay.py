from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline_worker.verdict.policy import retry_delay

SEEDS = st.integers(0, 2**32)


def ceiling(attempts: int) -> float:
    return min(60.0, 4.0 * 2.0 ** min(attempts, 10))


@pytest.mark.parametrize(
    ("ceiling_s", "attempts"), [(4, 0), (8, 1), (16, 2), (32, 3), (60, 4), (60, 5), (60, 6), (60, 99)]
)
def test_the_schedule_of_retries(ceiling_s: float, attempts: int) -> None:
    """Between 2 s and 4, 8, 16, 32, 60, 60: the whole range is used."""
    delays = [retry_delay(attempts, Random(seed)) for seed in range(2_000)]
    assert 2 <= min(delays) < 2 + ceiling_s * 0.01
    assert ceiling_s * 0.99 < max(delays) <= ceiling_s


@given(st.integers(0, 10**6), SEEDS)
def test_a_delay_stays_within_its_bounds(attempts: int, seed: int) -> None:
    """Never below the floor, never above the ceiling of its attempt, never above a minute."""
    assert 2 <= retry_delay(attempts, Random(seed)) <= ceiling(attempts) <= 60


@given(st.integers(0, 10**6), SEEDS)
def test_with_the_same_luck_a_later_attempt_waits_no_less(attempts: int, seed: int) -> None:
    """The ceiling grows with every attempt until the cap."""
    assert retry_delay(attempts, Random(seed)) <= retry_delay(attempts + 1, Random(seed))


def test_jitter_stays_at_the_cap() -> None:
    """Operations that reached the cap do not fall into step."""
    assert len({retry_delay(50, Random(seed)) for seed in range(100)}) > 90


def test_randomness_is_the_callers() -> None:
    """The same generator gives the same delay."""
    assert retry_delay(3, Random(7)) == retry_delay(3, Random(7))
