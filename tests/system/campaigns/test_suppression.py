"""Suppression in the middle of a campaign, with a real worker, judged from the sandbox's own record."""

import time
from collections import Counter
from datetime import timedelta

import pytest

from paceline.cli import main
from tests.support.stack import PATIENCE, Stack
from tests.support.wait import wait_until

pytestmark = pytest.mark.system
ROWS = 120
# So long before its call an operation begins at the most; the machine may be busy.
BEGUN = timedelta(seconds=5)


def test_suppression_takes_effect_for_everything_that_has_not_begun(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of a running campaign is suppressed: the rest arrives once each, the books balance, and the audit is clean."""
    stack.scenario()
    stack.add_account("1200/minute")
    numbers = [f"+1555020{number:04d}" for number in range(ROWS)]
    before = len(stack.arrivals())
    campaign = stack.outbox.start_campaign(
        "middle", account=stack.name, sender="+15550100001", template="Hi", recipients=[{"to": to} for to in numbers]
    )
    stack.start_worker()
    wait_until(lambda: campaign.progress().outcomes["accepted"] >= 10, PATIENCE, "it runs")
    half = set(numbers[1::2])
    added = stack.outbox.suppress(half, account=stack.name, reason="asked in the middle")
    suppressed_at = time.time()
    assert len(half) == added
    wait_until(lambda: campaign.progress().complete, PATIENCE, lambda: str(campaign.progress()))

    arrivals = stack.arrivals()[before:]
    late = [one for one in arrivals if one["at_us"] / 1e6 > suppressed_at + BEGUN.total_seconds()]
    assert not half & {one["body"]["to_number"] for one in late}
    arrived = Counter(one["body"]["to_number"] for one in arrivals)
    assert {1} == set(arrived.values())
    assert set(numbers[::2]) <= arrived.keys()
    outcomes = campaign.progress().outcomes
    assert (len(arrived), ROWS - len(arrived)) == (outcomes["accepted"], outcomes["suppressed"])
    assert outcomes["suppressed"] > len(half) - ROWS // 4
    for name, value in stack.environment.items():
        monkeypatch.setenv(name, value)
    assert 0 == main(["audit"])
