"""What failures that have nothing to do with each other cost an account, and what an outage costs the provider."""

from random import Random

import pytest

from paceline_worker.verdict.breaker import RUN, Breaker

CALLS = 40_000
FIVE_MINUTES_US = 300_000_000


def kept(share: float, per_second: float, seed: int) -> float:
    """The share of its pace that an account keeps when so many of its calls fail, each by chance."""
    random, breaker = Random(seed), Breaker()
    interval_us = 1_000_000 / per_second
    now_us, calls = 0.0, 0
    while now_us < CALLS * interval_us:
        now_us = max(now_us + interval_us * breaker.ramp, breaker.paused_until_us)
        breaker.note(int(now_us) + random.randrange(1000), good=random.random() >= share)
        calls += 1
    return calls / CALLS


@pytest.mark.parametrize("per_second", [1 / 6, 1, 10, 20], ids="{:.3g}/s".format)
@pytest.mark.parametrize("share", [0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.45])
def test_an_account_keeps_one_less_twice_the_share_that_fails(share: float, per_second: float) -> None:
    """A fifth of the calls fail, at random: at least three fifths of the pace are left, also of 1,200 calls a minute."""
    assert kept(share, per_second, seed=1) >= 1 - 2 * share


def test_an_outage_of_five_minutes_costs_at_most_fifteen_calls() -> None:
    """Six until it opens, then probes after 5, 10, 20, 40, 60, 60 s, each pause up to a fifth shorter."""
    breaker, now_us, calls = Breaker(), 999, 0
    while now_us < FIVE_MINUTES_US:
        breaker.note(now_us, good=False)
        calls += 1
        now_us = max(now_us + 100_000, breaker.paused_until_us)
    assert RUN < calls <= 15


def test_the_way_back_takes_ten_calls_whatever_some_of_them_bring() -> None:
    """Five at a quarter of the rate and five at half of it; now and then one fails."""
    breaker = Breaker("open")
    ramps = [breaker.ramp for number in range(12) if breaker.note(number, good=number % 3 != 1) is False]
    assert [4] * 5 + [2] * 5 + [1, 1] == ramps
    assert ("closed", 0) == (breaker.state, breaker.opened)
