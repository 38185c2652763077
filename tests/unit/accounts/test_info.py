"""What /info tells of an account, and what changes in its limits."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from paceline.errors import InvalidOperation
from paceline_worker.accounts.info import (
    INFO,
    INFO_EVERY,
    SAFE_RATE,
    Info,
    catch_up_us,
    effective_rates,
    info_fields,
    next_read,
    pace_fields,
    read_info,
)
from paceline_worker.pacing.bucket import Pacing, pace_of
from tests.unit.samples import NOON

J = timedelta(milliseconds=100)
SECOND = 1_000_000
PACINGS: st.SearchStrategy[Pacing] = st.sampled_from(["spacing", "window"])
# docs/provider.md, 1.7.
SAMPLE: dict[str, Any] = {
    "success": True,
    "account": {
        "name": "Acme (ACC0f0e...)",
        "uuid": "ACC0f0e...",
        "on_trial": True,
        "blocked": False,
        "created_at": "2025-01-05T10:00:00Z",
        "expires_at": "2025-02-05T10:00:00Z",
    },
    "limits": {"requests_per_minute": 10},
    "usage": {
        "api_request_count": 41,
        "max_api_request_count": 500,
        "number_check_count": 3,
        "max_number_check_count": 100,
    },
}


def test_the_request_is_pinned() -> None:
    """A call of its own, without body or query."""
    assert ("GET", "/info", None, "/info", {}) == (INFO.method, INFO.path, INFO.body, INFO.endpoint, INFO.query)


def test_the_documented_sample_is_read() -> None:
    """Limit, credits and checks left, trial, block and expiry."""
    assert read_info(SAMPLE) == Info(
        per_minute=10,
        credits_left=459,
        checks_left=97,
        on_trial=True,
        blocked=False,
        expires_at=datetime(2025, 2, 5, 10, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("expected", "told"),
    [
        (10, 10),
        (80, 80.0),
        (1_000_000, 1_000_000),
        (None, 0),
        (None, 0.5),
        (None, -10),
        (None, 1_000_001),
        (None, 10**400),
        (None, float("inf")),
        (None, float("nan")),
        (None, True),
        (None, "10"),
        (None, [10]),
        (None, {}),
        (None, None),
    ],
)
def test_an_absurd_limit_is_none(expected: int | None, told: Any) -> None:
    """Nobody is paced by a limit that cannot be meant."""
    assert expected == read_info({"limits": {"requests_per_minute": told}}).per_minute


@pytest.mark.parametrize(
    ("expected", "used", "most"),
    [
        (459, 41, 500),
        (0, 500, 500),
        (0, 600, 500),
        (500, 0, 500),
        (0, 0, 0),
        (None, -1, 500),
        (None, 41, None),
        (None, None, 500),
        (None, "41", 500),
        (None, 41, True),
        (None, float("nan"), 500),
        (None, 0, 10**16),
    ],
)
def test_what_is_left_is_the_rest(expected: int | None, used: Any, most: Any) -> None:
    """Never below zero, and unknown when one of the two figures is."""
    usage = {"api_request_count": used, "max_api_request_count": most}
    assert expected == read_info({"usage": usage}).credits_left


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        (datetime(2026, 1, 31, 12, tzinfo=UTC), "2026-01-31T12:00:00Z"),
        (datetime(2026, 1, 31, 12, tzinfo=UTC), "2026-01-31T12:00:00"),
        (datetime(2026, 1, 31, 12, tzinfo=UTC), "2026-01-31 12:00:00"),
        (datetime(2026, 1, 31, 10, tzinfo=UTC), "2026-01-31T12:00:00+02:00"),
        (None, "0001-01-01T00:00:00+23:00"),
        (None, "9999-12-31T23:59:59-23:00"),
        (None, "never"),
        (None, ""),
        (None, None),
        (None, 1_769_860_800),
        (None, ["2026-01-31T12:00:00Z"]),
    ],
)
def test_an_expiry_is_read_in_every_form(expected: datetime | None, text: Any) -> None:
    """With Z, without, and with a space; always in UTC."""
    assert expected == read_info({"account": {"expires_at": text}}).expires_at


@pytest.mark.parametrize(("expected", "told"), [(True, True), (False, False), (None, 1), (None, "true"), (None, None)])
def test_only_true_and_false_are_flags(expected: bool | None, told: Any) -> None:
    """Anything else says nothing."""
    found = read_info({"account": {"blocked": told, "on_trial": told}})
    assert (expected, expected) == (found.blocked, found.on_trial)


@pytest.mark.parametrize("value", [{}, {"account": None, "limits": 5, "usage": "x"}, {"limits": [], "account": [{}]}])
def test_an_answer_without_figures_tells_nothing(value: dict[str, Any]) -> None:
    """What is not told is not made up."""
    assert Info() == read_info(value)


NAMES = st.sampled_from(["account", "limits", "usage", *SAMPLE["account"], *SAMPLE["usage"], "requests_per_minute"])
SCALARS = st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8) | st.datetimes().map(str)
JSON: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=6),
    max_leaves=15,
)


@given(st.dictionaries(NAMES, JSON, max_size=4))
def test_nonsense_is_read_too(value: dict[str, Any]) -> None:
    """Whatever it says, the account's fields are texts, and its limit is one that can be kept."""
    found = read_info(value)
    fields = info_fields(found, by_hand="", told_before="", pacing="spacing", variation=J)
    assert {str} == {type(text) for text in fields.values()}
    assert int(fields["interval"]) > 0
    assert isinstance(found.may_send(NOON), bool)


