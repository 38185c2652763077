"""What people are told while it runs."""

from __future__ import annotations

from typing import Any

import pytest

from paceline_sandbox.demo.plan import plan
from paceline_sandbox.demo.watch import Storyteller, rate_per_minute, read_counters

PLAN = plan(fast=False, seed=0)
S = 1_000_000


@pytest.mark.parametrize(
    ("seconds", "now", "allowed", "expected"),
    [
        ([], 10, 10, None),
        ([5], 10, 10, None),
        ([0, 6, 12], 13, 10, 10.0),  # between two messages of a slow account the rate stands
        ([0, 6, 12], 26, 10, None),  # all but one are too old
        ([0, 1, 2, 3], 3, 60, 60.0),
        ([0, 1, 2, 3], 8, 60, 22.5),  # the next one is overdue, and the rate falls
    ],
)
def test_the_rate_is_that_of_the_last_seconds(
    seconds: list[int], now: int, allowed: int, expected: float | None
) -> None:
    """(n-1)/(last-first) within fifteen seconds."""
    assert rate_per_minute([second * S for second in seconds], now * S, allowed) == expected


def test_counters_are_summed_over_their_other_labels() -> None:
    """Only counters with an account count."""
    text = "\n".join(
        [
            "# TYPE paceline_deferrals_total counter",
            'paceline_deferrals_total{account="acme",reason="throttled"} 1.0',
            'paceline_deferrals_total{account="acme",reason="missed"} 2.0',
            'paceline_deferrals_total{account="other",reason="missed"} 5.0',
            'paceline_provider_requests_total{account="acme",code="503",endpoint="/whatsapp/send-message"} 4.0',
            "paceline_leases_given_back_total 3.0",
            'paceline_backlog_operations{account="acme",priority="bulk"} 9.0',
        ]
    )
    assert read_counters(text) == {
        ("paceline_deferrals", "acme"): 3,
        ("paceline_deferrals", "other"): 5,
        ("paceline_provider_requests", "acme"): 4,
    }


def answered(status: int, second: float, *, violation: bool = False) -> dict[str, Any]:
    return {
        "key": PLAN.scale.key,
        "status": status,
        "accepted": status == 202,
        "violation": violation,
        "at_us": int(second * S),
    }


def test_an_outage_is_told_when_it_begins_and_when_it_ends() -> None:
    """Once each, however many requests meet it and however they are read."""
    storyteller = Storyteller(PLAN)
    begins = storyteller.tell([answered(202, 0), answered(503, 1), answered(503, 1.1)])
    assert begins == ["scale: the provider answers 503, so these messages are repeated later, with growing pauses"]
    assert storyteller.tell([answered(503, 1.2)]) == []
    ends = storyteller.tell([answered(202, 3.5), answered(202, 3.6)])
    assert ends == ["scale: accepted again 2.5 s after 3 refusals"]


def test_a_broken_limit_is_told_each_time() -> None:
    """It is what must not happen."""
    told = Storyteller(PLAN).tell([answered(429, 0, violation=True), answered(429, 1, violation=True)])
    assert told == ["scale: THE LIMIT WAS BROKEN, the provider refused a request"] * 2


def test_keys_that_are_not_the_demos_are_not_told_of() -> None:
    """Somebody may try the sandbox meanwhile."""
    assert Storyteller(PLAN).tell([answered(503, 0) | {"key": "foreign"}, answered(503, 0) | {"key": None}]) == []
