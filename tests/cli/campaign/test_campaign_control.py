"""Pause, resume, change and cancel, as the command line has them."""

import json
import os
import pty
import subprocess
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from tests.cli.campaign.test_campaign_start import ALWAYS, HOURS, REFUSED, granted, status
from tests.cli.conftest import PROGRAM, Cli, Worker, campaign_arguments, people
from tests.support.wait import wait_until

VERBS: list[list[str]] = [["pause"], ["resume"], ["cancel"], ["cancel", "--yes"], ["change", "--weight", "2"]]


def command(verb: list[str], name: str = "spring") -> list[str]:
    return ["campaign", verb[0], name, *verb[1:]]


@pytest.fixture
def spring(cli: Cli, quick: str, tmp_path: Path, worker: Worker) -> str:
    """A campaign of three, all of them waiting."""
    assert cli(*campaign_arguments(people(tmp_path / "people.csv", 3), account=quick)).code == 0
    worker.accept_all()
    return "spring"


def settle_all(worker: Worker, **verdict: str) -> None:
    for _ in range(20):
        hints = worker.grant()
        for hint in hints:
            worker.settle(hint, **(verdict or {"verb": "finish", "outcome": "accepted", "code": "202"}))


@pytest.fixture
def complete(spring: str, worker: Worker, cli: Cli) -> str:
    """A campaign whose operations all have their outcome, which a dispatcher has written down."""

    def is_complete() -> bool:
        settle_all(worker)
        return bool(status(cli)["completed_at"])

    wait_until(is_complete, timedelta(seconds=20), "the campaign's end")
    return spring


@pytest.mark.usefixtures("spring")
def test_a_paused_campaign_sends_nothing(cli: Cli, worker: Worker) -> None:
    """`pause` says why and how many remain; nothing is granted before `resume`."""
    answer = cli("campaign", "pause", "spring", "--why", "the price was wrong")
    expected = "Campaign spring is paused (the price was wrong) with 3 operations remaining.\n"
    assert (answer.code, answer.out, answer.err) == (0, expected, "")
    assert worker.grant() == []
    seen = status(cli)
    assert ("paused", "the price was wrong", None) == (seen["state"], seen["why"], seen["forecast"]["ends_at"])
    assert "the price was wrong" in seen["forecast"]["why"]
    answer = cli("campaign", "resume", "spring")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith("Campaign spring goes on; expected to leave ")
    assert granted(worker, 3) == 3
    assert ("running", None) == (status(cli)["state"], status(cli)["why"])


@pytest.mark.usefixtures("spring")
def test_pausing_twice_keeps_the_first_reason(cli: Cli) -> None:
    """What is paused stays as it is; the sentence says why it is."""
    cli("campaign", "pause", "spring", "--why", "first")
    assert "(first)" in cli("campaign", "pause", "spring", "--why", "second").out


@pytest.mark.usefixtures("spring")
def test_resuming_what_runs_changes_nothing(cli: Cli) -> None:
    """It is no error."""
    assert cli("campaign", "resume", "spring").code == 0
    assert status(cli)["state"] == "running"


@pytest.mark.usefixtures("spring")
def test_a_cancelled_campaign_is_deleted_by_workers(cli: Cli, worker: Worker) -> None:
    """`cancel` is at once true for all that waits; what workers delete is counted as cancelled."""
    answer = cli("campaign", "cancel", "spring", "--why", "wrong list")
    expected = "Campaign spring is cancelled (wrong list); workers delete the rest: 3 operations.\n"
    assert (answer.code, answer.out, answer.err) == (0, expected, "")
    assert ("cancelling", "wrong list", 3) == tuple(status(cli)[name] for name in ("state", "why", "remaining"))
    assert worker.grant() == []
    seen = status(cli)
    assert ("cancelled", 3, 0) == (seen["state"], seen["outcomes"]["cancelled"], seen["remaining"])
    assert cli("campaign", "cancel", "spring").out == "Campaign spring is cancelled (wrong list).\n"


@pytest.mark.usefixtures("spring")
@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb[0] != "cancel"], ids=" ".join)
def test_cancelling_is_final(cli: Cli, verb: list[str]) -> None:
    """Whatever else is asked of a cancelled campaign is exit 1."""
    cli("campaign", "cancel", "spring")
    assert cli(*command(verb)).refusal() == "campaign 'spring' was cancelled, which is final"


