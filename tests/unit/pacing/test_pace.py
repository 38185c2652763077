"""From a rate as people write it to the distance of slots."""

from datetime import timedelta
from typing import Any

import pytest

from paceline.errors import InvalidOperation
from paceline_worker.pacing.bucket import DEFAULT_VARIATION, Pace, Pacing, Quota, pace_of

MINUTE, HOUR, DAY, MONTH = 60_000_000, 3_600_000_000, 86_400_000_000, 2_592_000_000_000
J = 100_000


@pytest.mark.parametrize(
    ("interval_us", "percent", "rates", "pacing"),
    [
        (6_100_000, 98.4, "10/minute", "spacing"),
        (6_010_000, 99.8, "10/minute", "window"),
        (850_000, 88.2, "80/minute", "spacing"),
        (751_250, 99.8, "80/minute", "window"),
        (200_000, 50.0, "600/minute", "spacing"),
        (100_167, 99.8, "600/minute", "window"),
        (1_100_000, 90.9, "1/second", "spacing"),
        (1_100_000, 90.9, "1/second", "window"),
        (8_671_429, 98.8, "7/minute", "spacing"),
        (8_585_715, 99.8, "7/minute", "window"),
    ],
)
def test_slots_are_as_far_apart_as_the_formula_says(
    interval_us: int, percent: float, rates: str, pacing: Pacing
) -> None:
    """W/N + J apart, or (W + J)/N, rounded up; what that leaves of the limit is in the second column."""
    found = pace_of(rates, pacing)
    number, _, unit = rates.partition("/")
    ideal_us = {"minute": MINUTE, "second": 1_000_000}[unit] / int(number)
    assert interval_us == found.interval_us
    assert percent == round(100 * ideal_us / found.interval_us, 1)


@pytest.mark.parametrize(
    ("interval_us", "pacing", "variation"),
    [
        (6_000_000, "spacing", timedelta(0)),
        (6_000_000, "window", timedelta(0)),
        (7_000_000, "spacing", timedelta(seconds=1)),
        (6_100_000, "window", timedelta(seconds=1)),
        (6_000_001, "window", timedelta(microseconds=1)),
    ],
)
def test_the_variation_is_the_callers(interval_us: int, pacing: Pacing, variation: timedelta) -> None:
    """J may be set; without any, both formulas give W/N."""
    found = pace_of("10/minute", pacing, variation)
    assert (interval_us, variation // timedelta(microseconds=1)) == (found.interval_us, found.variation_us)


def test_the_default_variation_is_a_tenth_of_a_second() -> None:
    """Lateness and transit together are taken to be 100 ms."""
    assert timedelta(milliseconds=100) == DEFAULT_VARIATION


@pytest.mark.parametrize(
    ("expected", "rates"),
    [
        (Pace(6_100_000, MINUTE, (), J), "10/minute"),
        (Pace(6_100_000, MINUTE, (), J), "10 per minute"),
        (Pace(12_100_000, 2 * MINUTE, (), J), "10 per 2 minutes"),
        # The strictest of several paced limits wins, and gives its window.
        (Pace(36_100_000, HOUR, (), J), "10/minute; 100/hour"),
        (Pace(6_100_000, MINUTE, (), J), "10/minute; 3000/hour"),
        (Pace(6_100_000, MINUTE, (), J), "3000/hour, 10/minute"),
        # An hour is paced, anything longer is a quota.
        (Pace(6_100_000, MINUTE, (Quota(1000, DAY, J),), J), "10/minute; 1000/day"),
        (Pace(6_100_000, MINUTE, (Quota(1000, DAY, J),), J), "1000/day; 10/minute"),
        (Pace(6_100_000, MINUTE, (Quota(500, 2 * HOUR, J),), J), "10/minute; 500 per 2 hours"),
        (
            Pace(6_100_000, MINUTE, (Quota(1000, DAY, J), Quota(20_000, MONTH, J)), J),
            "10/minute; 20000/month; 1000/day",
        ),
        # Something has to be paced: without a short limit the shortest one is.
        (Pace(86_500_000, DAY, (), J), "1000/day"),
        (Pace(86_500_000, DAY, (Quota(20_000, MONTH, J),), J), "20000/month; 1000/day"),
    ],
)
def test_limits_of_an_hour_or_less_are_paced_and_longer_ones_are_quotas(expected: Pace, rates: str) -> None:
    """Spread evenly, "1000/day" would be a message every 86 seconds: next to a short limit it is a quota."""
    assert expected == pace_of(rates)


def test_quotas_have_a_text_for_lua() -> None:
    """``N:W:J``, separated by spaces, in microseconds."""
    assert pace_of("10/minute").quotas_text() == ""
    text = pace_of("10/minute; 1000/day; 20000/month").quotas_text()
    assert text == f"1000:{DAY}:{J} 20000:{MONTH}:{J}"


@pytest.mark.parametrize(
    "rates",
    [
        "",
        "  ",
        ";",
        "10",
        "10/",
        "/minute",
        "ten/minute",
        "10/fortnight",
        "-10/minute",
        "1.5/minute",
        "10/minute; many/day",
        "0/minute",
        "10/minute; 0/day",
        "10/minute; 1000001/day",
    ],
)
def test_what_is_no_rate_is_refused(rates: str) -> None:
    """The refusal says that it is the limit that is wrong."""
    with pytest.raises(InvalidOperation, match=r"^limit: "):
        pace_of(rates)


@pytest.mark.parametrize("field", ["interval_us", "window_us", "quotas"])
def test_a_plan_is_a_value(field: str) -> None:
    """Plans cannot be changed."""
    found: Any = pace_of("10/minute")
    with pytest.raises(AttributeError):
        setattr(found, field, 1)
