"""The texts that users meet follow the writing rules of CONTRIBUTING.md, as far as a program can tell."""

import re

import pytest
from docs.generate_texts import page
from docs.texts import Text, texts

# Phrases that hide the subject or say nothing (rules 2 and 8).
BANNED = re.compile(
    r"\b(anew|of it|one that|by itself|what waits|so far|likewise|see there|as things stand anyway|comes to its end)\b",
    re.IGNORECASE,
)
# A help text begins with a verb or a noun (rule 6).
NO_BEGINNING = re.compile(
    r"(Of|Or|Whether|What|Which|Who|Where|When|How|As|It|Its|That|This|Also|At most|Not(?! installed))\b"
)
ROOMS_OF_HELP = ("help", "metric")


@pytest.fixture(scope="module")
def read() -> list[Text]:
    return list(texts())


def found(pattern: re.Pattern[str], among: list[Text]) -> list[str]:
    return [f"{text.where}: {text.words}" for text in among if pattern.search(text.words)]


def test_no_text_has_a_phrase_that_hides_its_subject(read: list[Text]) -> None:
    """Errors, help, metrics, log sentences and output say who does what."""
    assert [] == found(BANNED, read)


def test_help_begins_with_a_verb_or_a_noun(read: list[Text]) -> None:
    """Options, commands and metrics alike."""
    helps = [text for text in read if text.room in ROOMS_OF_HELP]
    assert len(helps) > 250
    assert [] == [f"{text.where}: {text.words}" for text in helps if NO_BEGINNING.match(text.words)]


@pytest.mark.parametrize(
    ("room", "words"),
    [
        ("help", "Name of the account."),
        ("error", "no account named {account}: add it with `paceline accounts add {account}`"),
        ("metric", "Number of accounts."),
        ("log", "the state server answers again"),
        ("output", "Account {name} has its new key."),
        ("lua", "its campaign was cancelled"),
    ],
)
def test_every_room_is_read(read: list[Text], room: str, words: str) -> None:
    """The reader of the sources passes over no kind of text, and the page shows each."""
    assert any(text.room == room and words in text.words.replace("!r", "") for text in read)
    assert f": {words}" in page(read).replace("!r", "")
