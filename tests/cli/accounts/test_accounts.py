import base64
import os
import pty
import subprocess
import sys
from collections.abc import Mapping
from datetime import timedelta

import psutil
import pytest

from paceline import names
from paceline.state import connect
from paceline.state.calls import State
from paceline_sandbox.embedded import EmbeddedServer
from paceline_worker.accounts.secrets import KeyRing
from tests.cli.conftest import API_KEY, PROGRAM, SENDER, Cli, Worker, sent, stored_key
from tests.support.wait import wait_until

ACCOUNT_KEYS = {
    "name",
    "limit",
    "limit_by_hand",
    "requests_per_minute",
    "credits_left",
    "number_checks_left",
    "on_trial",
    "blocked",
    "expires_at",
    "info_read_at",
    "budgets",
    "recipient_cap",
    "remember_s",
    "reserve_percent",
    "treat_503_as",
    "breaker",
    "slowed_by",
    "pacing",
    "variation",
    "variation_s",
    "interval_s",
    "slots_per_minute",
    "state",
    "suspended",
    "suspended_at",
    "paused_until",
    "next_slot_at",
    "added_at",
    "senders",
    "inbox",
    "waiting",
    "in_flight",
    "outcomes",
    "lanes",
}
LANE_KEYS = {"sender", "transactional", "bulk", "parked", "in_flight", "paused_until", "paused_because", "oldest_at"}


def test_add_reads_the_key_from_stdin(cli: Cli, server: EmbeddedServer) -> None:
    """`accounts add` stores the first line of stdin, encrypted, and says what the limit means."""
    answer = cli("accounts", "add", "acme", "--limit", "10/minute", "--no-info", stdin=f"{API_KEY}\nmore\n")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == "Account acme is added: 10/minute, one every 6.1 s (9.836 slots a minute).\n"
    assert stored_key(server, "acme") == API_KEY


