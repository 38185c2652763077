"""A state server that came back without what it had acknowledged is noticed by every worker that lives."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from paceline_sandbox.embedded import EmbeddedServer
from paceline_worker.state.clock import ServerClock
from paceline_worker.state.values import Beat
from paceline_worker.state.worker import WorkerState
from tests.support.servers import start_server

BEAT = Beat(10, 10)


def append_only_file(server: EmbeddedServer) -> Path:
    """The one that grows."""
    return max(server.directory.rglob("*.aof"), key=lambda path: path.stat().st_size)


@pytest.mark.parametrize("truncated", [True, False])
def test_a_truncated_append_only_file_is_told_of(truncated: bool) -> None:
    """The server cuts the damaged end off without a word; the next heartbeat finds an older one than was acknowledged."""
    with start_server() as server:
        forgot: list[bool] = []
        state = WorkerState(
            server.url, ServerClock(), retention_s=60, grace_s=1.0, on_forgotten=lambda: forgot.append(True)
        )
        for _ in range(5):
            state.heartbeat("w", BEAT, 60.0)
        whole = append_only_file(server).stat().st_size
        for _ in range(5):
            state.heartbeat("w", BEAT, 60.0)
        server.kill()
        if truncated:
            with append_only_file(server).open("r+b") as file:
                file.truncate(whole + 7)  # in the middle of a command
        server.restart()
        state.client.connection_pool.disconnect()
        with capture_logs() as logs:
            state.heartbeat("w", BEAT, 60.0)
            state.heartbeat("w", BEAT, 60.0)
        state.client.close()
    told = [entry for entry in logs if entry["log_level"] == "critical"]
    assert int(truncated) == len(told) == len(forgot)
    assert all("without writes that it had acknowledged" in entry["event"] for entry in told)
