"""One worker is paused, by Celery's own tools, and goes on."""

import threading
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from paceline import names
from paceline_sandbox.embedded import EmbeddedServer
from paceline_worker.delivery.lateness import Way
from paceline_worker.delivery.traces import Traces
from paceline_worker.dispatch.admission import Admission
from paceline_worker.dispatch.deafness import DeafnessCheck
from paceline_worker.dispatch.dispatcher import Dispatcher
from paceline_worker.state.clock import ServerClock
from paceline_worker.state.values import Beat, Hint
from paceline_worker.state.worker import WorkerState
from paceline_worker.telemetry.metrics import Metrics
from tests.support.celery_tools import ask, by_tool, figures_when
from tests.support.processes import Process
from tests.support.stack import PATIENCE, SHARING, Stack
from tests.support.wait import wait_until

pytestmark = [pytest.mark.system]

CAPACITY = int(SHARING[names.ENV_CAPACITY])


def test_a_paused_worker_takes_nothing_and_is_counted_by_nobody(stack: Stack) -> None:
    """The other one sends it all, once; resumed, it sends alone."""
    paused, other = stack.start_worker(), stack.start_worker()
    stack.scenario(latency_ms=50)
    stack.add_account()
    for number in range(20):
        stack.send(number)
    assert "ok" in by_tool(stack, paused, "control", "paceline_pause")
    figures_when(stack, paused, paused=True, granting=False, fleet_workers=None, load=0)
    assert (1, CAPACITY) == fleet_of(figures_when(stack, other, fleet_workers=1))
    before = delivered(stack, paused)
    for number in range(20, 60):
        stack.send(number)
    assert 60 == stack.settled(60).outcomes["accepted"]
    assert (before, None) == (delivered(stack, paused), paused.exit_code)
    assert "ok" in by_tool(stack, paused, "control", "paceline_resume")
    assert (2, 2 * CAPACITY) == fleet_of(figures_when(stack, paused, paused=False, granting=True, fleet_workers=2))
    assert 0 == other.stop()
    for number in range(60, 80):
        stack.send(number)
    assert 80 == stack.settled(80).outcomes["accepted"]
    assert {f"message {number}": 1 for number in range(80)} == stack.texts_accepted()


def test_a_queue_cancelled_by_hand_or_not_taken_from_is_a_pause(stack: Stack) -> None:
    """Celery's own `cancel_consumer` and `--queues`: what hears no hints grants nothing, and has no share of the fleet."""
    worker = stack.start_worker()
    accepts = stack.start_worker(options=["--queues", names.ACCEPT_QUEUE])
    ask(stack, worker, "cancel_consumer", names.DELIVER_QUEUE)
    for each in (worker, accepts):
        figures_when(stack, each, paused=True, granting=False, fleet_workers=None)
    stack.add_account()
    stack.send(1)
    stack.wait_for(lambda books: books.waiting == 1, "it is accepted, and waits")
    ask(stack, worker, "add_consumer", names.DELIVER_QUEUE)
    assert 1 == stack.settled(1).outcomes["accepted"]


class Resting:
    """A dispatcher whose worker takes hints when it is told to, and hears none."""

    def __init__(self, url: str) -> None:
        clock = ServerClock()
        self.state = WorkerState(url, clock, retention_s=60, grace_s=15)
        self.takes_hints = False
        self.published: list[Hint] = []
        self.deaf = threading.Event()
        self.dispatcher = Dispatcher(
            worker="resting",
            admission=Admission(10),
            way=Way(),
            state=self.state,
            clock=clock,
            own=lambda: 0,
            deliver=lambda hints, _: self.published.extend(hints),
            publish=lambda hints, _: self.published.extend(hints),
            metrics=Metrics(CollectorRegistry()),
            traces=Traces(clock),
            progress=DeafnessCheck(0.0),
            on_info=lambda _: None,
            on_stalled=self.deaf.set,
            random=Random(1),
            takes_hints=lambda: self.takes_hints,
        )


@pytest.fixture
def resting(server: EmbeddedServer) -> Iterator[Resting]:
    built = Resting(server.url)
    built.dispatcher.start()
    yield built
    built.dispatcher.stop()
    built.state.client.close()


def test_a_dispatcher_rests_while_its_worker_takes_no_hints(stack: Stack, resting: Resting) -> None:
    """It leaves the fleet and grants nothing; leases that run out meanwhile make it deaf to nothing. Then it goes on."""
    wait_until(lambda: resting.dispatcher.standing().fleet is None, PATIENCE, "the dispatcher rests")
    fleet = resting.state.heartbeat("other", Beat(7, 7), 60)
    assert (7, 1) == (fleet.capacity, fleet.workers)
    stack.add_account()
    stack.send(1)
    (rid,) = wait_until(lambda: resting.state.overdue(0, 5), PATIENCE, "a record")
    resting.state.accept([rid])
    (lost,) = wait_until(lambda: grant(resting.state), PATIENCE, "a grant of another worker's")
    wait_until(lambda: grant(resting.state), PATIENCE, "the lease ran out")
    assert [] == resting.published
    standing = resting.dispatcher.standing()
    assert (True, False, None) == (standing.paused, standing.granting, standing.answered)
    resting.takes_hints = True
    wait_until(lambda: resting.published, PATIENCE, "its own grant")
    assert lost.id == resting.published[0].id
    joined = resting.dispatcher.standing().fleet
    assert joined is not None
    assert (17, 2, False) == (joined.capacity, joined.workers, resting.deaf.is_set())


def grant(state: WorkerState) -> Sequence[Hint]:
    return state.grant(most=5, fleet_capacity=7).hints


def fleet_of(found: dict[str, Any]) -> tuple[int, int]:
    return found["fleet_workers"], found["fleet_capacity"]


def delivered(stack: Stack, worker: Process) -> int:
    """How many hints of operations a worker has taken."""
    return int(ask(stack, worker, "stats")["total"].get(names.DELIVER_TASK, 0))
