"""A state server as managed services have it: TLS only, a user name, and commands that are forbidden or renamed."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from random import Random

import pytest
import redis

from paceline import Settings
from paceline.cli import main
from paceline.errors import ConfigurationError
from paceline.state import connect
from paceline_sandbox.embedded import find_server_binary
from paceline_worker.checks import UNTOLD
from paceline_worker.doctor import state as looks_at_state
from paceline_worker.exporter.__main__ import main as export
from paceline_worker.runtime import Runtime
from tests.support.processes import Sandbox, free_port, spawn
from tests.support.proxy import Proxy
from tests.support.servers import SERVER_KINDS, start_server
from tests.support.shell import logging_as_before
from tests.support.stack import PATIENCE, SECRET, Stack
from tests.support.tls import certified
from tests.support.wait import wait_until

pytestmark = [pytest.mark.system]

RENAMED = ("INFO", "CONFIG", "CLIENT", "ACL", "SCRIPT", "DEBUG", "MONITOR", "SHUTDOWN", "KEYS", "FLUSHALL", "FLUSHDB")
RIGHTS = (
    "on >secret ~paceline:* resetchannels -@all +@read +@write +@scripting +@connection +time -client -script -select"
)


@pytest.fixture(scope="module", params=["forbidden", "renamed"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address."""
    directory = tmp_path_factory.mktemp("managed")
    with ExitStack() as stack:
        if request.param == "forbidden":
            server = stack.enter_context(start_server(extra=("--databases", "1")))
            with closing(connect(server.url)) as admin:
                admin.execute_command("ACL", "SETUSER", "guest", *RIGHTS.split())  # type: ignore[no-untyped-call]
            port, login = server.port, "guest:secret@"
        else:
            port, login = free_port(), ":secret@"
            stack.enter_context(spawn(command(port, directory), {}, directory / "server.log"))
            wait_until(lambda: answers(port), PATIENCE, "a server")
        context, trusted = certified(directory)
        proxy = stack.enter_context(Proxy(port, random=Random(1), tls=context))
        yield f"rediss://{login}127.0.0.1:{proxy.port}/0?ssl_ca_certs={trusted}"


def command(port: int, directory: Path) -> list[str | Path]:
    words = f"--port {port} --bind 127.0.0.1 --appendonly yes --databases 1 --requirepass secret --dir {directory}"
    renamed = [word for name in RENAMED for word in ("--rename-command", name, "")]
    return [find_server_binary(SERVER_KINDS[0]), *words.split(), *renamed]


def answers(port: int) -> bool:
    with closing(redis.Redis(port=port, password="secret")) as client:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False


@pytest.fixture
def built(url: str, sandbox: Sandbox) -> Iterator[Stack]:
    with start_server() as broker, Stack(broker, sandbox, PACELINE_STATE_URL=url) as made:
        made.scenario()
        made.add_account()
        yield made


def test_a_worker_wants_to_be_told_that_it_is_durable(built: Stack) -> None:
    """One sentence that says what cannot be checked, and what to do; with the setting, doctor only warns."""
    settings = built.settings.model_copy(update={"metrics_port": 0})
    settings = Settings(**dict(settings) | {"secret_key": SECRET})
    runtime = Runtime(settings, lambda *_: None)
    with pytest.raises(ConfigurationError, match=f"^{UNTOLD}: start with --assume-durable"):
        runtime.start()
    runtime.stop()
    for assumes, level in ((False, "failure"), (True, "warning")):
        found = {
            each.check: each
            for each in looks_at_state.findings(settings.model_copy(update={"assume_durable": assumes}))
        }
        assert (level, True) == (found["state"].level, UNTOLD in found["state"].words)
        assert "ok" == found["state rights"].level


def test_all_programs_work_with_what_is_allowed(
    built: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Worker, command line and exporter; the worker says once what it cannot check."""
    worker = built.start_worker(PACELINE_ASSUME_DURABLE="1")
    for number in range(5):
        built.send(number)
    built.settled(5)
    assert {f"message {number}": 1 for number in range(5)} == built.texts_accepted()
    assert 1 == worker.log_text().count(UNTOLD)
    assert "Traceback" not in worker.log_text()

    for name, value in built.environment.items():
        monkeypatch.setenv(name, value)
    assert 0 == main(["audit"])
    assert "5" in capsys.readouterr().out
    with logging_as_before():
        assert 0 == export(["--once"])
    shown = capsys.readouterr().out
    assert "paceline_workers 1.0" in shown
    assert "paceline_state_aof_enabled" not in shown
