import re
from typing import Any
from urllib.parse import quote

import pytest

from paceline_sandbox.messages.history import History, Message
from paceline_sandbox.validation import SendRequest
from tests.sandbox.client import QUIET, RECIPIENT, SENDER, UNLIMITED, Client

OTHER = "+15550100003"


def texts(client: Client, path: str, **query: Any) -> list[str]:
    response = client.get(f"/open/whatsapp/{path}", **query)
    assert response.status_code == 200
    page = response.json()
    assert page["success"] is True
    assert int(str(query.get("page_number", 0))) == page["page_number"]
    return [message["message"]["text"] for message in page["messages"]]


def test_a_conversation_is_listed_newest_first(client: Client) -> None:
    """A conversation holds its own messages, the number's list holds all, newest first."""
    for to_number, text in ((RECIPIENT, "one"), (OTHER, "two"), (RECIPIENT, "three")):
        client.send(to_number=to_number, text=text)
    assert texts(client, f"messages/{SENDER}/{RECIPIENT}") == ["three", "one"]
    assert texts(client, f"messages/{SENDER}") == ["three", "two", "one"]
    assert texts(client, f"messages/{OTHER}") == []


@pytest.mark.parametrize("safe", ["", "+@"])
def test_paths_may_be_raw_or_encoded(client: Client, safe: str) -> None:
    """A plus or an at sign in a path works raw and percent-encoded."""
    client.send(text="number")
    client.send(to_number=None, to_remote_id="123456@lid", text="remote")
    assert texts(client, f"messages/{quote(SENDER, safe=safe)}/{quote(RECIPIENT, safe=safe)}") == ["number"]
    assert texts(client, f"messages/{quote(SENDER, safe=safe)}/{quote('123456@lid', safe=safe)}") == ["remote"]
    assert texts(client, f"messages/{SENDER[1:]}/{RECIPIENT[1:]}") == ["number"]


def test_a_message_is_shown_as_documented(client: Client) -> None:
    """A message in the history carries its id, its content and who sent it."""
    message_uuid = client.send(url="https://example.test/a.png").json()["message_uuid"]
    (message,) = client.get(f"/open/whatsapp/messages/{SENDER}/{RECIPIENT}").json()["messages"]
    assert message_uuid == message["id"] == message["uuid"]
    assert re.fullmatch(r"WW-WPN[0-9a-f-]{36}-15550100002@c\.us", message["session_key"])
    assert message["message"] == {
        "text": "Hello",
        "media": {"url": "https://example.test/a.png", "type": "image", "mime_type": "image/png"},
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", message["created_at"])
    assert (message["remote_phone_number"], message["sent_by"], message["is_from_api"]) == (RECIPIENT, "api", True)


def test_a_pin_is_shown_with_its_place(client: Client) -> None:
    """A pin keeps its coordinates as text."""
    client.send(text=None, pin={"latitude": "48.1", "longitude": 11.5, "name": "Here"})
    (message,) = client.get(f"/open/whatsapp/messages/{SENDER}").json()["messages"]
    assert message["message"] == {"text": "", "pin": {"latitude": "48.1", "longitude": "11.5", "name": "Here"}}


def test_a_group_has_its_own_history(client: Client) -> None:
    """Group messages are found by the group and tell their participant."""
    client.send(to_number=None, to_group_uuid="WAG1", text="all")
    (message,) = client.get("/open/whatsapp/groups/messages/WAG1").json()["messages"]
    assert (message["participant"], message["message"]["text"]) == (SENDER, "all")
    assert texts(client, "groups/messages/WAG2") == []
    assert texts(client, f"messages/{SENDER}") == []


def test_conversations_come_in_pages_of_a_hundred(client: Client) -> None:
    """A conversation of 205 messages has pages of 100, 100, 5 and none."""
    client.codes(205)
    path = f"messages/{SENDER}/{RECIPIENT}"
    pages = [texts(client, path, page_number=page) for page in range(4)]
    assert [len(page) for page in pages] == [100, 100, 5, 0]
    assert [f"message {number}" for number in reversed(range(205))] == [text for page in pages for text in page]


def test_groups_come_in_pages_of_fifty(client: Client) -> None:
    """A group's history has 50 messages a page."""
    for number in range(51):
        client.send(to_number=None, to_group_uuid="WAG1", text=str(number))
    assert [len(texts(client, "groups/messages/WAG1", page_number=page)) for page in range(2)] == [50, 1]


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("messages/nobody", {}),
        (f"messages/{SENDER}/nobody", {}),
        ("groups/messages/nobody", {}),
        (f"messages/{SENDER}", {"page_number": "first"}),
        (f"messages/{SENDER}", {"page_number": "-1"}),
        ("groups/messages/WAG1", {"page_number": "1.5"}),
    ],
)
def test_a_malformed_question_is_a_422(client: Client, path: str, query: dict[str, str]) -> None:
    """Numbers, groups and pages that are none are answered 422."""
    assert client.get(f"/open/whatsapp/{path}", **query).status_code == 422


def test_reading_counts_and_needs_a_key(client: Client) -> None:
    """History takes from the limit like any call and is refused without a key."""
    client.use(QUIET + '[defaults]\nlimits = ["1/hour"]')
    path = f"/open/whatsapp/messages/{SENDER}"
    assert [client.get(path).status_code for _ in range(2)] == [200, 429]
    assert client.get(path, key=None).status_code == 403


def test_a_rotated_key_finds_the_messages_of_the_old_one(client: Client) -> None:
    """History belongs to the number: another key sees it too."""
    client.send(key="old", text="before")
    assert (
        client.get(f"/open/whatsapp/messages/{SENDER}", key="new").json()["messages"][0]["message"]["text"] == "before"
    )


def test_history_may_lag(client: Client) -> None:
    """With history_lag_seconds a fresh message is accepted and does not show."""
    client.use(QUIET + "history_lag_seconds = 600\n" + UNLIMITED)
    assert client.codes(1) == [202]
    assert texts(client, f"messages/{SENDER}") == []


def test_a_lagging_history_shows_what_is_old_enough() -> None:
    """A message shows from the instant its lag is over."""
    history = History()
    for at_us in (10, 20, 30):
        history.add(
            Message(f"MSG{at_us}", at_us, SendRequest(SENDER, RECIPIENT, to_group=False, text="", url="", pin=()))
        )
    assert [message.message_uuid for message in history.conversation(SENDER, RECIPIENT, 0, until_us=20)] == [
        "MSG20",
        "MSG10",
    ]
    assert history.conversation(SENDER, None, 0, until_us=9) == []
