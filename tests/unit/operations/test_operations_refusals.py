"""What each operation refuses, besides what `test_operations.py` says of all of them."""

from typing import Any

import pytest

from paceline import (
    AddParticipants,
    CheckNumber,
    CreateGroup,
    DeleteMessage,
    DemoteParticipants,
    Operation,
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
from paceline.operations import OPERATIONS, Interactive, ListRow, ListSection, ReplyButton, UrlButton
from tests.unit.samples import GROUP, MESSAGE, OPERATION_ID, PICTURE, RECIPIENT, SENDER, make, numbers

HTTP = "http://example.com/a.png"
PRIVATE = "https://10.0.0.1/a.png"
BUTTON = {"id": "y", "label": "Yes"}
ROW = {"id": "1", "title": "Red"}
SECTION = {"rows": [ROW]}

# operation, field at fault, what is given instead of the sample's
REFUSALS: list[tuple[type[Operation], str, dict[str, Any]]] = [
    (DeleteMessage, "message", {"message": None}),
    (DeleteMessage, "message", {"message": "3EB0AAAABBBBCCCC"}),
    (DeleteMessage, "message", {"message": f"{MESSAGE}\n"}),
    (DeleteMessage, "message", {"message": "MSG11111111/../x"}),
    (DeleteMessage, "message", {"message": OPERATION_ID}),
    (DeleteMessage, "message", {"message": OPERATION_ID, "to": None, "group": GROUP}),
    (DeleteMessage, "to, group, remote_id", {"to": None}),
    (DeleteMessage, "to, group, remote_id", {"group": GROUP}),
    (DeleteMessage, "group", {"to": None, "group": OPERATION_ID}),
    (DeleteMessage, "remote_id", {"to": None, "remote_id": "1@lid"}),
    (PostStory, "text, image_url, video_url", {"text": None}),
    (PostStory, "text, image_url, video_url", {"image_url": PICTURE}),
    (PostStory, "text", {"text": "x" * 4097}),
    (PostStory, "image_url", {"text": None, "image_url": HTTP}),
    (PostStory, "video_url", {"text": None, "video_url": PRIVATE}),
    (PostStory, "background_color", {"background_color": "bright red"}),
    (PostStory, "background_color", {"background_color": "#FF004"}),
    (PostStory, "background_color", {"background_color": "red#FF0044"}),
    (PostStory, "background_color", {"background_color": "#FF0044\n"}),
    (PostStory, "font", {"font": 11}),
    (PostStory, "font", {"font": -1}),
    (PostStory, "background_color, font", {"text": None, "image_url": PICTURE, "background_color": "#FF0044"}),
    (PostStory, "background_color, font", {"text": None, "image_url": PICTURE, "font": 0}),
    (SetAbout, "text", {"text": ""}),
    (SetAbout, "text", {"text": "x" * 140}),
    (SetProfilePicture, "url", {"url": None}),
    (SetProfilePicture, "url", {"url": HTTP}),
    (CreateGroup, "name", {"name": ""}),
    (CreateGroup, "name", {"name": "x" * 101}),
    (CreateGroup, "description", {"description": "x" * 2049}),
    (CreateGroup, "description", {"description": ""}),
    (CreateGroup, "participants", {"participants": []}),
    (CreateGroup, "participants", {"participants": None}),
    (CreateGroup, "participants", {"participants": RECIPIENT}),
    (CreateGroup, "participants", {"participants": [SENDER, RECIPIENT]}),
    (CreateGroup, "participants", {"participants": list(numbers(1025))}),
    (SetGroupDescription, "group", {"group": "120363000000000001@g.us"}),
    (SetGroupDescription, "description", {"description": None}),
    (SetGroupDescription, "description", {"description": "x" * 2049}),
    (SetGroupPicture, "group", {"group": f"{GROUP}\n"}),
    (SetGroupPicture, "url", {"url": HTTP}),
    *(
        (model, field, fields)
        for model in (AddParticipants, RemoveParticipants, PromoteParticipants, DemoteParticipants)
        for field, fields in (
            ("group", {"group": None}),
            ("group", {"group": "Team A"}),
            ("group", {"group": MESSAGE}),
            ("participants", {"participants": []}),
            ("participants", {"participants": [RECIPIENT, "+15550100003", RECIPIENT]}),
            ("participants.1", {"participants": [RECIPIENT, "0555 010 0003"]}),
            ("participants", {"participants": list(numbers(1025))}),
        )
    ),
    (SendTemplate, "template", {"template": "hello_world"}),
    (SendTemplate, "template", {"template": "TMP11111111\n"}),
    (SendTemplate, "body.1", {"body": ["Ada", ""]}),
    (SendTemplate, "body.0", {"body": ["x" * 1025]}),
    (SendTemplate, "header.0", {"header": [""]}),
    (SendTemplate, "buttons.0", {"buttons": [""]}),
    (SendTemplate, "header_media_url", {"header_media_url": PRIVATE}),
    (SendTemplate, "header_media_filename", {"header_media_filename": "invoice.pdf"}),
    (SendTemplate, "body", {"body": ["Ada"], "content": "Hi {{1}}, your order {{2}}"}),
    (SendTemplate, "body", {"body": ["Ada", "Lovelace"], "content": "Hi {{1}}"}),
    (SendTemplate, "to", {"to": None}),
    (SendWaba, "text, url, interactive", {"text": None}),
    (SendWaba, "interactive", {"interactive": {"body": "Well?", "buttons": [BUTTON]}}),
    (SendWaba, "media_bytes", {"media_bytes": 1}),
    (SendWaba, "media_bytes", {"url": PICTURE, "media_bytes": 16 * 1024 * 1024 + 1}),
    (SendWaba, "url", {"text": None, "url": HTTP}),
    (SendWaba, "interactive.body", {"text": None, "interactive": {"buttons": [BUTTON]}}),
    (SendWaba, "interactive.url_button, buttons, sections", {"text": None, "interactive": {"body": "Well?"}}),
    (SendSms, "to", {"to": "15550100002"}),
    (SendSms, "text", {"text": ""}),
    (SendSms, "text", {"text": "x" * 1601}),
    (CheckNumber, "number", {"number": "0555 010 0002"}),
    (CheckNumber, "extra_information", {"extra_information": "all of it"}),
    *((model, "sender", {"sender": "0555 010 0001"}) for model in OPERATIONS),
    *((model, "metadata.note", {"metadata": {"note": "confidential" * 50}}) for model in OPERATIONS),
    *((model, "surprise", {"surprise": "a field with a typing error"}) for model in OPERATIONS),
]

# fields of an `Interactive` besides its body
INTERACTIVE_REFUSALS: list[tuple[str, dict[str, Any]]] = [
    ("body", {"body": "", "buttons": [BUTTON]}),
    ("body", {"body": "x" * 1025, "buttons": [BUTTON]}),
    ("header", {"header": "x" * 61, "buttons": [BUTTON]}),
    ("footer", {"footer": "", "buttons": [BUTTON]}),
    ("url_button, buttons, sections", {}),
    ("url_button, buttons, sections", {"buttons": [BUTTON], "url_button": {"label": "Look", "url": PICTURE}}),
    ("buttons", {"buttons": [BUTTON] * 4}),
    ("buttons.0.label", {"buttons": [{"id": "y", "label": "A label that is too long"}]}),
    ("url_button.url", {"url_button": {"label": "Look", "url": PRIVATE}}),
    ("list_label", {"sections": [SECTION]}),
    ("list_label", {"buttons": [BUTTON], "list_label": "Choose"}),
    ("sections", {"sections": [SECTION, SECTION], "list_label": "Choose"}),
    ("sections", {"sections": [{"title": "A", "rows": [ROW] * 6}] * 2, "list_label": "Choose"}),
    ("sections.0.rows", {"sections": [{"rows": [ROW] * 11}], "list_label": "Choose"}),
    ("sections.0.rows", {"sections": [{"rows": []}], "list_label": "Choose"}),
    ("sections.0.rows.0.title", {"sections": [{"rows": [{"id": "1", "title": "x" * 25}]}], "list_label": "Choose"}),
]


def flat(value: Any) -> list[str]:
    """All texts and numbers within a value, as texts."""
    if isinstance(value, dict):
        return [text for one in value.values() for text in flat(one)]
    return [text for one in value for text in flat(one)] if isinstance(value, list | tuple) else [str(value)]


def assert_refused_at(field: str, words: str, given: dict[str, Any]) -> None:
    assert words.startswith(f"{field}: ")
    assert len(words) > len(field) + 5
    # The examples that some refusals give look like what was given rightly.
    said = words.replace(MESSAGE, "").replace(GROUP, "")
    assert [] == [text for text in flat(given) if len(text) > len("interactive") and text.strip() in said]


@pytest.mark.parametrize(("model", "field", "given"), REFUSALS)
def test_a_refusal_names_the_field_and_keeps_the_value(
    model: type[Operation], field: str, given: dict[str, Any]
) -> None:
    """Every refusal of every operation begins with the field at fault, and does not repeat what was given."""
    with pytest.raises(InvalidOperation) as refusal:
        make(model, **given)
    assert_refused_at(field, str(refusal.value), given)


@pytest.mark.parametrize(("field", "given"), INTERACTIVE_REFUSALS)
def test_an_interactive_message_refuses_by_itself_and_within(field: str, given: dict[str, Any]) -> None:
    """Made alone it names its own field; given as a mapping to `SendWaba`, with the way to it."""
    fields = {"body": "Well?"} | given
    with pytest.raises(InvalidOperation) as alone:
        Interactive(**fields)
    assert_refused_at(field, str(alone.value), given)
    with pytest.raises(InvalidOperation) as within:
        make(SendWaba, text=None, interactive=fields)
    assert_refused_at(f"interactive.{field}", str(within.value), given)


@pytest.mark.parametrize("part", [UrlButton, ReplyButton, ListRow, ListSection])
def test_parts_refuse_in_the_words_of_paceline(part: type) -> None:
    """The parts of an interactive message belong to the same error tree."""
    with pytest.raises(InvalidOperation, match=r"^\w+: is missing"):
        part()


def test_longest_and_most_are_taken() -> None:
    """The limits themselves are allowed."""
    assert make(SetAbout, text="x" * 139)
    assert make(CreateGroup, name="x" * 100, participants=list(numbers(1024)))
    assert make(SendWaba, url=PICTURE, media_bytes=16 * 1024 * 1024)
    assert make(SendSms, text="x" * 1600)
    assert make(PostStory, background_color="#80ff0044", font=10)
    assert Interactive(body="x" * 1024, sections=(ListSection(rows=(ListRow(**ROW),) * 10),), list_label="x" * 20)
