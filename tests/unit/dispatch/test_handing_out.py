"""Granted operations leave the dispatcher's thread at once, and reach workers together."""

import threading
from collections.abc import Iterator, Sequence
from datetime import timedelta

import pytest

from paceline_worker.dispatch.admission import Admission
from paceline_worker.dispatch.handing_out import HandOut
from paceline_worker.dispatch.rooms import Rooms
from paceline_worker.state.values import Hint
from tests.support.wait import wait_until

PATIENCE = timedelta(seconds=60)
Batch = tuple[list[str], int]


class Desk:
    """A hand-out whose engine and broker write down what they get; the broker may be slow."""

    def __init__(self, workers: int, shards: int = 1) -> None:
        self.here: list[Batch] = []
        self.published: list[Batch] = []
        self.broker_answers = threading.Event()
        self.broker_answers.set()
        self.engine_fails = False
        self.broker_fails = False
        self.attempts = 0
        self.rooms = Rooms(shards)
        self.hand_out = HandOut(
            workers=lambda: workers,
            admission=Admission(40),
            rooms=self.rooms,
            own=lambda: sum(len(ids) for ids, _ in self.here),
            deliver=self._deliver,
            publish=self._publish,
        )

    def _deliver(self, hints: Sequence[Hint], granted_us: int) -> None:
        if self.engine_fails:
            self.engine_fails = False
            raise RuntimeError("no room")
        self.here.append(([hint.id for hint in hints], granted_us))

    def _publish(self, hints: Sequence[Hint], granted_us: int) -> None:
        if self.broker_fails:
            self.attempts += 1
            raise OSError("no broker")
        assert self.broker_answers.wait(PATIENCE.total_seconds())
        self.published.append(([hint.id for hint in hints], granted_us))

    def take(self, first: int, last: int, granted_us: int, shard: int = 0) -> None:
        """Grant operations with these numbers, the last one included."""
        self.hand_out.take([Hint(str(number), "1", number, shard) for number in range(first, last + 1)], granted_us)


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk(workers=1)
    yield made
    made.broker_answers.set()
    made.hand_out.stop()


def ids(first: int, last: int) -> list[str]:
    return [str(number) for number in range(first, last + 1)]


def test_a_slow_broker_keeps_no_look_waiting() -> None:
    """What is granted meanwhile goes out afterwards: in one batch, in order, as old as the first of it."""
    desk = Desk(workers=2)
    desk.rooms.looked(0, 60)  # this worker's share is thirty of them
    desk.hand_out.start()
    desk.take(1, 30, granted_us=100)
    wait_until(lambda: desk.here, PATIENCE, "this worker has its share")

    desk.broker_answers.clear()
    desk.take(31, 33, granted_us=200)
    wait_until(lambda: not desk.hand_out._waiting, PATIENCE, "the first batch is with the broker")  # noqa: SLF001
    desk.take(34, 35, granted_us=300)
    desk.take(36, 40, granted_us=400)
    assert not desk.published
    desk.broker_answers.set()
    desk.hand_out.stop()
    assert [(ids(1, 30), 100)] == desk.here
    assert [(ids(31, 33), 200), (ids(34, 40), 300)] == desk.published


def test_a_broker_that_is_away_is_asked_once() -> None:
    """Each attempt may wait for its time-out: this worker sends all batches, of this look and of those that follow."""
    desk = Desk(workers=2)
    desk.rooms.looked(0, 200)
    desk.broker_fails = True
    desk.hand_out.start()
    desk.take(1, 120, granted_us=100)
    wait_until(lambda: 120 == sum(len(names) for names, _ in desk.here), PATIENCE, "this worker has all of them")
    desk.take(121, 160, granted_us=200)
    desk.hand_out.stop()
    assert ids(1, 160) == [name for names, _ in desk.here for name in names]
    assert 1 == desk.attempts


def test_operations_of_different_shards_go_out_apart(desk: Desk) -> None:
    """A hint names one shard."""
    desk.take(1, 2, granted_us=100)
    desk.take(3, 4, granted_us=100, shard=1)
    desk.take(5, 5, granted_us=200)
    desk.hand_out.start()
    desk.hand_out.stop()
    assert [(["1", "2", "5"], 100), (["3", "4"], 100)] == desk.here


def test_a_stop_hands_out_what_was_granted(desk: Desk) -> None:
    """Otherwise it would wait for its leases."""
    desk.hand_out.start()
    for number in range(50):
        desk.take(number, number, granted_us=number)
    desk.hand_out.stop()
    assert ids(0, 49) == [name for names, _ in desk.here for name in names]


def test_an_error_ends_nothing(desk: Desk) -> None:
    """Whatever the engine or the broker throws: the next operations are handed out."""
    desk.engine_fails = True
    desk.hand_out.start()
    desk.take(1, 1, granted_us=100)
    wait_until(lambda: not desk.engine_fails, PATIENCE, "the engine has refused")
    desk.take(2, 2, granted_us=200)
    desk.hand_out.stop()
    assert [(["2"], 200)] == desk.here


def test_no_grant_is_no_batch(desk: Desk) -> None:
    """Most looks grant nothing."""
    desk.hand_out.start()
    desk.hand_out.take([], 100)
    desk.hand_out.stop()
    assert not desk.here
