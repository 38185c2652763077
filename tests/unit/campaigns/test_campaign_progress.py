from datetime import UTC, datetime

import pytest

from paceline import Progress
from paceline.campaigns.campaign import progress_of
from paceline.literals import OUTCOMES
from paceline.state.campaigns import CampaignSnapshot


def test_the_outcomes_are_pinned() -> None:
    """Every operation ends in one of these."""
    assert OUTCOMES == ("accepted", "rejected", "expired", "cancelled", "dead", "held", "suppressed")


def test_a_new_campaign_has_nothing() -> None:
    """A campaign without uploads is zeros, and not complete while its upload is open."""
    expected = Progress("spring", 0, 0, 0, 0, dict.fromkeys(OUTCOMES, 0), remaining=0, uploaded=False)
    assert expected == progress_of("spring", CampaignSnapshot.read({"a": "acme", "sealed": "0"}))
    assert not expected.complete


def test_every_count_is_read() -> None:
    """The numbers of the hash, by their names."""
    hash_fields = {"received": "10", "duplicate": "2", "refused": "1", "inbox": "3", "written": "4", "sealed": "1"}
    outcomes = dict.fromkeys(OUTCOMES, 0) | {"accepted": 2, "dead": 1}
    expected = Progress("spring", 10, 2, 1, 3, outcomes, remaining=1, uploaded=True)
    assert expected == progress_of(
        "spring", CampaignSnapshot.read(hash_fields | {"accepted": "2", "dead": "1", "now": "5"})
    )
    assert (3, 7) == (expected.settled, expected.total)


@pytest.mark.parametrize(
    ("complete", "fields"),
    [
        (True, {"sealed": "1"}),
        (True, {"sealed": "1", "received": "3", "written": "3", "accepted": "2", "held": "1"}),
        (True, {"sealed": "1", "received": "5", "duplicate": "1", "refused": "1", "written": "3", "accepted": "3"}),
        (False, {"sealed": "0", "received": "3", "written": "3", "accepted": "3"}),
        (False, {"sealed": "1", "received": "3", "written": "3", "accepted": "2"}),
        (False, {"sealed": "1", "received": "3", "inbox": "1", "written": "2", "accepted": "2"}),
    ],
)
def test_a_campaign_is_complete_when_all_that_was_uploaded_is_settled(complete: bool, fields: dict[str, str]) -> None:
    """Complete means: the upload is closed, and every distinct recipient has an outcome."""
    assert complete == progress_of("spring", CampaignSnapshot.read(fields)).complete


DONE = {"sealed": "1", "received": "2", "written": "2", "accepted": "2"}
HALF = DONE | {"accepted": "1"}


@pytest.mark.parametrize(
    ("state", "fields"),
    [
        ("uploading", {"sealed": "0"}),
        ("running", HALF),
        ("paused", HALF | {"hold": "paused"}),
        ("paused", {"sealed": "0", "hold": "paused"}),
        ("complete", DONE),
        ("complete", DONE | {"hold": "paused"}),
        ("cancelling", HALF | {"hold": "cancelled"}),
        ("cancelled", HALF | {"hold": "cancelled", "cancelled": "1"}),
        ("cancelled", HALF | {"hold": "cancelled", "cancelled": "1", "sealed": "0"}),
    ],
)
def test_a_campaign_in_one_word(state: str, fields: dict[str, str]) -> None:
    """A cancelled campaign is complete without the end of its upload; a paused one with nothing left is complete."""
    assert state == progress_of("spring", CampaignSnapshot.read(fields)).state


def test_why_it_is_on_hold_and_since_when_it_is_complete() -> None:
    """Words and time are those of the hash."""
    seen = progress_of(
        "spring",
        CampaignSnapshot.read(DONE | {"hold": "paused", "hold_why": "lunch", "completed_at": "1767225600000000"}),
    )
    assert ("lunch", datetime(2026, 1, 1, tzinfo=UTC)) == (seen.why, seen.completed_at)