def test_add_reads_the_key_from_a_variable(cli: Cli, server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--api-key-env VAR` takes the key from there and leaves stdin alone."""
    monkeypatch.setenv("ACME_KEY", API_KEY)
    assert cli("accounts", "add", "acme", "--limit", "10/minute", "--api-key-env", "ACME_KEY", stdin="no\n").code == 0
    assert stored_key(server, "acme") == API_KEY


def test_add_takes_all_options(cli: Cli) -> None:
    """Pacing, variation and senders reach the account; a window of 60 s + 0.5 s in tenths is 6.05 s."""
    options = ["--limit", "10/minute; 1000/day", "--pacing", "window", "--variation", "500ms"]
    options += ["--sender", SENDER, "--sender", "+15550100009"]
    assert cli("accounts", "add", "acme", *options, stdin=API_KEY).code == 0
    shown = cli("accounts", "show", "acme", "--json").json
    assert (shown["limit"], shown["pacing"]) == ("10/minute; 1000/day", "window")
    assert (shown["variation_s"], shown["interval_s"], shown["slots_per_minute"]) == (0.5, 6.05, 9.917)
    assert shown["senders"] == [SENDER, "+15550100009"]


@pytest.mark.parametrize(
    ("text", "seconds"), [("100ms", 0.1), ("250", 0.25), ("0.5s", 0.5), ("1 s", 1.0), ("0", 0.0), ("1.5ms", 0.0015)]
)
def test_a_variation_has_a_unit_or_is_milliseconds(cli: Cli, text: str, seconds: float) -> None:
    """`--variation` reads 100ms, 0.5s, and a bare number of milliseconds."""
    assert cli("accounts", "add", "acme", "--limit", "10/minute", "--variation", text, stdin=API_KEY).code == 0
    assert cli("accounts", "show", "acme", "--json").json["variation_s"] == seconds


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["acme", "--limit", "often"], "--limit: 'often' is not a rate"),
        (["acme", "--limit", f"10/{'9' * 400} minutes"], "--limit: at most 1,000,000,000 in at most 366 days"),
        (["acme", "--limit", f"{'9' * 400}/minute"], "--limit: at most 1,000,000,000 in at most 366 days"),
        (["acme", "--limit", "10/2 years"], "--limit: at most 1,000,000,000 in at most 366 days"),
        (["acme", "--limit", f"10/{'9' * 600} minutes"], "--limit: has more than 500 characters"),
        (["acme", "--budget", f"*=10/{'9' * 400} minutes"], "at most 1,000,000,000 in at most 366 days"),
        (["acme", "--limit", "10/minute", "--variation", "soon"], "--variation: is neither auto nor a time"),
        (["acme", "--limit", "10/minute", "--variation", "11s"], "--variation: between 0 and 10 seconds"),
        (["acme", "--limit", "10/minute", "--sender", "0049"], "--sender: 0049 is not a phone number"),
        (["a b", "--limit", "10/minute"], "NAME: letters, digits"),
        (["acme", "--limit", "10/minute", "--api-key-env", "NOT_THERE"], "variable NOT_THERE is not set"),
        (["acme", "--limit", "10/minute", "--pacing", "fast"], "--pacing: "),
        ([], "missing argument 'NAME'"),
    ],
)
def test_add_refuses_bad_usage(cli: Cli, arguments: list[str], words: str) -> None:
    """A wrong argument is exit 2 and one sentence that names it as it is typed."""
    assert words in cli("accounts", "add", *arguments, stdin=f"{API_KEY}\n").refusal(2)
    assert cli("accounts", "list", "--json").json == []


def test_add_needs_a_limit_from_somebody(cli: Cli) -> None:
    """Without --limit the provider is asked; when it does not answer, that is exit 1, and nothing is added."""
    sentence = cli("accounts", "add", "acme", stdin=f"{API_KEY}\n").refusal()
    assert "give --limit" in sentence
    assert API_KEY not in sentence
    assert cli("accounts", "list", "--json").json == []


def test_add_refuses_an_empty_key(cli: Cli) -> None:
    """No line on stdin is no key."""
    assert "API key: is empty" in cli("accounts", "add", "acme", "--limit", "10/minute").refusal(2)


@pytest.mark.parametrize("secret", ["", "too-short"])
def test_add_needs_the_secret(cli: Cli, monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    """Without a usable PACELINE_SECRET_KEY nothing is added, and the sentence says how to make one."""
    monkeypatch.setenv(names.ENV_SECRET_KEY, secret)
    sentence = cli("accounts", "add", "acme", "--limit", "10/minute", stdin=API_KEY).refusal(2)
    assert sentence.startswith("PACELINE_SECRET_KEY is not ")
    assert "paceline secret generate" in sentence


def test_a_name_is_taken_once(cli: Cli, acme: str, server: EmbeddedServer) -> None:
    """A second account of the same name is exit 1 and does not touch the first."""
    assert "exists" in cli("accounts", "add", acme, "--limit", "20/minute", stdin="other").refusal()
    assert stored_key(server, acme) == API_KEY
    assert cli("accounts", "show", acme, "--json").json["limit"] == "10/minute"


@pytest.mark.parametrize("arguments", [["acme", API_KEY], ["acme", f"--api-key={API_KEY}"], ["acme", "--key", API_KEY]])
def test_a_key_given_as_an_argument_is_not_repeated(cli: Cli, arguments: list[str]) -> None:
    """Who types the key as an argument is refused, and the complaint does not carry it into a log."""
    assert API_KEY not in cli("accounts", "add", *arguments, "--limit", "10/minute").refusal(2)


def test_a_typed_key_is_not_shown(environment: Mapping[str, str]) -> None:
    """At a terminal the key is asked for and read without echo; it is in no argument either."""
    ours, terminal = pty.openpty()
    arguments = [*PROGRAM, "accounts", "add", "acme", "--limit", "10/minute"]
    process = subprocess.Popen(
        arguments,
        env={**os.environ, **environment},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    seen = b""
    while b"API key of acme: " not in seen:
        seen += os.read(ours, 1000)
    command_line = psutil.Process(process.pid).cmdline()
    os.write(ours, f"{API_KEY}\n".encode())
    while chunk := read_terminal(ours):
        seen += chunk
    os.close(ours)
    assert process.wait(30) == 0
    assert b"Account acme is added" in seen
    assert API_KEY not in seen.decode()
    assert API_KEY not in " ".join(command_line)


def read_terminal(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 1000)
    except OSError:  # how Linux says that the other side is closed
        return b""


def test_a_piped_key_is_in_no_argument(environment: Mapping[str, str], server: EmbeddedServer) -> None:
    """`ps` shows the command while it waits for the key, and after it has it, without the key."""
    process = subprocess.Popen(
        [*PROGRAM, "accounts", "add", "acme", "--limit", "10/minute"],
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert API_KEY not in " ".join(psutil.Process(process.pid).cmdline())
    out, _ = process.communicate(f"{API_KEY}\n", timeout=200)
    assert process.returncode == 0
    assert API_KEY not in out
    assert stored_key(server, "acme") == API_KEY


def test_list_and_show_have_documented_keys(cli: Cli, acme: str, worker: Worker) -> None:
    """The JSON of an account has the keys that the help names, and never its key."""
    sent(cli, acme)
    worker.accept_all()
    listed = cli("accounts", "list", "--json").json
    assert [account["name"] for account in listed] == [acme]
    assert listed[0].keys() == ACCOUNT_KEYS
    [lane] = listed[0]["lanes"]
    assert lane.keys() == LANE_KEYS
    assert (lane["sender"], lane["transactional"], lane["bulk"]) == (SENDER, 1, 0)
    assert (listed[0]["state"], listed[0]["waiting"], listed[0]["inbox"]) == ("active", 1, 0)
    for arguments in (["list"], ["list", "--json"], ["show", acme], ["show", acme, "--json"]):
        assert API_KEY not in cli("accounts", *arguments).out


def test_list_shows_a_row_per_account(cli: Cli, acme: str, quick: str) -> None:
    """People get a table without colour that fits 80 columns."""
    answer = cli("accounts", "list")
    assert (answer.code, answer.err) == (0, "")
    assert acme in answer.out
    assert quick in answer.out
    assert "\x1b" not in answer.out
    assert max(map(len, answer.out.splitlines())) <= 80


def test_show_tells_people_all_they_ask(cli: Cli, acme: str, worker: Worker) -> None:
    """Limit, pacing, interval, slots a minute, state, senders, waiting and in flight are in the human form."""
    sent(cli, acme)
    worker.accept_all()
    sent(cli, acme)
    text = " ".join(cli("accounts", "show", acme).out.split())
    for words in (
        "state active",
        "limit 10/minute",
        "pacing spacing, one every 6.1 s (9.836 slots a minute)",
        "variation auto, 100 ms now",
        "next slot in ",
        "senders any",
        "to be accepted 1",
        "waiting 1",
        "in flight 0",
        "outcomes none",
        f"{SENDER} 1 0 0 0 ready",
    ):
        assert words in text


def test_an_empty_list_says_what_to_do(cli: Cli) -> None:
    """Without accounts the table is a sentence, and the JSON an empty list."""
    assert "paceline accounts add" in cli("accounts", "list").out
    assert cli("accounts", "list", "--json").json == []


def test_suspend_and_resume(cli: Cli, acme: str) -> None:
    """A suspended account says since when and why; resuming makes it active again."""
    assert cli("accounts", "suspend", acme, "--reason", "under review").out == (
        "Account acme is suspended: under review.\n"
    )
    shown = cli("accounts", "show", acme, "--json").json
    assert (shown["state"], shown["suspended"]) == ("suspended", "under review")
    assert shown["suspended_at"] is not None
    assert ": under review" in " ".join(cli("accounts", "show", acme).out.split())
    assert cli("accounts", "resume", acme).out == "Account acme sends again.\n"
    shown = cli("accounts", "show", acme, "--json").json
    assert (shown["state"], shown["suspended"], shown["suspended_at"]) == ("active", None, None)


def test_suspend_has_a_reason_of_its_own(cli: Cli, acme: str) -> None:
    """Without --reason it was by hand; an empty one is refused, because it would look like none."""
    assert "by hand" in cli("accounts", "suspend", acme).out
    assert "--reason" in cli("accounts", "suspend", acme, "--reason", " ").refusal(2)


def test_a_throttled_account_is_paused(cli: Cli, quick: str, worker: Worker) -> None:
    """After a 429 the account is shown as paused, and until when."""
    sent(cli, quick)
    worker.accept_all()
    [hint] = worker.grant()
    worker.settle(hint, verb="defer", scope="account", delay="60000000", words="too many")
    shown = cli("accounts", "show", quick, "--json").json
    assert shown["state"] == "paused"
    assert shown["paused_until"] is not None
    assert "throttled it" in cli("accounts", "show", quick).out


def test_a_busy_sender_is_shown_with_its_lane(cli: Cli, quick: str, worker: Worker) -> None:
    """A lane that pauses says until when; the account stays active."""
    sent(cli, quick)
    worker.accept_all()
    [hint] = worker.grant()
    worker.settle(hint, verb="defer", scope="sender", delay="60000000", words="busy")
    shown = cli("accounts", "show", quick, "--json").json
    assert (shown["state"], shown["lanes"][0]["paused_until"] is not None) == ("active", True)
    assert "sender busy" in cli("accounts", "show", quick).out


def test_remove(cli: Cli, acme: str, quick: str) -> None:
    """A removed account is gone; one with work waiting stays."""
    sent(cli, acme)
    assert "still has operations" in cli("accounts", "remove", acme).refusal()
    assert cli("accounts", "remove", quick).out == "Account quick is removed.\n"
    assert [account["name"] for account in cli("accounts", "list", "--json").json] == [acme]


@pytest.mark.parametrize("verb", ["show", "suspend", "resume", "remove"])
def test_an_unknown_account_is_one_sentence(cli: Cli, verb: str) -> None:
    """Every command that names an account says when there is none; exit 1."""
    assert cli("accounts", verb, "nobody").refusal() == "no account named 'nobody': see `paceline accounts list`"


def test_a_generated_secret_opens_the_key_ring(cli: Cli) -> None:
    """`secret generate` prints 32 random bytes in the form the key ring reads, another each time."""
    first, second = cli("secret", "generate").out, cli("secret", "generate").out
    assert first != second
    assert len(base64.urlsafe_b64decode(first)) == 32
    assert KeyRing(first.strip())


def test_sending_does_not_import_the_worker(environment: Mapping[str, str]) -> None:
    """Commands of other packages are loaded when they are asked for, not before."""
    code = (
        "import sys; from paceline.cli import main; main(['audit']); "
        "heavy = {'paceline_worker', 'paceline_sandbox', 'limits'}; "
        "sys.exit(not heavy.isdisjoint(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, **environment}, check=False, timeout=200)
    assert done.returncode == 0


def test_an_account_is_there_for_the_library(cli: Cli, acme: str, server: EmbeddedServer) -> None:
    """What the command added, an Outbox finds."""
    assert cli("accounts", "list").code == 0
    client = connect(server.url)
    assert wait_until(lambda: State(client).accounts(), timedelta(seconds=5), "the account") == [acme]
    client.close()
