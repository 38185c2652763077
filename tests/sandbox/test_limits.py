from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline_sandbox.accounts.limits import Algorithm, Gate, Limit, counter_for, parse_limit

SECOND = 1_000_000
ALGORITHMS = list(Algorithm)

limits = st.builds(Limit, count=st.integers(1, 8), window_us=st.integers(1, 1_000), text=st.just("any"))
gaps = st.lists(st.integers(0, 600), min_size=1, max_size=60)


def admitted(algorithm: Algorithm, limit: Limit, instants: list[int], *, phase_us: int = 0) -> list[int]:
    """The instants at which a gate with one limit admits a request."""
    gate = Gate([counter_for(limit, algorithm, phase_us)])
    return [now for now in instants if gate.arrive(now).admitted]


def instants_of(distances: list[int]) -> list[int]:
    now, instants = 1_000_000_000, []
    for distance in distances:
        now += distance
        instants.append(now)
    return instants


@pytest.mark.parametrize(
    ("text", "count", "window_us"),
    [
        ("10/minute", 10, 60 * SECOND),
        ("10 / minute", 10, 60 * SECOND),
        ("10 per minute", 10, 60 * SECOND),
        ("100/5 minutes", 100, 300 * SECOND),
        ("3 per 2 s", 3, 2 * SECOND),
        ("1/250ms", 1, 250_000),
        ("2/h", 2, 3600 * SECOND),
        ("1000/day", 1000, 86_400 * SECOND),
        ("1/s", 1, SECOND),
    ],
)
def test_a_limit_is_a_count_per_time(text: str, count: int, window_us: int) -> None:
    """A limit is a count per unit of time, with or without a multiple."""
    limit = parse_limit(text)
    assert (count, window_us, None) == (limit.count, limit.window_us, limit.algorithm)


def test_a_limit_may_name_its_algorithm() -> None:
    """A limit may say how it is counted."""
    assert parse_limit("1000/day fixed_window").algorithm is Algorithm.FIXED_WINDOW


@pytest.mark.parametrize(
    "text", ["", "10", "ten/minute", "10/fortnight", "0/minute", "1/0 s", "-1/s", "1/s leaky", "1/"]
)
def test_what_is_not_a_limit_is_refused_by_quoting_it(text: str) -> None:
    """What is not a limit is refused with a message that quotes it."""
    with pytest.raises(ValueError, match=r"limit|algorithm") as caught:
        parse_limit(text)
    assert repr(text) in str(caught.value)


@given(limit=limits, distances=gaps)
def test_a_sliding_log_never_admits_one_more_in_any_window(limit: Limit, distances: list[int]) -> None:
    """A sliding log admits at most N requests in every half-open window of length W."""
    times = admitted(Algorithm.SLIDING_LOG, limit, instants_of(distances))
    for start in times:
        assert sum(start <= now < start + limit.window_us for now in times) <= limit.count


@given(limit=limits, distances=gaps)
def test_a_sliding_log_refuses_only_what_would_be_too_many(limit: Limit, distances: list[int]) -> None:
    """A request that a sliding log refuses would have been number N+1 of a window."""
    instants = instants_of(distances)
    gate = Gate([counter_for(limit, Algorithm.SLIDING_LOG)])
    served: list[int] = []
    for now in instants:
        recent = sum(now - limit.window_us < earlier for earlier in served)
        assert (recent < limit.count) == gate.arrive(now).admitted
        if recent < limit.count:
            served.append(now)


