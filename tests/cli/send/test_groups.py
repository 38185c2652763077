"""Participants out of options and files."""

from pathlib import Path

import pytest

from tests.cli.conftest import RECIPIENT, SENDER, Cli, Inbox
from tests.support.workbooks import workbook

FROM = ("--account", "acme", "--from", SENDER)
GROUP = "WAG11111111-2222-4333-8444-555555555555"
NUMBERS = ["+15550100003", "+15550100004"]

pytestmark = pytest.mark.usefixtures("acme")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "team.csv"


def added(cli: Cli, file: Path, *options: str) -> str:
    """The sentence of a refused `group add`."""
    return cli("group", "add", GROUP, *FROM, "--participants", str(file), *options).refusal(2)


@pytest.mark.parametrize(
    "text",
    [
        "+15550100003\n+15550100004\n",
        "+15550100003\r\n\r\n  +15550100004  ",
        "\ufeffto\n+15550100003\n+15550100004\n",
        "number\n+15550100003\n+15550100004\n",
        "name,to\nAnn,+15550100003\n\n,\nBob, +15550100004\n",
        'to,number,name\n+15550100003,12,"Ann, of\ncourse"\n+15550100004,13,\n',
    ],
)
def test_participants_come_from_a_file(cli: Cli, inbox: Inbox, file: Path, text: str) -> None:
    """A number a line, or the column `to` or `number` of a CSV file; blank lines are passed over."""
    file.write_text(text, encoding="utf-8", newline="")
    assert cli("group", "create", "Team", *FROM, "--participants", str(file)).code == 0
    assert inbox.only["p"]["participants"] == NUMBERS


def test_options_and_file_add_up(cli: Cli, inbox: Inbox, file: Path) -> None:
    """Those of the options come first."""
    file.write_text("\n".join(NUMBERS))
    options = ["--participant", RECIPIENT, "--participants", str(file)]
    assert cli("group", "add", GROUP, *FROM, *options).code == 0
    assert inbox.only["p"]["participants"] == [RECIPIENT, *NUMBERS]


def test_a_large_group_is_one_operation(cli: Cli, inbox: Inbox, file: Path) -> None:
    """More than ten are written as one record; how many calls that takes is the worker's affair."""
    file.write_text("".join(f"+1555010{number:04}\n" for number in range(100, 1124)))
    assert cli("group", "create", "Team", *FROM, "--participants", str(file)).code == 0
    assert len(inbox.only["p"]["participants"]) == 1024


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "team.csv has no numbers"),
        (b"\n \n", "team.csv has no numbers"),
        (b"to\n", "team.csv has no numbers"),
        (b"to\n+15550100003\n0049\n", "team.csv, line 3: is not a phone number in E.164 form"),
        (b"phone\n+15550100003\n", "team.csv, line 1: is not a phone number in E.164 form"),
        (
            b"name,phone\nAnn,+15550100003\n",
            "team.csv has several columns, but no column `to` or `number`. Name one column `to`",
        ),
        (b"name,to\nAnn\n", "team.csv, line 2: is not a phone number in E.164 form"),
        (b"+1555\xff0100003\n", "team.csv is not UTF-8 text"),
        ("+15550100003\n".encode("utf-16"), "team.csv: the first row must name the columns"),
        (b'{"phone":"+15550100003"}\n', "team.csv, line 1: is not a phone number in E.164 form"),
        (workbook(Team=[["phone"], ["+15550100003"]]), 'team.csv: there is no column "to" (found: phone)'),
        (b'to\n"+15550100003\n', "team.csv, line 2: a quote opens a cell"),
        (
            "".join(f"+1555010{number:04}\n" for number in range(100, 1125)).encode(),
            "team.csv, line 1025: names more than 1,024 numbers, the largest group",
        ),
    ],
)
def test_a_wrong_file_is_named_with_its_line(cli: Cli, inbox: Inbox, file: Path, content: bytes, sentence: str) -> None:
    """What is wrong is told with the file's name and the line, and nothing is written."""
    file.write_bytes(content)
    assert added(cli, file).startswith(f"--participants: {sentence}")
    assert inbox.records == []


def test_a_number_that_a_file_repeats_is_taken_once(cli: Cli, inbox: Inbox, file: Path) -> None:
    """As in a campaign; and the sender, who is in its group anyway, is left out."""
    file.write_text(f"to\n{RECIPIENT}\n{NUMBERS[0]}\n{NUMBERS[0]}\n{SENDER}\n")
    options = ["--participant", RECIPIENT, "--participants", str(file)]
    assert cli("group", "create", "Team", *FROM, *options).code == 0
    assert inbox.only["p"]["participants"] == [RECIPIENT, NUMBERS[0]]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("team.csv", b"Name;To\nAnn;+15550100003\nBob;+15550100004\n"),
        ("team.csv", "number,name\n+15550100003,Ann\n+15550100004,Bob\n".encode("utf-16")),
        ("team.json", b'[{"to":"+15550100003"},\n{"to":"+15550100004"}]'),
        ("team.csv", b'to,name\n"+15550100003" ,Ann\n,,\n\xe2\x80\xaa+15550100004\xe2\x80\xac,Bob,\n'),
        ("team.xlsx", workbook(Team=[["To", "Name"], ["+15550100003", "Ann"], ["+15550100004", None]])),
    ],
)
def test_participants_come_from_whatever_recipients_come_from(
    cli: Cli, inbox: Inbox, tmp_path: Path, name: str, content: bytes
) -> None:
    """The same files are read by the same reader."""
    (tmp_path / name).write_bytes(content)
    assert cli("group", "create", "Team", *FROM, "--participants", str(tmp_path / name)).code == 0
    assert inbox.only["p"]["participants"] == NUMBERS


@pytest.mark.parametrize("name", ["", "   ", "\u200b"])
def test_a_group_has_a_name_to_be_seen(cli: Cli, inbox: Inbox, name: str) -> None:
    """A blank name is exit 2."""
    assert cli("group", "create", name, *FROM, "--participant", RECIPIENT).refusal(2) == "NAME: is empty"
    assert inbox.records == []


def test_an_unreadable_file_is_one_sentence(cli: Cli, inbox: Inbox, tmp_path: Path, file: Path) -> None:
    """A file that is not there, or is a directory, is exit 2."""
    assert added(cli, file) == "--participants: team.csv cannot be read: No such file or directory"
    assert added(cli, tmp_path).endswith("cannot be read: Is a directory")
    assert inbox.records == []
