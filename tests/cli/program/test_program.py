import importlib.metadata
import logging
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import timedelta
from importlib.metadata import EntryPoint

import pytest

import paceline.cli.plugins
from paceline import names
from paceline.cli.commands import COMMANDS, Command
from paceline.cli.panels import SHARED
from paceline.cli.plugins import FORMER, installed
from paceline.cli.render import duration, one_line
from paceline.state import connect
from paceline.state.calls import State
from paceline_sandbox.embedded import EmbeddedServer, free_port
from tests.cli.conftest import PROGRAM, RECIPIENT, SENDER, Cli, Inbox, Worker, one_shard, sent

_SEND = ("send", "--account", "acme", "--from", SENDER, "--to", RECIPIENT)

FROM = ["--account", "acme", "--from", SENDER]
OP_ID = "0123456789abcdefghjkmnpqrs"
# One way to use each command that makes an operation.
SENDING = [
    ["send", *FROM, "--to", RECIPIENT, "--text", "x"],
    ["delete", OP_ID, *FROM],
    ["story", *FROM, "--text", "x"],
    ["profile", "about", *FROM, "--text", "x"],
    ["profile", "picture", *FROM, "--remove"],
    ["group", "create", "Team", *FROM, "--participant", RECIPIENT],
    ["group", "add", OP_ID, *FROM, "--participant", RECIPIENT],
    ["group", "remove", OP_ID, *FROM, "--participant", RECIPIENT],
    ["group", "promote", OP_ID, *FROM, "--participant", RECIPIENT],
    ["group", "demote", OP_ID, *FROM, "--participant", RECIPIENT],
    ["group", "describe", OP_ID, *FROM, "--text", "x"],
    ["group", "picture", OP_ID, *FROM, "--url", "https://example.com/a.png"],
    ["template", "TMP12345678", *FROM, "--to", RECIPIENT],
    ["waba", *FROM, "--to", RECIPIENT, "--text", "x"],
    ["sms", *FROM, "--to", RECIPIENT, "--text", "x"],
    ["number", "check", RECIPIENT, *FROM],
]
READING = [
    ["accounts", "list"],
    ["accounts", "show", "acme"],
    ["campaign", "list"],
    ["campaign", "status", "spring"],
    ["status", "x"],
    ["explain", "x"],
    ["audit"],
    ["held", "list"],
    ["outcomes"],
    ["dead", "list"],
]
ALL = [
    *READING,
    ["accounts", "add", "acme", "--limit", "10/minute"],
    ["accounts", "suspend", "acme"],
    ["accounts", "resume", "acme"],
    ["accounts", "remove", "acme"],
    ["held", "release", "x"],
    ["held", "drop", "x"],
    ["dead", "replay", OP_ID, "--yes"],
    ["campaign", "pause", "spring"],
    ["campaign", "resume", "spring"],
    ["campaign", "change", "spring", "--weight", "2"],
    ["campaign", "cancel", "spring", "--yes"],
    *SENDING,
]


