"""How to send exactly once when a service is not sure whether it has sent."""

import uuid

import pytest

from paceline import Duplicate, Outbox, Queued, SendMessage
from paceline.errors import Conflict

pytestmark = [pytest.mark.system]

SENDER, ANA = "+15550100001", "+15550700071"


def order(text: str = "Your order has left our house", **fields: object) -> SendMessage:
    values = {"account": "acme", "sender": SENDER, "to": ANA, "text": text}
    return SendMessage.model_validate(values | fields)


@pytest.fixture
def key() -> str:
    return f"order-{uuid.uuid4().hex}"


def test_the_same_key_is_the_same_operation(outbox: Outbox, key: str) -> None:
    """The second ticket has the id of the first, and its answer is `Duplicate`."""
    first = outbox.send(order(idempotency_key=key))
    assert isinstance(first.wait(10), Queued)
    second = outbox.send(order(idempotency_key=key))
    assert (first.id, Duplicate(first.id)) == (second.id, second.wait(10))


def test_a_key_finds_its_operation(outbox: Outbox, key: str) -> None:
    """A service needs to remember nothing but its own key."""
    sent = outbox.send(order(idempotency_key=key)).wait_settled(20)
    found = outbox.status_by_key("acme", key)
    assert (sent.id, "accepted") == (found.id, found.state)


def test_a_key_has_one_content(outbox: Outbox, key: str) -> None:
    """Another text under the same key is a mistake: nothing is added, and the error names the operation."""
    first = outbox.send(order(idempotency_key=key))
    first.wait(10)
    with pytest.raises(Conflict, match="use another key") as conflict:
        outbox.send(order("Your order has arrived", idempotency_key=key))
    assert first.id == conflict.value.id


def test_times_and_metadata_are_not_content(outbox: Outbox, key: str) -> None:
    """A second try may have another deadline."""
    outbox.send(order(idempotency_key=key)).wait(10)
    again = outbox.send(order(idempotency_key=key, priority="bulk", metadata={"try": "2"}))
    assert isinstance(again.wait(10), Duplicate)


def test_without_a_key_every_send_is_a_message(outbox: Outbox) -> None:
    """Paceline never guesses that two messages are the same."""
    assert outbox.send(order()).id != outbox.send(order()).id


def test_a_row_of_a_campaign_has_a_key_too(outbox: Outbox, key: str) -> None:
    """Without a column `key` the number is the key; a repeated row adds nothing."""
    rows = [{"to": ANA, "key": "c-1"}, {"to": ANA, "key": "c-2"}, {"to": ANA, "key": "c-1"}]
    campaign = outbox.start_campaign(key, account="acme", sender=SENDER, template="Hi", recipients=rows)
    list(outbox.outcomes(campaign.name, follow=True))
    progress = campaign.progress()
    assert (2, 1) == (progress.outcomes["accepted"], progress.duplicates)
    assert "accepted" == outbox.status_of_row(key, "c-2").state
