from collections.abc import Callable
from typing import Any

import httpx
import pytest

from paceline_sandbox.faults.scenario import parse_toml
from paceline_sandbox.messages.operations import OPERATIONS
from tests.sandbox.client import QUIET, RECIPIENT, SENDER, UNLIMITED, Client

CONNECTION_LOST = (httpx.RemoteProtocolError, httpx.ReadError)
GROUP = "WAG11111111-2222-4333-8444-555555555555"
PICTURE = "https://example.test/a.png"
Ask = Callable[[Client], httpx.Response]


def writes(path: str, **fields: object) -> Ask:
    return lambda client: client.write(path, fields)


def deletes(client: Client) -> httpx.Response:
    """Sends a message over a number that nobody else uses and deletes it."""
    sender = "+15550100077"
    message_uuid = client.send(from_number=sender, key="other").json()["message_uuid"]
    (session_key,) = {
        message["session_key"]
        for message in client.get(f"/open/whatsapp/messages/{sender}", key="other").json()["messages"]
    }
    return client.delete(f"/whatsapp/message/{session_key}/{message_uuid}")


# Each kind with each of its operations, and a call that asks for it.
EFFECTS: list[tuple[str, str, Ask]] = [
    ("send", "message.to_number", lambda client: client.send()),
    ("send", "message.to_group", lambda client: client.send(to_number=None, to_group_uuid=GROUP)),
    ("delete", "message.delete", deletes),
    ("story", "status.text", writes(f"/whatsapp/set-text-status/{SENDER}", text="x")),
    ("story", "status.image", writes(f"/whatsapp/set-image-status/{SENDER}", image_url=PICTURE)),
    ("story", "status.video", writes(f"/whatsapp/set-video-status/{SENDER}", video_url=PICTURE)),
    ("profile", "profile.about", writes(f"/whatsapp/set-status/{SENDER}", status="x")),
    ("profile", "profile.picture", writes(f"/whatsapp/set-profile-picture/{SENDER}", url=PICTURE)),
    ("group", "group.create", writes("/whatsapp/group/create", group={"name": "x", "participants": [RECIPIENT]})),
    *(
        ("group", f"group.{verb}", writes(f"/whatsapp/group/{GROUP}/{verb}-participant", participants=[RECIPIENT]))
        for verb in ("add", "remove", "promote", "demote")
    ),
    ("group", "group.set_description", writes(f"/whatsapp/group/{GROUP}/set-description", description="x")),
    ("group", "group.set_picture", writes(f"/whatsapp/group/{GROUP}/set-picture", url=PICTURE)),
    ("waba", "waba.session_text", writes("/waba/send-message", to_number=RECIPIENT, text="x")),
    ("waba", "waba.template", writes("/waba/send-message", to_number=RECIPIENT, template_uuid="TMP1", params={})),
    ("sms", "sms.send", writes("/sms/send", to_number=RECIPIENT, text="x")),
    ("check", "number.check", lambda client: client.get(f"/open/whatsapp/check-number/{SENDER}/{RECIPIENT}")),
]
NAMED = [(operation, ask) for _, operation, ask in EFFECTS]
READS: list[tuple[str, str]] = [
    ("history", f"/open/whatsapp/messages/{SENDER}"),
    ("lookup", f"/open/whatsapp/groups/{SENDER}"),
    ("lookup", "/open/whatsapp/get-numbers"),
    ("lookup", f"/open/waba/templates?phone_number={SENDER[1:]}"),
    ("info", "/open/info"),
    ("other", "/open/telegram/send"),
]


def fault(on: str, text: str) -> str:
    return f'{QUIET}{UNLIMITED}[[faults]]\nkey = "key"\non = "{on}"\n{text}'


def last(client: Client) -> dict[str, Any]:
    return client.sandbox.arrivals()[-1]


@pytest.mark.parametrize(("kind", "operation", "ask"), EFFECTS)
@pytest.mark.parametrize("by_kind", [True, False])
def test_a_fault_strikes_a_kind_or_one_operation(
    client: Client, kind: str, operation: str, ask: Ask, by_kind: bool
) -> None:
    """A fault is put on a kind of call or on one operation by its name, and takes the turn it is asked for."""
    client.use(fault(kind if by_kind else operation, 'kind = "answer"\nstatus = 503\nfrom_request = 2\ncount = 1'))
    codes = [ask(client).status_code for _ in range(3)]
    assert codes[1] == 503
    assert codes[0] == codes[2] != 503
    taken = [arrival for arrival in client.sandbox.arrivals() if arrival["key"] == "key"]
    assert [operation] * 3 == [arrival["operation"] for arrival in taken]
    assert [True, False, True] == [arrival["accepted"] for arrival in taken]


@pytest.mark.parametrize(("kind", "path"), READS)
def test_a_fault_strikes_a_kind_of_reading(client: Client, kind: str, path: str) -> None:
    """Reads are struck by their kind, and leave messages alone."""
    client.use(fault(kind, 'kind = "answer"\nstatus = 503'))
    assert client.get(path).status_code == 503
    assert kind == last(client)["operation"]
    assert client.codes(1) == [202]


