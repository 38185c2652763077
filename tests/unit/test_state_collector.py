"""Gauges that describe the state, from account replies made by hand."""

from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from paceline.state import State
from paceline_worker.metrics import StateCollector
from tests.unit.samples import NOON_US


class Accounts:
    """A state that knows accounts, and counts how often it is asked."""

    def __init__(self, found: dict[str, dict[str, Any] | None]) -> None:
        self._found = found

    def accounts(self) -> list[str]:
        return sorted(self._found)

    def account(self, name: str) -> dict[str, Any] | None:
        return self._found[name]


def account(name: str, *, received: int = 0, suspended: str | None = None, **more: Any) -> dict[str, Any]:
    settings = {"name": name, "interval": "6100000"} | ({"suspended": suspended} if suspended else {})
    empty = {"counts": {"received": str(received)}, "lanes": [], "timed": 0, "in_flight": 0, "now": str(NOON_US)}
    return {"account": settings} | empty | more


def lane(transactional: int, bulk: int, oldest_us: int | None) -> dict[str, Any]:
    oldest = {} if oldest_us is None else {"oldest_at": str(oldest_us)}
    return {"sender": "+1", "transactional": transactional, "bulk": bulk, "parked": 0} | oldest


def registry(found: dict[str, dict[str, Any] | None]) -> CollectorRegistry:
    made = CollectorRegistry()
    made.register(StateCollector(cast("State", Accounts(found))))
    return made


def one(**more: Any) -> CollectorRegistry:
    return registry({"acme": account("acme", **more)})


def test_names_and_labels_are_pinned() -> None:
    """Dashboards and alerts are written against these."""
    found = {(family.name, tuple(sorted(family.samples[0].labels))) for family in one().collect()}
    assert found == {
        ("paceline_backlog_operations", ("account", "priority")),
        ("paceline_backlog_oldest_age_seconds", ("account",)),
        ("paceline_rate_limit_per_second", ("account",)),
        ("paceline_account_suspended", ("account", "reason")),
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
    made = registry({f"{number:05}": account(f"{number:05}") for number in range(1000)})
    shown = {sample.labels["account"] for family in made.collect() for sample in family.samples if sample.labels}
    assert len(shown) <= 201


def test_a_fault_shows_whatever_the_name_of_its_account() -> None:
    """The number of unaccounted operations is of all accounts, also of those without series of their own."""
    found: dict[str, dict[str, Any] | None] = {f"{number:05}": account(f"{number:05}") for number in range(300)}
    found["00000"], found["00299"] = account("00000", received=2), account("00299", in_flight=5)
    assert registry(found).get_sample_value("paceline_unaccounted_operations") == 7
