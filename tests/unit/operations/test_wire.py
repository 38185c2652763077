"""From operations to the provider's requests: every form of docs/provider.md, 2.1 to 2.5, written out."""

import re
from dataclasses import replace
from typing import Any

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
    SendSms,
    SendTemplate,
    SendWaba,
    SetAbout,
    SetGroupDescription,
    SetGroupPicture,
    SetProfilePicture,
)
from paceline.errors import InvalidOperation
from paceline.kinds import KINDS
from paceline.operations import Interactive, ListRow, ListSection, ReplyButton, UrlButton
from paceline.operations.requests import (
    Followed,
    ProviderRequest,
    Work,
    merged,
    request_for,
)
from tests.unit.samples import (
    ACCOUNT,
    GROUP,
    OPERATION_ID,
    PICTURE,
    RECIPIENT,
    REMOTE_ID,
    SENDER,
    TEMPLATE,
    make,
    message,
    numbers,
    work,
)

CHANNEL = "WPN11111111-2222-4333-8444-555555555555"
CREATED = Followed(GROUP, OPERATION_ID, {"group_uuid": GROUP})

MESSAGES: list[tuple[Operation, dict[str, Any]]] = [
    (message(), {"to_number": RECIPIENT, "text": "Hello"}),
    (message(to=None, group=GROUP), {"to_group_uuid": GROUP, "text": "Hello"}),
    (message(to=None, remote_id=REMOTE_ID), {"to_remote_id": REMOTE_ID, "text": "Hello"}),
    (message(text=None, url=PICTURE), {"to_number": RECIPIENT, "url": PICTURE}),
    (message(url=PICTURE, media_bytes=1024), {"to_number": RECIPIENT, "text": "Hello", "url": PICTURE}),
    (
        message(text=None, pin=Pin(latitude=1e-7, longitude=-180)),
        {"to_number": RECIPIENT, "text": "", "pin": {"latitude": "0.0000001", "longitude": "-180.0000000"}},
    ),
    (
        message(to=None, group=GROUP, text=None, pin=Pin(latitude=48.13743, longitude=11.57549, name="N", address="A")),
        {
            "to_group_uuid": GROUP,
            "text": "",
            "pin": {"latitude": "48.1374300", "longitude": "11.5754900", "name": "N", "address": "A"},
        },
    ),
]
TEN = list(numbers(10))
# operation, path, body without `from_number`
GROUPS: list[tuple[Operation, str, dict[str, Any]]] = [
    (
        make(CreateGroup),
        "/whatsapp/group/create",
        {"group": {"name": "Team A", "participants": [RECIPIENT]}},
    ),
    (
        make(CreateGroup, description="Ours", participants=TEN),
        "/whatsapp/group/create",
        {"group": {"name": "Team A", "description": "Ours", "participants": TEN}},
    ),
    (make(AddParticipants), f"/whatsapp/group/{GROUP}/add-participant", {"participants": [RECIPIENT]}),
    (make(RemoveParticipants), f"/whatsapp/group/{GROUP}/remove-participant", {"participants": [RECIPIENT]}),
    (make(PromoteParticipants), f"/whatsapp/group/{GROUP}/promote-participant", {"participants": [RECIPIENT]}),
    (make(DemoteParticipants), f"/whatsapp/group/{GROUP}/demote-participant", {"participants": [RECIPIENT]}),
    (make(SetGroupDescription), f"/whatsapp/group/{GROUP}/set-description", {"description": "About us"}),
    (make(SetGroupDescription, description=""), f"/whatsapp/group/{GROUP}/set-description", {"description": ""}),
    (make(SetGroupPicture), f"/whatsapp/group/{GROUP}/set-picture", {"url": PICTURE}),
]
PROFILE: list[tuple[Operation, str, dict[str, Any]]] = [
    (make(PostStory), "set-text-status", {"text": "Open today"}),
    (
        make(PostStory, background_color="#FF0044", font=0),
        "set-text-status",
        {"text": "Open today", "params": {"backgroundColor": "#FF0044", "font": 0}},
    ),
    (make(PostStory, text=None, image_url=PICTURE), "set-image-status", {"image_url": PICTURE}),
    (make(PostStory, text=None, video_url=PICTURE), "set-video-status", {"video_url": PICTURE}),
    (make(SetAbout), "set-status", {"status": "Back at nine"}),
    (make(SetProfilePicture), "set-profile-picture", {"url": PICTURE}),
    (SetProfilePicture(account=ACCOUNT, sender=SENDER, url=None), "set-profile-picture", {"url": None}),
]
INTERACTIVE: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        {"url_button": UrlButton(label="Look", url=PICTURE)},
        {
            "type": "cta_url",
            "body": {"text": "Well?"},
            "action": {"name": "cta_url", "parameters": {"display_text": "Look", "url": PICTURE}},
        },
    ),
    (
        {"buttons": [ReplyButton(id="y", label="Yes"), ReplyButton(id="n", label="No")], "header": "A", "footer": "Z"},
        {
            "type": "button",
            "body": {"text": "Well?"},
            "header": {"type": "text", "text": "A"},
            "footer": {"text": "Z"},
            "action": {
                "buttons": [
                    {"type": "reply", "reply": {"id": "y", "title": "Yes"}},
                    {"type": "reply", "reply": {"id": "n", "title": "No"}},
                ]
            },
        },
    ),
    (
        {
            "sections": [
                ListSection(title="One", rows=(ListRow(id="1", title="Red"),)),
                ListSection(title="Two", rows=(ListRow(id="2", title="Blue", description="As the sky"),)),
            ],
            "list_label": "Colours",
        },
        {
            "type": "list",
            "body": {"text": "Well?"},
            "action": {
                "button": "Colours",
                "sections": [
                    {"title": "One", "rows": [{"id": "1", "title": "Red"}]},
                    {"title": "Two", "rows": [{"id": "2", "title": "Blue", "description": "As the sky"}]},
                ],
            },
        },
    ),
    (
        {"sections": [{"rows": [{"id": "1", "title": "Red"}]}], "list_label": "Colours"},
        {
            "type": "list",
            "body": {"text": "Well?"},
            "action": {"button": "Colours", "sections": [{"rows": [{"id": "1", "title": "Red"}]}]},
        },
    ),
]
WABA: list[tuple[Operation, dict[str, Any]]] = [
    (make(SendTemplate), {"template_uuid": TEMPLATE, "params": {}}),
    (
        make(
            SendTemplate,
            body=["Ada", "7"],
            header=["Order"],
            buttons=["track/7"],
            header_media_url=PICTURE,
            header_media_filename="a.png",
            content="Hi {{1}}, order {{ 2 }}",
        ),
        {
            "template_uuid": TEMPLATE,
            "params": {
                "body": ["Ada", "7"],
                "header": ["Order"],
                "buttons": ["track/7"],
                "header_media_url": PICTURE,
                "header_media_filename": "a.png",
            },
        },
    ),
    (make(SendWaba), {"text": "Hello"}),
    (make(SendWaba, text=None, url=PICTURE), {"url": PICTURE}),
    (make(SendWaba, url=PICTURE, media_bytes=7), {"text": "Hello", "url": PICTURE}),
    *(
        (make(SendWaba, text=None, interactive=Interactive(body="Well?", **fields)), {"payload": {"interactive": wire}})
        for fields, wire in INTERACTIVE
    ),
]
CHECK = "/whatsapp/check-number/{sender}/{target}"


