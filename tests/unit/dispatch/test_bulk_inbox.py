"""Records of campaigns are accepted beside everything else, in order, and nothing of that is lost for good."""

import threading
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import takewhile

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from paceline_worker.dispatch import bulk_inbox
from paceline_worker.dispatch.bulk_inbox import BulkInbox
from tests.support.wait import wait_until

PATIENCE = timedelta(seconds=60)


class Desk:
    """A bulk inbox whose state server writes down what it gets, and may be slow or away."""

    def __init__(self) -> None:
        self.accepted: list[list[str]] = []
        self.asked, self.answers = threading.Event(), threading.Event()
        self.answers.set()
        self.errors: list[Exception] = []
        self.behind: set[str] = set()
        self.caught_up: list[str] = []
        self.inbox = BulkInbox(self.caught_up.extend, self._accept)

    def _accept(self, rids: Sequence[str]) -> list[str]:
        self.asked.set()
        assert self.answers.wait(PATIENCE.total_seconds())
        if self.errors:
            raise self.errors.pop()
        taken = list(takewhile(lambda rid: rid not in self.behind, rids))
        self.accepted.append(taken)
        return list(rids[len(taken) :])

    def taken_in(self, *rids: str) -> None:
        """Wait until all of them are accepted."""
        wait_until(lambda: {*rids} <= {rid for batch in self.accepted for rid in batch}, PATIENCE, "records accepted")


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr(bulk_inbox, "_PAUSE_S", 0.01)
    made = Desk()
    yield made
    made.answers.set()
    made.inbox.stop()


def test_records_are_accepted_in_the_order_of_their_hints(desk: Desk) -> None:
    """A few at a time: between two batches the worker may stop."""
    desk.inbox.take([str(number) for number in range(10)])
    desk.inbox.start()
    desk.taken_in("9")
    assert [["0", "1", "2", "3"], ["4", "5", "6", "7"], ["8", "9"]] == desk.accepted


def test_whoever_brings_a_hint_does_not_wait(desk: Desk) -> None:
    """The thread of Celery is free for the next hint while the state server has not answered."""
    desk.answers.clear()
    desk.inbox.start()
    for number in range(100):
        desk.inbox.take([str(number)])
    assert [] == desk.accepted
    desk.answers.set()
    desk.taken_in(*map(str, range(100)))


@pytest.mark.parametrize("error", [RedisConnectionError("away"), OSError("away"), RuntimeError("a bug")])
def test_an_error_costs_its_own_batch_alone(desk: Desk, error: Exception) -> None:
    """The sweep finds those records; the next ones are accepted here."""
    desk.errors.append(error)
    desk.inbox.take([str(number) for number in range(8)])
    desk.inbox.start()
    desk.taken_in("7")
    assert [["4", "5", "6", "7"]] == desk.accepted


def test_what_does_not_fit_is_left_to_the_sweep(desk: Desk) -> None:
    """The oldest, which wait longest for it."""
    desk.inbox.take([str(number) for number in range(10_003)])
    desk.inbox.start()
    desk.taken_in("10002")
    assert [str(number) for number in range(3, 10_003)] == [rid for batch in desk.accepted for rid in batch]


def test_a_stop_waits_for_the_batch_under_way_and_no_other(desk: Desk) -> None:
    """It may be called twice, and before anything began."""
    Desk().inbox.stop()
    desk.answers.clear()
    desk.inbox.start()
    desk.inbox.take([str(number) for number in range(8)])
    assert desk.asked.wait(PATIENCE.total_seconds())
    stopping = threading.Thread(target=desk.inbox.stop)
    stopping.start()
    wait_until(desk.inbox._stopping.is_set, PATIENCE, "the stop")  # noqa: SLF001 - or the next batch would come before it
    assert stopping.is_alive()
    desk.answers.set()
    stopping.join()
    desk.inbox.stop()
    assert [["0", "1", "2", "3"]] == desk.accepted


def test_records_that_another_worker_was_told_of_come_first(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """This worker asks again until it is time, keeps the order, and does nothing for the other one."""
    monkeypatch.setattr(bulk_inbox, "_TURN_S", 0.001)
    monkeypatch.setattr(bulk_inbox, "_TURNS", 1_000_000)
    desk.behind = {"2"}
    desk.inbox.take([str(number) for number in range(6)])
    desk.inbox.start()
    wait_until(lambda: desk.accepted[3:], PATIENCE, "further questions")
    assert ["0", "1"] == [rid for batch in desk.accepted for rid in batch]
    desk.behind = set()
    desk.taken_in("5")
    assert [str(number) for number in range(6)] == [rid for batch in desk.accepted for rid in batch]
    assert [] == desk.caught_up


def test_a_worker_that_is_gone_is_not_waited_for(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """After some turns this worker accepts what comes before, too, and does so at once until it is in turn again."""
    monkeypatch.setattr(bulk_inbox, "_TURN_S", 0.001)
    desk.behind = {"2", "6"}
    desk.inbox.take([str(number) for number in range(10)])
    desk.inbox.start()
    wait_until(lambda: len(desk.caught_up) == 8, PATIENCE, "the rest of both batches")
    assert [str(number) for number in range(2, 10)] == desk.caught_up
    assert bulk_inbox._TURNS + 2 == len(desk.accepted)  # noqa: SLF001