@pytest.mark.parametrize("arguments", ALL, ids=" ".join)
def test_an_unreachable_server_is_one_sentence(cli: Cli, monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    """No state server is exit 1 and one sentence, whatever was asked."""
    monkeypatch.setenv(names.ENV_BROKER_URL, f"redis://127.0.0.1:{free_port()}/0")
    assert "the state server" in cli(*arguments, stdin="key\n").refusal()


@pytest.mark.parametrize("arguments", ALL, ids=" ".join)
def test_a_malformed_setting_is_one_sentence(cli: Cli, monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    """A variable that cannot be read is exit 2 and named."""
    monkeypatch.setenv(names.ENV_METRICS_PORT, "many")
    assert names.ENV_METRICS_PORT in cli(*arguments, stdin="key\n").refusal(2)


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "redis://127.0.0.1:port/0", "nonsense"])
def test_a_malformed_address_is_one_sentence(cli: Cli, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """An address that is none of a Redis server is exit 2."""
    monkeypatch.setenv(names.ENV_STATE_URL, url)
    assert cli("audit").refusal(2)


@pytest.mark.parametrize("arguments", [["--help"], []])
def test_help_shows_every_command(cli: Cli, arguments: list[str]) -> None:
    """`paceline` and `paceline --help` list the commands, those of other packages too."""
    answer = cli(*arguments)
    assert (answer.code, answer.err) == (0, "")
    own = ("send", "delete", "story", "profile", "group", "template", "waba", "sms", "number", "campaign")
    for command in (*own, "status", "explain", "audit", "secret", "accounts", "held", "health", "worker", "demo"):
        assert f"  {command} " in answer.out


def test_each_command_stands_under_one_heading(cli: Cli) -> None:
    """No command of ours is missing or stands twice; former names work and are not listed."""
    listed = re.findall(r"^  ([a-z]+)  ", cli("--help").out, re.MULTILINE)
    assert sorted(set(listed)) == sorted(listed)
    assert installed().keys() | COMMANDS.keys() == {*listed, *FORMER}


@pytest.mark.parametrize(
    "command",
    [
        *(["accounts", verb] for verb in ("add", "list", "show", "suspend", "resume", "remove")),
        *(["campaign", verb] for verb in ("start", "status", "list")),
        *(["group", verb] for verb in ("create", "add", "remove", "promote", "demote", "describe", "picture")),
        *(["profile", verb] for verb in ("about", "picture")),
        *([command] for command in ("send", "delete", "story", "template", "waba", "sms")),
        ["number", "check"],
        *([command] for command in ("status", "explain", "audit")),
        *(["held", verb] for verb in ("list", "release", "drop")),
        ["secret", "generate"],
    ],
    ids=" ".join,
)
def test_help_has_an_example(cli: Cli, command: list[str]) -> None:
    """The help of each command says what it does and shows a command to copy."""
    answer = cli(*command, "--help")
    assert (answer.code, answer.err) == (0, "")
    assert f"Usage: paceline {' '.join(command)} " in answer.out
    assert "Example:\n    " in answer.out
    assert f"paceline {' '.join(command)}" in answer.out.partition("Example:")[2]


def test_version(cli: Cli) -> None:
    """`--version` prints the version of the distribution."""
    assert cli("--version").out == f"paceline {importlib.metadata.version('paceline')}\n"


@pytest.mark.parametrize("arguments", SENDING, ids=lambda arguments: " ".join(arguments[:2]))
def test_what_makes_an_operation_shares_its_options(cli: Cli, arguments: list[str]) -> None:
    """Each command that makes an operation has the options of all, and says what it prints."""
    command = [word for word in arguments[:2] if word.islower() and word.isalpha()]
    text = cli(*command, "--help").out
    own, heading, shared = text.partition("\nOptions:")[2].partition("Options of every message")
    assert heading
    for option in ("--account", "--from", "--json"):
        assert f"  {option} " in own
    for parameter in SHARED:
        option = f"--{parameter.replace('_', '-')}"
        assert option in shared
        assert f"  {option} " not in own
    assert "JSON: id, result (written, accepted, duplicate or refused)" in " ".join(text.split())
    assert max(map(len, text.partition("Example:")[0].splitlines())) <= 80


def test_shared_options_are_explained_once(cli: Cli) -> None:
    """By the first command; the others name them, and say where they are explained."""
    assert "  --key <str>  " in cli("send", "--help").out
    for command in (["sms"], ["group", "create"], ["profile", "about"], ["number", "check"]):
        text = cli(*command, "--help").out
        assert "Options of every message, explained by `paceline send --help`:" in text
        assert "--key <str>" not in text


@pytest.mark.parametrize("arguments", SENDING, ids=lambda arguments: " ".join(arguments[:2]))
def test_what_makes_an_operation_needs_a_known_account(cli: Cli, inbox: Inbox, arguments: list[str]) -> None:
    """An unknown account is exit 1, with the command that adds it; nothing is written."""
    assert cli(*arguments).refusal() == "no account named 'acme': add it with `paceline accounts add acme`"
    assert inbox.records == []


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize("arguments", SENDING, ids=lambda arguments: " ".join(arguments[:2]))
def test_what_makes_an_operation_tells_the_same(cli: Cli, arguments: list[str]) -> None:
    """It prints the id of what it wrote, as a sentence or as JSON."""
    told = cli(*arguments, "--json").json
    assert len(told.pop("id")) == 26
    assert told == {"result": "written", "expected_at": None, "reason": None}
    assert cli(*arguments).out.endswith(" is written.\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["sned"], "no such command 'sned'"),
        (["accounts"], "missing command (try 'paceline accounts --help')"),
        (["campaign"], "missing command (try 'paceline campaign --help')"),
        (["group"], "missing command (try 'paceline group --help')"),
        (["profile"], "missing command (try 'paceline profile --help')"),
        (["number"], "missing command (try 'paceline number --help')"),
        (["group", "rename"], "no such command 'rename'"),
        (["status"], "missing argument 'ID' (try 'paceline status --help')"),
        (["audit", "now"], "unexpected extra argument (try 'paceline audit --help')"),
        (["--nonsense"], "no such option: --nonsense"),
    ],
)
def test_bad_usage_is_short(cli: Cli, arguments: list[str], words: str) -> None:
    """Wrong usage is exit 2 and one sentence that says where the help is."""
    sentence = cli(*arguments).refusal(2)
    assert sentence.startswith(words)
    assert "--help" in sentence


