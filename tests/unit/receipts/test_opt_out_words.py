"""Which inbound messages are opt-out words: the whole message, however it is written."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from paceline_worker.receipts.reading import Unread, Wrote, read_body
from paceline_worker.receipts.words import OPT_IN, OPT_OUT, Change, Words, folded, read_words

INBOUND = {
    "id": "MSG1",
    "uuid": "MSG1",
    "session_key": "WW-WPN9999-15550100002@c.us",
    "message": {"text": "Stop"},
    "created_at": "2025-01-05T10:00:00Z",
    "remote_phone_number": "+15550100002",
    "channel_phone_number": "+15550100001",
    "sent_by": "user",
}
WROTE = Wrote("+15550100002", "Stop", 1_736_071_200_000_000)


@pytest.mark.parametrize(
    "text",
    [
        "STOP",
        "stop",
        " Stop. ",
        "\u00abStop!\u00bb",
        "*stop*",
        "stop\u200b",
        "STOP \U0001f6d1",
        "\uff33\uff34\uff2f\uff30",
        "\n'Stop'\n",
    ],
)
def test_a_word_is_known_however_it_is_written(text: str) -> None:
    """Case, blanks, punctuation around it, marks that nobody sees and full width do not matter."""
    assert Change("out", "STOP") == Words().meaning(text)


@pytest.mark.parametrize(
    ("text", "word"), [("arr\u00eat", "ARRET"), ("Opt-out!", "OPT OUT"), ("dar de  Baja", "DAR DE BAJA")]
)
def test_accents_and_dashes_do_not_matter(text: str, word: str) -> None:
    """People write their language, or leave its accents out."""
    assert Change("out", word) == Words().meaning(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "!?",
        "please stop",
        "stop it",
        "STOPS",
        "don't stop",
        "cancel",
        "yes",
        "end",
        "sto p",
        "stop" * 30,
        "\U0001f6d1",
    ],
)
def test_anything_else_is_no_word(text: str) -> None:
    """A message that says more, or answers a question, changes nothing."""
    assert None is Words().meaning(text)


def test_letters_of_a_style_are_letters() -> None:
    """Bold, italic and wide ones, as phones offer them."""
    for text in (
        "\U0001d412\U0001d413\U0001d40e\U0001d40f",
        "\uff33\uff34\uff2f\uff30",
        "\U0001d608\U0001d629\U0001d629\U0001d626\U0001d635",
    ):
        found = Words(["stop", "ahhet"]).meaning(text)
        assert found
        assert "out" == found.way


def test_every_word_means_one_thing() -> None:
    """Each configured word is found, and none is both."""
    assert [("out", word) for word in OPT_OUT] == [
        (found.way, found.word) for word in OPT_OUT if (found := Words().meaning(word))
    ]
    assert ["in"] * len(OPT_IN) == [found.way for word in OPT_IN if (found := Words().meaning(word))]


def test_words_are_configured() -> None:
    """Given ones take the place of the usual ones, and a word of both lists puts on the list."""
    words = Words(read_words("Weg, Leave me alone,,WEG "), read_words("weg, her"))
    assert [Change("out", "WEG"), Change("out", "Leave me alone"), Change("in", "her"), None] == [
        words.meaning(text) for text in ("weg", "leave me alone!", "Her", "stop")
    ]


@pytest.mark.parametrize("text", ["!!!", "STOP, ?", "x" * 41, "a\u0000b"])
def test_a_word_without_letters_is_refused(text: str) -> None:
    """It would be found in every message of punctuation."""
    with pytest.raises(ValueError, match="must be words"):
        read_words(text)


@given(st.text(max_size=80))
@example("\U0001d412\U0001d413\U0001d40e\U0001d40f")
def test_any_text_is_looked_at(text: str) -> None:
    """Without a fault, and folding twice is folding once."""
    Words().meaning(text)
    assert folded(folded(text)) == folded(text)


def read(body: Any) -> Any:
    return read_body(json.dumps(body).encode())


@pytest.mark.parametrize(
    "event",
    [None, "message.received", "whatsapp.message.received", "whatsapp.message.new", "whatsapp.waba.message.received"],
)
def test_an_inbound_message_is_read(event: str | None) -> None:
    """The oldest form has no event; the number may lack its plus."""
    named = {} if event is None else {"event": event}
    assert WROTE == read(INBOUND | named)
    assert WROTE == read(INBOUND | named | {"remote_phone_number": "15550100002"})
    assert WROTE == read(INBOUND | named | {"remote_phone_number": 15550100002})


@pytest.mark.parametrize(
    "change",
    [
        {"sent_by": "api"},
        {"sent_by": "agent"},
        {"sent_by": None},
        {"participant": "+15550100002"},
        {"remote_phone_number": None},
        {"remote_phone_number": "someone"},
        {"remote_phone_number": ["+15550100002"]},
        {"message": {"media": {}}},
        {"message": "STOP"},
        {"message": {"text": 7}},
        {"event": "whatsapp.group.message.received"},
        {"event": "whatsapp.message.reaction"},
        {"event": 5},
    ],
)
def test_what_nobody_wrote_to_a_number_is_passed_over(change: dict[str, Any]) -> None:
    """Our own messages, groups, pictures, reactions: none of them is an opt-out."""
    assert Unread.IGNORED == read(INBOUND | {"event": "whatsapp.message.received"} | change)
