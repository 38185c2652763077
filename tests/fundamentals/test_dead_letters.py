"""How to find messages that failed, and to send them again."""

import pytest

from paceline import Outbox, SendMessage
from tests.fundamentals.conftest import Command

pytestmark = [pytest.mark.system]

SENDER = "+15550100001"
ALWAYS_REJECTED = "+15559990422"  # the emulated provider answers 422
REJECTED_ONCE = "+15559991404"  # 404 to the first request of a key, then success
OVERLOADED = "+15559990503"  # 503, always


def hello(account: str, to: str, **fields: object) -> SendMessage:
    return SendMessage.model_validate({"account": account, "sender": SENDER, "to": to, "text": "Hello"} | fields)


def test_a_rejected_message_is_a_dead_letter(outbox: Outbox, account: str, paceline: Command) -> None:
    """The list gives the provider's code and words."""
    rejected = outbox.send(hello(account, ALWAYS_REJECTED)).wait_settled(20)
    assert ("rejected", "422") == (rejected.state, rejected.code)
    [letter] = paceline("dead", "list", "--account", account, "--json")
    assert (rejected.id, "rejected", "422") == (letter["id"], letter["outcome"], letter["code"])
    assert letter["words"]


def test_attempts_are_limited(outbox: Outbox, account: str, paceline: Command) -> None:
    """A 503 is repeated until the attempts are used up; then the message is dead."""
    dead = outbox.send(hello(account, OVERLOADED, max_attempts=1)).wait_settled(20)
    assert ("dead", "503") == (dead.state, dead.code)
    assert ["dead"] == [letter["outcome"] for letter in paceline("dead", "list", "--account", account, "--json")]


def test_a_dead_letter_is_sent_again_as_itself(outbox: Outbox, account: str, paceline: Command) -> None:
    """When the cause is gone: the same id, with its history."""
    ticket = outbox.send(hello(account, REJECTED_ONCE))
    assert "rejected" == ticket.wait_settled(20).state
    assert 1 == paceline("dead", "replay", ticket.id, "--json")["replayed"]
    sent = ticket.wait_settled(20)
    assert "accepted" == sent.state
    assert "replayed" in [event.what for event in sent.history]


def test_filters_choose_what_is_replayed(outbox: Outbox, account: str, paceline: Command) -> None:
    """By code, account, campaign or age; `--dry-run` counts and changes nothing."""
    outbox.send(hello(account, ALWAYS_REJECTED)).wait_settled(20)
    assert 0 == paceline("dead", "replay", "--account", account, "--code", "404", "--dry-run", "--json")["replayed"]
    assert 1 == paceline("dead", "replay", "--account", account, "--code", "422", "--dry-run", "--json")["replayed"]
    assert 1 == len(paceline("dead", "list", "--account", account, "--json"))
