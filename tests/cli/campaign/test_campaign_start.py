"""What an upload may be told, and what it tells of the time to come."""

import csv
import os
import pty
import re
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from paceline_worker.state.values import Hint
from tests.cli.conftest import PROGRAM, Cli, Inbox, Worker, campaign_arguments, people
from tests.support.screens import watching
from tests.support.wait import wait_until

pytestmark = pytest.mark.usefixtures("acme")

HOURS = "Mon-Fri 09:00-18:00 Europe/Berlin"
# Always within the next minutes, whenever the test runs.
ALWAYS = "00:00-24:00 UTC"

REFUSED: list[tuple[Sequence[str], str]] = [
    (["--weight", "0"], "--weight: "),
    (["--weight", "-1"], "--weight: "),
    (["--weight", "1001"], "--weight: "),
    (["--weight", "heavy"], "--weight: "),
    (["--weight", "1.5"], "--weight: "),
    (["--weight", ""], "--weight: "),
    *(
        (["--rate", rate], "--rate: is not a rate such as 100/minute")
        for rate in (
            "100", "0/minute", "-1/minute", "1.5/second", "100/fortnight", "100 minute", "/minute", "100/", "fast", "  5",
            "10/minute; 1000/day", "1/0 seconds", "1" + 9 * "0" + "/second", "100/minute\n5", "100/ minute x",
        )
    ),
    (["--valid-until", "2020-01-01T00:00:00Z"], "--valid-until: 2020-01-01T00:00:00+00:00 has passed"),
    (["--window", "Mon-Fri"], "--window: "),
    (["--window", "09:00-18:00"], "--window: "),
    (["--window", "Mon-Fri 09:00-18:00 Mars/Olympus"], "--window: "),
    (["--window", "Mon-Fri 18:00-18:00 Europe/Berlin"], "--window: "),
    (["--window", "Mon-Fry 09:00-18:00 Europe/Berlin"], "--window: "),
    (["--window", "25:00-26:00 UTC"], "--window: "),
    (["--auto-pause", "101"], "--auto-pause: "),
    (["--auto-pause", "-1"], "--auto-pause: "),
    (["--auto-pause", "20%"], "--auto-pause: "),
    (["--auto-pause", ""], "--auto-pause: "),
]  # fmt: skip


def status(cli: Cli, name: str = "spring") -> Any:
    return cli("campaign", "status", name, "--json").json


def granted(worker: Worker, number: int) -> int:
    """Grant until there were so many; a sender's next one waits until the one before is settled."""
    hints: list[Hint] = []

    def enough() -> bool:
        granted = worker.grant()
        hints.extend(granted)
        if len(hints) >= number:
            return True
        for hint in granted:
            worker.settle(hint, verb="finish", outcome="accepted", code="202")
        return False

    wait_until(enough, timedelta(seconds=20), lambda: f"{number} grants, not {len(hints)}")
    return len(hints)


