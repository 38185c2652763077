"""`--window` of all commands that make an operation."""

import pytest

from paceline.window import from_text
from tests.cli.conftest import Cli, Inbox
from tests.cli.send.test_operations import FROM, TO, WRITTEN

pytestmark = pytest.mark.usefixtures("acme")

BAD = [
    "",
    "always",
    "09:00-18:00",
    "Mon-Fri 09:00-18:00",
    "9:00-18:00 UTC",
    "Mon 09:00-09:00 UTC",
    "09:00-18:00 Mars/Olympus",
]


@pytest.mark.parametrize("words", [case[0] for case in WRITTEN], ids=lambda words: " ".join(words[:2]))
def test_every_operation_takes_a_window(cli: Cli, inbox: Inbox, words: list[str]) -> None:
    """The openings of its window are in the record."""
    assert cli(*words, *FROM, "--window", "Mon-Sun 00:00-24:00 Europe/Berlin").code == 0
    [(opens, closes)] = from_text(inbox.only["wi"])
    assert opens < closes


@pytest.mark.parametrize("window", BAD)
def test_a_window_that_is_none(cli: Cli, inbox: Inbox, window: str) -> None:
    """It is exit 2, with an example to copy, and nothing is written."""
    sentence = cli("sms", *FROM, *TO, "--text", "Hi", "--window", window).refusal(2)
    assert sentence.startswith("--window: ")
    assert "write it as in Mon-Fri 09:00-18:00" in sentence
    assert inbox.records == []


def test_a_window_that_opens_too_late(cli: Cli, inbox: Inbox) -> None:
    """One that does not open while the operation is valid would only expire: it is refused."""
    times = ["--not-before", "2099-01-05T10:00:00Z", "--valid-until", "2099-01-05T12:00:00Z"]  # a Monday
    sentence = cli("sms", *FROM, *TO, "--text", "Hi", *times, "--window", "Sat 09:00-18:00 UTC").refusal(2)
    assert sentence.startswith("--window: does not open before 2099-01-05")
    assert inbox.records == []
    assert cli("sms", *FROM, *TO, "--text", "Hi", *times, "--window", "Mon 09:00-18:00 UTC").code == 0


def test_the_window_is_in_the_help(cli: Cli) -> None:
    """With an example."""
    text = " ".join(cli("send", "--help").out.split())
    assert '--window HOURS Local hours of sending: "Mon-Fri 09:00-18:00 Europe/Berlin".' in text
