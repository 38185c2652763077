from typing import Any

import httpx
import pytest

from tests.sandbox.client import QUIET, RECIPIENT, SENDER, UNLIMITED, Client

FREE = QUIET + UNLIMITED
TEMPLATE = "TMP11111111-2222-4333-8444-555555555555"
DECLARED = FREE + (
    f'[[templates]]\nuuid = "{TEMPLATE}"\nname = "greeting"\ncontent = "Hi {{{{1}}}}, {{{{ 2 }}}} and {{{{1}}}}"\n'
    '[[templates]]\nuuid = "TMPwaiting"\nstatus = "PENDING"\n'
)


def send(client: Client, **fields: object) -> httpx.Response:
    return client.write("/waba/send-message", {"to_number": RECIPIENT, **fields})


def interactive(**fields: object) -> dict[str, object]:
    return {"interactive": {"type": "button", "body": {"text": "Choose"}, "action": {"buttons": [{}]}, **fields}}


def rows(count: int, **fields: object) -> dict[str, object]:
    return {"rows": [{"id": str(number), "title": str(number)} for number in range(count)], **fields}


@pytest.mark.parametrize(
    ("fields", "operation"),
    [
        ({"template_uuid": TEMPLATE, "params": {}}, "waba.template"),
        ({"text": "Hello"}, "waba.session_text"),
        ({"url": "https://example.test/a.png"}, "waba.session_media"),
        ({"url": "https://example.test/a.png", "text": "Look"}, "waba.session_media"),
        ({"payload": interactive()}, "waba.interactive"),
        ({"payload": interactive(type="list", action={"sections": [rows(10)]})}, "waba.interactive"),
        (
            {"payload": interactive(type="list", action={"sections": [rows(5, title="A"), rows(5, title="B")]})},
            "waba.interactive",
        ),
        (
            {
                "payload": interactive(
                    type="cta_url", action={"parameters": {"url": "https://example.test", "display_text": "Go"}}
                )
            },
            "waba.interactive",
        ),
    ],
)
def test_each_kind_of_message_is_accepted(client: Client, fields: dict[str, object], operation: str) -> None:
    """Templates, session messages and interactive ones are a 202 with a message id."""
    response = send(client, **fields)
    assert response.status_code == 202
    body = response.json()
    assert {"success": True, "message_uuid": body["message_uuid"], "batched": True} == body
    arrival = client.sandbox.arrivals()[-1]
    assert (operation, True) == (arrival["operation"], arrival["accepted"])
    assert arrival["message_uuid"] == body["message_uuid"]


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, 400),
        ({"template_uuid": TEMPLATE, "params": {}, "text": "x"}, 400),
        ({"payload": interactive(), "text": "x"}, 400),
        ({"template_uuid": TEMPLATE, "params": {}, "payload": interactive()}, 400),
        ({"template_uuid": TEMPLATE}, 422),
        ({"template_uuid": TEMPLATE, "params": []}, 422),
        ({"template_uuid": TEMPLATE, "params": {"body": "x"}}, 422),
        ({"template_uuid": 5, "params": {}}, 422),
        ({"to_number": "nobody", "text": "x"}, 422),
        ({"to_number": None, "text": "x"}, 422),
        ({"from_number": None, "text": "x"}, 422),
        ({"url": "a.png"}, 422),
        ({"payload": "x"}, 422),
        ({"payload": {}}, 422),
        ({"payload": interactive(type="poll")}, 422),
        ({"payload": interactive(type=None)}, 422),
        ({"payload": interactive(body={})}, 422),
        ({"payload": interactive(action=None)}, 422),
        ({"payload": interactive(action={"buttons": []})}, 422),
        ({"payload": interactive(action={"buttons": [{}] * 4})}, 422),
        ({"payload": interactive(type="list", action={"sections": [rows(11)]})}, 422),
        ({"payload": interactive(type="list", action={"sections": [rows(1), rows(1)]})}, 422),
        ({"payload": interactive(type="list", action={"sections": ["x"]})}, 422),
        ({"payload": interactive(type="list", action={})}, 422),
        ({"payload": interactive(type="cta_url", action={"parameters": {"display_text": "Go"}})}, 422),
        ({"payload": interactive(type="cta_url", action={"parameters": {"url": "https://a.test"}})}, 422),
    ],
)
def test_a_malformed_message_is_refused(client: Client, fields: dict[str, object], status: int) -> None:
    """Wrong combinations are a 400, wrong fields a 422; family A has an error code."""
    response = send(client, **fields)
    assert status == response.status_code
    body = response.json()
    assert "detail" in body or isinstance(body["error_code"], str)
    assert client.sandbox.arrivals()[-1]["accepted"] is False


def test_a_closed_window_takes_templates_only(client: Client) -> None:
    """To a number whose last message is too old only a template passes."""
    client.use('closed_windows = ["+1555010*"]\n' + FREE)
    response = send(client, text="Hello")
    assert response.status_code == 400
    assert {**response.json(), "error_message": ""} == {
        "success": False,
        "error": True,
        "error_code": "131047",
        "error_message": "",
    }
    assert send(client, payload=interactive()).status_code == 400
    assert send(client, template_uuid=TEMPLATE, params={}).status_code == 202
    assert send(client, text="Hello", to_number="+15550200001").status_code == 202
    window = f"/open/waba/conversation-window/{SENDER}"
    assert client.get(f"{window}/{RECIPIENT}").json() == {"success": True, "is_open": False}
    assert client.get(f"{window}/+15550200001").json()["is_open"] is True
    assert client.get(f"{window}/nobody").status_code == 422


