"""`paceline accounts import`: many accounts from a file."""

import json
import os
import pty
import signal
import subprocess
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from paceline import names
from paceline.errors import StateUnavailable
from paceline.state import connect
from paceline_sandbox import Scenario, running_sandbox
from paceline_sandbox.embedded import EmbeddedServer
from paceline_worker.accounts.accounts import Accounts
from tests.cli.conftest import API_KEY, PROGRAM, Cli, one_shard, stored_key
from tests.support.screens import watching
from tests.support.wait import wait_until

NO_INFO = "--no-info"


@pytest.fixture
def book(tmp_path: Path) -> Path:
    return tmp_path / "accounts.csv"


def counts(**other: Any) -> dict[str, Any]:
    """The JSON of an import."""
    zeros = {"rows": 0, "added": 0, "changed": 0, "unchanged": 0, "failed": 0, "info_unread": 0}
    return zeros | {"errors": [], "dry_run": False} | other


def many(path: Path, count: int) -> Path:
    """A CSV file of so many accounts, each with a key of its own."""
    lines = (f"a{number:05},{API_KEY}-{number},10/minute\n" for number in range(count))
    path.write_text("name,key,limit\n" + "".join(lines))
    return path


def imports(cli: Cli) -> list[str]:
    """What the history tells of imports."""
    return [act["on"] for act in cli("history", "--json").json if act["what"] == "accounts import"]


def shown(cli: Cli, name: str) -> Any:
    return cli("accounts", "show", name, "--json").json


