import re
from typing import Any

import pytest

from tests.sandbox.client import QUIET, RECIPIENT, SENDER, UNLIMITED, Client

OTHER = "+15550100009"
FREE = QUIET + UNLIMITED


def listed(client: Client, **query: Any) -> list[str]:
    body = client.get("/open/whatsapp/get-numbers", **query).json()
    return [number["phone_number"] for number in body["numbers"]]


def channel_of(client: Client, number: str) -> str:
    numbers = client.get("/open/whatsapp/get-numbers").json()["numbers"]
    (uuid,) = [one["uuid"] for one in numbers if one["phone_number"] == number]
    return str(uuid)


def test_a_number_is_listed_once_it_was_named(client: Client) -> None:
    """Any number is connected: it is listed after its first message, or after the first question about it, for all keys."""
    assert listed(client) == []
    client.send()
    client.get(f"/open/whatsapp/messages/{OTHER}", key="another key")
    client.send(from_number="nobody")
    assert listed(client) == [SENDER, OTHER]


def test_a_number_is_shown_as_documented(client: Client) -> None:
    """A channel has the documented fields, and the id that session keys are made of."""
    client.send()
    body = client.get("/open/whatsapp/get-numbers").json()
    assert (body["success"], body["count"], body["page"]) == (True, 1, 0)
    (channel,) = body["numbers"]
    documented = """uuid friendly_name phone_number iso_country_code pushname server platform connection_status enabled
        is_business_profile channel_type sync_contacts created_at updated_at"""
    assert set(documented.split()) == set(channel)
    assert re.fullmatch(r"WPN[0-9a-f-]{36}", channel["uuid"])
    assert (channel["connection_status"], channel["channel_type"], channel["iso_country_code"]) == ("C", "WW", "US")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", channel["created_at"])
    (message,) = client.get(f"/open/whatsapp/messages/{SENDER}").json()["messages"]
    assert channel["uuid"] in message["session_key"]


def test_declared_numbers_are_listed_from_the_start(client: Client) -> None:
    """The scenario's numbers are there at once, except one that is missing."""
    client.use(FREE + f'[[numbers]]\nnumber = "{SENDER}"\n[[numbers]]\nnumber = "{OTHER}"\nstate = "missing"\n')
    assert listed(client) == [SENDER]


def test_only_listed_numbers_may_be_connected(client: Client) -> None:
    """With connected_numbers any other number is unknown, to writes and to questions."""
    client.use(f'connected_numbers = ["{SENDER}"]\n{FREE}')
    assert client.send().status_code == 202
    assert client.send(from_number=OTHER).status_code == 404
    assert client.write("/sms/send", {"from_number": OTHER, "to_number": RECIPIENT, "text": "x"}).status_code == 404
    assert client.get(f"/open/whatsapp/groups/{OTHER}").status_code == 404
    assert client.get(f"/open/whatsapp/check-number/{OTHER}/{RECIPIENT}").status_code == 404
    assert listed(client) == [SENDER]


def test_numbers_come_in_pages(client: Client) -> None:
    """Pages begin at zero and have the size asked for; count is the number of all."""
    numbers = [f"+1555010{number:04}" for number in range(5)]
    client.use(f"connected_numbers = {numbers}\n{FREE}")
    assert [listed(client, page_number=page, results_per_page=2) for page in range(4)] == [
        numbers[:2],
        numbers[2:4],
        numbers[4:],
        [],
    ]
    assert client.get("/open/whatsapp/get-numbers", results_per_page=2).json()["count"] == 5


def test_numbers_are_filtered_by_their_connection(client: Client) -> None:
    """A number that boots or connects is disconnected; status selects."""
    client.use(f'connected_numbers = ["{SENDER}"]\n{FREE}[[numbers]]\nnumber = "{OTHER}"\nstate = "connecting"\n')
    assert [listed(client, status=status) for status in ("connected", "disconnected", "all")] == [
        [SENDER],
        [OTHER],
        [SENDER, OTHER],
    ]


@pytest.mark.parametrize(
    "query", [{"status": "sleeping"}, {"page_number": "x"}, {"results_per_page": "0"}, {"results_per_page": "201"}]
)
def test_a_malformed_question_for_numbers_is_a_422(client: Client, query: dict[str, str]) -> None:
    """Unknown states, pages that are none and pages too large are refused."""
    assert client.get("/open/whatsapp/get-numbers", **query).status_code == 422


def test_a_channel_is_found_by_its_id(client: Client) -> None:
    """One channel and its state are found by the id; unknown ids are a 404, malformed ones a 422."""
    client.send()
    uuid = channel_of(client, SENDER)
    body = client.get(f"/open/whatsapp/channel/{uuid}").json()
    assert (body["success"], body["channel"]["phone_number"]) == (True, SENDER)
    status = client.get(f"/open/whatsapp/channel/{uuid}/status").json()
    assert (status["success"], status["connection_status"]) == (True, "C")
    assert [set(event) for event in status["events"]] == [{"event", "payload", "created_at"}] * 2
    for tail in ("", "/status"):
        unknown = "WPN00000000-0000-4000-8000-000000000000"
        assert client.get(f"/open/whatsapp/channel/{unknown}{tail}").status_code == 404
        assert client.get(f"/open/whatsapp/channel/nonsense{tail}").status_code == 422


def test_a_channel_in_trouble_says_so(client: Client) -> None:
    """The state of a booting number is D, its last event tells why, and asking does not use the state up."""
    client.use(FREE + f'[[numbers]]\nnumber = "{SENDER}"\nstate = "booting"\nuntil_request = 1\n')
    uuid = channel_of(client, SENDER)
    for _ in range(2):
        status = client.get(f"/open/whatsapp/channel/{uuid}/status").json()
        assert (status["connection_status"], status["events"][0]["event"]) == ("D", "disconnected")
    assert client.send().status_code == 409
    assert client.get(f"/open/whatsapp/channel/{uuid}/status").json()["connection_status"] == "C"


def test_numbers_are_forgotten_by_a_reset(client: Client) -> None:
    """A reset forgets the numbers that were only seen."""
    client.send()
    client.sandbox.reset()
    assert listed(client) == []
