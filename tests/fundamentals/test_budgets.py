"""How to limit senders and kinds of operations below the limit of their account."""

from datetime import UTC, datetime, timedelta

import pytest

from paceline import CreateGroup, Outbox, SendMessage
from tests.fundamentals.conftest import Command

pytestmark = [pytest.mark.system]

SENDER, OTHER, ANA = "+15550100001", "+15550100002", "+15550700041"


def hello(account: str, sender: str = SENDER) -> SendMessage:
    return SendMessage(account=account, sender=sender, to=ANA, text="Hello")


def test_a_sender_may_be_slower_than_its_account(outbox: Outbox, account: str, paceline: Command) -> None:
    """The second message of the hour waits; another sender of the account does not."""
    paceline("accounts", "change", account, "--budget", "*=1/hour")
    outbox.send(hello(account)).wait_settled(20)
    second = outbox.send(hello(account))
    assert "accepted" == outbox.send(hello(account, OTHER)).wait_settled(20).state
    waiting = outbox.status(second.id)
    assert ("waiting", True) == (waiting.state, "a budget of its sender is used up until" in waiting.why)


def test_a_kind_of_operation_may_have_a_budget(outbox: Outbox, account: str, paceline: Command) -> None:
    """A second group waits for tomorrow, and messages pass it."""
    paceline("accounts", "change", account, "--budget", "group.create=1/day")
    outbox.send(CreateGroup(account=account, sender=SENDER, name="First", participants=[ANA])).wait_settled(20)
    second = outbox.send(CreateGroup(account=account, sender=SENDER, name="Second", participants=[ANA]))
    second.wait(10)
    assert "accepted" == outbox.send(hello(account)).wait_settled(20).state
    waiting = outbox.status(second.id)
    assert "waiting" == waiting.state
    assert waiting.expected_at is None or waiting.expected_at > datetime.now(UTC) + timedelta(hours=20)


def test_a_budget_can_be_widened(outbox: Outbox, account: str, paceline: Command) -> None:
    """The account's own limit stays the bound."""
    paceline("accounts", "change", account, "--budget", "*=1/hour")
    paceline("accounts", "change", account, "--budget", "*=1000/hour")
    for _ in range(2):
        assert "accepted" == outbox.send(hello(account)).wait_settled(20).state


def test_a_malformed_budget_is_refused(account: str, paceline: Command) -> None:
    """The message shows the form."""
    assert "--budget: is not KIND=RATE such as group.create=30/day" in paceline(
        "accounts", "change", account, "--budget", "often", code=2
    )
