"""What became of an operation: `--until-settled`, and `status` with results and history."""

import json
import os
import signal
import subprocess
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import pytest

from paceline import names
from paceline.cli.send.tell import pauses
from paceline.cli.show.show import show_status
from paceline.outbox import Outbox
from paceline.status.view import Event, Status
from tests.cli.conftest import PROGRAM, RECIPIENT, SENDER, Cli, Inbox, Worker

MESSAGE = "MSG11111111-2222-4333-8444-555555555555"
GROUP = "WAG11111111-2222-4333-8444-555555555555"
SEND = ("send", "--account", "quick", "--from", SENDER, "--to", RECIPIENT, "--text", "Hello")
CREATE = ("group", "create", "Team", "--account", "quick", "--from", SENDER, "--participant", RECIPIENT)


class Settling:
    """A thread that gives whatever is written one outcome, as long as the block lasts."""

    def __init__(self, worker: Worker, **verdict: str) -> None:
        self._worker = worker
        self._verdict = {"verb": "finish", **verdict}
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._done.wait(0.01):
            self._worker.accept_all()
            for hint in self._worker.grant():
                self._worker.settle(hint, **self._verdict)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()


@pytest.mark.usefixtures("quick")
def test_the_outcome_is_shown(cli: Cli, worker: Worker) -> None:
    """`--until-settled` says that it is written, waits, and shows what `status` would."""
    with Settling(worker, outcome="accepted", code="200", uuid=MESSAGE):
        answer = cli(*SEND, "--until-settled", "20")
    assert (answer.code, answer.err) == (0, "")
    first, *rest = answer.out.splitlines()
    op_id, words = first.split(maxsplit=1)
    assert words == "is written."
    assert "\n".join(rest) == cli("status", op_id).out.rstrip("\n")
    assert MESSAGE in answer.out


@pytest.mark.usefixtures("quick")
def test_the_outcome_as_json(cli: Cli, worker: Worker) -> None:
    """With --json it is the one document of `status`."""
    with Settling(worker, outcome="accepted", code="200", uuid=GROUP):
        told = cli(*CREATE, "--wait", "20", "--until-settled", "20", "--json").json
    assert (told["state"], told["kind"], told["group_uuid"]) == ("accepted", "group.create", GROUP)
    assert told == cli("status", told["id"], "--json").json


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_another_outcome_is_a_failure(cli: Cli, worker: Worker, form: list[str]) -> None:
    """What the provider rejected is shown all the same, and is exit 1 with its words."""
    with Settling(worker, outcome="rejected", code="422", words="no such number"):
        answer = cli(*SEND, "--until-settled", "20", *form)
    assert answer.refusal().endswith(" is not accepted by the provider: rejected: no such number")
    assert "422" in answer.out
    if form:
        assert json.loads(answer.out)["state"] == "rejected"


@pytest.mark.usefixtures("quick")
def test_no_outcome_before_acceptance(cli: Cli, inbox: Inbox) -> None:
    """Where no worker accepts it in time, that is told; the id is printed and the record kept."""
    answer = cli(*SEND, "--until-settled", "0.05")
    op_id = inbox.only["id"]
    assert answer.refusal() == f"{op_id} has no outcome after 0.05 s and is kept; no worker has accepted it yet"
    assert answer.out == f"{op_id} is written.\n"
    told = json.loads(cli(*SEND, "--until-settled", "0", "--json").out)
    assert (len(told["id"]), told["result"]) == (26, "written")


@pytest.mark.usefixtures("quick")
def test_no_outcome_in_time(cli: Cli, worker: Worker) -> None:
    """Where it waits too long in its lane, the sentence says where it is; in JSON that is its status."""
    options = ("--not-before", "2099-01-01T00:00:00Z", "--wait", "20", "--until-settled", "0.05")
    done = threading.Event()

    def accept() -> None:
        while not done.wait(0.01):
            worker.accept_all()

    thread = threading.Thread(target=accept)
    thread.start()
    answer = cli(*SEND, *options)
    told = cli(*SEND, *options, "--json")
    done.set()
    thread.join()
    assert "and is kept; it is waiting: it is not to be sent before 2099-01-01" in answer.refusal()
    assert " is accepted, expected to leave in " in answer.out
    assert json.loads(told.out)["state"] == "waiting"


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_refused_record_has_no_outcome(
    cli: Cli, worker: Worker, monkeypatch: pytest.MonkeyPatch, form: list[str]
) -> None:
    """A record that no worker can read ends the waiting at once: exit 1 and why."""
    monkeypatch.setattr(names, "INBOX_VERSION", 99)
    with Settling(worker, outcome="accepted"):
        answer = cli(*SEND, "--until-settled", "20", *form)
    assert "is refused: the record is not of a version" in answer.refusal()
    assert ('"result": "refused"' in answer.out) == bool(form)


