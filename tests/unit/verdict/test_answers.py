"""The table of answers: what a status and a body mean."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline_worker.verdict.meaning import Answer, Meaning, read_answer
from paceline_worker.verdict.words import handle

ACCEPTED_BODY = b'{"success": true, "message_uuid": "MSG1", "batched": true}'
FAILED = b'{"success": false, "error": true, "error_message": "why"}'


@pytest.mark.parametrize(
    ("meaning", "status"),
    [
        (Meaning.ACCEPTED, 200),
        (Meaning.ACCEPTED, 201),
        (Meaning.ACCEPTED, 202),
        (Meaning.ACCEPTED, 299),
        (Meaning.REJECTED, 400),
        (Meaning.BAD_KEY, 401),
        (Meaning.UNPAID, 402),
        (Meaning.BAD_KEY, 403),
        (Meaning.REJECTED, 404),
        (Meaning.REJECTED, 405),
        (Meaning.REJECTED, 406),
        (Meaning.SENDER_BUSY, 409),
        (Meaning.SENDER_BUSY, 410),
        (Meaning.REJECTED, 413),
        (Meaning.REJECTED, 422),
        (Meaning.THROTTLED, 429),
        (Meaning.SENDER_BUSY, 486),
        (Meaning.UNKNOWN, 500),
        (Meaning.UNKNOWN, 501),
        (Meaning.UNKNOWN, 502),
        (Meaning.OVERLOADED, 503),
        (Meaning.UNKNOWN, 504),
        (Meaning.UNKNOWN, 520),
        (Meaning.UNKNOWN, 599),
        (Meaning.REJECTED, 302),
        (Meaning.REJECTED, 307),
    ],
)
def test_a_status_has_its_class(meaning: Meaning, status: int) -> None:
    """Each status code is of one class, and the code is kept as text."""
    answer = read_answer(status, {}, ACCEPTED_BODY)
    assert (meaning, str(status)) == (answer.meaning, answer.code)


@pytest.mark.parametrize("status", [200, 201, 202])
@pytest.mark.parametrize(
    "body",
    [
        FAILED,
        b'{"success": false}',
        b'{"error": true}',
        b'{"success": true, "error": true, "error_message": "why"}',
        b'{"success": false, "message_uuid": "MSG1"}',
    ],
)
def test_a_success_status_can_carry_a_failure(status: int, body: bytes) -> None:
    """``success: false`` or ``error: true`` makes a rejection of any 2xx."""
    assert read_answer(status, {}, body).meaning == Meaning.REJECTED


@pytest.mark.parametrize(
    ("uuid", "body"),
    [
        ("MSG1", {"success": True, "message_uuid": "MSG1"}),
        ("SMS1", {"success": True, "message_id": "SMS1"}),
        ("MSG1", {"message_uuid": "MSG1", "message_id": "other"}),
        ("MSG1", {"success": "false", "message_uuid": "MSG1"}),
        ("MSG1", {"error": False, "message_uuid": "MSG1"}),
        ("", {"success": True, "message_uuid": None}),
        ("", {"success": True}),
        ("", {}),
        ("M" * 100, {"message_uuid": "M" * 5000}),
        ("17", {"message_id": 17}),
        ("WAG1", {"success": True, "group": {"uuid": "WAG1", "name": "Team A"}}),
        ("MSG1", {"message_uuid": "MSG1", "group": {"uuid": "WAG1"}}),
        ("", {"group": "WAG1"}),
        # What is no text or number names nothing.
        ("", {"message_uuid": ["MSG1"]}),
        ("", {"message_uuid": {"uuid": "MSG1"}}),
        ("", {"message_uuid": True}),
        ("SMS1", {"message_uuid": ["MSG1"], "message_id": "SMS1"}),
    ],
)
def test_an_acceptance_keeps_the_providers_handle(uuid: str, body: dict[str, Any]) -> None:
    """The uuid of a message or of a new group is kept where there is one, at most 100 characters of it."""
    assert Answer(Meaning.ACCEPTED, "202", uuid=uuid, value=body) == read_answer(202, {}, json.dumps(body).encode())


@pytest.mark.parametrize("body", [b'{"success": false}', b"[]", b"", b'{"success": tr'])
def test_only_an_acceptance_that_can_be_read_brings_its_object(body: bytes) -> None:
    """Results are read from objects of accepted calls alone."""
    assert read_answer(200, {}, body).value is None
    assert read_answer(422, {}, ACCEPTED_BODY).value is None


@pytest.mark.parametrize(
    ("expected", "value"),
    [
        ("WAG11111111-2222-4333-8444-555555555555", "WAG11111111-2222-4333-8444-555555555555"),
        ("120363000000000001@g.us", "120363000000000001@g.us"),
        ("15550100002@c.us", "15550100002@c.us"),
        ("x" * 100, "x" * 100),
        ("", "x" * 101),
        ("", "../../info"),
        ("", "WAG1/add-participant"),
        ("", ".."),
        ("", "WAG1?x=1"),
        ("", "WAG1#x"),
        ("", "WAG1 x"),
        ("", "WAG1\n"),
        ("", "WAG\u0661"),
        ("", "%2e%2e"),
        ("", ""),
        ("", None),
        ("", 17),
        ("", ["WAG1"]),
    ],
)
def test_a_handle_can_stand_in_an_address(expected: str, value: Any) -> None:
    """What the provider calls an id is put into later addresses only when it cannot lead elsewhere."""
    assert expected == handle(value)


@pytest.mark.parametrize(
    ("expected", "date"),
    [
        ("2026-01-31T12:00:00+00:00", "Sat, 31 Jan 2026 12:00:00 GMT"),
        ("2026-01-31T12:00:00+00:00", "Sat, 31 Jan 2026 12:00:00 -0000"),
        ("2026-01-31T12:00:00+02:00", "Sat, 31 Jan 2026 12:00:00 +0200"),
        (None, None),
        (None, ""),
        (None, "today"),
        (None, "Fri, 32 Jan 2026 12:00:00 GMT"),
        (None, "Mon, 01 Jan 2026 00:00:00 +99999999999999999999"),
        (None, "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"),
    ],
)
def test_an_acceptance_tells_the_providers_clock(expected: str | None, date: str | None) -> None:
    """The response's own date is kept when it can be read."""
    found = read_answer(200, {} if date is None else {"date": date}, b"{}").date
    assert expected == (found.isoformat() if found else None)


