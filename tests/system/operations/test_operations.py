"""Every operation, from Python and from the shell, through a real worker to the provider and back to its status."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from unittest.mock import ANY
from uuid import uuid4

import pytest

from paceline import (
    AddParticipants,
    CheckNumber,
    CreateGroup,
    DeleteMessage,
    DemoteParticipants,
    Operation,
    Pin,
    PostStory,
    PromoteParticipants,
    RemoveParticipants,
    SendMessage,
    SendSms,
    SendTemplate,
    SendWaba,
    SetAbout,
    SetGroupDescription,
    SetGroupPicture,
    SetProfilePicture,
    Status,
)
from paceline.gateway import tokens
from paceline.kinds import KINDS
from paceline.operations import OPERATIONS
from paceline.state import questions
from paceline_sandbox.messages.history import stable_id
from tests.support.gateway import running
from tests.support.shell import paceline
from tests.support.stack import Stack

pytestmark = [pytest.mark.system]

TO, THIRD = "+15550100002", "+15550100003"
TEMPLATE = "TMP11111111-2222-4333-8444-555555555555"
REMOTE_ID = "123456789012345@lid"
URL = "https://example.com/logo.jpg"
# Put in place of these: the row's own sender, its channel and its group (made elsewhere: everybody counts as in it), the message
# that is to be deleted, the file of an interactive message.
SENDER, CHANNEL, GROUP, MESSAGE, FILE = "<sender>", "<channel>", "<group>", "<message>", "<file>"
WAYS = ("python", "shell", "curl")
ONE_CALL = ("enqueued", "sent", "accepted")
BOTH = ("--participant", TO, "--participant", THIRD)


@dataclass(frozen=True)
class Row:
    """One operation, written for Python and for the shell, and what the provider must see and tell.

    Args:
        kind: its kind.
        model: the operation.
        fields: its arguments, without account and sender.
        words: the command.
        path: of the call that takes effect.
        body: of that call.
        query: of that call.
        code: of its answer.
        result: in the operation's status.
        happened: names of the events in its history.
    """

    kind: str
    model: type[Operation]
    fields: Mapping[str, Any]
    words: tuple[str, ...]
    path: str
    body: Mapping[str, Any] | None
    query: Mapping[str, str] = field(default_factory=dict)
    code: str = "200"
    result: Mapping[str, Any] = field(default_factory=dict)
    happened: tuple[str, ...] = ONE_CALL

    @property
    def name(self) -> str:
        return " ".join((self.kind, *(word for word in self.words if word.startswith("--"))))


def message(kind: str, fields: Mapping[str, Any], words: tuple[str, ...], body: Mapping[str, Any]) -> Row:
    whole = {"from_number": SENDER, **body}
    return Row(kind, SendMessage, fields, ("send", *words), "/whatsapp/send-message", whole, code="202")


def own(model: type[Operation], kind: str, words: tuple[str, ...], path: str, body: Any, /, **fields: Any) -> Row:
    """Stories and the profile: nobody but the sender is concerned."""
    return Row(kind, model, fields, words, f"/whatsapp/{path}/{SENDER}", body)


def change(model: type[Operation], verb: str, **one: Any) -> Row:
    fields, words = {"group": GROUP, "participants": [TO, THIRD]}, ("group", verb, GROUP, *BOTH)
    body = {"from_number": SENDER, "participants": [TO, THIRD]}
    result = {"calls": 1, "numbers": {number: {"accepted": True, **one} for number in (TO, THIRD)}}
    return Row(
        f"group.{verb}", model, fields, words, f"/whatsapp/group/{GROUP}/{verb}-participant", body, result=result
    )


def setting(model: type[Operation], kind: str, command: str, option: str, **value: str) -> Row:
    path = f"/whatsapp/group/{GROUP}/{kind.removeprefix('group.').replace('_', '-')}"
    words = ("group", command, GROUP, option, *value.values())
    return Row(kind, model, {"group": GROUP, **value}, words, path, {"from_number": SENDER, **value})


def waba(kind: str, model: type[Operation], words: tuple[str, ...], body: Mapping[str, Any], /, **fields: Any) -> Row:
    whole = {"from_number": SENDER, "to_number": TO, **body}
    return Row(kind, model, {"to": TO, **fields}, (*words, "--to", TO), "/waba/send-message", whole, code="202")


def interactive(body: Mapping[str, Any], /, **fields: Any) -> Row:
    payload = {"payload": {"interactive": {"body": {"text": "Shall we?"}, **body}}}
    given = {"body": "Shall we?", **fields}
    return waba("waba.interactive", SendWaba, ("waba", "--interactive", FILE), payload, interactive=given)


def check(words: tuple[str, ...], query: Mapping[str, str], known: Mapping[str, Any], **fields: Any) -> Row:
    number = {
        "e164_format": TO,
        "iso_country_code": "US",
        "region": "US",
        "carrier": "Sandbox Mobile",
        "timezone": ["Etc/UTC"],
    }
    told = {"is_valid": True, "on_whatsapp": True, "number": number}
    result = {"check": {**told, "whatsapp_info": {"number_id": "15550100002@c.us", **known}}}
    path = f"/whatsapp/check-number/{SENDER}/{TO}"
    command = ("number", "check", TO, *words)
    return Row("number.check", CheckNumber, {"number": TO, **fields}, command, path, None, query=query, result=result)


ROWS = (
    message(
        "message.to_number",
        {"to": TO, "text": "Your bill", "url": URL, "media_bytes": 16 * 1024 * 1024},
        ("--to", TO, "--text", "Your bill", "--url", URL, "--size", "16777216"),
        {"to_number": TO, "text": "Your bill", "url": URL},
    ),
    message(
        "message.to_group",
        {"group": GROUP, "text": "Grüße 👋"},
        ("--group", GROUP, "--text", "Grüße 👋"),
        {"to_group_uuid": GROUP, "text": "Grüße 👋"},
    ),
    message(
        "message.to_remote_id",
        {"remote_id": REMOTE_ID, "text": "Hi"},
        ("--remote-id", REMOTE_ID, "--text", "Hi"),
        {"to_remote_id": REMOTE_ID, "text": "Hi"},
    ),
    message(
        "message.pin",
        {"to": TO, "pin": Pin(latitude=52.52, longitude=-13.405)},
        ("--to", TO, "--pin", "52.52,-13.405"),
        {"to_number": TO, "text": "", "pin": {"latitude": "52.5200000", "longitude": "-13.4050000"}},
    ),
    Row(
        "message.delete",
        DeleteMessage,
        {"message": MESSAGE, "to": TO},
        ("delete", MESSAGE, "--to", TO),
        f"/whatsapp/message/WW-{CHANNEL}-{TO[1:]}@c.us/{MESSAGE}",
        None,
        happened=("enqueued", "answered", "sent", "accepted"),
    ),
    own(
        PostStory,
        "status.text",
        ("story", "--text", "Open", "--background-color", "#205081", "--font", "0"),
        "set-text-status",
        {"text": "Open", "params": {"backgroundColor": "#205081", "font": 0}},
        text="Open",
        background_color="#205081",
        font=0,
    ),
    own(
        PostStory, "status.image", ("story", "--image-url", URL), "set-image-status", {"image_url": URL}, image_url=URL
    ),
    own(
        PostStory, "status.video", ("story", "--video-url", URL), "set-video-status", {"video_url": URL}, video_url=URL
    ),
    own(SetAbout, "profile.about", ("profile", "about", "--text", "Hi"), "set-status", {"status": "Hi"}, text="Hi"),
    own(
        SetProfilePicture,
        "profile.picture",
        ("profile", "picture", "--url", URL),
        "set-profile-picture",
        {"url": URL},
        url=URL,
    ),
    own(
        SetProfilePicture,
        "profile.picture",
        ("profile", "picture", "--remove"),
        "set-profile-picture",
        {"url": None},
        url=None,
    ),
    Row(
        "group.create",
        CreateGroup,
        {"name": "Team A", "participants": [TO, THIRD], "description": "Ours"},
        ("group", "create", "Team A", *BOTH, "--description", "Ours"),
        "/whatsapp/group/create",
        {"from_number": SENDER, "group": {"name": "Team A", "participants": [TO, THIRD], "description": "Ours"}},
        result={
            "calls": 1,
            "wa_group_id": ANY,
            "numbers": {number: {"accepted": True, "code": 200} for number in (TO, THIRD)},
        },
    ),
    change(AddParticipants, "add", code=200),
    change(RemoveParticipants, "remove"),
    change(PromoteParticipants, "promote"),
    change(DemoteParticipants, "demote"),
    setting(SetGroupDescription, "group.set_description", "describe", "--text", description="Thursdays at six"),
    setting(SetGroupPicture, "group.set_picture", "picture", "--url", url=URL),
    waba(
        "waba.template",
        SendTemplate,
        ("template", TEMPLATE, "--body", "Ada", "--body", "7", "--header-media-url", URL, "--content", "{{1}} {{2}}"),
        {"template_uuid": TEMPLATE, "params": {"body": ["Ada", "7"], "header_media_url": URL}},
        template=TEMPLATE,
        body=["Ada", "7"],
        header_media_url=URL,
        content="{{1}} {{2}}",
    ),
    waba("waba.session_text", SendWaba, ("waba", "--text", "On its way"), {"text": "On its way"}, text="On its way"),
    waba("waba.session_media", SendWaba, ("waba", "--url", URL), {"url": URL}, url=URL),
    interactive(
        {
            "type": "button",
            "action": {"buttons": [{"type": "reply", "reply": {"id": "y", "title": "Yes"}}]},
        },
        buttons=[{"id": "y", "label": "Yes"}],
    ),
    interactive(
        {
            "type": "list",
            "header": {"type": "text", "text": "Lunch"},
            "action": {"button": "Choose", "sections": [{"rows": [{"id": "1", "title": "Soup"}]}]},
        },
        header="Lunch",
        sections=[{"rows": [{"id": "1", "title": "Soup"}]}],
        list_label="Choose",
    ),
    interactive(
        {
            "type": "cta_url",
            "footer": {"text": "Until six"},
            "action": {"name": "cta_url", "parameters": {"display_text": "Go", "url": URL}},
        },
        footer="Until six",
        url_button={"label": "Go", "url": URL},
    ),
    Row(
        "sms.send",
        SendSms,
        {"to": TO, "text": "Hello"},
        ("sms", "--to", TO, "--text", "Hello"),
        "/sms/send",
        {"from_number": SENDER, "to_number": TO, "text": "Hello"},
        code="202",
    ),
    check((), {}, {}),
    check(
        ("--extra-information",),
        {"extra-information": "true"},
        {"is_business": False, "profile_pic": None, "verified_name": None},
        extra_information=True,
    ),
)


@dataclass(frozen=True)
class Done:
    """One row, sent one way, when it had its outcome.

    Args:
        sender: its own.
        names: what was put in place of what.
        status: as Python sees it.
        arrivals: of its kind and sender at the provider.
        printed: by the shell: as soon as it was settled, and when asked for later.
    """

    sender: str
    names: Mapping[str, str]
    status: Status
    arrivals: list[dict[str, Any]]
    printed: tuple[dict[str, Any], ...] = ()


Everything = dict[tuple[str, int], Done]


@pytest.fixture(scope="module")
def everything(lasting: Stack, tmp_path_factory: pytest.TempPathFactory) -> Everything:
    """All rows, both ways, at the same time: each has a sender of its own, so none waits for another."""
    lasting.add_account()
    ordinals = range(len(ROWS))
    senders = {(way, n): f"+1555011{len(way)}{n:03d}" for way in WAYS for n in ordinals}
    deletion = next(n for n in ordinals if ROWS[n].kind == "message.delete")
    deleted = {way: lasting.send(to=TO, sender=senders[way, deletion]) for way in WAYS}
    uuids = {way: lasting.status_when(receipt, "accepted").message_uuid or "" for way, receipt in deleted.items()}

    def put_in(way: str, n: int) -> dict[str, str]:
        sender, file = senders[way, n], tmp_path_factory.mktemp("interactive") / "offer.json"
        file.write_text(json.dumps(ROWS[n].fields.get("interactive")))
        ours = {SENDER: sender, CHANNEL: stable_id("WPN", sender), GROUP: stable_id("WAG", sender)}
        return {**ours, MESSAGE: uuids[way], FILE: str(file)}

    names = {one: put_in(*one) for one in senders}
    ids = {
        ("python", n): lasting.outbox.send(operation(lasting.name, ROWS[n], names["python", n])).id for n in ordinals
    }
    with running(lasting.server.url, rate=100_000) as url:
        curl = Curl(lasting, url)
        posted = {n: curl.sent(operation(lasting.name, ROWS[n], names["curl", n])) for n in ordinals}
        ids |= {("curl", n): op_id for n, op_id in posted.items()}
    shell = Shell(lasting)
    settled = [shell.settled(ROWS[n], names["shell", n]) for n in ordinals]
    later = [shell("status", told["id"], "--json") for told in settled]
    ids |= {("shell", n): told["id"] for n, told in enumerate(settled)}
    lasting.settled(len(ids) + len(deleted))
    arrivals = lasting.arrivals()
    with running(lasting.server.url, rate=100_000) as url:
        curl = Curl(lasting, url)
        read = [curl(f"operations/{posted[n]}") for n in ordinals]
    return {
        one: Done(
            senders[one],
            names[one],
            lasting.outbox.status(ids[one]),
            [arrival for arrival in arrivals if is_of(arrival, ROWS[one[1]].kind, names[one])],
            {"shell": (settled[one[1]], later[one[1]]), "curl": (read[one[1]],)}.get(one[0], ()),
        )
        for one in senders
    }


class Curl:
    """Calls the gateway, and insists on success and one JSON document."""

    def __init__(self, stack: Stack, url: str) -> None:
        kept, token = tokens.make("curl", ["send", "read"], [stack.name], None, datetime.now(UTC))
        stack.state.ask(questions.add_token(kept.id, tokens.written(kept)))
        self._url, self._headers = f"{url}/v1", ["-H", f"Authorization: Bearer {token}"]

    def sent(self, what: Operation) -> str:
        name = "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in type(what).__name__)
        body = what.model_dump_json(exclude_unset=True)
        path = f"operations/{name.lstrip('-')}"
        sending = ["-H", "Content-Type: application/json", "-H", f"Idempotency-Key: {uuid4()}", "-d", body]
        return str(self(path, *sending)["id"])

    def __call__(self, path: str, *words: str) -> dict[str, Any]:
        command = ["curl", "-sS", "--fail-with-body", "--max-time", "60", *self._headers, *words, f"{self._url}/{path}"]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (0, "") == (ended.returncode, ended.stderr), ended.stdout
        document: dict[str, Any] = json.loads(ended.stdout)
        return document


class Shell:
    """Calls `paceline`, and insists on success and one JSON document."""

    def __init__(self, stack: Stack) -> None:
        self._account = stack.name
        self._environment = {"PACELINE_BROKER_URL": stack.server.url, "PACELINE_SHOW_NUMBERS": "1"}

    def settled(self, row: Row, names: Mapping[str, str]) -> dict[str, Any]:
        words = [replaced(word, names) for word in row.words]
        own = ("--account", self._account, "--from", names[SENDER], "--metadata", f"kind={row.kind}")
        return self(*words, *own, "--until-settled", "60", "--json")

    def __call__(self, *words: str) -> dict[str, Any]:
        ended = paceline(self._environment, *words)
        assert (0, "") == (ended.code, ended.err), words
        document: dict[str, Any] = json.loads(ended.out)
        return document


def operation(account: str, row: Row, names: Mapping[str, str]) -> Operation:
    return row.model(account=account, sender=names[SENDER], metadata={"kind": row.kind}, **replaced(row.fields, names))


def replaced(value: Any, names: Mapping[str, str]) -> Any:
    """The same with real names in place of the table's, wherever they stand."""
    if isinstance(value, str):
        for name, real in names.items():
            value = value.replace(name, real)
        return value
    return {key: replaced(inner, names) for key, inner in value.items()} if isinstance(value, dict) else value


