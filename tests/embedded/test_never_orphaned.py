"""Whatever happens to its owner, the server ends and leaves no directory behind."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.embedded.observe import PLENTY, alive, client_of, keeper_of, wait_for_end
from tests.support.processes import Process, free_port, spawn
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from paceline_sandbox.embedded import EmbeddedServer, Source

OWNER = """
import os, sys, time
from paceline_sandbox.embedded import EmbeddedServer
server = EmbeddedServer.start(prefer=sys.argv[1])
if "--fork" in sys.argv and os.fork() == 0:
    server.stop()
    print(f"forked {os.getpid()}", flush=True)
    time.sleep(600)
print(f"server {server.pid} in {server.directory}", flush=True)
if "--leave" in sys.argv:
    os._exit(0)
time.sleep(600)
"""


class Owned(NamedTuple):
    owner: Process
    server_pid: int
    directory: Path


def own_a_server(kind: Source, tmp_path: Path, *options: str) -> Owned:
    """Starts a process that starts a server, and returns both."""
    owner = spawn([sys.executable, "-c", OWNER, kind, *options], {"TMPDIR": str(tmp_path)}, tmp_path / "owner.log")
    found = owner.wait_for_line(r"server (\d+) in (.+)")
    return Owned(owner, int(found[1]), Path(found[2]))


def test_it_ends_when_its_owner_is_killed(kind: Source, tmp_path: Path) -> None:
    owned = own_a_server(kind, tmp_path)
    assert alive(owned.server_pid)
    owned.owner.kill()
    wait_for_end(owned.server_pid)
    wait_until(lambda: not owned.directory.exists(), PLENTY, "the temporary directory to be removed")


def test_it_ends_when_its_owner_leaves_without_a_word(kind: Source, tmp_path: Path) -> None:
    owned = own_a_server(kind, tmp_path, "--leave")
    owned.owner.wait(PLENTY)
    wait_for_end(owned.server_pid)


def test_a_process_forked_from_its_owner_neither_stops_it_nor_keeps_it(kind: Source, tmp_path: Path) -> None:
    owned = own_a_server(kind, tmp_path, "--fork")
    forked_pid = int(owned.owner.wait_for_line(r"forked (\d+)")[1])
    try:
        assert alive(owned.server_pid)
        assert owned.directory.exists()
        os.kill(owned.owner.pid, signal.SIGKILL)  # the owner alone, not its group
        wait_for_end(owned.server_pid)
        assert alive(forked_pid)
    finally:
        os.kill(forked_pid, signal.SIGKILL)
        owned.owner.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent ended")
def test_it_ends_when_its_keeper_is_killed(server: EmbeddedServer) -> None:
    os.kill(keeper_of(server), signal.SIGKILL)
    wait_for_end(server.pid)
    server.restart()
    with client_of(server) as client:
        assert client.ping() is True


class TestForeground:
    """`python -m paceline_sandbox.embedded`."""

    MODULE = (sys.executable, "-m", "paceline_sandbox.embedded")

    @pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
    def test_it_runs_until_it_is_told_to_stop(self, tmp_path: Path, ending: signal.Signals) -> None:
        data = tmp_path / "data"
        with spawn([*self.MODULE, "--port", "0", "--dir", data], {}, tmp_path / "log") as process:
            url = process.wait_for_line(r"listening on (redis://\S+) \(data in .*data\)")[1]
            with client_of(url) as client:
                client.set("kept", "yes")
                server_pid = client.info("server")["process_id"]
            os.killpg(process.pid, ending)  # as the terminal does: to the whole process group
            assert process.wait(PLENTY) == 0
            assert not alive(server_pid)
            assert "Traceback" not in process.log_text()
        assert (data / "appendonlydir").exists() or (data / "appendonly.aof").exists()

    def test_it_listens_on_the_given_port_and_refuses_one_that_is_taken(self, tmp_path: Path) -> None:
        port = str(free_port())
        with spawn([*self.MODULE, "--port", port], {}, tmp_path / "first.log") as first:
            first.wait_for_line(rf"listening on redis://127\.0\.0\.1:{port}/0 ")
            with spawn([*self.MODULE, "--port", port], {}, tmp_path / "second.log") as second:
                assert second.wait(PLENTY) == 1
                expected = f"Port {port} on 127.0.0.1 is taken by another program; choose another one.\n"
                assert second.log_text() == expected

    def test_it_ends_with_its_server(self, tmp_path: Path) -> None:
        with spawn([*self.MODULE, "--port", "0"], {}, tmp_path / "log") as process:
            url = process.wait_for_line(r"listening on (redis://\S+)")[1]
            with client_of(url) as client:
                os.kill(client.info("server")["process_id"], signal.SIGKILL)
            assert process.wait(PLENTY) == 1
            assert "The server ended unexpectedly: " in process.log_text()

    def test_it_explains_itself(self, tmp_path: Path) -> None:
        with spawn([*self.MODULE, "--help"], {}, tmp_path / "log") as process:
            assert process.wait(PLENTY) == 0
            assert "--port" in process.log_text()
            assert "--as-keeper" not in process.log_text()
