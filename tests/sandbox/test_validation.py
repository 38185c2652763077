import json

import pytest

from paceline_sandbox.answers import Answer
from paceline_sandbox.validation import SendRequest, parse_send
from tests.sandbox.client import RECIPIENT, SENDER, body


def refused(**fields: object) -> Answer:
    answer = parse_send(json.dumps(body(**fields)).encode())
    assert isinstance(answer, Answer)
    return answer


def accepted(**fields: object) -> SendRequest:
    request = parse_send(json.dumps(body(**fields)).encode())
    assert isinstance(request, SendRequest)
    return request


def test_a_message_needs_a_sender_a_target_and_something_to_say() -> None:
    """A sender, one target and a text make a message."""
    assert SendRequest(SENDER, RECIPIENT, to_group=False, text="Hello", url="", pin=()) == accepted()


def test_unknown_fields_and_nulls_are_ignored() -> None:
    """Fields the provider does not know change nothing, and null is as good as absent."""
    raw = json.dumps({**body(), "source_uuid": "x", "to_group_uuid": None, "pin": None}).encode()
    assert accepted() == parse_send(raw)


def test_a_number_without_its_plus_is_tolerated() -> None:
    """A number without a plus is the same number."""
    assert accepted() == accepted(from_number=SENDER[1:], to_number=RECIPIENT[1:])


@pytest.mark.parametrize(
    ("fields", "target", "to_group"),
    [
        ({"to_number": None, "to_group_uuid": "WAG1111-2222"}, "WAG1111-2222", True),
        ({"to_number": None, "to_group_uuid": "WGP1111-2222"}, "WGP1111-2222", True),
        ({"to_number": None, "to_remote_id": "1234567890@lid"}, "1234567890@lid", False),
    ],
)
def test_a_target_may_be_a_group_or_a_remote_id(fields: dict[str, object], target: str, to_group: bool) -> None:
    """Groups in both spellings and remote ids are targets."""
    request = accepted(**fields)
    assert (target, to_group) == (request.target, request.to_group)


@pytest.mark.parametrize(
    "fields",
    [
        {"text": None, "url": "https://example.test/a.png"},
        {"text": "", "pin": {"latitude": "48.1", "longitude": "11.5"}},
        {"text": "", "pin": {"latitude": 0, "longitude": 0, "name": "Null Island"}},
    ],
)
def test_a_file_or_a_pin_needs_no_text(fields: dict[str, object]) -> None:
    """A file or a pin is enough to send."""
    assert accepted(**fields).text == ""


@pytest.mark.parametrize(
    ("raw", "words"),
    [(b"", "not valid JSON"), (b"{", "not valid JSON"), (b"[]", "object"), (b'"x"', "object"), (b"\xff", "JSON")],
)
def test_a_body_that_is_no_json_object_is_a_400(raw: bytes, words: str) -> None:
    """A body that is not a JSON object is answered 400 in the provider's own envelope."""
    answer = parse_send(raw)
    assert isinstance(answer, Answer)
    assert answer.status == 400
    assert answer.body["success"] is False
    assert answer.body["error"] is True
    assert words in str(answer.body["error_message"])


@pytest.mark.parametrize(
    "fields",
    [
        {"to_group_uuid": "WAG1"},
        {"to_remote_id": "123@lid"},
        {"text": None},
        {"text": "", "url": ""},
    ],
)
def test_a_wrong_combination_of_fields_is_a_400(fields: dict[str, object]) -> None:
    """Two targets, or nothing to say, is answered 400."""
    assert refused(**fields).status == 400


@pytest.mark.parametrize(
    ("fields", "location"),
    [
        ({"from_number": None}, "from_number"),
        ({"from_number": ""}, "from_number"),
        ({"to_number": None}, "to_number"),
        ({"text": 5}, "text"),
        ({"to_number": ["+1555"]}, "to_number"),
        ({"pin": "here"}, "pin"),
        ({"pin": {"latitude": "1"}}, "pin.longitude"),
        ({"pin": {"latitude": "1", "longitude": "1", "name": 5}}, "pin.name"),
    ],
)
def test_a_missing_or_mistyped_field_is_a_422_with_a_list(fields: dict[str, object], location: str) -> None:
    """A missing field or one of the wrong type is answered 422 with a list that names the field."""
    answer = refused(**fields)
    assert answer.status == 422
    detail = answer.body["detail"]
    assert isinstance(detail, list)
    assert ["body", location] == detail[0]["loc"]


@pytest.mark.parametrize(
    "fields",
    [
        {"from_number": "+0123456"},
        {"to_number": "hello"},
        {"to_number": "+1" * 20},
        {"to_number": None, "to_group_uuid": "group"},
        {"to_number": None, "to_remote_id": "123"},
        {"url": "file:///etc/passwd"},
        {"pin": {"latitude": "91", "longitude": "0"}},
        {"pin": {"latitude": "north", "longitude": "0"}},
        {"pin": {"latitude": "nan", "longitude": "0"}},
        {"pin": {"latitude": True, "longitude": "0"}},
        {"pin": {"latitude": 10**400, "longitude": "0"}},
    ],
)
def test_a_malformed_value_is_a_422_in_words(fields: dict[str, object]) -> None:
    """A value that is no number, group, address or place is answered 422 in the provider's own envelope."""
    answer = refused(**fields)
    assert answer.status == 422
    assert answer.body["success"] is False
    assert answer.body["error_message"]