def is_of(arrival: Mapping[str, Any], kind: str, names: Mapping[str, str]) -> bool:
    where = f"{arrival['path']} {arrival['body'] or {}}"
    mine = names[CHANNEL] if kind == "message.delete" else names[SENDER]
    return bool(arrival["operation"] == kind and mine in where)


each_row = pytest.mark.parametrize("n", range(len(ROWS)), ids=[row.name for row in ROWS])
each_way = pytest.mark.parametrize("way", WAYS)


def test_the_table_holds_every_operation() -> None:
    """No kind and no model is left out."""
    assert set(KINDS) == {row.kind for row in ROWS}
    assert set(OPERATIONS) == {row.model for row in ROWS}


@each_way
@each_row
def test_it_arrives_once_and_as_the_reference_says(everything: Everything, way: str, n: int) -> None:
    """Method, path, query and body are those of docs/provider.md, 2, and the provider lets it take effect."""
    row, done = ROWS[n], everything[way, n]
    (arrival,) = done.arrivals
    assert (KINDS[row.kind].method, f"/open{replaced(row.path, done.names)}") == (arrival["method"], arrival["path"])
    assert (row.query, replaced(row.body, done.names)) == (arrival["query"], arrival["body"])
    assert (True, int(row.code)) == (arrival["accepted"], arrival["status"])


