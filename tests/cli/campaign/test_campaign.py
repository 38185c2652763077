import csv
import itertools
import os
import pty
import re
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from paceline import names
from paceline.errors import StateUnavailable
from paceline.state import connect
from paceline.state.calls import State
from paceline_sandbox.embedded import EmbeddedServer
from tests.cli.conftest import PROGRAM, SENDER, Cli, Worker, campaign_arguments, people
from tests.support.screens import watching
from tests.support.wait import wait_until

pytestmark = pytest.mark.usefixtures("acme")

PLUS_MISSING = (
    "to: is not a phone number in E.164 form, such as +15550100001: the plus sign and the country code are missing"
)
CAMPAIGN_KEYS = {
    "name", "state", "why", "approval", "approved_by", "approved_at", "account", "sender", "created_at",
    "completed_at", "valid_until", "weight", "rate", "ramp", "window",
    "auto_pause", "uploaded", "complete", "total", "settled", "remaining", "received", "duplicates", "refused", "in_inbox",
    "invalid", "senders", "outcomes", "receipts", "forecast",
}  # fmt: skip


def test_a_campaign_is_uploaded(cli: Cli, tmp_path: Path, worker: Worker) -> None:
    """`campaign start` writes every row, says so and when they are expected to leave, and leaves no file behind."""
    recipients = people(tmp_path / "people.csv", 5)
    answer = cli(*campaign_arguments(recipients))
    assert (answer.code, answer.err) == (0, "")
    written, expected = answer.out.splitlines()
    assert written == "Campaign spring: 5 rows written."
    assert re.fullmatch(r"Expected to leave from 20.+ to 20.+: the account sends one every 6\.1 s.*\.", expected)
    assert list(tmp_path.iterdir()) == [recipients]
    worker.accept_all()
    seen = cli("campaign", "status", "spring", "--json").json
    assert seen.keys() == CAMPAIGN_KEYS
    assert (seen["name"], seen["account"], seen["sender"]) == ("spring", "acme", SENDER)
    assert (seen["total"], seen["remaining"], seen["uploaded"], seen["complete"]) == (5, 5, True, False)


def test_json_lines_recipients(cli: Cli, tmp_path: Path, worker: Worker) -> None:
    """A .jsonl file works like CSV, and its bad rows are told by line."""
    recipients = tmp_path / "people.jsonl"
    recipients.write_text('{"to": "+15550100002", "name": "Ann"}\n\n{"to": "+15550100003", "name": 7}\nnonsense\n[]\n')
    told = cli(*campaign_arguments(recipients), "--json").json
    assert told.pop("forecast")["remaining"] == 2
    assert told == {
        "name": "spring",
        "offered": 4,
        "written": 2,
        "invalid": 2,
        "invalid_file": str(tmp_path / "spring.invalid.csv"),
    }
    with (tmp_path / "spring.invalid.csv").open(newline="") as file:
        assert [row["line"] for row in csv.DictReader(file)] == ["4", "5"]
    worker.accept_all()
    assert cli("campaign", "status", "spring", "--json").json["total"] == 2


def test_bad_rows_go_into_a_file(cli: Cli, tmp_path: Path) -> None:
    """Rows that cannot be sent are left out and written whole beside the recipients, with line and reason."""
    recipients = tmp_path / "people.csv"
    recipients.write_text("to,name\n+15550100002,Ann\n12,Bob\n+15550100003,Cid,more\n+15550100004\n")
    answer = cli(*campaign_arguments(recipients))
    assert answer.code == 0
    first, _, _ = answer.out.partition("\n")
    assert first == f"Campaign spring: 1 row written, 3 bad rows left out: see {tmp_path}/spring.invalid.csv."
    with (tmp_path / "spring.invalid.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [
            ["line", "reason", "to", "name", "unreadable"],
            ["3", PLUS_MISSING, "12", "Bob", ""],
            ["4", "has more cells than the header", "+15550100003", "Cid", "'+15550100003,Cid,more"],
            ["5", "name: the template needs this column", "+15550100004", "", ""],
        ]
    assert cli("campaign", "status", "spring", "--json").json["invalid"] == 3


