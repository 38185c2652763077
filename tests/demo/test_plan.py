"""What the demo is going to do, without doing it."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import TYPE_CHECKING

import pytest

from paceline.recipients.files import read_file
from paceline.recipients.numbers import phone_number
from paceline_sandbox.demo.plan import Plan, key_variable, plan, write_accounts, write_recipients
from paceline_sandbox.faults.scenario import parse_toml
from paceline_worker.accounts.file import read_rows
from paceline_worker.accounts.rows import AccountRow, account_rows

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


def test_accounts_are_written_as_they_are_read(chosen: Plan, tmp_path: Path) -> None:
    """The file is one that `paceline accounts import` takes, and has no key in it."""
    path = tmp_path / "accounts.csv"
    write_accounts(chosen.accounts, path)
    keys = {key_variable(account): account.key for account in chosen.accounts}
    read = [
        (row.name, row.key and row.key.reveal(), row.wanted.rates, row.wanted.pacing, row.wanted.senders)
        for row in account_rows(read_rows(path.read_bytes(), path.name), keys)
        if isinstance(row, AccountRow)
    ]
    assert [(one.name, one.key, one.limit, one.pacing, one.senders) for one in chosen.accounts] == read
    assert not any(account.key in path.read_text(encoding="utf-8") for account in chosen.accounts)


def test_recipients_are_written_as_they_are_read(chosen: Plan, tmp_path: Path) -> None:
    """The file is one that `paceline campaign start` takes, and the same seed writes the same file."""
    campaign = next(chosen.campaigns())
    for name in ("one.csv", "two.csv"):
        write_recipients(campaign, tmp_path / name, Random(7))
    rows = list(read_file(tmp_path / "one.csv"))
    assert list(campaign.recipients) == [row["to"] for row in rows]
    assert all(row["name"] for row in rows)
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()