@pytest.mark.usefixtures("complete")
@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_what_is_complete_is_left_alone(cli: Cli, verb: list[str]) -> None:
    """Nothing can be asked of a complete campaign; that is exit 1."""
    assert cli(*command(verb)).refusal() == "campaign 'spring' is complete: every operation has its outcome"


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_an_unknown_campaign(cli: Cli, verb: list[str]) -> None:
    """A campaign that is not there is exit 1."""
    for options in ([], ["--json"]):
        assert (
            cli(*command(verb, "winter"), *options).refusal()
            == "no campaign named 'winter': see `paceline campaign list`"
        )


@pytest.mark.usefixtures("spring")
@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_the_document_of_a_command(cli: Cli, verb: list[str]) -> None:
    """`--json` prints the campaign as `status` shows it then."""
    told, then = cli(*command(verb), "--json").json, status(cli)
    for moving in (told, then):
        del moving["forecast"]
    assert told == then


@pytest.mark.usefixtures("spring")
@pytest.mark.parametrize("verb", ["pause", "cancel"])
def test_a_reason_has_words(cli: Cli, verb: str) -> None:
    """An empty reason is exit 2, and changes nothing."""
    assert cli("campaign", verb, "spring", "--why", " ").refusal(2) == "--why: is empty"
    assert status(cli)["state"] == "running"


@pytest.mark.usefixtures("spring")
def test_a_reason_is_one_line(cli: Cli) -> None:
    """Line breaks and terminal control in a reason reach nobody's terminal."""
    answer = cli("campaign", "pause", "spring", "--why", "a\r\n\x1b[31mb")
    assert answer.out.count("\n") == 1
    assert "\x1b" not in answer.out + cli("campaign", "status", "spring").out


@pytest.mark.usefixtures("spring")
def test_a_change_keeps_what_is_not_given(cli: Cli) -> None:
    """Each option changes by itself; the sentence says what is expected now."""
    answer = cli("campaign", "change", "spring", "--rate", "1/hour")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith("Campaign spring is changed; expected to leave from ")
    assert "1/hour" in answer.out
    before = status(cli)
    assert cli("campaign", "change", "spring", "--weight", "9", "--auto-pause", "0", "--window", ALWAYS).code == 0
    after = status(cli)
    assert (9, 0, ALWAYS, "1/hour") == tuple(after[name] for name in ("weight", "auto_pause", "window", "rate"))
    assert before["valid_until"] == after["valid_until"]


@pytest.mark.usefixtures("spring")
@pytest.mark.parametrize("nothing", ["", " ", "none", "NONE"])
@pytest.mark.parametrize(("option", "value"), [("rate", "1/hour"), ("window", HOURS)])
def test_a_rate_or_window_is_taken_away(cli: Cli, worker: Worker, option: str, value: str, nothing: str) -> None:
    """With '' or none nothing of it is left, and the campaign sends as its account does."""
    cli("campaign", "change", "spring", f"--{option}", value)
    assert status(cli)[option] == value
    assert cli("campaign", "change", "spring", f"--{option}", nothing).code == 0
    assert status(cli)[option] is None
    wait_until(worker.grant, timedelta(seconds=20), "a grant")


@pytest.mark.usefixtures("spring")
def test_an_end_that_comes_too_soon_is_a_warning(cli: Cli) -> None:
    """What a change makes late is told on stderr, with the command that helps; the change stands."""
    answer = cli("campaign", "change", "spring", "--rate", "1/day")
    assert answer.code == 0
    assert "paceline: 2 operations of campaign 'spring' cannot be sent in time" in answer.err
    assert answer.err.endswith(": `paceline campaign change spring --valid-until TIME`\n")
    answer = cli("campaign", "change", "spring", "--valid-until", "2099-01-01T00:00:00Z")
    assert (answer.code, answer.err) == (0, "")
    assert status(cli)["valid_until"] == "2099-01-01T00:00:00+00:00"


@pytest.mark.usefixtures("spring")
def test_a_change_of_nothing(cli: Cli) -> None:
    """Without an option it is bad usage, and the sentence names them all."""
    sentence = cli("campaign", "change", "spring").refusal(2)
    for option in ("--weight", "--rate", "--window", "--auto-pause", "--valid-until"):
        assert option in sentence


@pytest.mark.usefixtures("spring")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        *REFUSED,
        (["--valid-until", "soon"], "--valid-until: "),
        (["--valid-until", "2030-01-01T00:00:00"], "--valid-until: "),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_change_for_something_impossible(cli: Cli, options: list[str], words: str) -> None:
    """What `start` refuses is refused here, and nothing is changed, also not by a good option beside it."""
    before = status(cli)
    good = [] if options[0] == "--weight" else ["--weight", "5"]
    assert words in cli("campaign", "change", "spring", *good, *options).refusal(2)
    assert before["weight"] == status(cli)["weight"]