def test_the_books_balance(cli: Cli, worker: Worker) -> None:
    """`audit` shows every account's books and is content when nothing is missing."""
    assert cli("audit").out == "No accounts.\n"
    assert cli("audit", "--json").json == []
    for name in ("acme", "zeta"):
        cli("accounts", "add", name, "--limit", "10/minute", stdin=f"key of {name}")
    sent(cli, "acme")
    worker.accept_all()
    sent(cli, "acme")
    answer = cli("audit")
    assert (answer.code, answer.err) == (0, "")
    assert max(map(len, answer.out.splitlines())) <= 80
    balances = cli("audit", "--json").json
    assert balances[0] == {
        "account": "acme",
        "received": 2,
        "refused": 0,
        "inbox": 1,
        "waiting": 1,
        "in_flight": 0,
        "outcomes": dict.fromkeys(("accepted", "rejected", "expired", "cancelled", "dead", "held", "suppressed"), 0),
        "unaccounted": 0,
    }
    assert balances[1]["account"] == "zeta"


@one_shard
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_lost_operation_fails_the_audit(cli: Cli, worker: Worker, server: EmbeddedServer, form: list[str]) -> None:
    """One operation taken out of its lane behind everybody's back is exit 1, and its account is named."""
    cli("accounts", "add", "acme", "--limit", "10/minute", stdin="key")
    sent(cli, "acme")
    sent(cli, "acme")
    worker.accept_all()
    client = connect(server.url)
    lane = f"{names.STATE_ROOT}:l:acme:{SENDER}:t"
    client.lpop(lane)
    sentence = "the books do not balance: account 'acme' has "
    answer = cli("audit", *form)
    assert answer.refusal() == f"{sentence}1 operation unaccounted for"
    assert answer.out
    client.rpush(lane, "a", "b", "c")
    assert cli("audit", *form).refusal() == f"{sentence}2 operations counted twice"
    client.close()


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    def accounts(self: State) -> list[str]:
        raise RuntimeError(f"details nobody should see {self}")

    monkeypatch.setattr(State, "accounts", accounts)


@pytest.mark.usefixtures("broken")
def test_an_unexpected_exception_is_one_sentence(cli: Cli) -> None:
    """A fault of the program is named by its type, with how to report it; no traceback."""
    sentence = cli("audit").refusal()
    assert sentence.startswith("an unexpected RuntimeError")
    assert "report" in sentence
    assert "details" not in sentence


