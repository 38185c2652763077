"""The dispatcher's thread against a real server: it grants, it gives back what cannot be published, it notices deafness."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from random import Random
from typing import Any
from unittest.mock import Mock

import pytest
import redis
from prometheus_client import CollectorRegistry
from redis.exceptions import ClusterDownError, ReadOnlyError, ResponseError

from paceline import Outbox, SendMessage
from paceline_sandbox.embedded import EmbeddedServer
from paceline_worker.delivery.lateness import Way
from paceline_worker.delivery.traces import Traces
from paceline_worker.dispatch.admission import Admission
from paceline_worker.dispatch.deafness import DeafnessCheck
from paceline_worker.dispatch.dispatcher import Dispatcher
from paceline_worker.state.clock import ServerClock
from paceline_worker.state.outage import Outage
from paceline_worker.state.values import Beat, Grants, Hint
from paceline_worker.state.worker import WorkerState
from paceline_worker.telemetry.metrics import Metrics
from tests.conftest import SENDER, add_account
from tests.support.wait import wait_until

PATIENCE = timedelta(seconds=150)


@contextmanager
def dispatching(
    url: str,
    deliver: Callable[[Sequence[Hint]], None],
    *,
    publish: Callable[[Sequence[Hint]], None] = lambda _: None,
    own: Callable[[], int] = lambda: 0,
    patience_s: float = 30.0,
    outage: Outage | None = None,
    capacity: int = 10,
) -> Iterator[tuple[Dispatcher, threading.Event]]:
    """A running dispatcher, and the event it sets when it finds itself deaf."""
    clock = ServerClock()
    state = WorkerState(url, clock, retention_s=60, grace_s=15)
    deaf = threading.Event()
    dispatcher = Dispatcher(
        worker="test",
        admission=Admission(capacity),
        way=Way(),
        state=state,
        clock=clock,
        own=own,
        deliver=lambda hints, _: deliver(hints),
        publish=lambda hints, _: publish(hints),
        metrics=Metrics(CollectorRegistry()),
        traces=Traces(clock),
        progress=DeafnessCheck(patience_s),
        on_info=lambda _: None,
        on_stalled=deaf.set,
        random=Random(1),
        outage=outage,
    )
    dispatcher.start()
    try:
        yield dispatcher, deaf
    finally:
        dispatcher.stop()
        state.client.close()


@pytest.fixture
def outbox(server: EmbeddedServer, client: redis.Redis) -> Iterator[Outbox]:
    add_account(client, "acme", "600/minute", "window")
    with Outbox(broker_url="memory://", state_url=server.url) as box:
        yield box


def hello(number: int = 0) -> SendMessage:
    return SendMessage(account="acme", sender=SENDER, to=f"+155502000{number:02d}", text="Hello")


def test_a_record_whose_hint_was_lost_is_accepted_and_granted(server: EmbeddedServer, outbox: Outbox) -> None:
    """No Celery at all: the sweeper finds the record after its grace, and the operation is granted."""
    published: list[Hint] = []
    ticket = outbox.send(hello())
    with dispatching(server.url, published.extend):
        wait_until(lambda: published, PATIENCE, "a grant")
    assert [ticket.id] == [hint.id for hint in published[:1]]
    outbox.state.client.flushall()


def test_what_the_broker_does_not_take_this_worker_sends(
    server: EmbeddedServer, outbox: Outbox, client: redis.Redis
) -> None:
    """A broker that is away costs no operation and no slot: with a second worker in the fleet some go through it, or would."""
    taken: list[Hint] = []
    attempts: list[int] = []

    def no_broker(hints: Sequence[Hint]) -> None:
        attempts.append(len(hints))
        raise OSError("no broker")

    WorkerState(server.url, ServerClock(), retention_s=60, grace_s=15).heartbeat("other", Beat(10, 10), 60.0)
    receipts = [
        outbox.send(SendMessage(account="acme", sender=f"+155501000{n:02d}", to="+15550100002", text="Hello"))
        for n in range(20)
    ]
    with dispatching(server.url, taken.extend, publish=no_broker, own=lambda: 16):
        wait_until(lambda: len(taken) >= 10, PATIENCE, "as many grants as this worker takes on")
    assert {ticket.id for ticket in receipts} >= {hint.id for hint in taken}
    assert {1} == {int(hint.token) for hint in taken}
    assert len(attempts) == 1  # a broker that is away is not asked for each of them: an attempt may last seconds
    client.flushall()


def test_while_more_is_due_a_round_trip_makes_two_looks(
    server: EmbeddedServer, outbox: Outbox, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One look grants what its budget allows; with forty-five accounts due at once, most of a round trip would be waiting."""
    for number in range(45):
        add_account(client, f"a{number}", "600/minute", "window")
        outbox.send(SendMessage(account=f"a{number}", sender=SENDER, to="+15550100002", text="Hello"))
    state = WorkerState(server.url, ServerClock(), retention_s=60, grace_s=15)
    state.accept([str(rid) for rid in client.zrange("paceline:{0}:inbox", 0, -1)])
    state.client.close()
    looks: list[tuple[int, bool]] = []
    grant = WorkerState.grant_in_turn

    def counted(self: WorkerState, number: int, **options: Any) -> list[Grants]:
        found = grant(self, number, **options)
        looks.append((number, found[-1].unfinished))
        return found

    monkeypatch.setattr(WorkerState, "grant_in_turn", counted)
    granted: list[Hint] = []
    with dispatching(server.url, granted.extend, capacity=200):
        wait_until(lambda: len(granted) == 45, PATIENCE, "all of them are granted")
    assert (1, True) in looks
    assert [2 if unfinished else 1 for _, unfinished in looks[:-1]] == [number for number, _ in looks[1:]]
    client.flushall()


