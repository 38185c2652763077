"""What the demo is going to do, without doing it."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import TYPE_CHECKING

import pytest

from paceline.recipients.files import read_file
from paceline.recipients.numbers import phone_number
from paceline_sandbox.demo.plan import Plan, plan, write_recipients
from paceline_sandbox.faults.scenario import parse_toml

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(params=[False, True], ids=["full", "fast"])
def chosen(request: pytest.FixtureRequest) -> Plan:
    return plan(fast=request.param, seed=0)


def test_the_sandbox_understands_the_scenario(chosen: Plan) -> None:
    """Each account's key is known there with the account's own limit; an outage and one 429 are the only faults."""
    scenario = parse_toml(chosen.scenario())
    keys = scenario.declared_keys()
    assert {account.key: account.limit for account in chosen.accounts} == {
        key: settings.limits[0] for key, settings in keys.items()
    }
    assert [(chosen.scale.key, 503, 4), (chosen.growth.key, 429, 1)] == [
        (fault.key, fault.status, fault.count) for fault in scenario.faults
    ]
    assert scenario.faults[1].retry_after == 3


def test_every_fault_is_met(chosen: Plan) -> None:
    """The faults strike requests that are certain to be made."""
    assert chosen.outage_from + chosen.outage_requests <= chosen.scale.to_send
    assert chosen.throttled_request < chosen.growth.to_send


def test_no_recipient_is_in_two_campaigns(chosen: Plan) -> None:
    """A number seen twice at the provider is therefore a doubled message."""
    numbers = Counter(to for campaign in chosen.campaigns() for to in campaign.recipients)
    assert chosen.to_send == numbers.total() == len(numbers)
    assert sorted(numbers) == sorted(map(phone_number, numbers))


def test_every_sender_has_one_campaign(chosen: Plan) -> None:
    """Names and senders are told apart."""
    campaigns = list(chosen.campaigns())
    senders = [sender for account in chosen.accounts for sender in account.senders]
    assert senders == [campaign.sender for campaign in campaigns]
    assert len(campaigns) == len({campaign.name for campaign in campaigns})


def test_recipients_are_written_as_they_are_read(chosen: Plan, tmp_path: Path) -> None:
    """The file is one that `paceline campaign start` takes, and the same seed writes the same file."""
    campaign = next(chosen.campaigns())
    for name in ("one.csv", "two.csv"):
        write_recipients(campaign, tmp_path / name, Random(7))
    rows = list(read_file(tmp_path / "one.csv"))
    assert list(campaign.recipients) == [row["to"] for row in rows]
    assert all(row["name"] for row in rows)
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()
