"""An operation that ends its workers is dead after three of them, and its lane goes on."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from paceline_worker.review.dead import DeadLetters
from paceline_worker.state.values import Beat
from paceline_worker.verdict.policy import Verdict
from tests.support.drive import ABSENT, ACCEPTED, LEASE_US, OWNER, Drive


def lose_worker(drive: Drive) -> str | None:
    """The next call ends its worker; returns the phase of the operation, 'l1' or 'l2' of a look-up."""
    begun = drive.begin_at_slot(drive.grant_next())
    drive.advance(LEASE_US / 1e6 + 0.001)
    drive.grant()
    phase: str | None = begun.get("phase")
    return phase


def survive(drive: Drive, times: int) -> Sequence[str]:
    """So many calls of it are answered: each is a look-up that finds nothing."""
    return [drive.deliver(ABSENT) for _ in range(times)]


def test_a_message_that_may_be_repeated_is_dead_after_three_workers(drive: Drive) -> None:
    """`resend`: three calls, three workers; the next of the lane goes on."""
    poison, other = drive.send(on_unknown="resend"), drive.send()
    for _ in range(3):
        assert lose_worker(drive) is None
    found = drive.operation(poison)
    assert ("dead", True) == (found["oc"], found["le"].startswith("3 workers were lost in the middle of its call"))
    assert other == drive.deliver(ACCEPTED)
    assert 0 == drive.balance().unaccounted


def test_a_message_that_is_looked_up_is_dead_when_the_third_call_did_not_arrive(drive: Drive) -> None:
    """`reconcile`: the third lost worker is followed by a look-up, too, because that call may have arrived."""
    poison, other = drive.send(), drive.send()
    for _ in range(3):
        assert lose_worker(drive) is None
        survive(drive, 2)
    assert "dead" == drive.operation(poison)["oc"]
    assert other == drive.deliver(ACCEPTED)


def test_a_look_up_that_ends_three_workers_is_held(drive: Drive) -> None:
    """Whether the call took effect nobody knows; a person decides, and no fourth worker is lost."""
    poison = drive.send()
    assert [None, "l1", "l1", "l1"] == [lose_worker(drive) for _ in range(4)]
    assert "held" == drive.operation(poison)["oc"]


def test_the_late_answer_of_a_look_up_says_nothing_of_its_call(drive: Drive) -> None:
    """Held after three look-ups without an answer; a 429 of the last one is no 429 of the call, which may have taken effect."""
    op = drive.send()
    for _ in range(3):
        lose_worker(drive)
    look_up = drive.grant_next()
    assert "l1" == drive.begin_at_slot(look_up)["phase"]
    drive.advance(LEASE_US / 1e6 + 0.001)
    drive.grant()
    before = drive.operation(op)
    assert "held" == before["oc"]
    late = [
        Verdict("defer", scope="account", delay_s=60, code="429", words="too many"),
        Verdict("retry", delay_s=2, code="503", words="overloaded"),
        Verdict("finish", "rejected", code="404", words="no such conversation"),
    ]
    assert ["stale"] * 3 == [drive.settle(look_up, verdict) for verdict in late]
    assert before == drive.operation(op)


def test_the_answer_of_a_look_up_that_is_asked_again_settles_nothing(drive: Drive) -> None:
    """Its lease ran out, and the operation waits for the next look-up; an attempt that it has from before changes nothing."""
    op = drive.send(max_attempts=9)
    drive.deliver(Verdict("retry", delay_s=2, code="503", words="overloaded"))
    drive.advance(10)
    assert None is lose_worker(drive)
    look_up = drive.grant_next()
    assert "l1" == drive.begin_at_slot(look_up)["phase"]
    drive.worker.heartbeat(OWNER, Beat(10, 10), 5.0)
    drive.advance(LEASE_US / 1e6 + 0.001)
    drive.grant(capacity=0)
    before = drive.operation(op)
    assert ("w", "l1") == (before["s"], before["ph"])
    assert "stale" == drive.settle(look_up, Verdict("finish", "rejected", code="404", words="no such conversation"))
    assert before == drive.operation(op)


@pytest.mark.parametrize("calls", [1, 5])
def test_a_lease_that_ran_out_although_its_worker_lives_is_no_lost_worker(drive: Drive, calls: int) -> None:
    """The state server was away, so the answer came late: that is not the operation's doing."""
    op = drive.send(on_unknown="resend", max_attempts=20)
    for _ in range(calls):
        drive.begin_at_slot(drive.grant_next())
        drive.advance(LEASE_US / 1e6 - 1)
        drive.worker.heartbeat(OWNER, Beat(10, 10), 5.0)
        drive.advance(1.1)
        drive.grant()
    assert op == drive.deliver(ACCEPTED)


def test_what_was_replayed_by_hand_has_three_workers_again(drive: Drive) -> None:
    """A person who replays it has mended the workers."""
    poison = drive.send(on_unknown="resend")
    for _ in range(3):
        lose_worker(drive)
    list(DeadLetters(drive.client, retention=timedelta(hours=1)).replay([poison]))
    lose_worker(drive)
    assert "w" == drive.operation(poison)["s"]