@each_way
@each_row
def test_its_status_tells_what_became_of_it(everything: Everything, way: str, n: int) -> None:
    """One outcome with the provider's code and handle, what the call brought, and what happened on the way."""
    row, status = ROWS[n], everything[way, n].status
    assert (row.kind, "accepted", row.code, 0) == (status.kind, status.state, status.code, status.attempts)
    assert "the provider accepted it" == status.why
    assert {"kind": row.kind} == status.metadata
    assert row.result == status.result
    assert row.happened == tuple(event.what for event in status.history)
    (arrival,) = everything[way, n].arrivals
    assert arrival["message_uuid"] == status.message_uuid
    assert (row.kind == "group.create") == (status.group_uuid or "").startswith("WAG")


@each_row
def test_the_shell_shows_what_python_sees(everything: Everything, n: int) -> None:
    """`--until-settled` and `paceline status` print the operation's status, whole."""
    done = everything["shell", n]
    assert (done.status.as_json(), done.status.as_json()) == done.printed


@each_row
def test_the_gateway_shows_what_python_sees(everything: Everything, n: int) -> None:
    """Sent by curl, and read by curl."""
    done = everything["curl", n]
    assert (done.status.as_json(),) == done.printed


def test_nothing_else_arrives(lasting: Stack, everything: Everything) -> None:
    """Besides the rows: the messages that are deleted, and the question for the channel of each deletion."""
    expected = {arrival["index"] for done in everything.values() for arrival in done.arrivals}
    others = [arrival["operation"] for arrival in lasting.arrivals() if arrival["index"] not in expected]
    assert ["lookup"] * len(WAYS) + ["message.to_number"] * len(WAYS) == sorted(others)
    books = lasting.balance()
    assert (len(WAYS) * (len(ROWS) + 1), 0) == (books.outcomes["accepted"], books.unaccounted)
