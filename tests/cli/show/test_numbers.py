"""Numbers of people are masked in what commands print, unless somebody asks for whole numbers."""

from collections.abc import Callable
from pathlib import Path

import pytest

from paceline import names
from paceline.cli import numbers
from tests.cli.conftest import RECIPIENT, SENDER, Cli, Worker, campaign_arguments, people, sent

HERE = ("--account", "acme")


@pytest.fixture
def commands(cli: Cli, acme: str, worker: Worker, tmp_path: Path) -> list[tuple[str, ...]]:
    """Commands that print recipients, and something for each to print."""
    op_id = sent(cli, acme, "--key", RECIPIENT)
    assert cli(*campaign_arguments(people(tmp_path / "people.csv", 1))).code == 0
    worker.accept_all()
    assert cli("suppress", "add", RECIPIENT, *HERE).code == 0
    return [
        ("status", op_id, "--json"),
        ("find", "--key", RECIPIENT, "--account", acme, "--json"),
        ("suppress", "check", RECIPIENT, *HERE),
        ("suppress", "check", RECIPIENT, *HERE, "--json"),
        ("suppress", "list", *HERE),
        ("suppress", "list", *HERE, "--json"),
        (*campaign_arguments(people(tmp_path / "others.csv", 1), name="other"), "--dry-run"),
        (*campaign_arguments(people(tmp_path / "others.csv", 1), name="other"), "--dry-run", "--json"),
    ]


@pytest.mark.parametrize(
    "asked",
    [
        lambda cli, command: cli("--show-numbers", *command),
        lambda cli, command: cli(*command, *([] if "--dry-run" in command else ["--show-numbers"])),
    ],
    ids=["for the program", "for the command"],
)
def test_a_recipient_is_masked_unless_asked_for(
    cli: Cli, commands: list[tuple[str, ...]], asked: Callable[..., object]
) -> None:
    """The first two digits and the last two stay; a sender stays whole; what one command shows, the next one does not."""
    for command in commands:
        hidden = cli(*command).out
        assert "+15*******0" in hidden
        assert "+1555010" not in hidden.replace(SENDER, "")
        shown = getattr(asked(cli, command), "out")  # noqa: B009 - mypy knows no attribute of an object
        assert "*" not in shown or "--dry-run" in command
        assert hidden == cli(*command).out or "--dry-run" in command


def test_the_environment_asks_for_scripts(cli: Cli, acme: str, worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """PACELINE_SHOW_NUMBERS=1 is the option of every command; 0 and nothing are not."""
    op_id = sent(cli, acme)
    worker.accept_all()
    for value, shown in {"1": RECIPIENT, "0": "+15*******02", "": "+15*******02"}.items():
        monkeypatch.setenv(names.ENV_SHOW_NUMBERS, value)
        assert shown == cli("status", op_id, "--json").json["to"]


def test_an_export_is_whole(cli: Cli, quick: str, worker: Worker, tmp_path: Path) -> None:
    """A file that --output names is data; the same on a screen or in a pipe is masked."""
    assert cli(*campaign_arguments(people(tmp_path / "people.csv", 1), quick)).code == 0
    worker.accept_all()
    [hint] = worker.grant()
    worker.settle(hint, verb="finish", outcome="accepted", code="200")
    path = tmp_path / "out.csv"
    arguments = ("outcomes", "--campaign", "spring", "--format", "csv")
    assert "+15*******0" in cli(*arguments).out
    assert cli(*arguments, "--output", str(path)).code == 0
    assert "+1555010" in path.read_text()


def test_what_one_command_shows_stays_with_it(cli: Cli, tmp_path: Path) -> None:
    """Numbers are whole until the command ends; a program that goes on afterwards masks them as before."""
    assert cli("--show-numbers", "outcomes", "--output", str(tmp_path / "out.jsonl")).code == 0
    assert numbers.shown(RECIPIENT) == "+15*******02"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("+15550100002", "+15*******02"),
        ("+4915112345678", "+49*********78"),
        ("15550100002@c.us", "15*******02@c.us"),
        ("WAG11111111-2222-4333-8444-555555555555", "WAG11111111-2222-4333-8444-555555555555"),
        ("order-15550100002", "order-15550100002"),
        ("15550100002", "15550100002"),
        ("422", "422"),
        ("", ""),
    ],
)
def test_what_is_a_number(given: str, expected: str) -> None:
    """E.164 and remote ids of chats; neither groups nor orders."""
    assert expected == numbers.shown(given)


def test_documents_are_masked_in_their_depth() -> None:
    """In lists, in mappings and as names of fields; numbers of senders stay."""
    document = {"sender": SENDER, "to": RECIPIENT, "result": {"numbers": {RECIPIENT: [RECIPIENT, 1, None]}}}
    hidden = "+15*******02"
    assert {"sender": SENDER, "to": hidden, "result": {"numbers": {hidden: [hidden, 1, None]}}} == numbers.shown_in(
        document
    )