@pytest.mark.parametrize(
    ("options", "words"), REFUSED, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_bad_options_make_no_campaign(cli: Cli, tmp_path: Path, options: list[str], words: str) -> None:
    """A wrong weight, rate, window or percentage is exit 2, named as it is typed, and nothing is written."""
    sentence = cli(*campaign_arguments(people(tmp_path / "people.csv", 1)), *options).refusal(2)
    assert words in sentence
    assert cli("campaign", "list", "--json").json == []


def test_all_options_are_shown_by_status(cli: Cli, tmp_path: Path) -> None:
    """What `start` was given is what `status` shows."""
    options = ["--weight", "3", "--rate", "5 per second", "--window", HOURS, "--auto-pause", "35"]
    options += ["--valid-until", "2099-01-01T00:00:00+01:00"]
    assert cli(*campaign_arguments(people(tmp_path / "people.csv", 2)), *options).code == 0
    seen = status(cli)
    assert (3, "5 per second", HOURS, 35) == tuple(seen[name] for name in ("weight", "rate", "window", "auto_pause"))
    assert seen["valid_until"] == "2098-12-31T23:00:00+00:00"
    text = " ".join(cli("campaign", "status", "spring").out.split())
    for words in ("weight 3", "rate 5 per second", f"window {HOURS}", "auto-pause above 35 % rejected"):
        assert words in text


def test_options_that_were_not_given(cli: Cli, tmp_path: Path) -> None:
    """Without them a campaign has weight 1, and neither rate nor window."""
    cli(*campaign_arguments(people(tmp_path / "people.csv", 2)))
    seen = status(cli)
    assert (1, None, None) == tuple(seen[name] for name in ("weight", "rate", "window"))


@pytest.mark.parametrize("nothing", ["", "none", "None"])
def test_continuing_may_take_a_rate_away(cli: Cli, tmp_path: Path, nothing: str) -> None:
    """The options of the second upload change those of the first; what is not given stays."""
    arguments = campaign_arguments(people(tmp_path / "people.csv", 2))
    cli(*arguments, "--rate", "1/minute", "--window", ALWAYS, "--weight", "7")
    assert cli(*arguments, "--rate", nothing).code == 0
    seen = status(cli)
    assert (None, ALWAYS, 7) == (seen["rate"], seen["window"], seen["weight"])


def test_a_rate_of_its_own_is_foreseen(cli: Cli, tmp_path: Path) -> None:
    """The expected time is that of the campaign's own rate, and says so."""
    told = cli(*campaign_arguments(people(tmp_path / "people.csv", 3)), "--rate", "1/hour", "--json").json["forecast"]
    assert told["remaining"] == 3
    assert "1/hour" in told["why"]
    assert told["starts_at"][:19] < told["ends_at"][:19]


def test_a_paused_campaign_waits_for_its_resumption(cli: Cli, quick: str, tmp_path: Path, worker: Worker) -> None:
    """With `--paused` all is accepted and nothing leaves; `resume` lets it go."""
    answer = cli(*campaign_arguments(people(tmp_path / "people.csv", 2), account=quick), "--paused")
    assert "Not expected to leave: the campaign is paused" in answer.out
    assert answer.err == ""
    worker.accept_all()
    assert worker.grant() == []
    seen = status(cli)
    assert ("paused", "uploaded paused", 2) == (seen["state"], seen["why"], seen["remaining"])
    assert seen["forecast"]["ends_at"] is None
    assert cli("campaign", "resume", "spring").code == 0
    assert granted(worker, 2) == 2


def test_numbers_are_checked_in_full(cli: Cli, tmp_path: Path) -> None:
    """Rows whose number has the right shape and no such length in its country are bad; the option made a difference once."""
    recipients = tmp_path / "people.csv"
    recipients.write_text("to,name\n+15550100002,Ann\n+15550100,Bob\n+999123456789,Cid\n")
    assert cli(*campaign_arguments(recipients, name="lax"), "--json").json["invalid"] == 2
    told = cli(*campaign_arguments(recipients), "--check-numbers", "--json").json
    assert (1, 2) == (told["written"], told["invalid"])
    with (tmp_path / "spring.invalid.csv").open(newline="") as file:
        assert [row["reason"].rpartition(": ")[2] for row in csv.DictReader(file)] == [
            "after +1 come 10 digits, not 7",
            "no country has this code",
        ]


def test_what_cannot_leave_in_time_is_a_warning(cli: Cli, tmp_path: Path) -> None:
    """An end after --valid-until is told on stderr, with how many are concerned; the upload stands."""
    arguments = campaign_arguments(people(tmp_path / "people.csv", 5))
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    answer = cli(*arguments, "--rate", "1/day", "--valid-until", soon)
    assert answer.code == 0
    assert re.fullmatch(
        r"paceline: 4 operations of campaign 'spring' cannot be sent in time, before .+: raise --valid-until\n",
        answer.err,
    )
    assert status(cli)["received"] == 5


def test_what_leaves_in_time_is_no_warning(cli: Cli, tmp_path: Path) -> None:
    """With room to spare nothing is said on stderr; the first of a campaign of one a day is in time."""
    arguments = campaign_arguments(people(tmp_path / "people.csv", 2))
    assert cli(*arguments).err == ""
    assert (
        "paceline: 1 operation of"
        in cli(*campaign_arguments(tmp_path / "people.csv", name="slow"), "--rate", "1/day").err
    )


def test_what_was_there_already_is_told(cli: Cli, tmp_path: Path) -> None:
    """The forecast of a continued upload counts rows that turn out to be there, and says so."""
    arguments = campaign_arguments(people(tmp_path / "people.csv", 2))
    assert "already" not in cli(*arguments).out
    assert cli(*arguments).out.endswith(
        "Rows that the campaign had already are not sent again, so the end may be earlier.\n"
    )


def test_a_cancelled_campaign_takes_no_more_rows(cli: Cli, tmp_path: Path) -> None:
    """The name of a cancelled campaign is used up."""
    arguments = campaign_arguments(people(tmp_path / "people.csv", 2))
    cli(*arguments)
    cli("campaign", "cancel", "spring")
    assert "was cancelled, which is final" in cli(*arguments).refusal()


class TestDryRun:
    """`--dry-run` tells what would be, and writes nothing."""

    def test_nothing_is_written(self, cli: Cli, tmp_path: Path, inbox: Inbox) -> None:
        """Neither a campaign nor a row; exit 0 when all of it would leave in time."""
        recipients = people(tmp_path / "people.csv", 5)
        answer = cli(*campaign_arguments(recipients), "--dry-run")
        assert (answer.code, answer.err) == (0, "")
        assert "Nothing was written." in answer.out
        assert re.search(r"^recipients +5 *$", answer.out, re.MULTILINE)
        assert cli("campaign", "list", "--json").json == []
        assert inbox.records == []
        assert list(tmp_path.iterdir()) == [recipients]

    def test_as_json(self, cli: Cli, tmp_path: Path) -> None:
        """One document with the numbers, the times and what stands in the way; its keys are in the help."""
        options = ["--window", HOURS, "--valid-until", "2099-01-01T00:00:00Z"]
        told = cli(*campaign_arguments(people(tmp_path / "people.csv", 5)), "--dry-run", *options, "--json").json
        assert (5, 5, HOURS, []) == tuple(told[name] for name in ("recipients", "in_time", "window", "problems"))
        assert told["starts_at"] < told["ends_at"]
        assert f"JSON: {', '.join(told)}." in " ".join(cli("campaign", "start", "--help").out.split())

    def test_a_problem_is_exit_1(self, cli: Cli, tmp_path: Path) -> None:
        """What would expire is a problem; the numbers are told all the same."""
        arguments = campaign_arguments(people(tmp_path / "people.csv", 5))
        answer = cli(*arguments, "--dry-run", "--rate", "1/day")
        assert "Problem: 1 of 5 recipients leave in time" in answer.out
        assert "Nothing was written" in answer.refusal()

    @pytest.mark.parametrize(("options", "words"), [(["--weight", "0"], "--weight: "), (["--from", "me"], "--from: ")])
    def test_bad_options(self, cli: Cli, tmp_path: Path, options: list[str], words: str) -> None:
        """A wrong option is exit 2, as without it."""
        recipients = people(tmp_path / "people.csv", 1)
        assert words in cli(*campaign_arguments(recipients), "--dry-run", *options).refusal(2)

    def test_bad_rows_are_written_only_where_asked(self, cli: Cli, tmp_path: Path) -> None:
        """Without --invalid no file appears; with it the bad rows are there, checked in full."""
        recipients = tmp_path / "people.csv"
        recipients.write_text("to,name\n+15550100002,Ann\n12,Bob\n+15550100,Cid\n")
        assert cli(*campaign_arguments(recipients), "--dry-run", "--json").json["invalid"] == 2
        assert list(tmp_path.iterdir()) == [recipients]
        cli(*campaign_arguments(recipients), "--dry-run", "--invalid", str(tmp_path / "bad.csv"))
        with (tmp_path / "bad.csv").open(newline="") as file:
            assert [row["line"] for row in csv.DictReader(file)] == ["3", "4"]

    def test_an_unknown_account(self, cli: Cli, tmp_path: Path) -> None:
        """There is nothing to plan with."""
        recipients = people(tmp_path / "people.csv", 1)
        assert "'nobody'" in cli(*campaign_arguments(recipients, account="nobody"), "--dry-run").refusal()

    def test_its_bar_says_that_it_reads(self, environment: Mapping[str, str], tmp_path: Path) -> None:
        """On a terminal nobody is to think that something is uploaded."""
        ours, terminal = pty.openpty()
        process = subprocess.Popen(
            [*PROGRAM, *campaign_arguments(people(tmp_path / "people.csv", 3000)), "--dry-run", "--json"],
            env={**os.environ, **environment, "TERM": "xterm"},
            stdout=subprocess.PIPE,
            stderr=terminal,
        )
        os.close(terminal)
        shown = watching(ours)
        process.communicate(timeout=200)
        seen = shown.result()
        os.close(ours)
        assert "reading" in seen
        assert "uploading" not in seen


def test_a_dry_run_says_why_rows_are_bad(cli: Cli, tmp_path: Path) -> None:
    """The first five with their lines; how many more there are, and how to have all of them."""
    path = tmp_path / "people.csv"
    path.write_text("to,name\n+15550100001,Ann\n" + "".join(f"1555010{number:04},Bob\n" for number in range(7)))
    answer = cli(*campaign_arguments(path), "--dry-run")
    bad = [line for line in answer.out.splitlines() if line.startswith("Bad row: ")]
    assert 5 == len(bad)
    assert bad[0].startswith("Bad row: line 3: to: is not a phone number in E.164 form")
    assert "2 more bad rows: --invalid FILE writes all of them." in answer.out
    assert [path] == list(tmp_path.iterdir())


def test_a_column_that_is_not_there_is_guessed(cli: Cli, tmp_path: Path) -> None:
    """Before anything is written, so the name stays free."""
    arguments = campaign_arguments(people(tmp_path / "people.csv", 2))
    arguments[arguments.index("Hi {name}")] = "Hi {nmae}"
    assert cli(*arguments).refusal(2).endswith("(found: to, name). Did you mean {name}?")
    assert [] == cli("campaign", "list", "--json").json


def test_a_start_time_keeps_a_campaign_waiting(cli: Cli, tmp_path: Path) -> None:
    """`--start-at` is another name of `--not-before`."""
    at = "2099-01-01T09:00:00+00:00"
    arguments = [*campaign_arguments(people(tmp_path / "people.csv", 2)), "--start-at", at, "--dry-run", "--json"]
    assert at == cli(*arguments, "--valid-until", "2099-01-02T09:00:00+00:00").json["starts_at"]


def test_a_campaigns_name_is_no_id(cli: Cli, tmp_path: Path) -> None:
    """`status` says which command shows it; a list can be cut to an account and a state."""
    cli(*campaign_arguments(people(tmp_path / "people.csv", 2)))
    assert "'spring' is a campaign: `paceline campaign status spring`" == cli("status", "spring").refusal()
    assert ["spring"] == [one["name"] for one in cli("campaign", "list", "--state", "running", "--json").json]
    assert [] == cli("campaign", "list", "--state", "paused", "--account", "acme", "--json").json
    assert [] == cli("campaign", "list", "--account", "other", "--json").json
