import re

import pytest

from paceline_sandbox.faults.courses import NEVER_READ, NEVER_RECEIVED, NEVER_SENT
from tests.sandbox.client import RECIPIENT, SENDER, Client
from tests.sandbox.receiver import (
    AT_ONCE,
    MUCH_LATER,
    Receiver,
    scenario,
    sent_id,
    settled,
    state,
    subscribe,
    subscribe_to_receipts,
    unsubscribe,
    until,
)

OTHER = "+15550100009"


def test_receipts_arrive_in_order(client: Client, receiver: Receiver) -> None:
    """Whoever subscribed hears that a message was sent, received and read, in this order and in three flat fields."""
    client.use(scenario("sent_ms = 5\nreceived_ms = 10\nread_ms = 15"))
    subscribe_to_receipts(client, receiver.url)
    message_uuid = sent_id(client.send())
    settled(client)
    assert receiver.events == ["message.sent", "message.received", "message.read"]
    assert {message_uuid} == {body["message_uuid"] for body in receiver.bodies}
    for body in receiver.bodies:
        assert body.keys() == {"event", "message_uuid", "timestamp"}
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", body["timestamp"])


def test_only_what_was_subscribed_to_is_heard(client: Client, receiver: Receiver) -> None:
    """A subscription is for one event of one number; a deleted one is silent."""
    client.use(scenario())
    subscribe(client, "whatsapp.message.receipt.read", f"{receiver.url}/read")
    gone = subscribe(client, "whatsapp.message.receipt.sent", f"{receiver.url}/gone").json()["data"]["uuid"]
    unsubscribe(client, gone)
    client.send()
    client.send(from_number=OTHER)
    settled(client)
    assert [("/hook/read", "message.read")] == [(path, body["event"]) for path, body in receiver.posts]


def test_a_subscription_deleted_while_a_receipt_waits_is_silent(client: Client, receiver: Receiver) -> None:
    """The receiver is looked up when a receipt is due, not when its message is accepted."""
    client.use(scenario("sent_ms = 0\nreceived_ms = 0\nread_ms = 0"))
    read = subscribe(client, "whatsapp.message.receipt.read", receiver.url).json()["data"]["uuid"]
    subscribe(client, "whatsapp.message.receipt.sent", receiver.url)
    receiver.released.clear()
    client.send()
    until(lambda: receiver.posts)
    unsubscribe(client, read)
    receiver.released.set()
    settled(client)
    assert receiver.events == ["message.sent"]


def test_the_scenario_can_name_one_address_for_everything(client: Client, receiver: Receiver) -> None:
    """hook_url hears of every number without a subscription, of messages to groups and remote ids too."""
    client.use(scenario(AT_ONCE + f'hook_url = "{receiver.url}?token=abc"'))
    sent = [
        sent_id(client.send()),
        sent_id(client.send(from_number=OTHER)),
        sent_id(client.send(to_number=None, to_group_uuid="WAG1")),
        sent_id(client.send(to_number=None, to_remote_id="123456@lid")),
    ]
    settled(client)
    assert {path for path, _ in receiver.posts} == {"/hook?token=abc"}
    for message_uuid in sent:
        mine = [body["event"] for body in receiver.bodies if body["message_uuid"] == message_uuid]
        assert mine == ["message.sent", "message.received", "message.read"]


def test_a_message_that_fails_is_not_sent(client: Client, receiver: Receiver) -> None:
    """With not_sent the only receipt is that of the failure."""
    client.use(scenario(AT_ONCE + "not_sent = 1"))
    subscribe_to_receipts(client, receiver.url)
    client.send()
    assert settled(client)["not_sent"] == 1
    assert receiver.events == ["message.not-sent"]
    assert state(client) == (0, False, False, False)


@pytest.mark.parametrize(
    ("recipient", "heard", "seen"),
    [
        (NEVER_SENT, ["not-sent"], (0, False, False, False)),
        (NEVER_RECEIVED, ["sent"], (1, True, False, False)),
        (NEVER_READ, ["sent", "received"], (2, True, True, False)),
    ],
)
def test_magic_recipients(
    client: Client, receiver: Receiver, recipient: str, heard: list[str], seen: tuple[object, ...]
) -> None:
    """Three recipients stop at a step of their own, in receipts and in the history."""
    client.use(scenario(AT_ONCE + f'hook_url = "{receiver.url}"'))
    client.send(to_number=recipient)
    settled(client)
    assert [f"message.{step}" for step in heard] == receiver.events
    assert seen == state(client, recipient)


def test_the_history_follows_without_any_subscriber(client: Client) -> None:
    """A message's own state climbs although nobody listens."""
    client.use(scenario(MUCH_LATER))
    client.send()
    assert state(client) == (0, False, False, False)
    client.sandbox.reset()
    client.use(scenario(AT_ONCE))
    client.send()
    assert state(client) == (3, True, True, True)
    assert client.sandbox.receipts() == []


def test_names_may_be_written_in_full(client: Client, receiver: Receiver) -> None:
    """full_names writes the events as they are subscribed to."""
    client.use(scenario(AT_ONCE + f'full_names = true\nhook_url = "{receiver.url}"'))
    client.send()
    settled(client)
    assert receiver.events == [f"whatsapp.message.receipt.{step}" for step in ("sent", "received", "read")]


def test_a_receipt_may_carry_the_message(client: Client, receiver: Receiver) -> None:
    """With body = "message" a receipt is the Message object with its session key and the state at that step."""
    client.use(
        scenario("sent_ms = 1\nreceived_ms = 2\nread_ms = 3\n" + f'body = "message"\nhook_url = "{receiver.url}"')
    )
    message_uuid = sent_id(client.send())
    settled(client)
    assert [body["wa_msg_ack"] for body in receiver.bodies] == [1, 2, 3]
    for body in receiver.bodies:
        assert (body["id"], body["uuid"]) == (message_uuid, message_uuid)
        assert re.fullmatch(r"WW-WPN[0-9a-f-]{36}-15550100002@c\.us", body["session_key"])
        assert body["message"] == {"text": "Hello"}
        assert (body["remote_phone_number"], body["channel_phone_number"]) == (RECIPIENT, SENDER)
        assert "message_uuid" not in body


@pytest.mark.parametrize("event", ["whatsapp.message.sent", "whatsapp.message.new"])
def test_a_message_event_carries_the_message(client: Client, receiver: Receiver, event: str) -> None:
    """Whoever subscribed to messages gets the Message object once it is sent, and no receipts."""
    client.use(scenario())
    subscribe(client, event, receiver.url)
    message_uuid = sent_id(client.send())
    settled(client)
    (body,) = receiver.bodies
    assert (body["event"], body["uuid"], body["sent_by"]) == (event, message_uuid, "api")


def test_the_official_channel_has_its_own_events(client: Client, receiver: Receiver) -> None:
    """A WABA message is told under its own full names with the Message object, as documented."""
    client.use(scenario())
    subscribe(client, "whatsapp.waba.message.receipt.received", receiver.url)
    subscribe_to_receipts(client, receiver.url)
    message = {"from_number": SENDER, "to_number": RECIPIENT, "text": "Hello"}
    response = client.http.post("/open/waba/send-message", json=message, headers={"X-User-API-Key": "key"})
    settled(client)
    (body,) = receiver.bodies
    assert (body["event"], body["uuid"]) == ("whatsapp.waba.message.receipt.received", sent_id(response))
    assert re.fullmatch(r"WA-WAN[0-9a-f-]{36}-15550100002", body["session_key"])
