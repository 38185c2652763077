import io
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from paceline import names
from paceline.cli import main
from paceline.state import connect
from paceline.state.scripts import Script, root_of
from paceline.state.shards import create, each_shard
from paceline_sandbox.embedded import EmbeddedServer
from paceline_worker.accounts.secrets import KeyRing
from paceline_worker.state.clock import ServerClock
from paceline_worker.state.values import Hint
from paceline_worker.state.worker import WorkerState
from tests.support.servers import SERVER_KINDS, start_server
from tests.support.stored import stored_account

SENDER = "+15550100001"
RECIPIENT = "+15550100002"
API_KEY = "canary-0f8e7d6c5b4a"
SECRET = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
# All commands also work on state of several shards: TEST_SHARDS=5 runs these tests on such a state.
SHARDS = int(os.environ.get("TEST_SHARDS", "1"))
# Of tests that look at keys of shard 0, where their account is only when there is one shard, or that choose the number of shards.
one_shard = pytest.mark.skipif(SHARDS > 1, reason="the test is about state of one shard")
# Nothing listens there: no test asks the real provider.
NO_PROVIDER = "http://127.0.0.1:9/open"
PROGRAM = [sys.executable, "-m", "paceline.cli"]


@dataclass(frozen=True)
class Answer:
    """What one run of the command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert (self.code, self.err) == (0, "")
        assert self.out.count("\n") == 1
        return json.loads(self.out)

    def refusal(self, code: int = 1) -> str:
        """The one sentence on stderr of a run that did not do its work."""
        assert self.code == code, self
        assert self.err.startswith("paceline: ")
        assert self.err.endswith("\n")
        assert self.err.count("\n") == 1
        assert "Traceback" not in self.err
        return self.err.removeprefix("paceline: ").strip()


Cli = Callable[..., Answer]


# One kind is enough here: the scripts run on every kind elsewhere.
@pytest.fixture(scope="session", params=SERVER_KINDS[:1])
def cli_server(request: pytest.FixtureRequest) -> Iterator[EmbeddedServer]:
    """The server of all commands of a test process."""
    with start_server(request.param) as running:
        yield running


@pytest.fixture
def server(cli_server: EmbeddedServer) -> Iterator[EmbeddedServer]:
    """An empty state server, on which no worker of others appears: one whose own server had this port would take work."""
    client = connect(cli_server.url)
    client.flushall()
    if SHARDS > 1:
        create(client, SHARDS)
    yield cli_server
    strangers = client.hkeys(f"{names.STATE_ROOT}:workers")
    client.close()
    assert [] == strangers, f"workers that no test here started have found this server's port: {strangers}"


@pytest.fixture
def environment(server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, str]:
    """The variables of a user at an 80 column terminal, in place."""
    for variable in (names.ENV_STATE_URL, names.ENV_DEBUG, "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(variable, raising=False)
    values = {
        names.ENV_BROKER_URL: server.url,
        names.ENV_SECRET_KEY: SECRET,
        names.ENV_API_BASE: NO_PROVIDER,
        "COLUMNS": "80",
    }
    for variable, value in values.items():
        monkeypatch.setenv(variable, value)
    return values


@pytest.fixture
def cli(
    environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Cli]:
    """Runs the command in this process."""
    assert environment

    def run(*arguments: str, stdin: str = "") -> Answer:
        capsys.readouterr()
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        code = main(arguments)
        out, err = capsys.readouterr()
        return Answer(code, out, err)

    yield run
    assert logging.getLogger("paceline").handlers == []


@dataclass(frozen=True)
class Inbox:
    """The records that no worker has taken, as the commands wrote them.

    Args:
        url: the state server.
    """

    url: str

    @property
    def records(self) -> list[dict[str, Any]]:
        client = connect(self.url)
        bodies = []
        for own in each_shard(client):
            rids: Any = own.zrange(f"{root_of(own)}:inbox", 0, -1)
            bodies += [own.hget(f"{root_of(own)}:in:{rid}", "body") for rid in rids]
        client.close()
        return [json.loads(str(body)) for body in bodies]

    @property
    def only(self) -> dict[str, Any]:
        """The fields of the one operation in it, as its hash will hold them; the payload as a value."""
        [record] = self.records
        [row] = record["rows"]
        return {**record["common"], **row, "p": json.loads(row["p"])}


@pytest.fixture
def inbox(server: EmbeddedServer) -> Inbox:
    return Inbox(server.url)


@pytest.fixture
def worker(server: EmbeddedServer) -> Iterator["Worker"]:
    """The steps of a worker, made by hand."""
    made = Worker(server.url)
    yield made
    made.state.client.close()


class Worker:
    """What a worker does with its state, without processes.

    Args:
        url: the state server.
    """

    def __init__(self, url: str) -> None:
        self.state = WorkerState(url, ServerClock(), retention_s=60, grace_s=60)
        shards = len(each_shard(self.state.client))
        self.states = [self.state, *(self.state.beside(shard, ServerClock()) for shard in range(1, shards))]
        self._begin = Script("paceline_worker", "begin")
        self._settle = Script("paceline_worker", "settle")

    def accept_all(self) -> int:
        accepted = 0
        for state in self.states:
            rids = state.overdue(0.0, 100)
            state.accept(rids)
            accepted += len(rids)
        return accepted

    def grant(self) -> list[Hint]:
        hints: list[Hint] = []
        for state in self.states:
            hints += state.grant(most=100, fleet_capacity=100, budget_us=1_000_000).hints
        return hints

    def settle(self, hint: Hint, **verdict: str) -> None:
        """Begin, however late it is, and settle."""
        patient_us, client = 60_000_000, self.states[hint.shard].client
        self._begin.run(client, "cli", patient_us, patient_us, 0, "0", hint.id, hint.token, 1)
        verdict = {"id": hint.id, "token": hint.token, "elapsed": "0", **verdict}
        self._settle.run(client, 60_000, patient_us, json.dumps(verdict))


@pytest.fixture
def acme(cli: Cli) -> str:
    """An account of 10/minute."""
    assert cli("accounts", "add", "acme", "--limit", "10/minute", "--no-info", stdin=f"{API_KEY}\n").code == 0
    return "acme"


@pytest.fixture
def quick(cli: Cli) -> str:
    """An account that may send now."""
    arguments = ("--limit", "100/second", "--variation", "0", "--no-info")
    assert cli("accounts", "add", "quick", *arguments, stdin=f"{API_KEY}-quick\n").code == 0
    return "quick"


def sent(cli: Cli, account: str, *options: str) -> str:
    """The id of a message sent with the command."""
    answer = cli(
        "send", "--account", account, "--from", SENDER, "--to", RECIPIENT, "--text", "Hello", *options, "--json"
    )
    return str(answer.json["id"])


def campaign_arguments(recipients: Path, account: str = "acme", name: str = "spring") -> list[str]:
    options = ["--account", account, "--from", SENDER, "--recipients", str(recipients), "--template", "Hi {name}"]
    return ["campaign", "start", name, *options]


def people(path: Path, count: int) -> Path:
    """A CSV file of so many recipients."""
    path.write_text("to,name\n" + "".join(f"+1555010{number:04},Ann\n" for number in range(count)))
    return path


def stored_key(server: EmbeddedServer, account: str) -> str:
    """The API key in state, decrypted."""
    client = connect(server.url)
    found = stored_account(client, account)
    text, version = found["key"], found["key_version"]
    client.close()
    return KeyRing(SECRET).decrypt(str(text), account, int(str(version))).reveal()