@pytest.mark.usefixtures("broken")
def test_a_developer_may_see_the_traceback(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """PACELINE_DEBUG=1 shows where it came from."""
    monkeypatch.setenv(names.ENV_DEBUG, "1")
    answer = cli("audit")
    assert answer.code == 1
    assert "Traceback" in answer.err
    assert "details nobody should see" in answer.err


def test_ctrl_c_is_quiet(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupted command is exit 130 without a word."""

    def interrupted(self: State) -> list[str]:
        raise KeyboardInterrupt(self)

    monkeypatch.setattr(State, "accounts", interrupted)
    answer = cli("audit")
    assert (answer.code, answer.out, answer.err) == (130, "", "")


@one_shard
def test_other_logs_stay_away(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only warnings of ours are shown, folded into one line."""

    def chatty(self: State) -> list[str]:
        logging.getLogger("paceline.outbox").warning("the broker\nis %s", "away")
        logging.getLogger("paceline.outbox").info("nothing new")
        return [] if self else ["x"]

    monkeypatch.setattr(State, "accounts", chatty)
    assert cli("audit").err == "paceline: the broker is away\n"


def test_a_reader_that_leaves_is_no_error(environment: Mapping[str, str]) -> None:
    """Output into a closed pipe ends in silence."""
    for arguments in (["--help"], ["accounts", "list"], ["accounts", "list", "--json"]):
        process = subprocess.Popen(
            [*PROGRAM, *arguments],
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
        process.stderr.close()
        assert process.wait(30) == 141


def test_an_ascii_terminal_is_no_error(environment: Mapping[str, str]) -> None:
    """Characters that the terminal lacks are escaped, not a failure."""
    arguments = ["accounts", "show", "b\u00fccher"]
    done = subprocess.run(
        [*PROGRAM, *arguments],
        env={**os.environ, **environment, "PYTHONIOENCODING": "ascii:strict"},
        capture_output=True,
        check=False,
        timeout=200,
    )
    assert (done.returncode, done.stderr) == (
        1,
        b"paceline: no account named 'b\\xfccher': see `paceline accounts list`\n",
    )


def test_without_the_extra_it_says_what_to_install(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where typer is not installed, the command says which extra brings it."""
    monkeypatch.setitem(sys.modules, "typer", None)
    answer = cli("audit")
    assert answer.refusal() == "the command line needs its extra: pip install 'paceline[cli]'"


@pytest.mark.parametrize(
    ("target", "extras"),
    [
        ("paceline_worker.not_there:app", "cli,worker"),
        ("paceline_sandbox.not_there:demo", "cli,worker,embedded,sandbox"),
        ("elsewhere.commands:app", "cli,worker"),
    ],
)
def test_a_command_whose_package_is_missing(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, target: str, extras: str
) -> None:
    """It is listed all the same, and says what to install whatever its arguments."""
    extra = EntryPoint("extra", target, paceline.cli.plugins.GROUP)
    monkeypatch.setattr(paceline.cli.plugins, "installed", lambda: {"extra": extra})
    assert "  extra " in cli("--help").out
    for arguments in ([], ["--help"], ["list", "--json", "x"]):
        assert cli("extra", *arguments).refusal().endswith(f": pip install 'paceline[{extras}]'")


def test_a_command_that_lacks_a_module_is_listed_without_being_loaded(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loading it would import all that it has, only to find what it lacks."""
    extra = EntryPoint("extra", f"{__name__}:shout", paceline.cli.plugins.GROUP)
    lacking = Command(extra.value, "Say it loud.", needs=("not_there",))
    monkeypatch.setattr(paceline.cli.plugins, "installed", lambda: {"extra": extra})
    monkeypatch.setattr(paceline.cli.plugins, "BESIDE", {extra.value: lacking})
    assert "  extra     Not installed: pip install 'paceline[cli,worker]'\n" in cli("--help").out
    assert cli("extra", "--words", "hey").refusal() == (
        "'paceline extra' cannot load not_there: pip install 'paceline[cli,worker]'"
    )


def test_a_function_is_a_command(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain function behind an entry point becomes a command, and its int or its SystemExit the exit code."""
    shouting = EntryPoint("shout", f"{__name__}:shout", paceline.cli.plugins.GROUP)
    monkeypatch.setattr(paceline.cli.plugins, "installed", lambda: {"shout": shouting})
    monkeypatch.setitem(sys.modules, __name__, sys.modules[__name__])
    assert cli("shout", "--help").out.startswith("Usage: paceline shout ")
    assert (cli("shout", "--words", "hey").out, cli("shout").code) == ("HEY\n", 3)
    assert cli("shout", "--words", "stop").refusal() == "that was loud"


def shout(words: str = "") -> int | None:
    """Say it loud."""
    sys.stdout.write(f"{words.upper()}\n")
    if words == "stop":
        sys.exit("that was loud")
    return None if words else 3


def test_times_are_local(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """People see the zone of their machine, with its offset."""
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    try:
        cli("accounts", "add", "acme", "--limit", "10/minute", stdin="key")
        assert "+05:30" in cli("accounts", "show", "acme").out
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 ms"),
        (0.1, "100 ms"),
        (1, "1 s"),
        (6.1, "6.1 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min"),
        (60, "1 min"),
        (75, "1 min 15 s"),
        (3600, "1 h"),
        (3601, "1 h"),
        (30_480, "8 h 28 min"),
        (86_400 * 2 + 3600 * 3, "2 d 3 h"),
    ],
)
def test_durations_read_like_speech(seconds: float, words: str) -> None:
    """Up to a minute one decimal, then two units."""
    assert duration(timedelta(seconds=seconds)) == words


def test_one_line_shows_what_is_hidden() -> None:
    """Line breaks become spaces, control characters are written out, letters stay."""
    assert one_line("a\r\nb\x1b[0m\u202eé\x00") == "a b\\x1b[0m\\u202eé\\x00"


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        ([*_SEND, "--text", "hi", "--priority", "high"], 2, "--priority: 'high' is not one of transactional, bulk (try"),
        ([*_SEND, "--text", ""], 2, "--text: is empty"),
        ([*_SEND, "--text", "hi", "--window", "9-18"], 2, "'9-18': write hours as 09:00-18:00, for example \"Mon-Fri"),
        ([*_SEND, "--text", "hi", "--valid-until", "2020-01-01T00:00:00Z"], 2, "--valid-until: 2020-01-01"),
        (["accounts", "add", "acme", "--limit", "1/minute", "--no-info"], 1, "exists. New key: `paceline accounts rotate"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("acme")
def test_a_refusal_says_what_to_type(cli: Cli, arguments: list[str], code: int, sentence: str) -> None:
    """The option first, the value as it was typed, and a form that is taken."""
    assert sentence in cli(*arguments, stdin="another-key\n").refusal(code)


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"_PACELINE_COMPLETE": "complete_bash", "COMP_WORDS": "paceline campaign wa", "COMP_CWORD": "2"}, "watch"),
        ({"_PACELINE_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "paceline camp"}, "campaign"),
        (
            {
                "_PACELINE_COMPLETE": "complete_fish",
                "_TYPER_COMPLETE_ARGS": "paceline send --acc",
                "_TYPER_COMPLETE_FISH_ACTION": "get-args",
            },
            "--account",
        ),
    ],
    ids=["bash", "zsh", "fish"],
)
def test_shells_complete_commands_and_options(
    environment: Mapping[str, str], variables: Mapping[str, str], words: str
) -> None:
    """As the script asks that `--install-completion` puts in place."""
    asked = {**os.environ, **environment, **variables}
    done = subprocess.run(
        [sys.executable, "-c", "from paceline.cli import main; raise SystemExit(main([]))"],
        env=asked,
        capture_output=True,
        text=True,
        check=False,
    )
    assert words in done.stdout, done