@pytest.mark.usefixtures("quick")
def test_a_used_key_has_the_outcome_of_its_operation(cli: Cli, worker: Worker) -> None:
    """With a key of before, it is the first operation that is waited for."""
    with Settling(worker, outcome="accepted", code="200"):
        first = cli(*SEND, "--key", "k", "--until-settled", "20", "--json").json
        again = cli(*SEND, "--key", "k", "--until-settled", "20", "--json").json
    assert (again["id"], again["state"]) == (first["id"], "accepted")


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_ctrl_c_leaves_the_id(cli: Cli, inbox: Inbox, monkeypatch: pytest.MonkeyPatch, form: list[str]) -> None:
    """Who stops waiting has seen the id, and the operation stays: exit 130 without a complaint."""

    def interrupted(self: Outbox, op_id: str) -> Status:
        raise KeyboardInterrupt(self, op_id)

    monkeypatch.setattr(Outbox, "status", interrupted)
    answer = cli(*SEND, "--until-settled", "20", *form)
    assert (answer.code, answer.err) == (130, "")
    assert inbox.only["id"] in answer.out
    assert answer.out.count("\n") == 1


@pytest.mark.usefixtures("quick")
def test_ctrl_c_at_a_terminal(environment: Mapping[str, str]) -> None:
    """The real signal, in a real process: the id is out before the waiting begins."""
    arguments = [*PROGRAM, *SEND, "--until-settled", "60"]
    process = subprocess.Popen(
        arguments, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stdout.readline().endswith(" is written.\n")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=200)
    assert (process.returncode, out, err) == (130, "", ""), err


def test_looks_become_rarer() -> None:
    """From a tenth of a second to a whole one."""
    assert [round(pause, 3) for pause in islice(pauses(), 8)] == [0.1, 0.15, 0.225, 0.338, 0.506, 0.759, 1.0, 1.0]


AT = datetime(2026, 1, 31, 9, tzinfo=UTC)


def seen(**fields: Any) -> Status:
    common: dict[str, Any] = dict.fromkeys(Status.__slots__)
    common |= {"id": "0123456789abcdefghjkmnpqrs", "state": "accepted", "account": "acme", "attempts": 0, "result": {}}
    common |= {
        "accepted_at": AT,
        "settled_at": AT,
        "why": "the provider accepted it",
        "history": (Event(AT, "accepted"),),
    }
    return Status(**common | fields)


def shown(status: Status, capsys: pytest.CaptureFixture[str]) -> list[str]:
    show_status(status)
    return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


def test_each_number_has_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Of an operation with participants: accepted, invited or refused, with code and words."""
    numbers = {
        "+15550100002": {"accepted": True, "code": 200, "invited": False, "words": "added"},
        "+15550100003": {"accepted": False, "code": 403, "invited": True, "words": "invited"},
        "+15550100004": {"accepted": False, "code": 404},
    }
    lines = shown(seen(kind="group.create", group_uuid=GROUP, result={"numbers": numbers, "calls": 2}), capsys)
    assert f"group {GROUP}" in lines
    assert "calls answered 2" in lines
    table = lines[lines.index("number result code words") :]
    assert [line for line in table if line.startswith("+")] == [
        "+15*******02 accepted 200 added",
        "+15*******03 invited 403 invited",
        "+15*******04 refused 404",
    ]


def test_the_answer_of_a_check_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """Of a number check: the provider's facts, nested ones named after both."""
    check = {
        "is_valid": True,
        "on_whatsapp": False,
        "number": {"region": "Berlin", "timezone": ["Europe/Berlin", "UTC"]},
    }
    lines = shown(seen(kind="number.check", result={"check": check}), capsys)
    for words in ("is valid yes", "on whatsapp no", "number region Berlin", "number timezone Europe/Berlin, UTC"):
        assert words in lines


def test_history_has_times(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each thing that happened has a line: when, what, code, words; control characters made visible."""
    history = (Event(AT, "accepted"), Event(AT, "retry", "503", "try\nagain \x1b[31m"), Event(AT, "accepted", "200"))
    monkeypatch.setenv("COLUMNS", "80")
    show_status(seen(kind="message.to_number", history=history))
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    *_, accepted, retry, outcome = (" ".join(line.split()) for line in out.splitlines())
    assert accepted.endswith(" accepted")
    assert retry.endswith(" retry 503 try again \\x1b[31m")
    assert outcome.endswith(" accepted 200")
    assert datetime.fromisoformat(retry[:25]) == AT


@pytest.mark.usefixtures("quick")
def test_status_reads_results_from_state(cli: Cli, worker: Worker) -> None:
    """What a worker recorded of each number comes back from `status`, as a table and in JSON."""
    op_id = cli(*CREATE, "--json").json["id"]
    result = {"numbers": {RECIPIENT: {"accepted": False, "code": 404, "words": "not on WhatsApp"}}, "calls": 1}
    worker.accept_all()
    [hint] = worker.grant()
    worker.settle(hint, verb="finish", outcome="accepted", code="200", uuid=GROUP, result=json.dumps(result))
    status = cli("status", op_id, "--show-numbers", "--json").json
    assert (status["group_uuid"], status["message_uuid"], status["result"]) == (GROUP, None, result)
    assert [event["what"] for event in status["history"]] == ["enqueued", "sent", "accepted"]
    text = [" ".join(line.split()) for line in cli("status", op_id, "--show-numbers").out.splitlines()]
    assert f"{RECIPIENT} refused 404 not on WhatsApp" in text
    assert "why the provider accepted it, but refused 1 of 1 numbers" in text