@pytest.mark.parametrize(
    ("params", "status"),
    [({"body": ["Ada", "x"]}, 202), ({"body": ["Ada"]}, 400), ({"body": ["a", "b", "c"]}, 400), ({}, 400)],
)
def test_the_variables_of_a_declared_template_must_match(client: Client, params: object, status: int) -> None:
    """A declared template wants as many values as its highest variable."""
    client.use(DECLARED)
    response = send(client, template_uuid=TEMPLATE, params=params)
    assert status == response.status_code
    assert status == 202 or response.json()["error_code"] == "132000"


def test_a_template_must_be_approved_and_may_have_to_be_known(client: Client) -> None:
    """A pending template is refused; an undeclared one only when the scenario says so."""
    client.use(DECLARED)
    assert send(client, template_uuid="TMPwaiting", params={}).json()["error_code"] == "132015"
    assert send(client, template_uuid="TMPother", params={}).status_code == 202
    client.use("accept_unknown_templates = false\n" + DECLARED)
    response = send(client, template_uuid="TMPother", params={})
    assert (response.status_code, response.json()["error_code"]) == (404, "132001")


def test_templates_are_listed(client: Client) -> None:
    """The list shows the declared templates in pages."""
    client.use(DECLARED)
    body = client.get("/open/waba/templates", phone_number=SENDER).json()
    assert (body["success"], body["total"], body["next_page"]) == (True, 2, None)
    first, second = body["templates"]
    documented = {"uuid", "name", "status", "category", "template_content", "description", "updated_at", "waba"}
    assert set(first) == documented
    assert (first["uuid"], first["name"], first["status"]) == (TEMPLATE, "greeting", "APPROVED")
    assert second["status"] == "PENDING"
    assert client.get("/open/waba/templates", phone_number=SENDER, page=1).json()["templates"] == []


def test_templates_come_in_pages(client: Client) -> None:
    """next_page leads on while there is more."""
    client.use(FREE + "".join(f'[[templates]]\nuuid = "TMP{number}"\n' for number in range(12)))
    pages = [client.get("/open/waba/templates", phone_number=SENDER, page=page, limit=10).json() for page in range(2)]
    assert [(len(page["templates"]), page["next_page"]) for page in pages] == [(10, 1), (2, None)]


@pytest.mark.parametrize("query", [{}, {"phone_number": "x"}, {"phone_number": SENDER, "limit": "5"}])
def test_a_malformed_question_for_templates_is_a_422(client: Client, query: dict[str, Any]) -> None:
    """The number is required and pages have a least size."""
    assert client.get("/open/waba/templates", **query).status_code == 422


def test_a_raw_plus_in_a_query_is_understood(client: Client) -> None:
    """A raw plus becomes a blank on its way, and some leave it out."""
    for written in (SENDER, SENDER[1:], SENDER.replace("+", "%2B")):
        path = f"/open/waba/templates?phone_number={written}"
        assert client.http.get(path, headers={"X-User-API-Key": "key"}).status_code == 200


def test_templates_can_be_synchronized(client: Client) -> None:
    """Synchronizing is started and nothing more."""
    response = client.http.post(
        "/open/waba/templates/sync", params={"phone_number": SENDER}, headers={"X-User-API-Key": "key"}
    )
    body = response.json()
    assert (body["success"], body["is_syncing"]) == (True, True)
    assert {"start_time_syncing", "message"} < set(body)
    assert client.write("/waba/templates/sync").status_code == 422


def test_numbers_of_the_channel_are_listed(client: Client) -> None:
    """A number that sent over this channel is one of its numbers, under an id of its own."""
    assert client.get("/open/waba/numbers").json()["numbers"] == []
    send(client, text="Hello")
    (number,) = client.get("/open/waba/numbers").json()["numbers"]
    assert number["phone_number"] == SENDER
    assert number["uuid"].startswith("WAN")
    assert client.get("/open/whatsapp/get-numbers").json()["numbers"] == []


def test_a_message_is_found_under_the_session_of_its_channel(client: Client) -> None:
    """The session key has the channel's id and no suffix; such a message cannot be deleted."""
    message_uuid = send(client, text="Hello").json()["message_uuid"]
    channel = client.get("/open/waba/numbers").json()["numbers"][0]["uuid"]
    path = f"/whatsapp/message/WA-{channel}-15550100002/{message_uuid}"
    assert client.get(f"/open{path}").json()["message"]["message"]["text"] == "Hello"
    assert client.delete(path).status_code == 406
    assert client.get(f"/open/whatsapp/messages/{SENDER}").json()["messages"] == []


def test_no_phone_is_kept_busy(client: Client) -> None:
    """This channel has no phone that could be busy; what the scenario says of the number counts."""
    client.use("latency_ms = 0\nbusy_seconds = 600\n" + UNLIMITED)
    assert client.codes(1) == [202]
    assert [send(client, text=str(number)).status_code for number in range(2)] == [202, 202]
    client.use(FREE + f'[[numbers]]\nnumber = "{SENDER}"\nstate = "missing"\n')
    response = send(client, text="x")
    assert (response.status_code, response.json()["error_code"]) == (404, "404")
