import threading
from datetime import UTC, datetime, timedelta

import pytest

from paceline import names
from paceline_sandbox.embedded import EmbeddedServer, free_port
from tests.cli.conftest import RECIPIENT, SENDER, Cli, Inbox, Worker, sent

ADDRESSED = ("send", "--account", "acme", "--from", SENDER, "--to", RECIPIENT)
GROUP = "WAG11111111-2222-4333-8444-555555555555"


def test_send_prints_the_id(cli: Cli, acme: str, worker: Worker) -> None:
    """`send` says that the message is written and under which id; a worker then accepts it."""
    answer = cli(*ADDRESSED, "--text", "Hello")
    assert (answer.code, answer.err) == (0, "")
    op_id, words = answer.out.split(maxsplit=1)
    assert words == "is written.\n"
    assert worker.accept_all() == 1
    assert cli("status", op_id, "--json").json["account"] == acme


@pytest.mark.usefixtures("acme")
def test_send_as_json(cli: Cli) -> None:
    """The JSON of `send` has id, result, expected_at and reason."""
    told = cli(*ADDRESSED, "--text", "Hello", "--json").json
    assert len(told.pop("id")) == 26
    assert told == {"result": "written", "expected_at": None, "reason": None}


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize(
    "options",
    [
        ["--to", RECIPIENT, "--text", "Hello", "--url", "https://example.com/a.pdf"],
        ["--group", GROUP, "--text", "Hello"],
        ["--to", RECIPIENT, "--pin", "-33.8568,-151.2153"],
        ["--to", RECIPIENT, "--text", "x", "--priority", "bulk", "--on-unknown", "hold", "--max-attempts", "3"],
        [
            "--to",
            RECIPIENT,
            "--text",
            "x",
            "--not-before",
            "2099-01-01T00:00:00Z",
            "--valid-until",
            "2099-01-02T00:00Z",
        ],
    ],
)
def test_send_takes_all_options(cli: Cli, options: list[str]) -> None:
    """Text, attachment, group, pin and the delivery options are accepted."""
    assert cli("send", "--account", "acme", "--from", SENDER, *options).code == 0


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--to", RECIPIENT], "--text, --url, --pin: give at least one of them"),
        (["--text", "x"], "--to, --group, --remote-id: give exactly one of them"),
        (["--to", RECIPIENT, "--group", GROUP, "--text", "x"], "--to, --group, --remote-id: give exactly one of them"),
        (["--to", "12", "--text", "x"], "--to: is not a phone number"),
        (["--to", RECIPIENT, "--text", ""], "--text: "),
        (["--to", RECIPIENT, "--pin", "52.52"], "--pin: is not LAT,LON"),
        (["--to", RECIPIENT, "--pin", "95,0"], "--pin (latitude): "),
        (["--to", RECIPIENT, "--url", "http://example.com/"], "--url: must start with https://"),
        (["--to", RECIPIENT, "--text", "x", "--key", ""], "--key: "),
        (["--to", RECIPIENT, "--text", "x", "--not-before", "noon"], "--not-before: is not a time"),
        (["--to", RECIPIENT, "--text", "x", "--valid-until", "2099-01-01"], "--valid-until: needs a time zone"),
        (["--to", RECIPIENT, "--text", "x", "--max-attempts", "0"], "--max-attempts: "),
        (["--to", RECIPIENT, "--text", "x", "--max-attempts", "many"], "--max-attempts: "),
        (["--to", RECIPIENT, "--text", "x", "--priority", "high"], "--priority: "),
        (["--to", RECIPIENT, "--text", "x", "--wait", "-1"], "--wait: "),
        (["--to", RECIPIENT, "--text", "x", "--colour", "red"], "no such option: --colour"),
        (["--to", RECIPIENT, "--text", "\udcff"], "not UTF-8"),
    ],
)
def test_send_refuses_bad_usage(cli: Cli, options: list[str], words: str) -> None:
    """A wrong message is exit 2 and one sentence that names the option; nothing is written."""
    assert words in cli("send", "--account", "acme", "--from", SENDER, *options).refusal(2)
    assert cli("audit", "--json").json[0]["received"] == 0


