"""A state server that is restarted while the dispatcher sleeps."""

from pathlib import Path

from paceline.state import connect
from paceline_worker.state.clock import ServerClock
from paceline_worker.state.values import Beat
from paceline_worker.state.worker import WorkerState
from tests.conftest import add_account
from tests.support.processes import free_port
from tests.support.servers import start_server


def test_nothing_is_granted_by_a_restarted_server_before_its_buckets_are_empty(tmp_path: Path) -> None:
    """redis-py replaces a dead pooled connection without a word, so no error leads to a heartbeat before the next grant."""
    port = free_port()
    with start_server(directory=tmp_path, port=port) as server:
        client = connect(server.url)
        state = WorkerState(server.url, ServerClock(), retention_s=60, grace_s=15)
        state.heartbeat("w", Beat(1, 1), 5.0)
        add_account(client, "acme")
        state.grant(most=1, fleet_capacity=1)
        epoch = client.hget("paceline:{0}:meta", "epoch")
    with start_server(directory=tmp_path, port=port):
        granted = "granted"
        try:
            state.grant(most=1, fleet_capacity=1)
        except Exception:  # noqa: BLE001 - any error makes the dispatcher look at the server first
            granted = "an error, then a heartbeat"
        now = client.hget("paceline:{0}:meta", "epoch")
        assert granted != "granted" or now != epoch
    client.close()
    state.client.close()