def test_the_file_of_bad_rows_can_be_chosen(cli: Cli, tmp_path: Path) -> None:
    """`--invalid FILE` says where; all rows bad is a failure."""
    recipients = tmp_path / "people.csv"
    recipients.write_text("to,name\n12,Bob\n")
    sentence = cli(*campaign_arguments(recipients), "--invalid", str(tmp_path / "bad.csv")).refusal()
    assert "has no rows to send: 1 bad row left out" in sentence
    assert (tmp_path / "bad.csv").exists()


def test_the_recipients_are_never_overwritten(cli: Cli, tmp_path: Path) -> None:
    """Recipients that are themselves the file for bad rows are refused where that was asked for; else the rows get another file."""
    for name in ("people.csv", "spring.invalid.csv", "spring.invalid-2.csv"):
        (tmp_path / name).write_text("to,name\n12,Bob\n")
    people = tmp_path / "people.csv"
    assert "--invalid: " in cli(*campaign_arguments(people), "--invalid", str(people)).refusal(2)
    for name, bad in (("spring.invalid.csv", "spring.invalid-2.csv"), ("spring.invalid-2.csv", "spring.invalid.csv")):
        before = (tmp_path / name).read_text()
        assert f"see {tmp_path / bad}" in cli(*campaign_arguments(tmp_path / name)).refusal()
        assert (tmp_path / name).read_text() == before


def test_a_bad_row_with_nowhere_to_go(cli: Cli, tmp_path: Path) -> None:
    """A file for bad rows that cannot be written is one sentence that names it."""
    recipients = tmp_path / "people.csv"
    recipients.write_text("to,name\n12,Bob\n")
    assert "nowhere" in cli(*campaign_arguments(recipients), "--invalid", f"{tmp_path}/nowhere/bad.csv").refusal(2)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "--recipients: people.csv cannot be read"),
        (b"", "--recipients: people.csv has no rows, and no header"),
        (b"to,name\n", "--recipients: people.csv has no rows"),
        (b"number,name\n1,2\n", '--recipients: people.csv: there is no column "to" (found: number, name)'),
        (b"to,Name,NAME\n+15550100001,a,b\n", '--recipients: 2 columns mean "name": "Name" and "NAME"'),
        (b"to,nombre\n+15550100001,a\n", '--recipients: there is no column "name", which the template names'),
        (b"to,name\n\xff\n", "--recipients: people.csv is not UTF-8 text"),
        (
            b"to,name\n" + 1500 * b"+15550100001,a\n" + b"+15550100001,Jos\xe9\n",
            "people.csv is not UTF-8 text (line 1502, ",
        ),
    ],
)
def test_an_unusable_file_makes_no_campaign(cli: Cli, tmp_path: Path, content: bytes | None, words: str) -> None:
    """A file that cannot be read, or holds no rows, is exit 2 before anything is written."""
    recipients = tmp_path / "people.csv"
    if content is not None:
        recipients.write_bytes(content)
    assert words in cli(*campaign_arguments(recipients)).refusal(2)
    assert cli("campaign", "list", "--json").json == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--template", "Hi {"], "--template: the brace at position 4"),
        (["--from", "me"], "--from: is not a phone number"),
        (["--url", "ftp://example.com"], "--url: must start with https://"),
        (["--valid-until", "soon"], "--valid-until: is not a time"),
        (["--on-unknown", "guess"], "--on-unknown: "),
        (["--max-attempts", "1000"], "--max-attempts: "),
    ],
)
def test_bad_options_make_no_campaign(cli: Cli, tmp_path: Path, options: list[str], words: str) -> None:
    """A wrong option is exit 2 and named as it is typed."""
    assert words in cli(*campaign_arguments(people(tmp_path / "people.csv", 1)), *options).refusal(2)
    assert cli("campaign", "list", "--json").json == []


