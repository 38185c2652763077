"""Several looks in one round trip."""

from collections.abc import Iterator

import pytest
import redis

from paceline import Outbox, SendMessage
from paceline_sandbox.embedded import EmbeddedServer
from paceline_worker.state.clock import ServerClock
from paceline_worker.state.values import Hint
from paceline_worker.state.worker import WorkerState
from tests.conftest import add_account

SENDERS = 40


@pytest.fixture
def state(server: EmbeddedServer, client: redis.Redis) -> Iterator[WorkerState]:
    """Forty accounts, one message each, all accepted and due."""
    for number in range(SENDERS):
        add_account(client, f"a{number}", "600/minute", "window")
    made = WorkerState(server.url, ServerClock(), retention_s=60, grace_s=15)
    with Outbox(broker_url="memory://", state_url=server.url) as outbox:
        for number in range(SENDERS):
            outbox.send(SendMessage(account=f"a{number}", sender="+15550100001", to="+15550100002", text="Hello"))
    made.accept([str(rid) for rid in client.zrange("paceline:{0}:inbox", 0, -1)])
    yield made
    made.client.close()
    client.flushall()


def test_looks_in_turn_grant_each_operation_once(state: WorkerState) -> None:
    """Each goes on where the one before it stopped, within its own budget; the last tells whether more is due."""
    granted: list[Hint] = []
    looks = []
    unfinished = True
    while unfinished:
        looks = state.grant_in_turn(2, most=500, fleet_capacity=1000)
        assert all(len(look.hints) < SENDERS / 2 for look in looks)
        granted += [hint for look in looks for hint in look.hints]
        unfinished = looks[-1].unfinished
    assert SENDERS == len({hint.id for hint in granted}) == len(granted)
    assert SENDERS == looks[-1].in_flight


def test_looks_in_turn_keep_to_the_room_of_the_fleet(state: WorkerState) -> None:
    """The second knows what the first has granted."""
    looks = state.grant_in_turn(2, most=500, fleet_capacity=20)
    assert 20 == sum(len(look.hints) for look in looks)
    assert 0 == looks[-1].room


def test_looks_in_turn_teach_the_server_their_script(state: WorkerState, client: redis.Redis) -> None:
    """The script is sent once, and again to a server that forgot it."""
    state.grant_in_turn(2, most=1, fleet_capacity=1000)
    client.config_resetstat()
    assert [1, 1] == [len(look.hints) for look in state.grant_in_turn(2, most=1, fleet_capacity=1000)]
    assert (2, None) == _calls(client)
    client.script_flush()
    assert [1, 1] == [len(look.hints) for look in state.grant_in_turn(2, most=1, fleet_capacity=1000)]


def _calls(client: redis.Redis) -> tuple[int, dict[str, int] | None]:
    stats = client.info("commandstats")
    return stats["cmdstat_evalsha"]["calls"], stats.get("cmdstat_eval")
