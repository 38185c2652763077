"""One small Paceline for the whole tutorial: one worker, the emulated provider, and accounts of 1,200 calls a minute."""

import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from paceline import Outbox
from paceline.cli import main
from tests.support.processes import start_sandbox
from tests.support.servers import SERVER_KINDS, start_server
from tests.support.stack import Stack

Command = Callable[..., Any]


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """A server of its own: other tests empty theirs."""
    with start_server(SERVER_KINDS[0]) as server, start_sandbox() as sandbox, Stack(server, sandbox) as built:
        built.scenario(latency_ms=5, receipts={"sent_ms": 10, "received_ms": 20, "read_ms": 30})
        built.name = "acme"
        built.add_account("1200/minute")
        built.start_worker()
        yield built


@pytest.fixture
def outbox(stack: Stack) -> Outbox:
    return stack.outbox


@pytest.fixture
def account(stack: Stack) -> str:
    """An account that no other test uses."""
    return stack.another().add_account("1200/minute")


@pytest.fixture
def paceline(stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The command line: the JSON document of a command with --json, else its output."""
    for variable in [name for name in os.environ if name.startswith("PACELINE_")]:
        monkeypatch.delenv(variable)
    for variable, value in stack.environment.items():
        monkeypatch.setenv(variable, value)

    def run(*arguments: str, code: int = 0) -> Any:
        capsys.readouterr()
        assert code == main(arguments)
        out, err = capsys.readouterr()
        return (json.loads(out) if "--json" in arguments else out) if code == 0 else err

    return run
