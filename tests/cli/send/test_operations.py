"""From the words of a command to the record in the inbox, and to one sentence where the words are wrong."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from paceline.kinds import KINDS
from tests.cli.conftest import RECIPIENT, SENDER, Cli, Inbox

FROM = ("--account", "acme", "--from", SENDER)
TO = ("--to", RECIPIENT)
THIRD = "+15550100003"
GROUP = "WAG11111111-2222-4333-8444-555555555555"
MESSAGE = "MSG11111111-2222-4333-8444-555555555555"
TEMPLATE = "TMP11111111-2222-4333-8444-555555555555"
OP_ID = "0123456789abcdefghjkmnpqrs"
REMOTE_ID = "123456789012345@lid"
URL = "https://example.com/a.jpg"

# Command -> kind, target and payload of the record.
WRITTEN: list[tuple[list[str], str, str, Mapping[str, Any]]] = [
    (["send", *TO, "--text", "Hi"], "message.to_number", RECIPIENT, {"text": "Hi"}),
    (["send", "--group", GROUP, "--text", "Hi"], "message.to_group", GROUP, {"text": "Hi"}),
    (["send", "--group", OP_ID, "--text", "Hi"], "message.to_group", OP_ID, {"text": "Hi"}),
    (["send", "--remote-id", REMOTE_ID, "--text", "Hi"], "message.to_remote_id", REMOTE_ID, {"text": "Hi"}),
    (["send", *TO, "--url", URL, "--size", "16777216"], "message.to_number", RECIPIENT, {"url": URL}),
    (["delete", MESSAGE, *TO], "message.delete", RECIPIENT, {"message_uuid": MESSAGE}),
    (["delete", MESSAGE, "--group", GROUP], "message.delete", GROUP, {"message_uuid": MESSAGE}),
    (["delete", MESSAGE, "--remote-id", REMOTE_ID], "message.delete", REMOTE_ID, {"message_uuid": MESSAGE}),
    (["delete", OP_ID], "message.delete", OP_ID, {}),
    (["story", "--text", "Hi"], "status.text", SENDER, {"text": "Hi"}),
    (
        ["story", "--text", "Hi", "--background-color", "#205081", "--font", "0"],
        "status.text",
        SENDER,
        {"text": "Hi", "params": {"backgroundColor": "#205081", "font": 0}},
    ),
    (["story", "--image-url", URL], "status.image", SENDER, {"image_url": URL}),
    (["story", "--video-url", URL], "status.video", SENDER, {"video_url": URL}),
    (["profile", "about", "--text", "Busy"], "profile.about", SENDER, {"status": "Busy"}),
    (["profile", "picture", "--url", URL], "profile.picture", SENDER, {"url": URL}),
    (["profile", "picture", "--remove"], "profile.picture", SENDER, {"url": None}),
    (
        ["group", "create", "Team A", "--participant", RECIPIENT, "--participant", THIRD, "--description", "Ours"],
        "group.create",
        "",
        {"name": "Team A", "participants": [RECIPIENT, THIRD], "description": "Ours"},
    ),
    *(
        (["group", verb, group, "--participant", THIRD], f"group.{verb}", group, {"participants": [THIRD]})
        for verb in ("add", "remove", "promote", "demote")
        for group in (GROUP, OP_ID)
    ),
    (["group", "describe", GROUP, "--text", "Ours"], "group.set_description", GROUP, {"description": "Ours"}),
    (["group", "describe", OP_ID, "--text", ""], "group.set_description", OP_ID, {"description": ""}),
    (["group", "picture", GROUP, "--url", URL], "group.set_picture", GROUP, {"url": URL}),
    (["template", TEMPLATE, *TO], "waba.template", RECIPIENT, {"template_uuid": TEMPLATE, "params": {}}),
    (
        [
            "template",
            TEMPLATE,
            *TO,
            "--body",
            "Ann",
            "--body",
            "-17",
            "--header",
            "Hi",
            "--button",
            "a",
            "--button",
            "b",
        ],
        "waba.template",
        RECIPIENT,
        {"template_uuid": TEMPLATE, "params": {"body": ["Ann", "-17"], "header": ["Hi"], "buttons": ["a", "b"]}},
    ),
    (
        ["template", TEMPLATE, *TO, "--header-media-url", URL, "--header-media-filename", "a.jpg", "--content", "Hi"],
        "waba.template",
        RECIPIENT,
        {"template_uuid": TEMPLATE, "params": {"header_media_url": URL, "header_media_filename": "a.jpg"}},
    ),
    (["waba", *TO, "--text", "Hi"], "waba.session_text", RECIPIENT, {"text": "Hi"}),
    (["waba", *TO, "--url", URL, "--size", "9"], "waba.session_media", RECIPIENT, {"url": URL}),
    (["sms", *TO, "--text", "Hi"], "sms.send", RECIPIENT, {"text": "Hi"}),
    (["number", "check", RECIPIENT], "number.check", RECIPIENT, {}),
    (["number", "check", RECIPIENT, "--extra-information"], "number.check", RECIPIENT, {"extra_information": True}),
]


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize(
    ("words", "kind", "target", "payload"), WRITTEN, ids=lambda value: value[:2] if isinstance(value, list) else None
)
def test_a_command_writes_its_operation(
    cli: Cli, inbox: Inbox, words: list[str], kind: str, target: str, payload: Mapping[str, Any]
) -> None:
    """Kind, target, payload and what it follows stand in the record as the operation's model makes them."""
    op_id = cli(*words, *FROM, "--json").json["id"]
    written = inbox.only
    assert (written["id"], written["k"], written["to"]) == (op_id, kind, target or op_id)
    assert written["p"] == payload
    assert written.get("rf") == (OP_ID if OP_ID in words else None)
    assert (written["a"], written["f"]) == ("acme", SENDER)


