"""People write to a connected number: the sandbox lets a test say so, and delivers the webhook."""

from typing import Any

import pytest

from tests.sandbox.client import RECIPIENT, SENDER, Client
from tests.sandbox.receiver import Receiver, scenario, settled, subscribe

STOP = {"from": RECIPIENT, "to": SENDER, "text": "STOP"}


def test_whoever_subscribed_hears_what_was_written(client: Client, receiver: Receiver) -> None:
    """As the vendor's sample shows it: the message, both numbers, and who wrote it."""
    client.use(scenario())
    subscribe(client, "whatsapp.message.received", receiver.url)
    answer = client.http.post("/sandbox/inbound", json=STOP).json()
    settled(client)
    [body] = receiver.bodies
    assert (True, 1, body["id"]) == (answer["success"], answer["hooks"], answer["message_uuid"])
    assert ("STOP", RECIPIENT, SENDER, "user") == (
        body["message"]["text"],
        body["remote_phone_number"],
        body["channel_phone_number"],
        body["sent_by"],
    )
    assert "whatsapp.message.received" == body["event"]


def test_the_oldest_form_has_no_event(client: Client, receiver: Receiver) -> None:
    """Asked for, the name is left out."""
    client.use(scenario())
    subscribe(client, "whatsapp.message.new", receiver.url)
    client.http.post("/sandbox/inbound", json=STOP | {"named": False})
    settled(client)
    assert ["event" in body for body in receiver.bodies] == [False]


def test_another_number_is_not_concerned(client: Client, receiver: Receiver) -> None:
    """A subscription is for one number."""
    client.use(scenario())
    subscribe(client, "whatsapp.message.received", receiver.url)
    assert 0 == client.http.post("/sandbox/inbound", json=STOP | {"to": "+15550100009"}).json()["hooks"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ([], "not a JSON object"),
        (STOP | {"from": "me"}, "from and to must be numbers"),
        (STOP | {"to": None}, "from and to must be numbers"),
        (STOP | {"text": 5}, "text must be a text"),
        (STOP | {"txt": "x"}, "unknown field 'txt'"),
    ],
)
def test_what_is_no_message_is_refused(client: Client, body: Any, words: str) -> None:
    """In words."""
    answer = client.http.post("/sandbox/inbound", json=body)
    assert (400, True) == (answer.status_code, answer.text.startswith(words))
