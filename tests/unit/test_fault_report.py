"""How the fault suite judges a run, and what it writes down."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.faults.profile import FULL, SHORT
from tests.faults.result import Result, as_json, as_markdown, from_dict
from tests.faults.witness import Account, Sent, account_for

PAIR = ("+15550100001", "+15550200001")


def sent(number: int, policy: str = "reconcile", pair: tuple[str, str] = PAIR) -> Sent:
    return Sent(f"op{number}", f"message {number}", pair, policy)


def arrival(number: int, at_us: int = 0, *, accepted: bool = True) -> Mapping[str, Any]:
    return {"body": {"text": f"message {number}"}, "accepted": accepted, "at_us": at_us}


def judged(policy: str, state: str, *arrivals: Mapping[str, Any]) -> Account:
    return account_for([sent(0, policy)], {"op0": state}, arrivals)


@pytest.mark.parametrize(
    ("lost", "doubled", "policy", "state", "arrivals"),
    [
        (0, 0, "reconcile", "accepted", [arrival(0)]),
        (1, 0, "reconcile", "accepted", []),
        (1, 0, "reconcile", "accepted", [arrival(0, accepted=False)]),
        (1, 0, "reconcile", "waiting", [arrival(0)]),
        (0, 0, "reconcile", "held", []),
        (0, 1, "reconcile", "held", [arrival(0), arrival(0)]),
        (0, 1, "hold", "accepted", [arrival(0), arrival(0)]),
        (0, 0, "resend", "accepted", [arrival(0), arrival(0)]),
        (0, 0, "resend", "dead", [arrival(0)]),
    ],
    ids=["well", "lost", "refused", "no outcome", "held", "held twice", "doubled", "repeated", "dead"],
)
def test_the_log_of_arrivals_and_the_outcome_decide(
    lost: int, doubled: int, policy: str, state: str, arrivals: list[Mapping[str, Any]]
) -> None:
    """Accepted without an arrival is a loss, and so is an operation that has no outcome."""
    found = judged(policy, state, *arrivals)
    assert (lost, doubled) == (len(found.lost), len(found.doubled))


def test_repeated_arrivals_are_counted_for_those_that_may_be_repeated() -> None:
    """They are compared with the ambiguous calls."""
    assert 2 == judged("resend", "accepted", *[arrival(0)] * 3).extras


def test_order_is_that_of_first_arrivals_of_a_pair() -> None:
    """A message that arrives for the second time is in no wrong place; another pair's order is its own."""
    states = {f"op{number}": "accepted" for number in range(3)}
    in_order = [arrival(0, 1), arrival(1, 2), arrival(0, 3), arrival(2, 4)]
    assert [] == list(account_for([sent(number) for number in range(3)], states, in_order).disordered)
    assert [PAIR] == list(account_for([sent(1), sent(0)], states, in_order).disordered)
    assert [] == list(account_for([sent(1), sent(0, pair=("a", "b"))], states, in_order).disordered)


def test_a_report_can_be_read_by_people_and_by_programs() -> None:
    """A row for each fault; what failed says why, and what was kept is what was found."""
    well = Result("F1", "workers killed", "10 kills", messages=100, recovery_s=1.25, figures={"dead": 1, "share": 0.5})
    broken = Result("F9", "network", "5", lost=2, failures=("2 lost",))
    page = as_markdown([well, broken], about="Profile short.")
    assert "| F1 | workers killed | 10 kills | 0 | 0 | 0 | 0 | 1.2 s | dead 1, share 0.5 | pass |" in page
    assert "**FAIL**: 2 lost" in page
    kept = json.loads(as_json([well, broken], about="x"))["results"]
    assert [well, broken] == [from_dict(found) for found in kept]
    assert (True, False) == (well.passed, broken.passed)


def test_a_part_of_the_full_size_has_every_fault() -> None:
    """One percent is at least one of each."""
    part = FULL.scaled(1)
    assert (100, 3) == part.kills
    assert (1, 1, 1) == (part.server_kills, part.wipes, part.poisons)
    assert SHORT == SHORT.scaled(100)