@pytest.mark.parametrize(("operation", "ask"), NAMED)
def test_an_operation_may_be_accepted_and_denied(client: Client, operation: str, ask: Ask) -> None:
    """answer_after_accepting makes it take effect and answers with an error."""
    client.use(fault(operation, 'kind = "answer_after_accepting"\nstatus = 504'))
    assert ask(client).status_code == 504
    assert (last(client)["accepted"], last(client)["injected"]) == (True, True)


@pytest.mark.parametrize(("operation", "ask"), NAMED)
def test_an_operation_may_take_effect_unheard(client: Client, operation: str, ask: Ask) -> None:
    """drop_after_accepting cuts the connection when it is done."""
    client.use(fault(operation, 'kind = "drop_after_accepting"'))
    with pytest.raises(CONNECTION_LOST):
        ask(client)
    assert (last(client)["accepted"], last(client)["status"]) == (True, None)


@pytest.mark.parametrize(("operation", "ask"), NAMED)
def test_an_operation_may_be_late(client: Client, operation: str, ask: Ask) -> None:
    """A delay only costs time."""
    client.use(fault(operation, 'kind = "delay"\nseconds = 0.01'))
    assert ask(client).is_success
    assert last(client)["finished_us"] - last(client)["at_us"] >= 10_000


@pytest.mark.parametrize(("operation", "ask"), NAMED)
def test_a_success_may_be_a_failure(client: Client, operation: str, ask: Ask) -> None:
    """success_false answers with the operation's usual status and a failure, and nothing takes effect."""
    usual = ask(client).status_code
    client.use(fault(operation, 'kind = "success_false"'))
    response = ask(client)
    assert usual == response.status_code
    assert response.json()["error"] is True
    assert last(client)["accepted"] is False


def test_conditions_hold_for_groups(client: Client) -> None:
    """from_number and to select by sender and group."""
    client.use(fault("group", f'kind = "answer"\nstatus = 503\nto = "{GROUP}"\nfrom_number = "{SENDER}"'))
    add = {"participants": [RECIPIENT]}
    assert client.write(f"/whatsapp/group/{GROUP}/add-participant", add).status_code == 503
    assert client.write("/whatsapp/group/WAGother/add-participant", add).status_code == 200
    other = {**add, "from_number": "+15550100009"}
    assert client.write(f"/whatsapp/group/{GROUP}/add-participant", other).status_code == 200


def test_an_operation_counts_by_itself(client: Client) -> None:
    """The ordinal of a fault on one operation is that of the operation, whatever else the key asked for."""
    client.use(fault("waba.template", 'kind = "answer"\nstatus = 503\nfrom_request = 2'))
    template = {"to_number": RECIPIENT, "template_uuid": "TMP1", "params": {}}
    codes = []
    for number in range(2):
        client.write("/waba/send-message", {"to_number": RECIPIENT, "text": str(number)})
        codes.append(client.write("/waba/send-message", template).status_code)
    assert codes == [202, 503]


@pytest.mark.parametrize(
    ("text", "status", "accepted"),
    [
        ('kind = "answer"\nstatus = 502\n', 502, False),
        ('kind = "answer_after_accepting"\nstatus = 200\n', 200, True),
    ],
)
def test_an_answer_may_be_anything(client: Client, text: str, status: int, accepted: bool) -> None:
    """The body of a fault is sent as it is, under its content type."""
    client.use(fault("any", text + 'body = "<h1>oh</h1>"\ncontent_type = "text/html; charset=utf-8"\n'))
    response = client.send()
    assert (status, "<h1>oh</h1>") == (response.status_code, response.text)
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert accepted == last(client)["accepted"]


def test_every_write_needs_a_key_and_credits(client: Client) -> None:
    """All operations pass the same door: key, limit, standing; each costs a credit."""
    for _, _, ask in EFFECTS:
        if ask is not deletes:
            client.use(QUIET + '[[keys]]\nkey = "key"\nlimits = []\nblocked = true\n')
            assert ask(client).status_code == 403
            client.use(QUIET + '[[keys]]\nkey = "key"\nlimits = []\ncredits = 0\n')
            assert ask(client).status_code == 402
            client.use(QUIET + 'accept_unknown_keys = false\n[[keys]]\nkey = "right"\n')
            assert ask(client).status_code == 401
    assert not any(arrival["accepted"] for arrival in client.sandbox.arrivals())


def test_every_operation_can_be_asked_for() -> None:
    """The names of operations are unique, and so are their ways."""
    assert len({operation.name for operation in OPERATIONS}) == len(OPERATIONS)
    assert len({(operation.method, operation.path) for operation in OPERATIONS}) == len(OPERATIONS)
    for _, name, _ in EFFECTS:
        assert parse_toml(f'[[faults]]\nkind = "drop"\non = "{name}"').faults[0].on == name