# -- may it send ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expected", "info"),
    [
        (True, Info()),
        (True, Info(credits_left=1, blocked=False, expires_at=NOON + timedelta(seconds=1))),
        (False, Info(credits_left=0)),
        (False, Info(blocked=True)),
        (False, Info(expires_at=NOON)),
        (False, Info(expires_at=NOON - timedelta(days=1), credits_left=100)),
        (False, Info(blocked=True, credits_left=100)),
    ],
)
def test_who_has_paid_may_send(expected: bool, info: Info) -> None:
    """An account that was refused for want of payment goes on when it has credits, is not blocked and not over."""
    assert expected == info.may_send(NOON)


# -- limits in force ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expected", "by_hand", "told"),
    [
        (SAFE_RATE, "", ""),
        ("80/minute", "", "80"),
        ("10/minute", "10/minute", ""),
        ("10/minute; 80/minute", "10/minute", "80"),
        ("1000/day; 80/minute", "1000/day", "80"),
    ],
)
def test_both_limits_hold(expected: str, by_hand: str, told: str) -> None:
    """What was set by hand, and what the provider tells; the safe rate when there is neither."""
    assert expected == effective_rates(by_hand, told)


@given(st.integers(1, 1000), st.integers(1, 1000), PACINGS)
def test_the_limit_set_by_hand_is_the_ceiling(by_hand: int, told: int, pacing: Pacing) -> None:
    """Of the two the lower one decides, whatever the other is."""
    both = pace_of(effective_rates(f"{by_hand}/minute", str(told)), pacing, J)
    assert pace_of(f"{min(by_hand, told)}/minute", pacing, J) == both


def test_a_ceiling_over_a_day_stays_a_quota() -> None:
    """The provider's limit paces, the hand-set quota counts."""
    fields = pace_fields(effective_rates("1000/day", "80"), "spacing", J)
    expected = {"interval": "850000", "window": "60000000", "quotas": "1000:86400000000:100000", "variation": "100000"}
    assert expected == fields


def test_the_fields_of_an_account_are_pinned() -> None:
    """What /info writes, as texts; times in us."""
    fields = info_fields(read_info(SAMPLE), by_hand="", told_before="30", pacing="spacing", variation=J)
    assert fields == {
        "told": "10",
        "credits_left": "459",
        "checks_left": "97",
        "on_trial": "1",
        "blocked": "0",
        "expires_at": "1738749600000000",
        "interval": "6100000",
        "window": "60000000",
        "quotas": "",
        "variation": "100000",
    }


def test_what_is_not_told_stays() -> None:
    """An answer that lacks the limit leaves the one told before in force, and writes nothing else."""
    fields = info_fields(Info(), by_hand="", told_before="30", pacing="spacing", variation=J)
    assert {"told": "30"} | pace_fields("30/minute", "spacing", J) == fields
    assert pace_fields(SAFE_RATE, "spacing", J) == info_fields(
        Info(), by_hand="", told_before="", pacing="spacing", variation=J
    )


def test_a_limit_that_is_no_rate_is_refused() -> None:
    """What stands in state was checked before; a mistake there is named."""
    with pytest.raises(InvalidOperation, match="is not a rate"):
        info_fields(Info(per_minute=10), by_hand="often", told_before="", pacing="spacing", variation=J)


# -- after a limit was lowered --------------------------------------------------------------------------------------------