def test_every_kind_has_a_command() -> None:
    """What the provider can be asked for, the command line can ask for; a pin and something interactive are shown elsewhere."""
    assert {kind for _, kind, _, _ in WRITTEN} | {"message.pin", "waba.interactive"} == set(KINDS)


@pytest.mark.usefixtures("acme")
def test_the_shared_options_reach_the_record(cli: Cli, inbox: Inbox) -> None:
    """Priority, times, policy, attempts and metadata are the same options of every command."""
    options = ["--priority", "bulk", "--on-unknown", "resend", "--max-attempts", "3", "--key", "k"]
    options += ["--not-before", "2099-01-01T00:00:00Z", "--valid-until", "2099-01-02T00:00:00Z"]
    options += ["--metadata", "order-id=17", "--metadata", "note=a=b", "--metadata", "empty="]
    assert cli("sms", *FROM, *TO, "--text", "Hi", *options).code == 0
    written = inbox.only
    assert (written["pr"], written["unk"], written["ur"], written["mx"]) == ("b", "resend", "r", "3")
    assert (written["nb"], written["vu"]) == ("4070908800000000", "4070995200000000")
    assert json.loads(written["m"]) == {"order-id": "17", "note": "a=b", "empty": ""}


ONE_TARGET = "--to, --group, --remote-id: give exactly one of them"
ADD = ("group", "add", GROUP)
NO_NUMBER = "is not a phone number in E.164 form"
NO_GROUP = "GROUP: is neither a group uuid"