def post(path: str, body: dict[str, Any], endpoint: str | None = None, **more: Any) -> ProviderRequest:
    return ProviderRequest("POST", path, body, endpoint or path, **more)


@pytest.mark.parametrize(("operation", "body"), MESSAGES)
def test_a_message_is_one_post_of_the_providers_fields(operation: Operation, body: dict[str, Any]) -> None:
    """Target, text, address and pin go where the provider wants them (docs/provider.md, 2.1.1); coordinates are texts."""
    assert post("/whatsapp/send-message", {"from_number": SENDER} | body) == request_for(work(operation))


@pytest.mark.parametrize(("operation", "path", "body"), GROUPS)
def test_a_group_operation_names_its_group_in_the_path(operation: Operation, path: str, body: dict[str, Any]) -> None:
    """Creation and changes are posts with `from_number` (2.2); the metric's label has no group in it."""
    request = request_for(work(operation))
    endpoint = path.replace(GROUP, "{target}")
    assert post(path, {"from_number": SENDER} | body, endpoint) == replace(request, step="only")


@pytest.mark.parametrize(("operation", "verb", "body"), PROFILE)
def test_stories_and_profile_name_the_sender_in_the_path(operation: Operation, verb: str, body: dict[str, Any]) -> None:
    """Of stories and the profile (2.3) the number stands in the path, not in the body; null removes a picture."""
    expected = post(f"/whatsapp/{verb}/{SENDER}", body, f"/whatsapp/{verb}/{{sender}}")
    assert expected == request_for(work(operation))


