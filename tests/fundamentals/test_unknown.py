"""What happens when nobody knows whether a call took effect."""

import pytest

from paceline import Outbox, SendMessage
from tests.fundamentals.conftest import Command
from tests.support.stack import Stack

pytestmark = [pytest.mark.system]

SENDER = "+15550100001"
# The emulated provider cuts the connection: before it accepts the message, and after.
CUT_BEFORE, CUT_AFTER = "+15559992001", "+15559992002"


def hello(account: str, to: str, **fields: object) -> SendMessage:
    return SendMessage.model_validate({"account": account, "sender": SENDER, "to": to, "text": account} | fields)


def calls(stack: Stack, account: str) -> int:
    """Messages that the provider was asked to send for this account, by its own log."""
    return sum(a["operation"].startswith("message.") for a in stack.sandbox.arrivals() if a["key"] == account)


def test_by_default_the_conversation_is_read(outbox: Outbox, account: str, stack: Stack) -> None:
    """A message that is found was accepted; nothing is sent twice."""
    sent = outbox.send(hello(account, CUT_AFTER)).wait_settled(30)
    assert ("accepted", 1) == (sent.state, calls(stack, account))
    assert "found at the provider after an unknown outcome" in (sent.words or "")


def test_a_message_may_be_held_instead(outbox: Outbox, account: str, paceline: Command) -> None:
    """`on_unknown="hold"` never sends twice: a person decides."""
    held = outbox.send(hello(account, CUT_BEFORE, on_unknown="hold")).wait_settled(20)
    assert "held" == held.state
    assert [held.id] == [operation["id"] for operation in paceline("unknown", "list", "--account", account, "--json")]


def test_a_person_gives_up_or_sends_again(outbox: Outbox, account: str, paceline: Command, stack: Stack) -> None:
    """`drop` cancels the message; `release` sends it again, at the head of its lane."""
    given_up = outbox.send(hello(account, CUT_AFTER, on_unknown="hold"))
    given_up.wait_settled(20)
    paceline("unknown", "drop", given_up.id, "--reason", "the customer has it")
    dropped = outbox.status(given_up.id)
    assert ("cancelled", True) == (dropped.state, "the customer has it" in (dropped.words or ""))

    again = outbox.send(hello(account, CUT_BEFORE, on_unknown="hold"))
    again.wait_settled(20)
    before = calls(stack, account)
    paceline("unknown", "release", again.id)
    stack.wait_for(lambda _: calls(stack, account) > before, "the message is sent again")


def test_a_one_time_code_is_sent_again_at_once(outbox: Outbox, account: str, stack: Stack) -> None:
    """`on_unknown="resend"` prefers a second message to none."""
    ticket = outbox.send(hello(account, CUT_BEFORE, on_unknown="resend", max_attempts=2))
    assert "dead" == ticket.wait_settled(30).state
    assert 2 == calls(stack, account)
