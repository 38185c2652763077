"""How many workers are wanted: of what may be sent now, never of waiting operations."""

from dataclasses import replace
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline_worker.exporter.wanted import LEAD_S, Demand, workers_wanted

CPU_S = 0.001
DEMANDS = st.builds(
    Demand,
    slots_per_s=st.floats(0.001, 1000),
    senders=st.integers(0, 1000),
    capped_senders=st.just(0),
    capped_per_s=st.floats(0, 100),
)


def wanted(demands: list[Demand], *, capacity: int = 200, latency_s: float = 0.3, cpu_s: float = CPU_S) -> int:
    return workers_wanted(demands, capacity=capacity, latency_s=latency_s, cpu_s_per_operation=cpu_s)


def test_with_nothing_to_send_one_is_wanted() -> None:
    """Work may come at any time."""
    assert 1 == wanted([])


def test_a_million_waiting_on_a_slow_account_wants_one() -> None:
    """10 a minute are 0.17 calls a second, however many wait and however many senders they have."""
    assert 1 == wanted([Demand(slots_per_s=10 / 60, senders=1)])
    assert 1 == wanted([Demand(slots_per_s=10 / 60, senders=1_000_000)])


@pytest.mark.parametrize(
    ("expected", "senders", "capacity", "cpu_s"),
    [
        # One sender has one call of 0.3 s at a time: 3.33 a second, 333 in all; 0.55 s in flight each make 183, 0.33 / 0.7 cores.
        (1, 1, 200, 0.001),
        # Two: 667 a second; 367 in flight want 2, 0.67 / 0.7 cores 1.
        (2, 2, 200, 0.001),
        # Three: 10 a second, which is the limit; 1,000 in all, 550 in flight want 3, and 1 / 0.7 cores want 2.
        (3, 3, 200, 0.001),
        # With more senders it is the limit that counts.
        (3, 50, 200, 0.001),
        # 550 in flight, 100 to a worker.
        (6, 50, 100, 0.001),
        # 1,000 a second x 3 ms = 3 cores, used to 70 %: 4.29.
        (5, 50, 200, 0.003),
    ],
)
def test_a_hundred_fast_accounts_want_what_calls_and_cores_need(
    expected: int, senders: int, capacity: int, cpu_s: float
) -> None:
    """600 a minute each, calls of 300 ms."""
    demands = [Demand(slots_per_s=10, senders=senders)] * 100
    assert expected == wanted(demands, capacity=capacity, cpu_s=cpu_s)


def test_campaigns_with_a_rate_of_their_own_want_no_more_than_that() -> None:
    """1,000 accounts could send 10 a second each; their only work is capped to one in ten seconds."""
    demand = Demand(slots_per_s=10, senders=5, capped_senders=5, capped_per_s=0.1)
    assert 1 == wanted([demand] * 1000)
    assert 10 < wanted([replace(demand, capped_senders=0)] * 1000)


@given(st.lists(DEMANDS, max_size=20), DEMANDS, st.integers(1, 1000), st.floats(0.001, 30), st.floats(0.0001, 0.1))
def test_more_demand_never_wants_fewer(
    demands: list[Demand], more: Demand, capacity: int, latency_s: float, cpu_s: float
) -> None:
    """One more account, one more sender, a higher limit, a higher cap: as many workers or more, and always one."""

    def count(them: list[Demand]) -> int:
        return wanted(them, capacity=capacity, latency_s=latency_s, cpu_s=cpu_s)

    one = count([*demands, more])
    assert 1 <= count(demands) <= one
    for field in ("senders", "slots_per_s", "capped_per_s"):
        assert one <= count([*demands, replace(more, **{field: getattr(more, field) + 1})])


def test_the_lead_is_that_of_the_granting_script() -> None:
    """An operation is in flight from then on, unless the way to the state server is long."""
    script = files("paceline_worker").joinpath("lua/shared/meta.lua").read_text(encoding="utf-8")
    assert f"shared.lead or {LEAD_S * 1e6:.0f}" in script


@given(DEMANDS, st.floats(0.001, 30))
def test_an_account_never_counts_for_more_than_its_limit(demand: Demand, latency_s: float) -> None:
    """Nor for more than its senders can call."""
    assert demand.rate(latency_s) <= demand.slots_per_s
    assert demand.rate(latency_s) <= demand.senders / latency_s * (1 + 1e-9)