REFUSED: list[tuple[Sequence[str], str]] = [
    (["send", *TO, "--remote-id", REMOTE_ID, "--text", "x"], ONE_TARGET),
    (["send", "--remote-id", "17@s.whatsapp.net", "--text", "x"], "--remote-id: is not a remote id"),
    (["send", "--group", "Team", "--text", "x"], "--group: is neither a group uuid"),
    (["send", *TO, "--url", URL, "--size", "16777217"], "--size: "),
    (["send", *TO, "--url", URL, "--size", "0"], "--size: "),
    (["send", *TO, "--url", URL, "--size", "16MB"], "--size: "),
    (["send", *TO, "--text", "x", "--size", "5"], "--size: needs url"),
    (["send", *TO, "--text", "x", "--metadata", "order"], "--metadata: is not NAME=VALUE"),
    (["send", *TO, "--text", "x", "--metadata", "=17"], "--metadata: is not NAME=VALUE"),
    (["send", *TO, "--text", "x", "--metadata", "a=1", "--metadata", "a=2"], "--metadata: names 'a' twice"),
    (["send", *TO, "--text", "x", "--metadata", f"order-id={'x' * 513}"], "--metadata (order-id): "),
    (["send", *TO, "--text", "x", "--metadata", f"17={'x' * 513}"], "--metadata (17): "),
    (["send", *TO, "--text", "x", *(f"--metadata={n}=x" for n in range(17))], "--metadata: "),
    (["send", *TO, "--text", "x", "--until-settled", "-1"], "--until-settled: "),
    (["delete", MESSAGE], ONE_TARGET),
    (["delete", MESSAGE, *TO, "--group", GROUP], ONE_TARGET),
    (["delete", MESSAGE, "--group", OP_ID], "--group: is not a group uuid"),
    (["delete", OP_ID, *TO], "MESSAGE: an operation's id determines the recipient"),
    (["delete", "message", *TO], "MESSAGE: is neither a message uuid"),
    (["delete", *TO], "missing argument 'MESSAGE' (try 'paceline delete --help')"),
    (["story"], "--text, --image-url, --video-url: give exactly one of them"),
    (["story", "--text", "x", "--image-url", URL], "--text, --image-url, --video-url: give exactly one of them"),
    (["story", "--image-url", URL, "--font", "1"], "--background-color, --font: need text"),
    (["story", "--text", "x", "--background-color", "red"], "--background-color: "),
    (["story", "--text", "x", "--font", "11"], "--font: "),
    (["story", "--video-url", "http://example.com/"], "--video-url: must start with https://"),
    (["profile", "about"], "missing option '--text'"),
    (["profile", "about", "--text", "x" * 140], "--text: "),
    (["profile", "picture"], "--url, --remove: give exactly one of them"),
    (["profile", "picture", "--url", URL, "--remove"], "--url, --remove: give exactly one of them"),
    (["profile", "picture", "--url", "https://10.0.0.1/a.jpg"], "--url: must name a public host"),
    (["group", "create", "Team"], "--participant, --participants: give at least one number"),
    (["group", "create", "", "--participant", RECIPIENT], "NAME: "),
    (["group", "create", "x" * 101, "--participant", RECIPIENT], "NAME: "),
    (["group", "create", "Team", "--participant", SENDER], "--participant, --participants: the sender creates the group"),
    (["group", "create", "Team", "--participant", RECIPIENT, "--participant", "12"], f"--participant (number 2): {NO_NUMBER}"),
    ([*ADD], "--participant, --participants: give at least one number"),
    ([*ADD, "--participant", THIRD, "--participant", THIRD], "--participant (number 2): repeats an earlier number"),
    (["group", "promote", "Team", "--participant", THIRD], NO_GROUP),
    (["group", "describe", "Team", "--text", "x"], NO_GROUP),
    (["group", "describe", GROUP], "missing option '--text'"),
    (["group", "picture", "Team", "--url", URL], NO_GROUP),
    (["group", "picture", GROUP, "--url", "ftp://example.com/a"], "--url: must start with https://"),
    (["template", "TMP", *TO], "TEMPLATE: "),
    (["template", TEMPLATE], "missing option '--to'"),
    (["template", TEMPLATE, "--to", "12"], f"--to: {NO_NUMBER}"),
    (["template", TEMPLATE, *TO, "--content", "{{1}} {{2}}", "--body", "a"], "--body: has no value for {{2}} of the template"),
    (["template", TEMPLATE, *TO, "--content", "Hi", "--body", "a"], "--body: has 1 values, and the template 0 variables"),
    (["template", TEMPLATE, *TO, "--body", "a", "--body", ""], "--body (number 2): "),
    (["template", TEMPLATE, *TO, "--button", ""], "--button (number 1): "),
    (["template", TEMPLATE, *TO, "--header-media-filename", "a"], "--header-media-filename: needs header_media_url"),
    (["waba", *TO], "--text, --url, --interactive: give at least one of them"),
    (["waba", *TO, "--url", URL, "--size", "16777217"], "--size: "),
    (["waba", *TO, "--interactive", "not-there.json"], "--interactive: not-there.json cannot be read: No such file"),
    (["sms", *TO], "missing option '--text'"),
    (["sms", *TO, "--text", "x" * 1601], "--text: "),
    (["sms", "--to", GROUP, "--text", "x"], f"--to: {NO_NUMBER}"),
    (["number", "check", "12"], f"NUMBER: {NO_NUMBER}"),
    (["number", "check"], "NUMBER, --recipients: give one of them"),
]  # fmt: skip


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize(("words", "sentence"), REFUSED, ids=[" ".join(words)[:60] for words, _ in REFUSED])
def test_a_command_refuses_bad_usage(cli: Cli, inbox: Inbox, words: list[str], sentence: str) -> None:
    """What cannot be sent is exit 2 and one sentence that begins with what was typed; nothing is written."""
    said = cli(*words, *FROM).refusal(2)
    assert said.startswith(sentence)
    assert inbox.records == []


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize("option", ["--wait", "--until-settled"])
def test_nobody_waits_for_no_number(cli: Cli, inbox: Inbox, option: str) -> None:
    """`nan` is not less than 0, and no deadline: it is refused, by whichever release of typer."""
    assert option in cli("send", *FROM, *TO, "--text", "x", option, "nan").refusal(2)
    assert inbox.records == []


