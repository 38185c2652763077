"""The commands of the README as written, with a real worker, on every kind of server this machine has."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from paceline.status.audit import Balance
from paceline_sandbox.embedded import EmbeddedServer
from tests.conftest import Servers, emptied
from tests.support.processes import Sandbox, start_worker
from tests.support.servers import SERVER_KINDS
from tests.support.shell import paceline
from tests.support.stack import Stack, canary_environment

pytestmark = [pytest.mark.system]


@pytest.mark.parametrize("kind", SERVER_KINDS)
def test_the_commands_of_the_readme(kind: Any, servers: Servers, sandbox: Sandbox, tmp_path: Path) -> None:
    """Secret, account, worker, message, campaign, status, explain, audit: each does what it says."""
    with emptied(servers.get(kind)) as server, Stack(server, sandbox) as stack:
        stack.scenario()
        shell = Shell(server, stack, as_user=kind == SERVER_KINDS[0])
        stack.environment["PACELINE_SECRET_KEY"] = shell.environment["PACELINE_SECRET_KEY"] = shell(
            "secret", "generate"
        ).strip()
        stack.name = shell.account
        shell("accounts", "add", shell.account, "--limit", "1200/minute", "--pacing", "window", stdin="UAKtest\n")
        stack.workers.append(start_worker(stack.environment, forked=True))
        who = ("--account", shell.account, "--from", "+15550100001")

        sent = json.loads(shell("send", *who, "--to", "+15550100002", "--text", "Hello", "--wait", "20", "--json"))
        stack.settled(1)
        assert "accepted" == json.loads(shell("status", sent["id"], "--json"))["state"]
        assert "the provider accepted it" in shell("explain", sent["id"])

        people = tmp_path / "people.csv"
        people.write_text("to,name\n" + "".join(f"+1555020{n:04d},Customer {n}\n" for n in range(25)))
        shell("campaign", "start", "spring", *who, "--recipients", str(people), "--template", "Hi {name}")
        books: Balance = stack.settled(26)
        assert (26, 0) == (books.outcomes["accepted"], books.unaccounted)
        assert "complete" in shell("campaign", "status", "spring")
        assert "spring" in shell("campaign", "list")

        shell("accounts", "suspend", shell.account)
        assert "suspended" in shell("accounts", "show", shell.account)
        shell("accounts", "resume", shell.account)
        assert shell.account in shell("accounts", "list")
        shell("audit")
        shell("accounts", "remove", shell.account)
        assert f"Hi Customer {7}" in {(arrival["body"] or {}).get("text") for arrival in stack.sandbox.arrivals()}


class Shell:
    """Runs `paceline`, and insists on success.

    Args:
        server: broker and state server.
        stack: whose provider it asks.
        as_user: start a process for the first command of each family, and call its others in this one; else call them all.
    """

    def __init__(self, server: EmbeddedServer, stack: Stack, *, as_user: bool) -> None:
        self.account = f"{stack.name}-cli"
        self.as_user = as_user
        self.started: set[str] = set()
        api_base = stack.environment["PACELINE_API_BASE"]
        self.environment = {"PACELINE_BROKER_URL": server.url, "PACELINE_API_BASE": api_base}

    def __call__(self, *arguments: str, stdin: str = "") -> str:
        if not self.as_user or arguments[0] in self.started:
            called = paceline(self.environment, *arguments, stdin=stdin)
            assert (0, "") == (called.code, called.err)
            return called.out
        self.started.add(arguments[0])
        ended = subprocess.run(
            [sys.executable, "-m", "paceline.cli", *arguments],
            input=stdin,
            env={**canary_environment(), **self.environment},
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        assert (0, "") == (ended.returncode, ended.stderr)
        return ended.stdout
