"""Gauges that describe the state, from account replies made by hand."""

from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from paceline.state import State
from paceline_worker.metrics import StateCollector
from tests.unit.samples import NOON_US


class Accounts:
    """A state that knows accounts, and whether the provider's breaker is open."""

    def __init__(self, found: dict[str, dict[str, Any] | None], breaker_until: str | None) -> None:
        self._found = found
        self._breaker_until = breaker_until

    def accounts(self) -> list[str]:
        return sorted(self._found)

    def account(self, name: str) -> dict[str, Any] | None:
        return self._found[name]

    def fleet(self) -> dict[str, Any]:
        return {"workers": 1} | ({"provider_breaker_until": self._breaker_until} if self._breaker_until else {})


def account(
    name: str, *, received: int = 0, settings: dict[str, str] | None = None, suspended: str | None = None, **more: Any
) -> dict[str, Any]:
    settings = {"name": name, "interval": "6100000", "interval_now": "6100000"} | (settings or {})
    settings |= {"suspended": suspended} if suspended else {}
    empty = {"counts": {"received": str(received)}, "lanes": [], "timed": 0, "in_flight": 0, "now": str(NOON_US)}
    return {"account": settings} | empty | more


def lane(transactional: int, bulk: int, oldest_us: int | None) -> dict[str, Any]:
    oldest = {} if oldest_us is None else {"oldest_at": str(oldest_us)}
    return {"sender": "+1", "transactional": transactional, "bulk": bulk, "parked": 0} | oldest


def registry(found: dict[str, dict[str, Any] | None], breaker_until: str | None = None) -> CollectorRegistry:
    made = CollectorRegistry()
    made.register(StateCollector(cast("State", Accounts(found, breaker_until))))
    return made


def one(**more: Any) -> CollectorRegistry:
    return registry({"acme": account("acme", **more)})


def test_names_and_labels_are_pinned() -> None:
    """Dashboards and alerts are written against these."""
    known = {"credits_left": "459", "expires_at": str(NOON_US), "breaker": "open"}
    found = {(family.name, tuple(sorted(family.samples[0].labels))) for family in one(settings=known).collect()}
    assert found == {
        ("paceline_backlog_operations", ("account", "priority")),
        ("paceline_backlog_oldest_age_seconds", ("account",)),
        ("paceline_rate_limit_per_second", ("account",)),
        ("paceline_account_suspended", ("account", "reason")),
        ("paceline_credits_remaining", ("account",)),
        ("paceline_account_expiry_timestamp_seconds", ("account",)),
        ("paceline_breaker_open", ("scope",)),
        ("paceline_unaccounted_operations", ()),
    }


def test_a_backlog_is_the_sum_of_its_lanes() -> None:
    """Waiting operations by priority, and the age of the oldest that heads a lane."""
    lanes = [lane(1, 10, NOON_US - 5_000_000), lane(2, 20, NOON_US - 90_000_000), lane(0, 0, None)]
    made = one(lanes=lanes, received=33)
    sample = made.get_sample_value
    assert sample("paceline_backlog_operations", {"account": "acme", "priority": "transactional"}) == 3
    assert sample("paceline_backlog_operations", {"account": "acme", "priority": "bulk"}) == 30
    assert sample("paceline_backlog_oldest_age_seconds", {"account": "acme"}) == 90
    assert sample("paceline_unaccounted_operations") == 0


def test_an_empty_account_has_an_age_of_zero() -> None:
    """No backlog is no age, rather than no series."""
    assert one().get_sample_value("paceline_backlog_oldest_age_seconds", {"account": "acme"}) == 0


def test_the_rate_is_in_slots_a_second() -> None:
    """Base units: one slot in 6.1 seconds."""
    found = one().get_sample_value("paceline_rate_limit_per_second", {"account": "acme"})
    assert found == pytest.approx(1 / 6.1)


def test_the_rate_is_the_one_in_force() -> None:
    """After 429s and while it comes back from an outage an account has fewer slots, and that is what is shown."""
    found = one(settings={"interval_now": "12200000"})
    assert found.get_sample_value("paceline_rate_limit_per_second", {"account": "acme"}) == pytest.approx(1 / 12.2)


