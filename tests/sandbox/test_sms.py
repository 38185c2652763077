import re

import httpx
import pytest

from tests.sandbox.client import QUIET, RECIPIENT, UNLIMITED, Client

FREE = QUIET + UNLIMITED


def send(client: Client, **fields: object) -> httpx.Response:
    return client.write("/sms/send", {"to_number": RECIPIENT, "text": "Hello", **fields})


def test_a_text_message_is_accepted(client: Client) -> None:
    """A text message is a 202 with an id under the documented name, or the other one."""
    response = send(client)
    assert response.status_code == 202
    assert re.fullmatch("MSG.{36}", response.json()["message_id"])
    assert {"success": True, "message_id": response.json()["message_id"]} == response.json()
    arrival = client.sandbox.arrivals()[-1]
    assert ("sms.send", True) == (arrival["operation"], arrival["accepted"])
    assert arrival["message_uuid"] == response.json()["message_id"]
    client.use('sms_id = "message_uuid"\n' + FREE)
    assert set(send(client).json()) == {"success", "message_uuid"}


@pytest.mark.parametrize(
    "fields", [{"text": None}, {"text": ""}, {"text": 5}, {"to_number": None}, {"from_number": None}]
)
def test_a_message_that_lacks_something_is_a_422(client: Client, fields: dict[str, object]) -> None:
    """Missing and mistyped fields are named in a list."""
    response = send(client, **fields)
    assert response.status_code == 422
    (name,) = fields
    assert ["body", name] == response.json()["detail"][0]["loc"]


def test_errors_have_no_success_field(client: Client) -> None:
    """The channel's own errors are error and error_message alone, injected ones too."""
    assert set(send(client, to_number="nobody").json()) == {"error", "error_message"}
    assert set(client.write("/sms/send", []).json()) == {"error", "error_message"}
    client.use(FREE + '[[faults]]\nkind = "answer"\nstatus = 503\non = "sms"\n')
    response = send(client)
    assert (response.status_code, response.json()["error"]) == (503, True)
    assert "success" not in response.json()


def test_a_repeated_text_message_is_a_duplicate(client: Client) -> None:
    """The order of the fields does not matter."""
    send(client)
    client.write("/sms/send", {"text": "Hello", "to_number": RECIPIENT})
    assert client.sandbox.report()["keys"]["key"]["duplicates"] == 1