@given(limit=limits, distances=gaps, phase_us=st.integers(0, 2_000))
def test_a_fixed_window_never_admits_one_more_than_its_count(limit: Limit, distances: list[int], phase_us: int) -> None:
    """A fixed window admits at most N requests, wherever the windows begin."""
    times = admitted(Algorithm.FIXED_WINDOW, limit, instants_of(distances), phase_us=phase_us)
    windows = [(now - phase_us) // limit.window_us for now in times]
    assert all(windows.count(window) <= limit.count for window in windows)


@given(limit=limits, distances=gaps)
def test_spacing_never_admits_two_requests_closer_than_the_share(limit: Limit, distances: list[int]) -> None:
    """Spacing keeps consecutive requests at least W/N apart, without rounding."""
    times = admitted(Algorithm.SPACING, limit, instants_of(distances))
    assert all((later - earlier) * limit.count >= limit.window_us for earlier, later in pairwise(times))


@given(limit=limits, distances=gaps)
def test_a_bucket_admits_no_more_than_its_capacity_and_refill(limit: Limit, distances: list[int]) -> None:
    """In any stretch of time a bucket admits at most its capacity plus what flowed in."""
    times = admitted(Algorithm.BUCKET, limit, instants_of(distances))
    for first, start in enumerate(times):
        for last, end in enumerate(times[first:], first):
            refilled = (end - start) * limit.count
            assert (last - first + 1) * limit.window_us <= limit.count * limit.window_us + refilled


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@given(limit=limits, distances=gaps)
def test_whoever_waits_as_told_is_admitted(algorithm: Algorithm, limit: Limit, distances: list[int]) -> None:
    """A refused request would be admitted after the wait it was told, and not a microsecond earlier."""
    counter = counter_for(limit, algorithm)
    for now in instants_of(distances):
        decision = counter.check(now)
        if decision.admitted:
            counter.count(now)
        else:
            assert counter.check(now + decision.retry_after_us).admitted
            assert not counter.check(now + decision.retry_after_us - 1).admitted


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@given(limit=limits, size=st.integers(1, 50), start=st.integers(0, 10_000))
def test_the_full_spacing_satisfies_every_algorithm(algorithm: Algorithm, limit: Limit, size: int, start: int) -> None:
    """A client that keeps W/N between requests is admitted by every algorithm."""
    step = -(-limit.window_us // limit.count)
    instants = [start + step * number for number in range(size)]
    assert instants == admitted(algorithm, limit, instants)


def test_a_fixed_window_forgets_at_its_border_and_a_sliding_log_does_not() -> None:
    """Two full loads around a border pass a fixed window and break a sliding log."""
    limit = parse_limit("2/minute")
    instants = [60 * SECOND - 2, 60 * SECOND - 1, 60 * SECOND, 60 * SECOND + 1]
    assert instants == admitted(Algorithm.FIXED_WINDOW, limit, instants)
    assert instants[:2] == admitted(Algorithm.SLIDING_LOG, limit, instants)


def test_a_refused_request_does_not_count_by_default() -> None:
    """A refused request delays nobody, unless refused requests count."""
    lenient, strict = (Gate([counter_for(parse_limit("1/s"), Algorithm.SPACING)]) for _ in range(2))
    for gate, count_refused in ((lenient, False), (strict, True)):
        assert gate.arrive(0).admitted
        assert not gate.arrive(SECOND // 2, count_refused=count_refused).admitted
    assert lenient.arrive(SECOND).admitted
    assert not strict.arrive(SECOND).admitted


def test_a_request_over_an_unenforced_limit_counts() -> None:
    """Without enforcement a request over the limit is served, so it counts."""
    gate = Gate([counter_for(parse_limit("1/s"), Algorithm.SPACING)])
    gate.arrive(0, enforce=False)
    assert not gate.arrive(SECOND // 2, enforce=False).admitted
    assert not gate.arrive(SECOND, enforce=False).admitted


def test_of_several_limits_all_count_or_none() -> None:
    """A request that one limit refuses takes nothing from the others, and the verdict names the broken one."""
    gate = Gate([counter_for(parse_limit(text), Algorithm.SLIDING_LOG) for text in ("1/s", "2/minute")])
    assert gate.arrive(0).admitted
    assert gate.arrive(1).broken == (0,)
    assert gate.arrive(SECOND).admitted
    verdict = gate.arrive(SECOND + 1)
    assert verdict.broken == (0, 1)
    assert verdict.retry_after_us == 59 * SECOND - 1
