"""``paceline suppress``: lists of numbers that nobody may write to."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from paceline.cli import suppress
from paceline.errors import StateUnavailable
from paceline.suppression import importing
from tests.cli.conftest import RECIPIENT, SENDER, Cli, Inbox, Worker

OTHER = "+15550100003"
HERE = ("--account", "acme")
MESSAGE = ("--account", "acme", "--from", SENDER, "--to", RECIPIENT, "--text", "Hello")


@pytest.fixture
def run(cli: Cli, acme: str) -> Cli:
    """The command line, with an account `acme`."""
    assert acme
    return cli


def test_a_number_is_put_on_the_list_checked_and_taken_off(run: Cli) -> None:
    """Each command says what it did; doing so twice does no harm."""
    assert "1 number put on the list of account acme.\n" == run("suppress", "add", RECIPIENT, *HERE).out
    again = run("suppress", "add", RECIPIENT, OTHER, *HERE, "--reason", "asked by phone").out
    assert "1 number put on the list of account acme, 1 were there already.\n" == again
    shown = run("--show-numbers", "suppress", "check", RECIPIENT, "+15550100009", *HERE).out.splitlines()
    assert (f"{RECIPIENT} is on the list of account acme since ", "by hand") == (shown[0][:50], shown[0][-7:])
    assert "+15550100009 is on no list." == shown[1]
    assert {"removed": 1} == run("suppress", "remove", RECIPIENT, "+15550100009", *HERE, "--json").json
    assert [{"number": RECIPIENT, "suppressed": False}] == run(
        "suppress", "check", RECIPIENT, *HERE, "--show-numbers", "--json"
    ).json


def test_check_without_an_account_looks_at_all_of_them(run: Cli) -> None:
    """The list of all accounts is named once."""
    run("suppress", "add", RECIPIENT, "--all-accounts", "--reason", "by law")
    run("suppress", "add", RECIPIENT, *HERE)
    found = run("suppress", "check", RECIPIENT, "--json").json
    assert [(None, "by law"), ("acme", "by hand")] == [(one["account"], one["reason"]) for one in found]


def test_the_list_is_printed(run: Cli) -> None:
    """One entry a line; as JSON, a document a line."""
    assert "The list of account acme is empty.\n" == run("suppress", "list", *HERE).out
    run("suppress", "add", RECIPIENT, OTHER, *HERE)
    entries = [json.loads(line) for line in run("suppress", "list", *HERE, "--show-numbers", "--json").out.splitlines()]
    assert {RECIPIENT, OTHER} == {entry["number"] for entry in entries}
    assert {"number", "account", "since", "reason"} == set(entries[0])
    assert 2 == len(run("suppress", "list", *HERE).out.splitlines())


@pytest.mark.parametrize("form", ["csv", "bare", "bom", "semicolon", "gzip", "jsonl"])
def test_files_are_read_as_those_of_campaigns(run: Cli, tmp_path: Path, form: str) -> None:
    """Or hold one number in each line, without a header."""
    name, text = {
        "csv": ("list.csv", f"name,to\nAda,{RECIPIENT}\nBob,{OTHER}\n"),
        "bare": ("list.txt", f"{RECIPIENT}\n\n{OTHER}\n"),
        "bom": ("list.txt", f"\ufeff{RECIPIENT}\r\n{OTHER}\r\n"),
        "semicolon": ("list.csv", f"name;to\nAda;{RECIPIENT}\nBob;{OTHER}\n"),
        "gzip": ("list.csv.gz", f"to\n{RECIPIENT}\n{OTHER}\n"),
        "jsonl": ("list.jsonl", f'{{"to":"{RECIPIENT}"}}\n{{"to":"{OTHER}"}}\n'),
    }[form]
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if form == "gzip" else text.encode())
    answer = run("suppress", "import", str(path), *HERE, "--json")
    assert {"rows": 2, "added": 2, "known": 0, "invalid": 0, "invalid_file": None} == json.loads(answer.out)
    again = run("suppress", "import", str(path), *HERE).out
    assert "0 numbers put on the list of account acme, 2 were there already.\n" == again
    assert "imported" == run("suppress", "check", RECIPIENT, *HERE, "--json").json[0]["reason"]


def test_bad_rows_do_not_stop_the_good_ones(run: Cli, tmp_path: Path) -> None:
    """They are in a file, whole, with line and reason; corrected, it can be imported."""
    path = tmp_path / "list.csv"
    path.write_text(f"name,to\nAda,{RECIPIENT}\nBob,0151 2345\nCy,\n", "utf-8")
    answer = run("suppress", "import", str(path), *HERE)
    assert (1, "1 number put on the list of account acme.\n") == (answer.code, answer.out)
    assert "2 rows left out, with line and reason in" in answer.err
    rows = (tmp_path / "list.invalid.csv").read_text("utf-8").splitlines()
    assert ["line,reason,name,to", "3", "4"] == [rows[0], rows[1][0], rows[2][0]]
    (tmp_path / "list.invalid.csv").write_text(rows[0] + f"\n3,x,Bob,{OTHER}\n", "utf-8")
    assert 0 == run("suppress", "import", str(tmp_path / "list.invalid.csv"), *HERE).code


@pytest.mark.parametrize("error", [KeyboardInterrupt(), StateUnavailable("the state server cannot be reached")])
def test_an_interrupted_import_says_how_far_it_came(
    run: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """On stderr and in the history; the same command goes on."""
    path, rest = tmp_path / "list.txt", importing.numbers_of
    path.write_text("".join(f"+1555010{number:04}\n" for number in range(700)), "utf-8")

    def interrupted(*arguments: Any) -> Iterator[str]:
        for place, number in enumerate(rest(*arguments)):
            if place == 600:
                raise error
            yield number

    with monkeypatch.context() as patch:
        patch.setattr(suppress, "numbers_of", interrupted)
        answer = run("suppress", "import", str(path), *HERE)
    assert answer.code == (130 if isinstance(error, KeyboardInterrupt) else 1)
    assert "with 500 numbers put on the list of account acme; repeat the command to continue" in answer.err
    again = run("suppress", "import", str(path), *HERE).out
    assert "200 numbers put on the list of account acme, 500 were there already.\n" == again
    acts = [act for act in run("history", "--json").json if act["what"] == "suppress import"]
    assert [("account acme: 500 numbers", "imported"), ("account acme: 200 numbers", "imported")] == [
        (act["on"], act["why"]) for act in acts
    ]


def test_an_import_that_breaks_off_at_once_is_no_act(run: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And says nothing of numbers."""
    path, rest = tmp_path / "list.txt", importing.numbers_of
    path.write_text(f"{RECIPIENT}\n", "utf-8")

    def interrupted(*arguments: Any) -> Iterator[str]:
        for number in rest(*arguments):
            if number == RECIPIENT:
                raise KeyboardInterrupt
            yield number

    monkeypatch.setattr(suppress, "numbers_of", interrupted)
    answer = run("suppress", "import", str(path), *HERE)
    assert (130, "paceline: interrupted; repeat the command to continue\n") == (answer.code, answer.err)
    assert "suppress import" not in run("history").out


