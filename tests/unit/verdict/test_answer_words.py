"""What the provider says goes into records, logs and terminals, so it must be harmless."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline_worker.verdict.meaning import read_answer
from paceline_worker.verdict.words import WORDS_KEPT, clean

HOSTILE = [
    "done\r\n2026-01-31 12:00:00 [info] forged line",
    "done\nforged",
    "done\rforged",
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "\x1b[2J\x1b[1;1Hcleared",
    "\x9b31mred by the 8-bit sequence",
    "\x9d0;title\x9c",
    "bell\x07 back\x08space",
    "null\x00byte",
    "delete\x7f",
    "tab\tand\x0bvertical\x0cfeed",
    "next\x85line",
    "separator\u2028line\u2029paragraph",
    "\x1c\x1d\x1e\x1f",
]


def controls(text: str) -> list[str]:
    return [c for c in text if ord(c) < 32 or 127 <= ord(c) < 160 or c in "\u2028\u2029"]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("envelope", ["error_message", "message", "detail"])
def test_control_characters_are_taken_out_of_the_providers_words(envelope: str, text: str) -> None:
    """No line break, escape sequence or other control character survives, in any envelope."""
    body = json.dumps({envelope: text, "success": False}).encode()
    for status in (200, 400, 429, 486, 500, 503):
        assert [] == controls(read_answer(status, {}, body).words)


@pytest.mark.parametrize("text", HOSTILE)
def test_control_characters_are_taken_out_of_pages_and_lists(text: str) -> None:
    """The same holds for bodies that are no objects and for lists of validation errors."""
    listed = json.dumps({"detail": [{"loc": ["body", text], "msg": text}, text]}).encode()
    assert [] == controls(read_answer(422, {}, listed).words)
    assert [] == controls(read_answer(502, {}, text.encode()).words)


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ("a b", "a\r\nb"),
        ("a b", "a\x00\x1b\x07b"),
        ("a", "\n a \n"),
        ("Grüße 🙂 日本", "Grüße 🙂 日本"),
        ("a  b", "a  b"),
        ("", "\r\n"),
        ("cut ?", "cut \ud83d"),
        ("abc ] evil", "abc\u202e] evil"),
        ("x" * 512, "\n" * 600 + "x" * 600),
    ],
)
def test_letters_stay_and_controls_become_one_space(expected: str, text: str) -> None:
    """Cleaning takes nothing from ordinary words."""
    assert expected == clean(text)


@given(st.text())
def test_cleaning_is_final(text: str) -> None:
    """Clean words are printable, at most 512 long, and cleaning them again changes nothing more."""
    words = clean(text)
    assert words.isprintable()
    assert len(words) <= WORDS_KEPT
    assert clean(words) == words.strip()


@pytest.mark.parametrize("text", ["MSG\r\nforged", "MSG\x1b[31m", "MSG\x00"])
def test_control_characters_are_taken_out_of_the_handle(text: str) -> None:
    """The provider's handle is printed by `status` and stored, so it is cleaned as well."""
    assert [] == controls(read_answer(200, {}, json.dumps({"message_uuid": text}).encode()).uuid)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, b'{"error_message": "cut in an emoji \\ud83d"}'),
        (503, b'{"detail": "\\ude42"}'),
        (422, b'{"detail": [{"loc": ["\\ud800"], "msg": "x"}]}'),
        (202, b'{"success": true, "message_uuid": "MSG\\ud83d"}'),
    ],
)
def test_half_a_character_is_taken_out(status: int, body: bytes) -> None:
    """What is kept of an answer can be written as UTF-8: JSON may escape half of a surrogate pair."""
    answer = read_answer(status, {}, body)
    assert len((answer.words + answer.uuid).encode()) > 0
