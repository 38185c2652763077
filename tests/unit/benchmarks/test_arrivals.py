"""Judging arrivals: violations of a limit, shares of a rate, fairness between accounts, doubled calls."""

import pytest
from benchmarks.arrivals import (
    Arrivals,
    count_between,
    fairness,
    full_pace_after,
    pace_between,
    percentile,
    violations,
)

SECOND = 1_000_000
MINUTE = 60 * SECOND


def test_arrivals_exactly_as_far_apart_as_the_limit_says_are_no_violation() -> None:
    """10 a minute: 6 s apart is right for both ways of counting."""
    times = [number * 6 * SECOND for number in range(30)]

    assert 0 == violations(times, number=10, window_us=MINUTE, pacing="spacing")
    assert 0 == violations(times, number=10, window_us=MINUTE, pacing="window")


def test_spacing_counts_each_arrival_that_is_too_close_to_the_one_before() -> None:
    """One microsecond less than W/N is too close; an interval that W/N does not divide is not rounded down."""
    assert 1 == violations([0, 6 * SECOND - 1, 13 * SECOND], number=10, window_us=MINUTE, pacing="spacing")
    assert 1 == violations([0, 142_857], number=7, window_us=SECOND, pacing="spacing")
    assert 0 == violations([0, 142_858], number=7, window_us=SECOND, pacing="spacing")


def test_window_counts_each_arrival_beyond_the_nth_in_any_window() -> None:
    """Close arrivals are allowed, N + 1 of them within W are not."""
    burst = [number * 1000 for number in range(10)]

    assert 0 == violations([*burst, MINUTE], number=10, window_us=MINUTE, pacing="window")
    assert 1 == violations([*burst, MINUTE - 1], number=10, window_us=MINUTE, pacing="window")


def test_a_count_includes_its_begin_and_not_its_end() -> None:
    """So that times side by side count each arrival once."""
    assert 2 == count_between([1, 2, 3, 4], 2, 4)


@pytest.mark.parametrize("shift_s", [0, 1, 3, 5.5])
def test_the_pace_of_even_arrivals_does_not_depend_on_where_the_edges_fall(shift_s: float) -> None:
    """10 arrivals in 60 s at 6 s each, wherever the 60 s begin."""
    times = [number * 6 * SECOND for number in range(30)]
    begin = round((12 + shift_s) * SECOND)

    assert 10 == pytest.approx(pace_between(times, begin, begin + MINUTE, log_us=(0, 180 * SECOND)))


def test_an_account_that_fell_silent_has_no_pace_afterwards() -> None:
    """What is missing before or after the time is measured against the log."""
    assert 0 == pace_between([], 0, MINUTE, log_us=(0, MINUTE))
    assert 0.5 == pytest.approx(pace_between([0], MINUTE, 2 * MINUTE, log_us=(0, 2 * MINUTE)))
    assert 1 == pytest.approx(pace_between([30 * SECOND], 0, MINUTE, log_us=(-30 * SECOND, 90 * SECOND)))


def test_a_percentile_is_one_of_the_values() -> None:
    """The nearest rank, and 0 without values."""
    assert 2 == percentile([4, 1, 3, 2], 25)
    assert 4 == percentile([4, 1, 3, 2], 100)
    assert 0 == percentile([], 50)


def test_fairness_compares_the_poorest_with_the_mean() -> None:
    """1 when all get the same, 0 when the poorest get nothing, 0 when nobody gets anything."""
    assert 1 == fairness([5.0] * 100)
    assert 0 == fairness([0.0, 0.0, *[5.0] * 98])
    assert 0.5 == pytest.approx(fairness([1.0, 3.0]))
    assert 0 == fairness([0.0] * 10)


def test_the_log_survives_being_written_and_read() -> None:
    """Keys, times, owners and digests come back; the same body of the same key twice is one doubled call."""
    log = Arrivals(["a", "b"])
    for at, owner, digest in ((5, 0, 11), (7, 1, 11), (6, 0, 11), (9, 0, -12)):
        log.times_us.append(at)
        log.owners.append(owner)
        log.digests.append(digest)

    back = Arrivals.from_bytes(log.to_bytes())

    assert log == back
    assert {"a": [5, 6, 9], "b": [7]} == back.by_key()
    assert 1 == back.doubled()


def test_full_pace_begins_where_the_rate_holds_for_the_whole_span() -> None:
    """Nothing for 5 s, then 10 a second: the first span of 2 s that has 20 begins there."""
    times = [5 * SECOND + number * SECOND // 10 for number in range(100)]

    assert 5 == pytest.approx(full_pace_after(times, 0, 15 * SECOND, per_s=10, span_us=2 * SECOND))
    assert full_pace_after(times, 0, 15 * SECOND, per_s=11, span_us=2 * SECOND) is None