def test_a_csv_becomes_accounts(cli: Cli, server: EmbeddedServer, book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys come from the file or from variables; what a row leaves open is as `accounts add` has it."""
    monkeypatch.setenv("BETA_KEY", f"{API_KEY}-beta")
    book.write_text(
        "name,key,key_env,limit,pacing,variation,reserve,budget,senders\n"
        f"acme,{API_KEY}-acme,,10/minute; 1000/day,window,50ms,20,*=1/3seconds,+15550100001 +15550100002\n"
        "beta,,BETA_KEY,20/minute,,,,,\n"
    )
    answer = cli("accounts", "import", str(book), NO_INFO)
    assert (0, "") == (answer.code, answer.err)
    assert "2 rows: 2 added, 0 changed, 0 unchanged, 0 failed.\n" == answer.out
    acme, beta = shown(cli, "acme"), shown(cli, "beta")
    assert ("10/minute; 1000/day", "window", 0.05, 20) == (
        acme["limit"],
        acme["pacing"],
        acme["variation_s"],
        acme["reserve_percent"],
    )
    assert {"*": "1 in 3 s", "group.create": "30 in 1 d", "number.check": "50 in 1 min"} == acme["budgets"]
    assert ["+15550100001", "+15550100002"] == acme["senders"]
    cli("accounts", "add", "plain", "--limit", "20/minute", NO_INFO, stdin="KEY\n")
    different = {"name", "added_at", "next_slot_at"}
    assert {k: v for k, v in shown(cli, "plain").items() if k not in different} == {
        k: v for k, v in beta.items() if k not in different
    }
    assert (f"{API_KEY}-acme", f"{API_KEY}-beta") == (stored_key(server, "acme"), stored_key(server, "beta"))


def test_json_lines_come_from_stdin(cli: Cli, server: EmbeddedServer) -> None:
    """`-` is stdin; its first character tells JSON Lines from CSV."""
    lines = [{"name": "acme", "key": API_KEY, "reserve": 5, "limit": None}, {"name": "beta", "key": "K"}]
    stdin = "".join(f"{json.dumps(line)}\n" for line in lines)
    options = (NO_INFO, "--limit", "10/minute", "--pacing", "window", "--variation", "0", "--reserve", "7", "--json")
    assert counts(rows=2, added=2) == cli("accounts", "import", "-", *options, stdin=stdin).json
    acme, beta = shown(cli, "acme"), shown(cli, "beta")
    assert (5, 7) == (acme["reserve_percent"], beta["reserve_percent"])
    assert ("10/minute", "window", 0.0) == (beta["limit"], beta["pacing"], beta["variation_s"])
    assert API_KEY == stored_key(server, "acme")
    assert counts(rows=1, unchanged=1) == cli("accounts", "import", "-", NO_INFO, "--json", stdin="name\nacme\n").json


def test_without_a_limit_a_worker_asks(cli: Cli, book: Path) -> None:
    """As `accounts add --no-info`: until /info is read, a limit holds that is safe for every account."""
    book.write_text(f"name,key\nacme,{API_KEY}\n")
    assert 0 == cli("accounts", "import", str(book), NO_INFO).code
    acme = shown(cli, "acme")
    assert ("10/minute", None, None) == (acme["limit"], acme["limit_by_hand"], acme["requests_per_minute"])


def test_ten_thousand_rows(cli: Cli, book: Path) -> None:
    """They are added with progress on stderr; the same command again finds them unchanged."""
    many(book, 10_000)
    answer = cli("accounts", "import", str(book), NO_INFO)
    assert "10,000 rows: 10,000 added, 0 changed, 0 unchanged, 0 failed.\n" == answer.out
    lines = [f"paceline: {done} of 10,000 rows done" for done in ("2,000", "4,000", "6,000", "8,000")]
    assert lines == answer.err.splitlines()
    assert API_KEY not in answer.err
    again = cli("accounts", "import", str(book), NO_INFO, "--json")
    assert counts(rows=10_000, unchanged=10_000) == again.json


def test_what_differs_is_changed_and_the_rest_stays(cli: Cli, book: Path) -> None:
    """By the way of `accounts change`: the bucket keeps its time, and what the row leaves open stays, its key too."""
    options = ["--budget", "*=500/day", "--reserve", "20", "--sender", "+15550100001"]
    cli("accounts", "add", "acme", "--limit", "10/minute", *options, NO_INFO, stdin=API_KEY)
    before = shown(cli, "acme")
    book.write_text("name,limit,pacing,senders\nacme,20/minute,window,+15550100002\n")
    assert counts(rows=1, changed=1) == cli("accounts", "import", str(book), "--json").json
    assert counts(rows=1, unchanged=1) == cli("accounts", "import", str(book), "--json").json
    after = shown(cli, "acme")
    changed = {"limit", "limit_by_hand", "pacing", "interval_s", "slots_per_minute", "senders", "next_slot_at"}
    assert {k: v for k, v in before.items() if k not in changed} == {k: v for k, v in after.items() if k not in changed}
    assert ("20/minute", "window", ["+15550100002"]) == (after["limit"], after["pacing"], after["senders"])
    book.write_text(f"name,key,limit,budget,senders\nacme,{API_KEY},none,*=none,any\n")
    assert counts(rows=1, changed=1) == cli("accounts", "import", str(book), "--json").json
    after = shown(cli, "acme")
    assert (None, ["group.create", "number.check"], []) == (
        after["limit_by_hand"],
        sorted(after["budgets"]),
        after["senders"],
    )


BAD_ROWS = f"""name,key,key_env,limit
acme,{API_KEY}-other,,
beta,{API_KEY}-beta,,often
gamma,{API_KEY}-gamma,,10/minute
gamma,{API_KEY}-delta,,10/minute
epsilon,{API_KEY}-gamma,,10/minute
zeta,,{API_KEY},10/minute
eta,,,10/minute
{API_KEY} x,,,
theta,{API_KEY},10/minute,,more
iota,{API_KEY}-iota,,10/minute
"""
ERRORS = [
    "row 2 (acme): the account has another key. To replace it, run `paceline accounts rotate acme`",
    "row 3 (beta): limit: is not a rate such as 10/minute, or 10/minute; 1000/day",
    "row 5 (gamma): has the same name as row 4. Remove one of the rows",
    "row 6 (epsilon): has the same key as row 4 (gamma). An API key is one account: remove one of the rows",
    "row 7 (zeta): key_env: no environment variable of this name is set. Export it, or use the column key",
    "row 8 (eta): key: is missing, and no account has this name. Give key, or key_env with the name of a variable",
    "row 9: name: letters, digits, dot, dash and underscore, at most 64",
    "row 10: has more cells than the header. Put a cell with commas in quotes",
]


@pytest.mark.usefixtures("acme")
def test_a_bad_row_stops_no_other(cli: Cli, server: EmbeddedServer, book: Path) -> None:
    """Each is told with its row, its account and what to do, and never with a key; exit code 1."""
    book.write_text(BAD_ROWS)
    answer = cli("accounts", "import", str(book), NO_INFO)
    assert 1 == answer.code
    assert [f"paceline: {words}" for words in ERRORS] == answer.err.splitlines()
    assert "10 rows: 2 added, 0 changed, 0 unchanged, 8 failed.\n" == answer.out
    assert "canary" not in answer.out + answer.err
    assert ["acme", "gamma", "iota"] == [one["name"] for one in cli("accounts", "list", "--json").json]
    assert API_KEY == stored_key(server, "acme")


@pytest.mark.usefixtures("acme")
def test_errors_as_json(cli: Cli, book: Path) -> None:
    """One document on stdout, nothing on stderr."""
    book.write_text(BAD_ROWS)
    answer = cli("accounts", "import", str(book), NO_INFO, "--json")
    assert (1, "") == (answer.code, answer.err)
    told = json.loads(answer.out)
    assert (10, 2, 8) == (told["rows"], told["added"], told["failed"])
    assert {"row": 3, "account": "beta", "error": ERRORS[1].partition(": ")[2]} == told["errors"][1]
    assert (9, None) == (told["errors"][6]["row"], told["errors"][6]["account"])
    assert "canary" not in answer.out


@pytest.mark.usefixtures("acme")
def test_a_dry_run_writes_nothing(cli: Cli, book: Path) -> None:
    """It tells what would be done, errors too."""
    book.write_text(f"name,key,limit\nacme,{API_KEY},20/minute\nbeta,K,10/minute\ngamma,K,10/minute\n")
    answer = cli("accounts", "import", str(book), NO_INFO, "--dry-run")
    words = "3 rows: 1 would be added, 1 would be changed, 0 unchanged, 1 failed. Nothing is written.\n"
    assert (1, words) == (answer.code, answer.out)
    assert "row 4 (gamma): has the same key as row 3 (beta)" in answer.err
    [acme] = cli("accounts", "list", "--json").json
    assert ("acme", "10/minute") == (acme["name"], acme["limit"])


def test_a_key_under_another_secret_is_told(cli: Cli, acme: str, book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys cannot be compared then; an import of settings alone needs no comparison."""
    monkeypatch.setenv(names.ENV_SECRET_KEY, "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=")
    book.write_text(f"name,key,reserve\n{acme},{API_KEY},20\n")
    assert "row 2 (acme): the stored key cannot be decrypted" in cli("accounts", "import", str(book)).err
    book.write_text(f"name,reserve\n{acme},20\n")
    assert counts(rows=1, changed=1) == cli("accounts", "import", str(book), "--json").json


@pytest.mark.parametrize(
    ("words", "content", "options"),
    [
        ('accounts.csv: unknown column "limits". Did you mean "limit"?', b"name,limits\n", []),
        ('accounts.csv has no column "name"', b"key\nK\n", []),
        ('accounts.csv has no column "name"', b"", []),
        ("accounts.csv is not UTF-8 text (byte 5)", b"name\n\xff", []),
        ("accounts.csv is not CSV: row 2: ", b'name\n"', []),
        ("accounts.csv: column 2 is unknown", f"name,{API_KEY}\n".encode(), []),
        ("--limit: is not a rate", b"name\n", ["--limit", "often"]),
        ("--pacing: is neither spacing nor window", b"name\n", ["--pacing", "fast"]),
        ("--variation: is neither auto nor a time", b"name\n", ["--variation", "soon"]),
        ("--reserve: is not a whole number of percent", b"name\n", ["--reserve", "91"]),
    ],
)
def test_bad_usage_is_refused(cli: Cli, book: Path, words: str, content: bytes, options: list[str]) -> None:
    """Exit 2 and one sentence, before anything is written; the header is not repeated if it could be a key."""
    book.write_bytes(content)
    sentence = cli("accounts", "import", str(book), *options).refusal(2)
    assert words in sentence
    assert API_KEY not in sentence


def test_a_file_that_cannot_be_read_is_refused(cli: Cli, tmp_path: Path) -> None:
    """Also a folder, and a missing argument."""
    assert "cannot be read: No such file" in cli("accounts", "import", str(tmp_path / "none.csv")).refusal(2)
    assert "cannot be read: Is a directory" in cli("accounts", "import", str(tmp_path)).refusal(2)
    assert "missing argument 'FILE'" in cli("accounts", "import").refusal(2)


def test_the_secret_is_needed(cli: Cli, book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same rule holds for `accounts add`."""
    monkeypatch.setenv(names.ENV_SECRET_KEY, "")
    assert "PACELINE_SECRET_KEY is not set" in cli("accounts", "import", str(many(book, 1))).refusal(2)


def test_a_file_without_rows_is_done_at_once(cli: Cli, book: Path) -> None:
    """As an export without accounts is."""
    book.write_text("name,key_env\n")
    assert "0 rows: 0 added, 0 changed, 0 unchanged, 0 failed.\n" == cli("accounts", "import", str(book)).out


def test_a_state_server_that_is_away_is_one_sentence(cli: Cli, book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 1."""
    monkeypatch.setenv(names.ENV_STATE_URL, "redis://127.0.0.1:9/0")
    assert "the state server cannot be reached" in cli("accounts", "import", str(many(book, 1)), NO_INFO).refusal()


# -- asking the provider --------------------------------------------------------------------------------------------------


def test_the_provider_is_asked_for_each_new_account(cli: Cli, book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once; a key that it refuses is an error of its row. Accounts that exist are not asked for."""
    keys = [{"key": f"{API_KEY}-{n}", "limits": [f"{n}/minute"]} for n in range(30, 70)]
    scenario = Scenario.model_validate({"accept_unknown_keys": False, "latency_ms": 1, "keys": keys})
    lines = [f"a{n},{API_KEY}-{n}\n" for n in range(30, 72)]
    book.write_text("name,key\n" + "".join(lines))
    with running_sandbox(scenario) as sandbox:
        monkeypatch.setenv(names.ENV_API_BASE, sandbox.api_base)
        dry = cli("accounts", "import", str(book), "--dry-run", "--json")
        assert (1, 40, 2) == (dry.code, json.loads(dry.out)["added"], json.loads(dry.out)["failed"])
        answer = cli("accounts", "import", str(book))
        asked = len(sandbox.arrivals())
        again = cli("accounts", "import", str(book), "--json")
        assert 40 == json.loads(again.out)["unchanged"]
        assert asked + 2 == len(sandbox.arrivals())
    assert "42 rows: 40 added, 0 changed, 0 unchanged, 2 failed.\n" == answer.out
    refused = "the provider refuses this API key (401). Check it in the provider's console"
    assert [f"paceline: row 42 (a70): {refused}", f"paceline: row 43 (a71): {refused}"] == answer.err.splitlines()
    assert API_KEY not in answer.out + answer.err + dry.out + again.out
    found = {one["name"]: one["limit"] for one in cli("accounts", "list", "--json").json}
    assert {f"a{n}": f"{n}/minute" for n in range(30, 70)} == found


def test_a_provider_that_is_away_matters_where_a_limit_is_needed(cli: Cli, book: Path) -> None:
    """With a limit the account is added, and one sentence says that a worker tries again."""
    book.write_text(f"name,key,limit\nacme,{API_KEY},10/minute\nbeta,K,\n")
    answer = cli("accounts", "import", str(book))
    assert 1 == answer.code
    error, warning = answer.err.splitlines()
    assert error.startswith(
        "paceline: row 3 (beta): the provider does not report the account's limit (connect). Give a "
    )
    assert "paceline: the provider's /info could not be read for 1 new account; a worker tries again" == warning
    assert "2 rows: 1 added, 0 changed, 0 unchanged, 1 failed.\n" == answer.out


@one_shard
def test_ctrl_c_says_how_far_it_came(
    environment: Mapping[str, str], server: EmbeddedServer, book: Path, cli: Cli
) -> None:
    """An interrupted import is one sentence and exit 130; the same command then does the rest."""
    with running_sandbox(Scenario.model_validate({"latency_ms": 100})) as sandbox:
        process = subprocess.Popen(
            [*PROGRAM, "accounts", "import", str(many(book, 450))],
            env={**os.environ, **environment, names.ENV_API_BASE: sandbox.api_base},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        client = connect(server.url)
        wait_until(
            lambda: client.scard(f"{names.STATE_ROOT}:accounts") == 200, timedelta(seconds=60), "the first batch"
        )
        client.close()
        time.sleep(0.1)  # the batch is written just before its rows are counted
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=200)
    assert (130, "") == (process.returncode, out)
    assert "paceline: interrupted with 200 of 450 rows done; repeat the command to continue\n" == err
    assert ["200 added, 0 changed"] == imports(cli)
    assert counts(rows=450, added=250, unchanged=200) == cli("accounts", "import", str(book), NO_INFO, "--json").json


@pytest.mark.parametrize("error", [KeyboardInterrupt(), StateUnavailable("the state server cannot be reached")])
def test_what_was_done_before_an_interruption_is_in_the_history(
    cli: Cli, book: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """To the account, also in the middle of a batch; what was not done is not."""
    cli("accounts", "import", str(many(book, 3)), NO_INFO)
    book.write_text("name,key,limit\nb1,K1,10/minute\na00000,,20/minute\na00001,,20/minute\na00002,,20/minute\n")
    change, done = Accounts.change, 0

    def interrupted(*arguments: Any, **options: Any) -> None:
        nonlocal done
        if done == 2:
            raise error
        change(*arguments, **options)
        done += 1

    with monkeypatch.context() as patch:
        patch.setattr(Accounts, "change", interrupted)
        answer = cli("accounts", "import", str(book), NO_INFO)
    assert answer.code == (130 if isinstance(error, KeyboardInterrupt) else 1)
    assert "with 3 of 4 rows done; repeat the command to continue" in answer.err
    assert ["3 added, 0 changed", "1 added, 2 changed"] == imports(cli)


def test_a_dry_run_is_no_act(cli: Cli, book: Path) -> None:
    """Nor is an import that changes nothing."""
    cli("accounts", "import", str(many(book, 1)), NO_INFO, "--dry-run")
    assert [] == imports(cli)
    for _ in range(2):
        cli("accounts", "import", str(book), NO_INFO)
    assert ["1 added, 0 changed"] == imports(cli)


def test_a_terminal_gets_a_progress_bar(environment: Mapping[str, str], book: Path) -> None:
    """The bar is drawn on a terminal's stderr, errors stand above it, and stdout stays for the result."""
    many(book, 1000)
    with book.open("a") as file:
        file.write("beta,,often\n")
    ours, terminal = pty.openpty()
    process = subprocess.Popen(
        [*PROGRAM, "accounts", "import", str(book), NO_INFO],
        env={**os.environ, **environment, "TERM": "xterm"},
        stdout=subprocess.PIPE,
        stderr=terminal,
    )
    os.close(terminal)
    shown = watching(ours)
    out, _ = process.communicate(timeout=200)
    seen = shown.result()
    os.close(ours)
    assert 1 == process.returncode
    assert b"1,001 rows: 1,000 added" in out
    assert "importing" in seen
    assert "%" in seen
    assert "row 1002 (beta): limit: is not a rate" in seen
    assert "rows done" not in seen
    assert API_KEY not in seen + out.decode()