N = st.integers(1, 120)
VARIATIONS = st.sampled_from([0, 50_000, 100_000, 1_000_000])


def logged(old_us: int, fields: dict[str, str], late: Sequence[int]) -> tuple[list[int], int]:
    """Arrivals at the provider: slots at the old distance until 0, then the pause, then slots at the new distance.

    Each slot's call arrives up to J later. Gives them with the arrival of the first call at the new distance.
    """
    interval, window, j = (int(fields[name]) for name in ("interval", "window", "variation"))
    before = range(-(2 * window // old_us) * old_us, 1, old_us)
    first = max(interval, catch_up_us(fields, old_us))
    slots = [*before, *range(first, first + 2 * window, interval)]
    arrivals = [slot + late[place % len(late)] % (j + 1) for place, slot in enumerate(slots)]
    return arrivals, arrivals[len(before)]


def most_in_a_window_that_ends_from(start: int, arrivals: Sequence[int], window: int) -> int:
    """By the provider's sliding log: at each arrival from `start` on, how many of the last window there are, at most."""
    return max(sum(end - window < arrival <= end for arrival in arrivals) for end in arrivals if end >= start)


@given(N, N, VARIATIONS, PACINGS, PACINGS, st.lists(st.integers(0, 1_000_000), min_size=1, max_size=30))
@example(80, 10, 100_000, "spacing", "spacing", [0])
@example(80, 10, 0, "window", "window", [0])
@example(120, 1, 100_000, "spacing", "spacing", [100_000, 0])
@example(7, 6, 0, "window", "spacing", [0])
def test_a_lowered_limit_is_kept_from_its_first_call_on(
    old_n: int, new_n: int, j_us: int, old_pacing: Pacing, pacing: Pacing, late: list[int]
) -> None:
    """No window of W holds more than the new N, of all windows that end with the first call at the new limit or later.

    Earlier windows were filled under the old limit, and nobody can empty them. What was sent before the change counts in the
    later ones, for the provider does not forget it.
    """
    variation = timedelta(microseconds=j_us)
    old = pace_of(f"{old_n}/minute", old_pacing, variation)
    fields = pace_fields(f"{new_n}/minute", pacing, variation)
    if old.interval_us >= int(fields["interval"]):
        return  # not lowered
    arrivals, first = logged(old.interval_us, fields, late)
    arrivals = sorted(arrivals)
    assert most_in_a_window_that_ends_from(first, arrivals, 60 * SECOND) <= new_n


def test_without_the_pause_it_would_not_be_kept() -> None:
    """The proof that the test above could fail: at the new distance alone 80 and then some are in the window."""
    fields = pace_fields("10/minute", "spacing", J)
    arrivals = [*range(-60 * SECOND, 1, 850_000), *range(6_100_000, 60 * SECOND, 6_100_000)]
    assert all(later > earlier for earlier, later in pairwise(arrivals))
    assert most_in_a_window_that_ends_from(6_100_000, arrivals, 60 * SECOND) > 10
    assert catch_up_us(fields, 850_000) > 6_100_000


@pytest.mark.parametrize(
    ("expected_us", "new", "old_us"),
    [
        # From 80 to 10 a minute: nine new distances fit into a window; between the last nine calls lie eight old ones.
        (60_100_000 - 8 * 850_000, "10/minute", 850_000),
        # From 60 to 1 a minute: the whole window.
        (60_100_000, "1/minute", 1_100_000),
        # From 10 to 9 a minute: eight fit, and seven old distances are nearly a window.
        (60_100_000 - 7 * 6_100_000, "9/minute", 6_100_000),
        # Raised: nothing to wait for.
        (0, "80/minute", 6_100_000),
    ],
)
def test_the_pause_is_what_is_missing_to_a_window(expected_us: int, new: str, old_us: int) -> None:
    """The last calls at the old distance must be a window old, but for the time that lay between them."""
    assert expected_us == catch_up_us(pace_fields(new, "spacing", J), old_us)


# -- when it is read again ------------------------------------------------------------------------------------------------


@given(st.integers(0, 2**32))
def test_accounts_do_not_ask_together(seed: int) -> None:
    """Every quarter of an hour, a tenth earlier or later."""
    assert timedelta(minutes=13.5) <= next_read(INFO_EVERY, Random(seed)) <= timedelta(minutes=16.5)


def test_readings_spread() -> None:
    """Accounts that were added together drift apart."""
    assert len({next_read(INFO_EVERY, Random(seed)) for seed in range(100)}) > 90