@pytest.mark.usefixtures("acme")
def test_the_sender_is_named_as_it_is_typed(cli: Cli) -> None:
    """The model's field `sender` is the option --from."""
    answer = cli("send", "--account", "acme", "--from", "me", "--to", RECIPIENT, "--text", "x")
    assert answer.refusal(2).startswith("--from: is not a phone number")


def test_send_needs_a_known_account(cli: Cli) -> None:
    """An unknown account is exit 1, with the command that adds it."""
    assert "paceline accounts add acme" in cli(*ADDRESSED, "--text", "x").refusal()


def test_send_needs_a_listed_sender(cli: Cli) -> None:
    """An account that lists its senders takes no other."""
    assert cli("accounts", "add", "acme", "--limit", "1/second", "--sender", "+15550100009", stdin="k").code == 0
    assert f"{SENDER} is not among them" in cli(*ADDRESSED, "--text", "x").refusal()


@pytest.mark.usefixtures("acme")
def test_a_key_makes_one_message(cli: Cli, worker: Worker) -> None:
    """The same --key gives the same id, and state counts the second as a duplicate."""
    first = cli(*ADDRESSED, "--text", "Hello", "--key", "order-17", "--json").json["id"]
    second = cli(*ADDRESSED, "--text", "Hello", "--key", "order-17", "--json").json["id"]
    assert first == second
    worker.accept_all()
    [balance] = cli("audit", "--json").json
    assert (balance["received"], balance["refused"], balance["waiting"]) == (2, 1, 1)


class Accepting:
    """A thread that accepts whatever is written, as long as the block lasts."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._done.wait(0.01):
            self._worker.accept_all()

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()


@pytest.mark.usefixtures("acme")
def test_waiting_tells_when_it_leaves(cli: Cli, worker: Worker) -> None:
    """With --wait the worker's answer is told: accepted and when expected, or a duplicate."""
    with Accepting(worker):
        told = cli(*ADDRESSED, "--text", "Hello", "--key", "k", "--wait", "20", "--json").json
        again = cli(*ADDRESSED, "--text", "Hello", "--key", "k", "--wait", "20", "--json").json
        words = cli(*ADDRESSED, "--text", "Hello", "--wait", "20")
        duplicate = cli(*ADDRESSED, "--text", "Hello", "--key", "k", "--wait", "20")
    assert told["result"] == "accepted"
    assert datetime.fromisoformat(told["expected_at"]) < datetime.now(UTC) + timedelta(seconds=60)
    assert (again["id"], again["result"]) == (told["id"], "duplicate")
    assert "is accepted, expected to leave in " in words.out
    assert "nothing was added" in duplicate.out


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_waiting_in_vain_keeps_the_message(cli: Cli, form: list[str]) -> None:
    """When nobody accepts it in time, that is exit 1; the id is printed and the message is kept."""
    answer = cli(*ADDRESSED, "--text", "Hello", "--wait", "0.05", *form)
    assert "no worker accepted" in answer.refusal()
    assert "written" in answer.out
    assert cli("audit", "--json").json[0]["inbox"] == 1


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_refused_record_is_a_failure(
    cli: Cli, worker: Worker, monkeypatch: pytest.MonkeyPatch, form: list[str]
) -> None:
    """A worker that cannot read the record refuses it: exit 1 and why; in JSON too."""
    monkeypatch.setattr(names, "INBOX_VERSION", 99)
    with Accepting(worker):
        answer = cli(*ADDRESSED, "--text", "Hello", "--wait", "20", *form)
    assert "is refused: the record is not of a version" in answer.refusal()
    assert ('"result": "refused"' in answer.out) == bool(form)