@pytest.mark.parametrize(("operation", "body"), WABA)
def test_waba_messages_are_one_kind_each(operation: Operation, body: dict[str, Any]) -> None:
    """Template (always with `params`), text, file or interactive payload (2.4): one of them, to one number."""
    expected = post("/waba/send-message", {"from_number": SENDER, "to_number": RECIPIENT} | body)
    assert expected == request_for(work(operation))


def test_an_sms_is_a_text_to_a_number() -> None:
    """`POST /sms/send` (2.5)."""
    expected = post("/sms/send", {"from_number": SENDER, "to_number": RECIPIENT, "text": "Hello"})
    assert expected == request_for(work(make(SendSms)))


@pytest.mark.parametrize(("more", "query"), [(False, {}), (True, {"extra-information": "true"})])
def test_a_number_check_is_a_read(more: bool, query: dict[str, str]) -> None:
    """`GET /whatsapp/check-number/{your_number}/{target}` (2.3), with a query when more is asked for, and no body."""
    expected = ProviderRequest("GET", f"/whatsapp/check-number/{SENDER}/{RECIPIENT}", None, CHECK, query)
    assert expected == request_for(work(make(CheckNumber, extra_information=more)))


def test_a_followed_creation_gives_the_group() -> None:
    """An operation that names a group by its creation's id goes to the group that was made."""
    hello = work(message(to=None, group=OPERATION_ID), followed=CREATED)
    assert request_for(hello).body == {"from_number": SENDER, "to_group_uuid": GROUP, "text": "Hello"}
    for operation, path, _ in GROUPS[2:]:
        renamed = operation.model_copy(update={"group": OPERATION_ID})
        assert request_for(work(renamed, followed=CREATED)).path == path


# -- all of them

EVERY: list[Operation] = [
    *(operation for operation, _ in (*MESSAGES, *WABA)),
    *(operation for operation, _, _ in (*GROUPS, *PROFILE)),
    make(SendSms),
    make(CheckNumber),
    make(DeleteMessage),
]


def test_the_tables_hold_every_kind() -> None:
    """No kind is left out above."""
    assert set(KINDS) == {operation.kind for operation in EVERY}


@pytest.mark.parametrize("operation", EVERY, ids=lambda operation: operation.kind)
def test_a_request_is_the_one_of_its_kind(operation: Operation) -> None:
    """Method and path are those of the kinds' table, and the label of metrics is the table's path itself."""
    request = request_for(work(operation, channel=CHANNEL))
    kind = KINDS[operation.kind]
    shape = re.escape(kind.path).replace(r"\{", "{").replace(r"\}", "}")
    assert (kind.method, kind.path) == (request.method, request.endpoint)
    assert re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", shape), request.path)
    assert (request.body is None) == (kind.method != "POST")


@pytest.mark.parametrize("kind", ["message.poll", "group.rename", "waba.flow", "status.audio", "carrier.pigeon"])
def test_an_unknown_kind_is_refused(kind: str) -> None:
    """A record of a newer release is not sent as something else."""
    with pytest.raises(KeyError):
        request_for(Work(kind, SENDER, RECIPIENT, {}))


# -- campaigns


@pytest.mark.parametrize(
    ("expected", "template", "values"),
    [
        ({"text": "Hi Ada"}, {"text": "Hi {name}"}, {"name": "Ada"}),
        ({"text": "Hi {}"}, {"text": "Hi {{}}"}, {}),
        ({"text": "Hi {name}"}, {"text": "Hi {x}"}, {"x": "{name}"}),
        ({"text": "A", "url": "https://e.com/A"}, {"text": "{x}", "url": "https://e.com/{x}"}, {"x": "A"}),
        ({"text": "A", "url": "https://e.com/{y}"}, {"text": "{x}", "url": "https://e.com/{y}"}, {"x": "A"}),
        ({"url": "https://e.com/B"}, {"url": "{_1}"}, {"_1": "https://e.com/B"}),
        ({"url": "https://e.com/a"}, {"url": "https://e.com/a"}, {"x": "A"}),
    ],
)
def test_a_campaigns_text_takes_the_recipients_values(
    expected: dict[str, Any], template: dict[str, Any], values: dict[str, str]
) -> None:
    """The text and the address are rendered; what an address of an earlier release holds in braces stays."""
    assert expected == merged(template, values)


def test_merging_leaves_the_template_alone() -> None:
    """One campaign's payload serves all its recipients."""
    template = {"text": "Hi {name}"}
    merged(template, {"name": "Ada"})
    assert template == {"text": "Hi {name}"}


def test_a_missing_value_is_named() -> None:
    """A stored row that lacks a value is refused by name rather than sent with a hole."""
    with pytest.raises(InvalidOperation, match="name"):
        merged({"text": "Hi {name}"}, {})