def test_a_name_with_a_slash(cli: Cli, tmp_path: Path) -> None:
    """A campaign's name is checked before it becomes part of a file's name."""
    recipients = people(tmp_path / "people.csv", 1)
    assert "NAME: letters" in cli(*campaign_arguments(recipients, name="../x")).refusal(2)


def test_a_campaign_needs_its_account(cli: Cli, tmp_path: Path) -> None:
    """An unknown account is exit 1."""
    assert "'nobody'" in cli(*campaign_arguments(people(tmp_path / "people.csv", 1), account="nobody")).refusal()


def test_a_name_belongs_to_one_campaign(cli: Cli, tmp_path: Path) -> None:
    """Another template under the same name is refused; the same command again adds nothing twice."""
    arguments = campaign_arguments(people(tmp_path / "people.csv", 2))
    assert cli(*arguments).code == 0
    assert cli(*arguments).code == 0
    assert "exists with another" in cli(*arguments, "--template", "Bye {name}").refusal()


def test_the_same_command_continues(cli: Cli, tmp_path: Path, worker: Worker) -> None:
    """A second upload of a longer file adds only the new rows."""
    cli(*campaign_arguments(people(tmp_path / "people.csv", 2)))
    cli(*campaign_arguments(people(tmp_path / "people.csv", 5)))
    worker.accept_all()
    seen = cli("campaign", "status", "spring", "--json").json
    assert (seen["received"], seen["duplicates"], seen["total"]) == (7, 2, 5)


def test_ctrl_c_says_that_it_can_be_continued(
    environment: Mapping[str, str], server: EmbeddedServer, tmp_path: Path, cli: Cli, worker: Worker
) -> None:
    """An interrupted upload is exit 130, and says that its rows leave; the same command then completes it."""
    recipients = tmp_path / "people.csv"
    lines = [f"+1555{number:07d},Ann\n" for number in range(200_000)]
    recipients.write_text("to,name\n" + "".join(lines))
    process = subprocess.Popen(
        [*PROGRAM, *campaign_arguments(recipients)],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    client = connect(server.url)
    wait_until(lambda: client.llen(names.ACCEPT_QUEUE), timedelta(seconds=30), "the first chunk and its hint")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=200)
    client.close()
    assert (130, "") == (process.returncode, out)
    told = re.fullmatch(
        r"paceline: interrupted with ([0-9,]+) rows? written; repeat the command to continue campaign 'spring'\. "
        r"Written rows leave unless it is paused: `paceline campaign pause spring`\n",
        err,
    )
    assert told
    assert cli("campaign", "status", "spring", "--json").json["uploaded"] is False
    assert "uploading" in cli("campaign", "status", "spring").out
    written = int(told[1].replace(",", ""))
    recipients.write_text("to,name\n" + "".join(lines[: written + 1000]))
    assert cli(*campaign_arguments(recipients)).code == 0
    while worker.accept_all():
        pass
    assert cli("campaign", "status", "spring", "--json").json["total"] == written + 1000


def test_a_terminal_gets_a_progress_bar(environment: Mapping[str, str], tmp_path: Path) -> None:
    """The bar is drawn on a terminal's stderr, and stdout stays for the result."""
    ours, terminal = pty.openpty()
    process = subprocess.Popen(
        [*PROGRAM, *campaign_arguments(people(tmp_path / "people.csv", 3000)), "--json"],
        env={**os.environ, **environment, "TERM": "xterm"},
        stdout=subprocess.PIPE,
        stderr=terminal,
    )
    os.close(terminal)
    shown = watching(ours)
    out, _ = process.communicate(timeout=200)
    seen = shown.result()
    os.close(ours)
    assert process.returncode == 0
    assert b'"written": 3000' in out
    assert "uploading" in seen
    assert "%" in seen


