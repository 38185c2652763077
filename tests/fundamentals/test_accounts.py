"""How to add accounts and command them."""

import pytest

from paceline import Outbox, SendMessage
from paceline.errors import UnknownSender
from tests.fundamentals.conftest import Command
from tests.support.stack import Stack

pytestmark = [pytest.mark.system]

SENDER, ANA = "+15550100001", "+15550700021"


def hello(account: str, sender: str = SENDER) -> SendMessage:
    return SendMessage(account=account, sender=sender, to=ANA, text="Hello")


def test_an_account_is_an_api_key_under_a_name(
    paceline: Command, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key comes from the environment or from stdin, and no command ever shows it."""
    monkeypatch.setenv("KEY_OF_NORTH", "key-of-north")
    paceline("accounts", "add", "north", "--limit", "1200/minute", "--api-key-env", "KEY_OF_NORTH", "--no-info")
    assert "accepted" == outbox.send(hello("north")).wait_settled(20).state
    assert "key-of-north" not in str(paceline("accounts", "show", "north", "--json"))
    assert "north" in {account["name"] for account in paceline("accounts", "list", "--json")}


def test_a_suspended_account_keeps_its_backlog(paceline: Command, outbox: Outbox, account: str) -> None:
    """Nothing leaves, and `explain` gives the reason; `resume` lets the backlog leave."""
    paceline("accounts", "suspend", account, "--reason", "number under review")
    message = outbox.send(hello(account))
    message.wait(10)
    assert "the account is suspended: number under review" == outbox.status(message.id).why
    paceline("accounts", "resume", account)
    assert "accepted" == message.wait_settled(20).state


def test_limits_change_while_messages_wait(paceline: Command, outbox: Outbox, account: str) -> None:
    """The new limit holds for the next slot; other options stay."""
    paceline("accounts", "change", account, "--limit", "600/minute", "--reserve", "20")
    shown = paceline("accounts", "show", account, "--json")
    assert ("600/minute", 20) == (shown["limit"], shown["reserve_percent"])
    assert "accepted" == outbox.send(hello(account)).wait_settled(20).state


def test_an_account_may_list_its_senders(paceline: Command, outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message from any other number is refused before anything is written."""
    monkeypatch.setenv("KEY_OF_SOUTH", "key-of-south")
    paceline(
        *("accounts", "add", "south", "--limit", "1200/minute", "--api-key-env", "KEY_OF_SOUTH", "--no-info"),
        *("--sender", SENDER),
    )
    with pytest.raises(UnknownSender, match="is not among them"):
        outbox.send(hello("south", sender="+15550100099"))


def test_an_api_key_is_replaced_under_load(
    paceline: Command, outbox: Outbox, account: str, monkeypatch: pytest.MonkeyPatch, stack: Stack
) -> None:
    """`rotate` tries the new key first; the account goes on with its backlog and history."""
    before = outbox.send(hello(account))
    before.wait_settled(20)
    monkeypatch.setenv("NEW_KEY", f"new-{account}")
    paceline("accounts", "rotate", account, "--api-key-env", "NEW_KEY")
    after = outbox.send(hello(account)).wait_settled(20)
    assert ["accepted", "accepted"] == [outbox.status(before.id).state, after.state]
    keys = [arrival["key"] for arrival in stack.sandbox.arrivals() if arrival["key"] in {account, f"new-{account}"}]
    assert f"new-{account}" == keys[-1]


def test_an_account_with_waiting_operations_is_not_removed(paceline: Command, outbox: Outbox, account: str) -> None:
    """The command says why; afterwards the account is gone with its settings."""
    paceline("accounts", "suspend", account)
    message = outbox.send(hello(account))
    message.wait(10)
    assert "still has operations" in paceline("accounts", "remove", account, code=1)
    outbox.cancel(message.id)
    message.wait_settled(20)
    paceline("accounts", "remove", account)
    assert "no account named" in paceline("accounts", "show", account, code=1)
