"""How one operation follows another."""

from datetime import UTC, datetime, timedelta

import pytest

from paceline import CreateGroup, DeleteMessage, Outbox, SendMessage
from tests.support.stack import PATIENCE
from tests.support.wait import wait_until

pytestmark = [pytest.mark.system]

SENDER, ANA = "+15550100001", "+15550700011"
NOT_ON_WHATSAPP = "+15559990422"  # the emulated provider answers 422


def hello(to: str = ANA, **fields: object) -> SendMessage:
    return SendMessage.model_validate({"account": "acme", "sender": SENDER, "to": to, "text": "Hello"} | fields)


def test_a_message_may_go_to_a_group_that_does_not_exist_yet(outbox: Outbox) -> None:
    """The message names the group by the id of its `CreateGroup`, and waits for it."""
    group = outbox.send(CreateGroup(account="acme", sender=SENDER, name="New", participants=[ANA]))
    welcome = outbox.send(SendMessage(account="acme", sender=SENDER, group=group.id, text="Welcome"))
    assert "accepted" == welcome.wait_settled(20).state
    assert "accepted" == outbox.status(group.id).state


def test_a_message_is_deleted_by_the_id_of_its_operation(outbox: Outbox) -> None:
    """The deletion finds recipient and handle in the operation that sent the message."""
    sent = outbox.send(hello())
    deleted = outbox.send(DeleteMessage(account="acme", sender=SENDER, message=sent.id))
    assert "accepted" == deleted.wait_settled(20).state


def test_a_follower_waits_as_long_as_its_predecessor(outbox: Outbox) -> None:
    """The status names the operation that the follower waits for."""
    first = outbox.send(hello(not_before=datetime.now(UTC) + timedelta(hours=1)))
    second = outbox.send(DeleteMessage(account="acme", sender=SENDER, message=first.id))
    second.wait(10)
    expected = f"it follows operation {first.id}, which has no result yet"
    wait_until(lambda: outbox.status(second.id).why == expected, PATIENCE, expected)
    outbox.cancel(first.id)


def test_a_follower_of_a_rejected_operation_is_rejected(outbox: Outbox) -> None:
    """The code `follows` tells it from a rejection by the provider."""
    wrong = outbox.send(hello(to=NOT_ON_WHATSAPP))
    follower = outbox.send(DeleteMessage(account="acme", sender=SENDER, message=wrong.id)).wait_settled(20)
    assert "rejected" == outbox.status(wrong.id).state
    assert ("rejected", "follows") == (follower.state, follower.code)