OFFER = {
    "body": "Which one?",
    "footer": "Until Friday",
    "buttons": [{"id": "a", "label": "A"}, {"id": "b", "label": "B"}],
}


@pytest.mark.usefixtures("acme")
def test_an_interactive_message_comes_from_a_file(cli: Cli, inbox: Inbox, tmp_path: Path) -> None:
    """FILE.json holds the fields of `Interactive`; the record holds the provider's form."""
    path = tmp_path / "offer.json"
    path.write_text(json.dumps(OFFER), encoding="utf-8-sig")
    assert cli("waba", *FROM, *TO, "--interactive", str(path)).code == 0
    assert inbox.only["k"] == "waba.interactive"
    interactive = inbox.only["p"]["payload"]["interactive"]
    assert (interactive["type"], interactive["body"], interactive["footer"]) == (
        "button",
        {"text": "Which one?"},
        {"text": "Until Friday"},
    )
    assert [button["reply"]["title"] for button in interactive["action"]["buttons"]] == ["A", "B"]


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "offer.json is not JSON: Expecting property name"),
        ("", "offer.json is not JSON: Expecting value (line 1, column 1)"),
        ("[" * 100_000, "offer.json is not JSON"),
        ("[]", "offer.json is not a JSON object"),
        ("\udcff", "offer.json is not JSON in UTF-8"),
        ("{}", "offer.json: body: "),
        (json.dumps(OFFER | {"type": "button"}), "offer.json: type: is not a known field"),
        (json.dumps(OFFER | {"buttons": [{"id": "a", "title": "A"}]}), "offer.json: buttons.0."),
        (json.dumps(OFFER | {"buttons": []}), "offer.json: url_button, buttons, sections: give exactly one of them"),
        (json.dumps(OFFER | {"list_label": "Open"}), "offer.json: list_label: give list_label and sections"),
        (
            json.dumps({"body": "x", "list_label": "Open", "sections": [{"rows": [{"id": "a", "title": "A", "colour": 1}]}]}),
            "offer.json: sections.0.rows.0.colour: is not a known field",
        ),
        (
            json.dumps({"body": "x", "url_button": {"label": "Go", "url": "http://example.com/"}}),
            "offer.json: url_button.url: must start with https://",
        ),
    ],
)  # fmt: skip
def test_a_wrong_interactive_message_is_named_by_its_field(
    cli: Cli, inbox: Inbox, tmp_path: Path, text: str, sentence: str
) -> None:
    """File and path of the field are told, in one sentence; nothing is written."""
    path = tmp_path / "offer.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    assert cli("waba", *FROM, *TO, "--interactive", str(path)).refusal(2).startswith(f"--interactive: {sentence}")
    assert inbox.records == []


@pytest.mark.usefixtures("acme")
def test_an_interactive_message_goes_alone(cli: Cli, inbox: Inbox, tmp_path: Path) -> None:
    """With a text beside it, it is refused."""
    path = tmp_path / "offer.json"
    path.write_text(json.dumps(OFFER))
    answer = cli("waba", *FROM, *TO, "--interactive", str(path), "--text", "x")
    assert answer.refusal(2) == "--interactive: excludes text and url"
    assert inbox.records == []