def test_what_info_told_is_shown_in_base_units() -> None:
    """Credits are a number of calls, the end of the account is seconds since the epoch."""
    made = one(settings={"credits_left": "459", "expires_at": str(NOON_US)})
    assert made.get_sample_value("paceline_credits_remaining", {"account": "acme"}) == 459
    assert made.get_sample_value("paceline_account_expiry_timestamp_seconds", {"account": "acme"}) == NOON_US / 1e6


def test_an_account_without_credits_shows_none_left() -> None:
    """Zero is a figure: an alert must see it."""
    found = one(settings={"credits_left": "0"})
    assert found.get_sample_value("paceline_credits_remaining", {"account": "acme"}) == 0


def test_what_nobody_told_is_not_shown() -> None:
    """Before /info was read there is no series, rather than a zero that would raise an alert."""
    assert one().get_sample_value("paceline_credits_remaining", {"account": "acme"}) is None
    assert one().get_sample_value("paceline_account_expiry_timestamp_seconds", {"account": "acme"}) is None


@pytest.mark.parametrize(("expected", "breaker"), [(1, "open"), (0, "ramp"), (None, None), (None, "")])
def test_an_accounts_breaker_shows_while_it_exists(expected: int | None, breaker: str | None) -> None:
    """Open is one; closed again and gaining speed is zero; after that there is no series."""
    made = one(settings={} if breaker is None else {"breaker": breaker})
    assert expected == made.get_sample_value("paceline_breaker_open", {"scope": "acme"})


@pytest.mark.parametrize(("expected", "until"), [(0, None), (1, str(NOON_US)), (1, "1")])
def test_the_providers_breaker_always_shows(expected: int, until: str | None) -> None:
    """It is open until a probe was answered, also when its pause is over."""
    assert expected == registry({}, until).get_sample_value("paceline_breaker_open", {"scope": "provider"})


@pytest.mark.parametrize(("expected", "breaker", "until"), [(1, "open", None), (1, "ramp", "1"), (0, "ramp", None)])
def test_an_account_named_like_the_provider_makes_no_second_series(
    expected: int, breaker: str, until: str | None
) -> None:
    """A series shown twice would make Prometheus drop the whole answer."""
    made = registry({"provider": account("provider", settings={"breaker": breaker})}, until)
    family = next(one for one in made.collect() if one.name == "paceline_breaker_open")
    assert [expected] == [sample.value for sample in family.samples]


@pytest.mark.parametrize(
    ("value", "reason", "words"),
    [(0, "", None), (1, "bad_key", "bad_key (401): no"), (1, "unpaid", "unpaid (402): no"), (1, "manual", "by hand")],
)
def test_a_suspension_shows_with_its_reason(value: int, reason: str, words: str | None) -> None:
    """One while suspended, with a bounded reason; zero otherwise."""
    found = one(suspended=words).get_sample_value("paceline_account_suspended", {"account": "acme", "reason": reason})
    assert value == found


def test_operations_lost_here_and_doubled_there_do_not_cancel_out() -> None:
    """Anything but zero is a fault, so deviations add up without their signs."""
    made = registry({"a": account("a", received=2), "b": account("b", in_flight=3)})
    assert made.get_sample_value("paceline_unaccounted_operations") == 5


def test_an_account_that_was_removed_meanwhile_is_passed_over() -> None:
    """Between listing and reading an account may go."""
    made = registry({"gone": None, "acme": account("acme")})
    assert made.get_sample_value("paceline_rate_limit_per_second", {"account": "gone"}) is None
    assert made.get_sample_value("paceline_rate_limit_per_second", {"account": "acme"}) is not None


def test_the_number_of_series_is_bounded() -> None:
    """However many accounts there are, 200 of them have series of their own at most."""
    known = {"credits_left": "1", "expires_at": "1", "breaker": "open"}
    made = registry({f"{number:05}": account(f"{number:05}", settings=known) for number in range(1000)})
    for family in made.collect():
        shown = {sample.labels.get("account", sample.labels.get("scope")) for sample in family.samples}
        assert len(shown) <= 201


def test_a_fault_shows_whatever_the_name_of_its_account() -> None:
    """The number of unaccounted operations is of all accounts, also of those without series of their own."""
    found: dict[str, dict[str, Any] | None] = {f"{number:05}": account(f"{number:05}") for number in range(300)}
    found["00000"], found["00299"] = account("00000", received=2), account("00299", in_flight=5)
    assert registry(found).get_sample_value("paceline_unaccounted_operations") == 7