def test_numbers_without_a_country_code_need_a_country(run: Cli, tmp_path: Path) -> None:
    """As in campaigns: nobody guesses."""
    path = tmp_path / "list.txt"
    path.write_text("(11) 98765-4321\n", "utf-8")
    assert 2 == run("suppress", "import", str(path), *HERE).code
    path.write_text("to\n(11) 98765-4321\n", "utf-8")
    assert 0 == run("suppress", "import", str(path), *HERE, "--default-country", "BR").code
    assert run("suppress", "check", "+5511987654321", *HERE, "--json").json[0]["suppressed"]


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("add", RECIPIENT), 2, "--account, --all-accounts: give exactly one of them"),
        (("add", RECIPIENT, *HERE, "--all-accounts"), 2, "--account, --all-accounts: give exactly one of them"),
        (("add", RECIPIENT, "0151", *HERE), 2, "number 2: is not a phone number in E.164 form"),
        (("add", RECIPIENT, *HERE, "--reason", " "), 2, "--reason: is not one line of 1 to 200 characters"),
        (("add", RECIPIENT, "--account", "nosuch"), 1, "no account named 'nosuch': add it with"),
        (("list", "--account", "nosuch"), 1, "no account named 'nosuch'"),
        (("import", "nosuch.csv", *HERE), 2, "FILE: nosuch.csv cannot be read"),
    ],
)
def test_mistakes_are_told_and_change_nothing(run: Cli, words: tuple[str, ...], code: int, sentence: str) -> None:
    """In one sentence, with what to do."""
    assert run("suppress", *words).refusal(code).startswith(sentence)
    assert "The list of account acme is empty.\n" == run("suppress", "list", *HERE).out


def test_a_message_may_be_exempt(run: Cli, inbox: Inbox) -> None:
    """With a reason that goes with it; a bulk one may not."""
    refusal = run("send", *MESSAGE, "--exempt", "code requested", "--priority", "bulk").refusal(2)
    assert "exempt: is for transactional operations only, and this one is bulk" in refusal
    assert 0 == run("send", *MESSAGE, "--exempt", "code requested").code
    assert "code requested" == inbox.only["ex"]


def test_whoever_sends_to_a_suppressed_number_is_told(run: Cli, worker: Worker) -> None:
    """The operation is in the books, and the sentence says which list it is."""
    run("suppress", "add", RECIPIENT, *HERE, "--reason", "wrote STOP")
    op_id = run("send", *MESSAGE, "--json").json["id"]
    worker.accept_all()
    why = "its recipient is on the suppression list of the account: wrote STOP"
    assert f"{op_id} is suppressed: suppressed: {why}.\n" == run("explain", op_id).out
    assert ("suppressed", why) == tuple(run("status", op_id, "--json").json[name] for name in ("state", "words"))
    assert "suppressed" in run("outcomes", "--outcome", "suppressed").out
    assert 1 == run("audit", "--json").json[0]["outcomes"]["suppressed"]


def test_explain_says_that_a_waiting_message_will_not_leave(run: Cli, worker: Worker) -> None:
    """It was accepted before its recipient was listed."""
    op_id = run("send", *MESSAGE, "--json").json["id"]
    worker.accept_all()
    run("suppress", "add", RECIPIENT, *HERE)
    assert "its recipient is on a suppression list (by hand)" in run("explain", op_id).out