def on_a_terminal(environment: Mapping[str, str], typed: bytes, *arguments: str) -> tuple[int, str]:
    """Run the command on a terminal at which somebody types; the exit code and what was to be seen."""
    ours, terminal = pty.openpty()
    process = subprocess.Popen(
        [*PROGRAM, *arguments],
        env={**os.environ, **environment, "TERM": "dumb"},
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    os.close(terminal)
    os.write(ours, typed)
    out, _ = process.communicate(timeout=200)
    os.close(ours)
    return process.returncode, out.decode()


@pytest.mark.usefixtures("spring")
def test_a_terminal_is_asked(environment: Mapping[str, str], cli: Cli) -> None:
    """Who types `cancel` at a terminal is told how much it is about, and may say no."""
    code, seen = on_a_terminal(environment, b"n\n", "campaign", "cancel", "spring")
    assert code == 1
    assert "Cancel campaign spring? 3 operations without an outcome will not be sent. This is final." in seen
    assert "paceline: campaign 'spring' is not cancelled\n" in seen
    assert status(cli)["state"] == "running"
    code, seen = on_a_terminal(environment, b"y\n", "campaign", "cancel", "spring")
    assert (code, status(cli)["state"]) == (0, "cancelling")


@pytest.mark.usefixtures("spring")
def test_a_terminal_is_not_asked_with_yes(environment: Mapping[str, str], cli: Cli) -> None:
    """`--yes` answers before it is asked."""
    code, seen = on_a_terminal(environment, b"", "campaign", "cancel", "spring", "--yes")
    assert code == 0
    assert "?" not in seen
    assert status(cli)["state"] == "cancelling"


@pytest.mark.usefixtures("spring")
@pytest.mark.parametrize("form", ["json", "lines"])
def test_watching_outlasts_a_pause(environment: Mapping[str, str], cli: Cli, worker: Worker, form: str) -> None:
    """`status --watch` shows that it is paused, goes on, and ends when it is cancelled."""
    cli("campaign", "pause", "spring", "--why", "lunch")
    process = subprocess.Popen(
        [*PROGRAM, "campaign", "status", "spring", "--watch", *(["--json"] if form == "json" else [])],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    first = process.stdout.readline()
    cli("campaign", "cancel", "spring")
    worker.grant()
    rest, _ = process.communicate(timeout=200)
    last = rest.splitlines()[-1]
    assert process.returncode == 0
    if form == "json":
        assert ["paused", "cancelled"] == [json.loads(line)["state"] for line in (first, last)]
    else:
        assert first == "spring: 0 of 3 (0.0%) settled, 3 remaining, paused: lunch\n"
        assert last == "spring: 3 of 3 (100.0%) settled, 0 remaining, cancelled: by hand"


@pytest.mark.usefixtures("complete")
def test_what_is_complete_says_when(cli: Cli) -> None:
    """The last outcome ends a campaign: state, time, and nothing more to come."""
    seen = status(cli)
    assert ("complete", 3, 0) == (seen["state"], seen["settled"], seen["forecast"]["remaining"])
    text = " ".join(cli("campaign", "status", "spring").out.split())
    assert "state complete" in text
    assert "completed 20" in text
    assert "expected" not in text


@pytest.mark.usefixtures("spring")
def test_the_states_in_a_list(cli: Cli, tmp_path: Path) -> None:
    """`list` has the state of each campaign."""
    cli(*campaign_arguments(people(tmp_path / "people.csv", 1), account="quick", name="autumn"), "--paused")
    cli("campaign", "cancel", "spring")
    assert [one["state"] for one in cli("campaign", "list", "--json").json] == ["paused", "cancelling"]
    text = cli("campaign", "list").out
    assert "paused" in text
    assert "cancelling" in text
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("verb", ["pause", "resume", "change", "cancel"])
def test_help_has_an_example(cli: Cli, verb: str) -> None:
    """The help of each command says what it does and what its JSON is, and shows a command to copy."""
    answer = cli("campaign", verb, "--help")
    assert (answer.code, answer.err) == (0, "")
    assert "as `campaign status --json` prints it" in " ".join(answer.out.split())
    assert f"paceline campaign {verb} spring" in answer.out.partition("Example:")[2]
    assert max(map(len, answer.out.partition("Example:")[0].splitlines())) <= 80
