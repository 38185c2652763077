"""Every order of steps: what no order can double, what a policy allows, and which rule each promise hangs on."""

import pytest

from tests.unit.delivery.interleavings import MOST_GRANTS, Policy, Rules, State, reachable, steps


def most_arrivals(rules: Rules) -> int:
    return max(state.arrivals for state in reachable(rules))


def test_hold_arrives_at_most_once_whatever_time_does() -> None:
    """No clock, no fence and no grace: after begin it is never granted again."""
    assert 1 == most_arrivals(Rules("hold", fence=False, grace=False))


def test_reconcile_arrives_at_most_once() -> None:
    """With all its rules, whoever crashes, stands still, or is told twice."""
    assert 1 == most_arrivals(Rules("reconcile"))


WITHOUT = {
    "token": Rules("reconcile", token=False),
    "fence": Rules("reconcile", fence=False),
    "grace": Rules("reconcile", grace=False),
}


@pytest.mark.parametrize("missing", WITHOUT)
def test_without_one_of_its_rules_reconcile_doubles(missing: str) -> None:
    """Another's grant is taken for one's own; a worker wakes up and sends; a look-up comes while the call is under way."""
    assert 1 < most_arrivals(WITHOUT[missing])


@pytest.mark.parametrize("policy", ["resend", "reconcile"])
def test_what_may_be_repeated_is_repeated_only_after_an_unknown_outcome(policy: Policy) -> None:
    """Extra arrivals are at most as many as ambiguous calls."""
    assert all(state.arrivals <= 1 + state.unknowns for state in reachable(Rules(policy)))


@pytest.mark.parametrize("policy", ["hold", "resend", "reconcile"])
def test_accepted_means_that_it_arrived(policy: Policy) -> None:
    """No outcome is made up."""
    assert all(state.arrivals for state in reachable(Rules(policy)) if state.outcome == "accepted")


@pytest.mark.parametrize("policy", ["hold", "resend", "reconcile"])
def test_from_everywhere_a_way_leads_to_an_outcome(policy: Policy) -> None:
    """Nothing is stuck, as long as it may be granted once more."""
    rules = Rules(policy)
    for state in reachable(rules):
        if state.token < MOST_GRANTS - 2:
            assert _can_end(state, rules), state


def _can_end(state: State, rules: Rules) -> bool:
    known, left = {state}, [state]
    while left:
        for following in steps(left.pop(), rules):
            if following.place == "d":
                return True
            if following not in known:
                known.add(following)
                left.append(following)
    return state.place == "d"
