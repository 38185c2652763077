"""The words that types are made of are those that state, models and documents use."""

from typing import get_args

from paceline.campaigns.campaign import Progress
from paceline.kinds import KINDS
from paceline.literals import OUTCOMES, CampaignState, KindName, OperationState
from paceline.state.snapshots import WHERE


def test_the_kinds_are_those_of_the_models() -> None:
    """A checker knows each kind, and no other."""
    assert list(KINDS) == list(get_args(KindName))


def test_the_states_are_those_of_state_and_the_outcomes() -> None:
    """Where an operation is, or what became of it."""
    assert {*WHERE.values(), *OUTCOMES} - {"settled"} == set(get_args(OperationState))


def test_a_campaign_has_one_of_its_states() -> None:
    """Each combination of what holds it back, its upload and its numbers."""
    seen = {
        Progress("x", 1, 0, 0, 0, {"accepted": settled}, 1, uploaded, hold).state
        for settled in (0, 1)
        for uploaded in (False, True)
        for hold in (None, "paused", "cancelled")
    }
    assert set(get_args(CampaignState)) == seen
