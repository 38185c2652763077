"""What the token bucket promises for any pattern of calls and any lateness up to J."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline_worker.pacing.bucket import HEARD, LEAST_SPREAD_US, Bucket, Pacing, pace_of

START = 1_769_860_800_000_000
SECOND = 1_000_000
GAPS = st.lists(st.integers(0, 90 * SECOND) | st.just(0), min_size=1, max_size=60)
LIMITS = st.tuples(st.integers(1, 40), st.integers(1, 120))
VARIATIONS = st.integers(0, 2 * SECOND)
PACINGS: st.SearchStrategy[Pacing] = st.sampled_from(["spacing", "window"])


def slots_for(bucket: Bucket, gaps: Sequence[int], now: int = START) -> list[int]:
    """One call after each gap; a call takes the first slot from then on."""
    taken = []
    for gap in gaps:
        now += gap
        slot = bucket.peek(now)
        bucket.take(slot)
        taken.append(slot)
    return taken


def most_within(times: Sequence[int], window: int) -> int:
    """The most times in any half-open window of this length."""
    return max(sum(start <= time < start + window for time in times) for start in times)


@given(GAPS, LIMITS, VARIATIONS, PACINGS)
def test_slots_are_never_closer_than_the_interval(
    gaps: list[int], limit: tuple[int, int], variation: int, pacing: Pacing
) -> None:
    """However calls come, consecutive slots keep their distance, and none lies before its call."""
    planned = pace_of(f"{limit[0]} per {limit[1]} seconds", pacing, timedelta(microseconds=variation))
    slots = slots_for(Bucket.empty(planned, START), gaps)
    assert all(later - earlier >= planned.interval_us for earlier, later in pairwise(slots))
    assert all(slot >= START + sum(gaps[: place + 1]) for place, slot in enumerate(slots))


@given(GAPS, LIMITS, VARIATIONS, PACINGS)
def test_no_window_holds_more_than_the_limit(
    gaps: list[int], limit: tuple[int, int], variation: int, pacing: Pacing
) -> None:
    """No window of W + J, wherever it begins, holds more than N slots."""
    n, window = limit
    bucket = Bucket.empty(pace_of(f"{n} per {window} seconds", pacing, timedelta(microseconds=variation)), START)
    assert most_within(slots_for(bucket, gaps), window * SECOND + variation) <= n


@given(GAPS, LIMITS, VARIATIONS, st.data())
def test_late_arrivals_never_overfill_a_window(
    gaps: list[int], limit: tuple[int, int], variation: int, data: st.DataObject
) -> None:
    """With `window` pacing, arrivals up to J after their slots never exceed N in any window of W."""
    n, window = limit
    bucket = Bucket.empty(pace_of(f"{n} per {window} seconds", "window", timedelta(microseconds=variation)), START)
    slots = slots_for(bucket, gaps)
    late = data.draw(st.lists(st.integers(0, variation), min_size=len(slots), max_size=len(slots)))
    arrivals = sorted(slot + delay for slot, delay in zip(slots, late, strict=True))
    assert most_within(arrivals, window * SECOND) <= n


@given(GAPS, LIMITS, VARIATIONS, st.data())
def test_late_arrivals_are_never_closer_than_the_limit_allows(
    gaps: list[int], limit: tuple[int, int], variation: int, data: st.DataObject
) -> None:
    """With `spacing`, arrivals up to J after their slots are never closer than W/N."""
    n, window = limit
    bucket = Bucket.empty(pace_of(f"{n} per {window} seconds", "spacing", timedelta(microseconds=variation)), START)
    slots = slots_for(bucket, gaps)
    late = data.draw(st.lists(st.integers(0, variation), min_size=len(slots), max_size=len(slots)))
    arrivals = [slot + delay for slot, delay in zip(slots, late, strict=True)]
    assert all((later - earlier) * n >= window * SECOND for earlier, later in pairwise(arrivals))


@given(GAPS, st.integers(1, 5), VARIATIONS)
def test_a_quota_holds_in_every_window(gaps: list[int], quota: int, variation: int) -> None:
    """A quota of N per W lets no window of W + J hold more than N, besides the paced limit."""
    planned = pace_of(f"10/minute; {quota} per 2 hours", variation=timedelta(microseconds=variation))
    slots = slots_for(Bucket.empty(planned, START), [gap * 20 for gap in gaps])
    assert most_within(slots, 7200 * SECOND + variation) <= quota
    assert all(later - earlier >= planned.interval_us for earlier, later in pairwise(slots))


@given(GAPS, VARIATIONS)
def test_peeking_changes_nothing(gaps: list[int], variation: int) -> None:
    """A bucket may be looked at any number of times."""
    planned = pace_of("10/minute; 5 per 2 hours", variation=timedelta(microseconds=variation))
    looked_at = Bucket.empty(planned, START)
    for ahead in gaps:
        looked_at.peek(START + ahead)
    assert slots_for(Bucket.empty(planned, START), gaps) == slots_for(looked_at, gaps)


@pytest.mark.parametrize("rates", ["10/minute", "1/second", "80/minute; 1000/day"])
def test_a_new_bucket_starts_empty(rates: str) -> None:
    """One whole interval passes before the first slot, so a lost bucket cannot cause a burst."""
    planned = pace_of(rates)
    assert START + planned.interval_us == Bucket.empty(planned, START).peek(START)


@pytest.mark.parametrize(
    ("slots_s", "calls_s"),
    [
        # 10/minute, spacing: 6.1 s apart; the bucket was made at 0.
        ([6.1, 12.2, 18.3], [0, 0, 0]),
        ([10, 16.1, 30], [10, 10, 30]),
        ([100, 106.1, 112.2], [100, 101, 102]),
        ([6.1, 50, 56.1], [6.1, 50, 56]),
    ],
)
def test_a_schedule_of_slots(slots_s: list[float], calls_s: list[float]) -> None:
    """An idle bucket gives one slot at once and never saves up more."""
    bucket = Bucket.empty(pace_of("10/minute"), 0)
    gaps = [round((later - earlier) * SECOND) for earlier, later in pairwise([0.0, *calls_s])]
    assert [round(slot * SECOND) for slot in slots_s] == slots_for(bucket, gaps, now=0)


def test_a_used_up_quota_waits_for_its_window() -> None:
    """2 per 2 hours: the third slot is two hours and J after the first."""
    bucket = Bucket.empty(pace_of("10/minute; 2 per 2 hours"), 0)
    assert [6_100_000, 12_200_000, 7_206_200_000] == slots_for(bucket, [0, 0, 0], now=0)


@pytest.mark.parametrize(
    ("quick_us", "spread_us"), [(1000, LEAST_SPREAD_US), (20_000, LEAST_SPREAD_US), (80_000, 20_000)]
)
def test_calls_that_take_equally_long_are_almost_as_close_as_the_limit_allows(quick_us: int, spread_us: int) -> None:
    """J is measured: 5 ms stay of it, or a quarter of a quick call. Before `HEARD` answers it is 100 ms."""
    bucket = Bucket.empty(pace_of("10/minute"), 0)
    apart = []
    for _ in range(HEARD + 4):
        slot = bucket.peek(0)
        bucket.take(slot)
        bucket.answer(slot, quick_us)
        apart.append(bucket.peek(0) - slot)
    assert {6_100_000} == set(apart[: HEARD - 1])
    assert {6_000_000 + spread_us} == set(apart[HEARD - 1 :])
