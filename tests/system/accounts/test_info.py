"""The account's own limit: read from /info, followed when it is lowered, and never learned from a second 429."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest

from tests.support.stack import Stack

pytestmark = [pytest.mark.system]


def test_an_account_without_a_limit_takes_its_rate_from_info(served: Stack) -> None:
    """/info is the first call; then messages leave at its rate, within the provider's limit."""
    limited(served, "240/minute")
    served.add_account("", info_every=timedelta(minutes=15))
    for number in range(12):
        served.send(number)
    served.settled(12)
    operations = [arrival["operation"] for arrival in served.arrivals()]
    assert (["info"], 12) == (operations[:1], len(operations) - 1)
    assert (240, "0.2504") == (served.account().told, f"{served.account().interval_us / 1e6:.4f}")
    assert 0 == served.violations()


def test_a_limit_by_hand_is_the_ceiling(served: Stack) -> None:
    """/info tells 6,000 a minute, the user said 120: it stays at 120."""
    limited(served, "6000/minute")
    served.add_account("120/minute", info_every=timedelta(minutes=15))
    served.send(1)
    served.settled(1)
    served.wait_for(lambda _: served.account().told is not None, "/info")
    assert (6000, 500_834) == (served.account().told, served.account().interval_us)


@pytest.mark.first
@pytest.mark.timeout(400)
def test_a_lowered_limit_is_followed_within_one_poll_or_at_the_first_429(served: Stack) -> None:
    """Two accounts fall from 600 to 12 a minute: the one that polls is never early, the other has one 429 and no second one."""
    # /info speaks of minutes, so this takes more than one.
    polled, told_late = served, served.another()
    both = (polled, told_late)
    limited(both, "600/minute")
    polled.add_account("", info_every=timedelta(seconds=1))
    told_late.add_account("", info_every=timedelta(minutes=15))
    for one in both:
        for number in range(400):
            one.send(number)
    for one in both:
        one.settled(20)
    limited(both, "600/minute", reported_per_minute=12)
    polled.wait_for(lambda _: polled.account().told == 12, "the new limit")
    polled.wait_for(lambda books: books.in_flight == 0, "what was under way arrived")
    limited(both, "12/minute", retry_after="seconds")
    accepted = [one.balance().outcomes["accepted"] for one in both]
    for one, number in zip(both, accepted, strict=True):
        one.settled(number + 3, patience=timedelta(seconds=150))

    assert 0 == polled.violations()
    assert 1 == told_late.violations()
    statuses = [(arrival["status"], arrival["operation"]) for arrival in told_late.arrivals()]
    throttled = [status for status, _ in statuses].index(429)
    assert (200, "info") == statuses[throttled + 1]
    assert (12, 1000) == (told_late.account().told, told_late.account().slow)  # the reason of the 429 was found


def test_info_that_does_not_answer_holds_nothing_up_for_long(served: Stack) -> None:
    """/info is broken: an account with a limit goes on at once."""
    served.scenario(faults=[{"kind": "answer", "status": 500, "on": "info"}])
    served.add_account("600/minute", info_every=timedelta(minutes=15))
    served.send(1)
    served.settled(1)
    assert {"message 1": 1} == served.texts_accepted()


def test_credits_and_expiry_are_stored_and_shown(served: Stack) -> None:
    """What /info tells of credits, trial and expiry stands in the account."""
    limited(served, "600/minute", credits=500, on_trial=True, expires_at="2030-01-01T00:00:00Z")
    served.add_account("600/minute", info_every=timedelta(minutes=15))
    served.wait_for(lambda _: served.account().credits_left is not None, "/info")
    told = served.account()
    expected = (500, True, False, 1_893_456_000_000_000)
    assert expected == (told.credits_left, told.on_trial, told.blocked, told.expires_at_us)


def limited(stacks: Stack | Iterable[Stack], limit: str, retry_after: str = "none", **own: Any) -> None:
    some = [stacks] if isinstance(stacks, Stack) else list(stacks)
    keys = [{"key": one.name, "limits": [limit], **own} for one in some]
    some[0].scenario(keys=keys, retry_after=retry_after)
