"""The server's time on our clock, learned from replies of any latency."""

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline_worker.state.clock import JUMP_TOLERANCE_US, ServerClock

SERVER_AT_ZERO_US = 1_769_860_800_000_000
# latency on the way there and back, in seconds
LATENCIES = st.lists(st.tuples(st.floats(0, 0.5), st.floats(0, 0.5)), min_size=1, max_size=30)
ROUNDING_US = 2


def server(monotonic_s: float, rate: float = 1.0) -> int:
    return SERVER_AT_ZERO_US + int(monotonic_s * rate * 1e6)


def look(clock: ServerClock, at_s: float, there_s: float, back_s: float, shift_us: int = 0, rate: float = 1.0) -> bool:
    """One reply: sent at a time, read by the server after some latency, received after some more."""
    return clock.observe(at_s, server(at_s + there_s, rate) + shift_us, at_s + there_s + back_s)


@given(LATENCIES, st.floats(0, 1e6))
def test_the_estimate_errs_by_half_a_round_trip_at_most(latencies: list[tuple[float, float]], start_s: float) -> None:
    """However the latency is shared between the ways, the best reply bounds the error by half its round trip."""
    clock, now_s = ServerClock(), start_s
    for there, back in latencies:
        assert not look(clock, now_s, there, back)
        now_s += there + back
    bound_us = min(there + back for there, back in latencies) / 2 * 1e6
    # What an old estimate may lose to drift, and the last round trips took some time.
    bound_us += (now_s - start_s) * 100 + ROUNDING_US
    assert abs(clock.server_us(now_s) - server(now_s)) <= bound_us


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_both_directions_agree(at_s: float, other_s: float) -> None:
    """From our clock to the server's and back gives the same instant."""
    clock = ServerClock()
    look(clock, at_s, 0.001, 0.001)
    assert clock.monotonic_s(clock.server_us(other_s)) == pytest.approx(other_s, abs=2e-6)


@given(LATENCIES)
def test_long_round_trips_raise_no_alarm(latencies: list[tuple[float, float]]) -> None:
    """A slow reply says little, but it never looks like a jump."""
    clock = ServerClock()
    look(clock, 0, 0.0005, 0.0005)
    starts = accumulate((there + back + 1 for there, back in latencies), initial=1.0)
    assert [look(clock, at, there, back) for at, (there, back) in zip(starts, latencies, strict=False)] == [
        False
    ] * len(latencies)


@given(LATENCIES)
def test_a_slow_reply_does_not_spoil_a_sharp_estimate(latencies: list[tuple[float, float]]) -> None:
    """Only a sharper reply replaces the estimate, apart from what drift may have cost."""
    clock = ServerClock()
    look(clock, 0, 0.0005, 0.0005)
    now_s = 0.001
    for there, back in latencies:
        look(clock, now_s, there, back)
        now_s += there + back
    assert abs(clock.server_us(now_s) - server(now_s)) <= 500 + now_s * 100 + ROUNDING_US


def test_the_first_look_is_no_jump() -> None:
    """A clock that knows nothing believes what it sees."""
    assert not look(ServerClock(), 5, 0.4, 0.1)


@pytest.mark.parametrize("shift_us", [-3_600_000_000, -1_000_000, -100_000, 100_000, 1_000_000, 86_400_000_000])
@pytest.mark.parametrize("elapsed_s", [0.01, 1, 60])
def test_a_jump_is_noticed_and_believed(elapsed_s: float, shift_us: int) -> None:
    """Somebody set the server's clock, forward or back: it is said once, and the new time holds."""
    clock = ServerClock()
    look(clock, 0, 0.001, 0.001)
    assert look(clock, elapsed_s, 0.001, 0.001, shift_us)
    assert not look(clock, elapsed_s + 1, 0.001, 0.001, shift_us)
    expected = server(elapsed_s) + shift_us
    assert abs(clock.server_us(elapsed_s) - expected) <= 1_000 + ROUNDING_US


@pytest.mark.parametrize("shift_us", [-JUMP_TOLERANCE_US, -10_000, 0, 10_000, JUMP_TOLERANCE_US])
def test_a_small_step_is_no_jump(shift_us: int) -> None:
    """Time synchronisation moves clocks a little; within 50 ms that is no alarm."""
    clock = ServerClock()
    look(clock, 0, 0.001, 0.001)
    assert not look(clock, 1, 0.001, 0.001, shift_us)


@pytest.mark.parametrize("rate", [1 - 80e-6, 1 - 20e-6, 1 + 20e-6, 1 + 80e-6])
@pytest.mark.parametrize("every_s", [0.1, 1, 10, 60])
def test_drift_is_followed_without_alarm(rate: float, every_s: float) -> None:
    """Two quartz clocks drift apart; over a day of looks the estimate stays within a few milliseconds."""
    clock = ServerClock()
    for number in range(1440):
        at_s = number * every_s
        assert not look(clock, at_s, 0.001, 0.002, rate=rate)
        assert abs(clock.server_us(at_s) - server(at_s, rate)) <= 10_000


def test_a_jump_hidden_in_a_long_round_trip_shows_in_the_next_short_one() -> None:
    """A reply that took seconds cannot prove a jump; the next quick one can."""
    clock = ServerClock()
    look(clock, 0, 0.001, 0.001)
    assert not look(clock, 1, 1.0, 1.0, shift_us=500_000)
    assert look(clock, 4, 0.001, 0.001, shift_us=500_000)


@given(st.lists(st.tuples(st.floats(0.05, 0.3), st.floats(0.05, 0.3)), min_size=30, max_size=60))
def test_a_latency_that_varies_leaves_a_sharp_estimate(latencies: list[tuple[float, float]]) -> None:
    """Every reply bounds the clock from both sides: the estimate errs by half the quickest ways there and back, no more."""
    clock, now_s = ServerClock(), 0.0
    for there, back in latencies:
        assert not look(clock, now_s, there, back)
        now_s += there + back
    bound_us = (min(there for there, _ in latencies) + min(back for _, back in latencies)) / 2 * 1e6
    assert abs(clock.server_us(now_s) - server(now_s)) <= bound_us + now_s * 100 + ROUNDING_US