def test_a_worker_that_hears_nothing_ends(server: EmbeddedServer, outbox: Outbox) -> None:
    """Hints vanish, their leases run out, and none reached this worker for its whole patience: it says so, once."""
    outbox.send(hello())
    with dispatching(server.url, lambda _: None, patience_s=6.0) as (_, deaf):
        assert deaf.wait(PATIENCE.total_seconds())
    outbox.state.client.flushall()


def test_leases_that_run_out_after_an_outage_are_no_deafness(server: EmbeddedServer, outbox: Outbox) -> None:
    """While failovers follow each other nobody can begin what is granted: the worker goes on."""
    outbox.send(hello())
    granted: list[Hint] = []
    outage = Outage()
    outage.began(OSError("a failover"))
    with dispatching(server.url, granted.extend, patience_s=-1.0, outage=outage) as (_, deaf):
        wait_until(lambda: len(granted) >= 2, PATIENCE, "the lease ran out, and another grant")
        assert not deaf.is_set()
        assert [True, False] == [one.is_recent(60) for one in (outage, Outage())]
    outbox.state.client.flushall()


def test_a_failover_is_no_fault_of_records(server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a server refuses until another is the primary is waited out as an outage; a record that breaks its script is logged."""
    with dispatching(server.url, lambda _: None) as (dispatcher, _):
        dispatcher.stop()
        for error, is_outage in (
            (ClusterDownError("x"), True),
            (ReadOnlyError("x"), True),
            (ResponseError("x"), False),
        ):
            monkeypatch.setattr(WorkerState, "overdue", Mock(side_effect=error))
            if is_outage:
                with pytest.raises(type(error)):
                    dispatcher._accept_overdue()  # noqa: SLF001 - its thread would do so when its second has passed
            else:
                assert not dispatcher._accept_overdue()  # noqa: SLF001


def test_an_idle_night_is_not_deafness() -> None:
    """Nothing was due for hours; then one hint is lost: this worker is well."""
    check = DeafnessCheck()
    assert not check.stalled(0, 8 * 3600.0)
    assert not check.stalled(1, 8 * 3600.0 + 1)


def test_hints_that_run_out_for_longer_than_the_patience_are_deafness() -> None:
    """Patience begins when the first hint goes unheard."""
    check = DeafnessCheck()
    assert [False, False, True] == [check.stalled(1, at) for at in (1000.0, 1015.0, 1031.0)]


def test_two_lost_hints_far_apart_are_not_deafness() -> None:
    """Between them nothing ran out, so the second begins a new count."""
    check = DeafnessCheck()
    assert [False, False] == [check.stalled(1, at) for at in (1000.0, 5000.0)]


def test_hearing_a_hint_forgives_what_was_unheard() -> None:
    """A worker that is reached again is well."""
    check = DeafnessCheck()
    check.stalled(3, 10.0)
    check.heard()
    assert not check.stalled(1, 50.0)