@pytest.mark.parametrize(
    "body", [b"", b"OK", b"[]", b"null", b'"x"', b"17", b'{"success": tr', b"\xff\xfe\x00", b"\x00" * 50]
)
def test_an_accepted_answer_that_cannot_be_read_is_still_accepted(body: bytes) -> None:
    """A 2xx without a readable object was accepted: sending it again would double it."""
    answer = read_answer(200, {}, body)
    assert (Meaning.ACCEPTED, "accepted, but the answer could not be read") == (answer.meaning, answer.words)


@pytest.mark.parametrize(
    ("words", "body"),
    [
        # The three envelopes of docs/provider.md, 1.4.
        ("why it failed", {"success": False, "error": True, "error_message": "why it failed"}),
        ("Invalid API Key", {"detail": "Invalid API Key"}),
        (
            "body.from_number: field required; body.text: too long",
            {
                "detail": [
                    {"loc": ["body", "from_number"], "msg": "field required", "type": "value_error.missing"},
                    {"loc": ["body", "text"], "msg": "too long"},
                ]
            },
        ),
        ("slow down", {"message": "slow down"}),
        # In the order they are trusted.
        ("a", {"error_message": "a", "message": "b", "detail": "c"}),
        ("b", {"error_message": "", "message": "b", "detail": "c"}),
        ("c", {"error_message": None, "message": 5, "detail": "c"}),
        # Bodies that nobody promised.
        ("body.participants.0: no", {"detail": [{"loc": ["body", "participants", 0], "msg": "no"}]}),
        ("None: None", {"detail": [{}]}),
        ("one; 2; None", {"detail": ["one", 2, None]}),
        ("body: no", {"detail": [{"loc": "body", "msg": "no"}]}),
        ("unexpected answer 422", {"detail": {"msg": "no"}}),
        ("unexpected answer 422", {"detail": []}),
        ("unexpected answer 422", {}),
    ],
)
def test_the_providers_words_are_found_in_every_envelope(words: str, body: dict[str, Any]) -> None:
    """error_message, then message, then detail; a list of validation errors becomes one line."""
    assert words == read_answer(422, {}, json.dumps(body).encode()).words


@pytest.mark.parametrize(
    ("words", "body"),
    [
        ("<html> Bad Gateway </html>", b"<html>\r\n  Bad Gateway\r\n</html>"),
        ("", b""),
        ("", b"\r\n\t"),
        ("[1]", b"[1]"),
        ("\ufffd\ufffdx", b"\xff\xfex"),
        ("x" * 512, b"x" * 100_000),
    ],
)
def test_a_body_that_is_no_object_gives_its_first_words(words: str, body: bytes) -> None:
    """A gateway's page is cut at 512 and put on one line."""
    found = read_answer(502, {}, body).words
    assert words.split() == found.split()


ENVELOPE = ["success", "error", "error_message", "message", "detail", "message_uuid", "message_id", "loc", "msg"]
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(ENVELOPE) | st.text(), inner, max_size=4)
    ),
    max_leaves=8,
)
BODIES = st.binary() | st.text().map(str.encode) | JSON.map(lambda value: json.dumps(value).encode())
DATES = st.datetimes().map(lambda moment: moment.strftime("%a, %d %b %Y %H:%M:%S GMT"))
HEADERS = st.dictionaries(
    st.sampled_from(["retry-after", "date", "content-type"]), st.text() | DATES | st.integers().map(str)
)


@given(st.integers(100, 999), HEADERS, BODIES)
def test_reading_never_fails(status: int, headers: dict[str, str], body: bytes) -> None:
    """Whatever comes back, it has a class, its code, and words that fit on one line."""
    answer = read_answer(status, headers, body)
    assert answer.code == str(status)
    assert len(answer.words) <= 512
    assert answer.words.isprintable() or not any(ord(character) < 32 for character in answer.words)
    assert answer.retry_after_s is None or 0 < answer.retry_after_s <= 3600


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 100_000])
def test_a_deeply_nested_body_is_read_as_unreadable(body: bytes) -> None:
    """A hostile body does not raise out of the provider's module, where only its lease would settle the operation."""
    assert read_answer(200, {}, body).meaning == Meaning.ACCEPTED


@pytest.mark.parametrize("depth", [10, 300, 600, 900, 1_000, 10_000])
@pytest.mark.parametrize("name", ["detail", "message_uuid", "error_message"])
def test_words_in_a_deep_nest_are_left_out(name: str, depth: int) -> None:
    """What the parser can just follow, writing it out may not: nested values are not shown."""
    nest = b"[" * depth + b"]" * depth
    for status in (200, 422):
        assert read_answer(status, {}, b'{"%s": [%s]}' % (name.encode(), nest)).code == str(status)
        located = b'{"detail": [{"loc": [%s], "msg": {"a": %s}}]}' % (nest, nest)
        assert read_answer(status, {}, located).code == str(status)