def test_status_for_people(cli: Cli, tmp_path: Path, worker: Worker) -> None:
    """Without --json the numbers come as a list of facts that fits 80 columns."""
    cli(*campaign_arguments(people(tmp_path / "people.csv", 4)))
    worker.accept_all()
    answer = cli("campaign", "status", "spring")
    text = " ".join(answer.out.split())
    for words in ("campaign spring", "state running", "account acme", "settled 0 of 4 (0.0%)", "remaining 4"):
        assert words in text
    assert max(map(len, answer.out.splitlines())) <= 80


def test_list(cli: Cli, tmp_path: Path) -> None:
    """All campaigns are listed, in JSON with what `status` says of each but for the forecast, which would cost more."""
    assert cli("campaign", "list").out == "No campaigns.\n"
    for name in ("autumn", "spring"):
        cli(*campaign_arguments(people(tmp_path / "people.csv", 2), name=name))
    listed = cli("campaign", "list", "--json").json
    assert [campaign["name"] for campaign in listed] == ["autumn", "spring"]
    status = cli("campaign", "status", "spring", "--json").json
    assert listed[1] == {name: value for name, value in status.items() if name not in {"forecast", "senders"}}
    text = cli("campaign", "list").out
    assert "autumn" in text
    assert max(map(len, text.splitlines())) <= 80


def test_an_unknown_campaign(cli: Cli) -> None:
    """A campaign that is not there is exit 1."""
    for options in ([], ["--json"], ["--watch"]):
        assert (
            cli("campaign", "status", "winter", *options).refusal()
            == "no campaign named 'winter': see `paceline campaign list`"
        )


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("form", ["json", "lines", "terminal"])
def test_watching_ends_when_all_is_settled(
    cli: Cli, tmp_path: Path, worker: Worker, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--watch` shows each change and returns when the campaign is complete."""
    arguments = campaign_arguments(people(tmp_path / "people.csv", 3), account="quick")
    # It expires instead of being sent.
    end = datetime.now(UTC) + timedelta(seconds=1)
    assert 0 == cli(*arguments, "--valid-until", end.isoformat()).code
    if form == "terminal":
        monkeypatch.setenv("FORCE_COLOR", "1")

    def settle() -> None:
        time.sleep(max(0.3, (end - datetime.now(UTC)).total_seconds()))
        worker.accept_all()
        worker.grant()

    thread = threading.Thread(target=settle)
    thread.start()
    answer = cli("campaign", "status", "spring", "--watch", *(["--json"] if form == "json" else []))
    thread.join()
    assert (answer.code, answer.err) == (0, "")
    if form == "json":
        assert '"complete": false' in answer.out.splitlines()[0]
        assert '"expired": 3' in answer.out.splitlines()[-1]
    elif form == "lines":
        assert answer.out.splitlines()[-1] == "spring: 3 of 3 (100.0%) settled, 0 remaining"
    else:
        assert "complete" in answer.out


def test_state_that_goes_away_during_an_upload(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written is counted in the sentence, which says that it leaves and that the same command continues."""
    monkeypatch.setattr(names, "CHUNK_ROWS", 2)
    submit, calls = State.submit, itertools.count(1)

    def failing(self: State, rid: str, account: str, sender: str, count: int, body: str, *, campaign: str = "") -> str:
        if next(calls) == 3:
            raise StateUnavailable("the state server cannot be reached")
        return submit(self, rid, account, sender, count, body, campaign=campaign)

    monkeypatch.setattr(State, "submit", failing)
    sentence = cli(*campaign_arguments(people(tmp_path / "people.csv", 8))).refusal()
    assert sentence == (
        "the state server cannot be reached (with 4 rows written; repeat the command to continue campaign 'spring'. "
        "Written rows leave unless it is paused: `paceline campaign pause spring`)"
    )
