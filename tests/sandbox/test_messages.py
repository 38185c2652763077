from typing import Any
from urllib.parse import quote

import pytest

from tests.sandbox.client import QUIET, RECIPIENT, SENDER, UNLIMITED, Client

FREE = QUIET + UNLIMITED


def sent(client: Client, **fields: Any) -> str:
    """Sends a message and returns the path by which it is known."""
    message_uuid = client.send(**fields).json()["message_uuid"]
    lists = (f"messages/{SENDER}", "groups/messages/WAG1")
    listed = [one for name in lists for one in client.get(f"/open/whatsapp/{name}").json()["messages"]]
    (session_key,) = {one["session_key"] for one in listed if one["uuid"] == message_uuid}
    return f"/whatsapp/message/{session_key}/{message_uuid}"


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({}, "message.to_number"),
        ({"url": "https://example.test/a.png"}, "message.to_number"),
        ({"to_number": None, "to_group_uuid": "WAG1"}, "message.to_group"),
        ({"to_number": None, "to_remote_id": "12345@lid"}, "message.to_remote_id"),
        ({"text": None, "pin": {"latitude": "1", "longitude": "1"}}, "message.pin"),
        ({"to_number": None, "to_group_uuid": "WAG1", "pin": {"latitude": "1", "longitude": "1"}}, "message.pin"),
        ({"text": None}, "send"),
    ],
)
def test_the_log_tells_what_kind_of_message_it_was(client: Client, fields: dict[str, Any], name: str) -> None:
    """The operation of a message depends on its body, and is the kind alone when that makes no sense."""
    client.send(**fields)
    assert name == client.sandbox.arrivals()[-1]["operation"]


@pytest.mark.parametrize("fields", [{}, {"to_number": None, "to_group_uuid": "WAG1"}])
def test_a_message_can_be_looked_up(client: Client, fields: dict[str, Any]) -> None:
    """One message is found under its session key, and is shown as in the history."""
    path = sent(client, **fields)
    body = client.get(f"/open{path}").json()
    assert body["success"] is True
    assert path.rpartition("/")[2] == body["message"]["uuid"]
    assert body["message"]["message"] == {"text": "Hello"}
    assert client.sandbox.arrivals()[-1]["operation"] == "lookup"


@pytest.mark.parametrize("safe", ["", "@"])
def test_a_session_key_may_be_raw_or_encoded(client: Client, safe: str) -> None:
    """The at sign of a session key works both ways."""
    assert client.get(f"/open{quote(sent(client), safe='/' + safe)}").status_code == 200


def test_a_deleted_message_is_gone(client: Client) -> None:
    """Deleting tells both ids; afterwards neither lists nor look-ups know the message, and the others stay."""
    kept, path = sent(client, text="kept"), sent(client, text="gone")
    message_uuid = path.rpartition("/")[2]
    wa_msg_id = client.get(f"/open{path}").json()["message"]["wa_msg_id"]
    response = client.delete(path)
    assert response.status_code == 200
    assert response.json() == {"success": True, "message_uuid": message_uuid, "whatsapp_message_id": wa_msg_id}
    assert client.get(f"/open{path}").status_code == 404
    assert client.delete(path).status_code == 404
    for other in ("", f"/{RECIPIENT}"):
        listed = client.get(f"/open/whatsapp/messages/{SENDER}{other}").json()["messages"]
        assert [message["message"]["text"] for message in listed] == ["kept"]
    assert client.get(f"/open{kept}").status_code == 200


def test_a_group_conversation_is_named_after_whatsapps_own_id(client: Client) -> None:
    """The session key of a group's message ends in the group's ``wa_group_id``, which reading the group tells."""
    path = sent(client, to_number=None, to_group_uuid="WAG1")
    client.write("/whatsapp/group/WAG1/set-description", {"description": "Ours"})
    group = client.get("/open/whatsapp/group/WAG1").json()["data"]
    assert path.split("/")[3].endswith(f"-{group['wa_group_id']}")


def test_a_deleted_message_leaves_its_group(client: Client) -> None:
    """A message to a group leaves the group's history."""
    assert client.delete(sent(client, to_number=None, to_group_uuid="WAG1")).status_code == 200
    assert client.get("/open/whatsapp/groups/messages/WAG1").json()["messages"] == []


def test_an_old_message_cannot_be_deleted(client: Client) -> None:
    """After the window a delete is a 400 in words, and the message stays."""
    path = sent(client)
    client.use("delete_window_hours = 0\n" + FREE)
    response = client.delete(path)
    assert (response.status_code, response.json()["success"]) == (400, False)
    assert client.get(f"/open{path}").status_code == 200


def test_a_message_belongs_to_its_session(client: Client) -> None:
    """A wrong session key is as good as an unknown message; malformed ids are a 422."""
    path = sent(client)
    session_key, message_uuid = path.split("/")[3:]
    stranger = session_key.replace("5550100002", "5550100003")
    for method in (client.delete, lambda path: client.get(f"/open{path}")):
        assert method(f"/whatsapp/message/{stranger}/{message_uuid}").status_code == 404
        assert method(f"/whatsapp/message/{session_key}/MSG00000000-0000-4000-8000-000000000000").status_code == 404
        assert method(f"/whatsapp/message/nonsense/{message_uuid}").status_code == 422
        assert method(f"/whatsapp/message/{session_key}/nonsense").status_code == 422


def test_deleting_needs_the_number_that_sent(client: Client) -> None:
    """The sender implied by the message must be ready; reading does not need it."""
    path = sent(client)
    client.use(FREE + f'[[numbers]]\nnumber = "{SENDER}"\nstate = "booting"\nuntil_request = 1\n')
    assert client.get(f"/open{path}").status_code == 200
    assert client.delete(path).status_code == 409
    assert client.delete(path).status_code == 200


def test_other_methods_are_not_allowed(client: Client) -> None:
    """A path that exists answers 405 to methods it does not know."""
    assert client.write(sent(client), {}).status_code == 405
    assert client.delete("/whatsapp/get-numbers").status_code == 405