@pytest.mark.usefixtures("acme")
def test_an_absent_broker_is_a_warning(cli: Cli, server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """When only the broker is away, the message is written, and one clean line says so."""
    monkeypatch.setenv(names.ENV_STATE_URL, server.url)
    monkeypatch.setenv(names.ENV_BROKER_URL, f"redis://127.0.0.1:{free_port()}/0")
    answer = cli(*ADDRESSED, "--text", "Hello")
    assert "is written" in answer.out
    assert "the broker did not take a hint" in answer.refusal(0)
    assert cli("audit", "--json").json[0]["inbox"] == 1


def test_status_and_explain_of_a_waiting_message(cli: Cli, acme: str, worker: Worker) -> None:
    """`status` shows where it is, `explain` why it waits and until when, both also as JSON."""
    ids = [sent(cli, acme) for _ in range(3)]
    worker.accept_all()
    status = cli("status", ids[2], "--json").json
    assert status.keys() == {
        "id", "state", "account", "campaign", "kind", "accepted_at", "settled_at", "attempts", "message_uuid", "group_uuid",
        "code", "words", "expected_at", "why", "metadata", "result", "history", "receipt", "sender", "to", "idempotency_key",
        "key", "exempt",
    }  # fmt: skip
    assert (status["id"], status["state"], status["kind"]) == (ids[2], "waiting", "message.to_number")
    explained = cli("explain", ids[2], "--json").json
    assert explained.keys() == {
        "id",
        "state",
        "why",
        "expected_at",
        "account",
        "ahead",
        "workers",
        "unreachable",
        "shards_away",
    }
    assert (explained["state"], explained["ahead"], explained["workers"]) == ("waiting", 2, 0)
    assert explained["why"] == "2 operations leave before it, one every 6.1 s"
    text = cli("status", ids[2]).out
    assert "expected" in text
    assert max(map(len, text.splitlines())) <= 80
    assert cli("explain", ids[2]).out.splitlines()[0] == f"{ids[2]} is waiting: {explained['why']}."
    assert cli("explain", ids[2]).out.splitlines()[1].startswith("Expected to leave in 1")
    assert cli("explain", ids[2]).out.splitlines()[2].startswith("No worker is alive")


def test_explain_names_a_suspension(cli: Cli, acme: str, worker: Worker) -> None:
    """An operation of a suspended account has no expected time, and the reason is told."""
    op_id = sent(cli, acme)
    worker.accept_all()
    cli("accounts", "suspend", acme, "--reason", "under review")
    assert cli("explain", op_id, "--json").json["expected_at"] is None
    assert "suspended: under review" in cli("explain", op_id).out


def test_status_of_a_settled_message(cli: Cli, quick: str, worker: Worker) -> None:
    """The provider's words are shown, their control characters made visible."""
    op_id = sent(cli, quick)
    worker.accept_all()
    [hint] = worker.grant()
    assert cli("status", op_id, "--json").json["state"] == "granted"
    worker.settle(hint, verb="finish", outcome="rejected", code="422", words="no \x1b[31m[red]such\r\nnumber")
    status = cli("status", op_id, "--json").json
    assert (status["state"], status["code"], status["expected_at"]) == ("rejected", "422", None)
    for command in ("status", "explain"):
        text = " ".join(cli(command, op_id).out.split())
        assert "no \\x1b[31m[red]such number" in text
        assert "\x1b" not in text
    assert "No worker" not in cli("explain", op_id).out


@pytest.mark.parametrize("command", ["status", "explain"])
def test_an_unknown_operation(cli: Cli, command: str) -> None:
    """An id that nobody knows is exit 1 and one sentence."""
    assert cli(command, "nothing").refusal().startswith("no operation 'nothing'")


@pytest.mark.parametrize("command", ["status", "explain"])
def test_an_operation_that_is_not_accepted_yet(cli: Cli, acme: str, command: str) -> None:
    """Before a worker accepts it, an operation cannot be found; the sentence says that records wait."""
    assert "(1 record not yet accepted" in cli(command, sent(cli, acme)).refusal()


@pytest.mark.usefixtures("acme")
def test_account_and_sender_may_stand_in_the_environment(
    cli: Cli, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`PACELINE_ACCOUNT` and `PACELINE_SENDER`; an option that is given counts. `-q` prints the id and nothing else."""
    monkeypatch.setenv("PACELINE_ACCOUNT", "acme")
    monkeypatch.setenv("PACELINE_SENDER", "+15550100009")
    answer = cli("send", "--to", RECIPIENT, "--text", "Hello", "-q")
    assert (0, 27) == (answer.code, len(answer.out))
    assert inbox.only["id"] == answer.out.strip()
    assert "nobody" in cli("send", "--account", "nobody", "--to", RECIPIENT, "--text", "Hello", "--wait", "0").refusal()
