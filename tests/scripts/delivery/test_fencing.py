"""Who may take an operation out of flight, and with which words."""

from dataclasses import replace

import pytest

from paceline_worker.verdict.policy import Verdict
from tests.support.drive import ACCEPTED, LEASE_US, NOT_MADE, OVERLOADED, THROTTLED, UNKNOWN, Drive


def test_giving_back_an_unbegun_hint_cannot_free_an_operation_that_another_worker_is_sending(drive: Drive) -> None:
    """`hold` means at most one arrival: a second copy of a hint, given back by a worker that stops, is stale once begun."""
    op = drive.send(on_unknown="hold")
    hint = drive.grant_next()
    assert "go" == drive.begin_at_slot(hint, "worker-1")["s"]  # worker-1 has written the request
    drive.advance(0.2)
    drive.worker.give_back([hint], "the worker stops")  # the doubled hint, at worker-2: Runtime.deliver, Closing
    drive.advance(7)
    assert [] == [again.id for again in drive.grant().hints]
    assert "s" == drive.operation(op)["s"]


def test_a_publish_that_looked_failed_cannot_free_an_operation_that_is_being_sent(drive: Drive) -> None:
    """The same from Dispatcher._handle: the broker took the hint and its reply was lost; the call is under way."""
    drive.send(on_unknown="hold")
    hint = drive.grant_next()
    assert "go" == drive.begin_at_slot(hint, "worker-1")["s"]  # the hint arrived,
    drive.worker.give_back([hint], "the broker did not take the hint")  # and its publisher does not know
    drive.advance(7)
    assert [] == drive.grant().hints


@pytest.mark.parametrize("verdict", [OVERLOADED, THROTTLED, NOT_MADE], ids=["503", "429", "not sent"])
def test_a_late_certain_answer_that_is_not_an_outcome_frees_what_its_lease_held(drive: Drive, verdict: Verdict) -> None:
    """State was away for longer than the lease, the worker knows that the call did not take effect: it is not unknown."""
    for policy, after in (("hold", "d"), ("reconcile", "w")):
        op = drive.send(on_unknown=policy)
        hint = drive.grant_next()
        drive.begin_at_slot(hint)
        drive.advance(LEASE_US / 1e6 + 0.001)
        drive.grant()
        assert (after, "1") == (drive.operation(op)["s"], drive.operation(op)["uk"])
        drive.settle(hint, replace(verdict, delay_s=2.0))
        found = drive.operation(op)
        assert ("w", None) == (found["s"], found.get("ph"))
        assert 0 == drive.balance().unaccounted
        assert op == drive.deliver(ACCEPTED)


def test_a_late_acceptance_stops_the_resend(drive: Drive) -> None:
    """`resend`: the lease ran out, the operation waits for its second call, then the first call's success arrives: done."""
    op = drive.send(on_unknown="resend")
    hint = drive.grant_next()
    drive.begin_at_slot(hint)
    drive.advance(LEASE_US / 1e6 + 0.001)
    drive.grant()
    assert "w" == drive.operation(op)["s"]
    drive.settle(hint, ACCEPTED)
    assert "accepted" == drive.operation(op).get("oc")


@pytest.mark.parametrize(
    "verdict", [ACCEPTED, OVERLOADED, UNKNOWN, NOT_MADE], ids=["202", "503", "unknown", "not sent"]
)
def test_the_answer_of_an_earlier_grant_does_not_speak_for_the_call_under_way(drive: Drive, verdict: Verdict) -> None:
    """`resend`: the lease ran out and another worker is sending; what the first one tells now changes nothing."""
    op = drive.send(on_unknown="resend")
    first = drive.grant_next()
    drive.begin_at_slot(first, "worker-1")
    drive.advance(LEASE_US / 1e6 + 0.001)
    drive.grant()
    second = drive.grant_next()
    assert "go" == drive.begin_at_slot(second, "worker-2")["s"]
    before = drive.operation(op)
    drive.settle(first, verdict)
    assert before == drive.operation(op)
    drive.settle(second, ACCEPTED)
    assert ("accepted", 0) == (drive.operation(op)["oc"], drive.balance().unaccounted)


def test_unknown_is_only_said_of_what_is_unknown(drive: Drive) -> None:
    """Control of the tests above: UNKNOWN on time is held, or looked up."""
    op = drive.send(on_unknown="hold")
    drive.deliver(UNKNOWN)
    assert "held" == drive.operation(op)["oc"]
    op = drive.send(on_unknown="reconcile")
    drive.deliver(UNKNOWN)
    assert "l1" == drive.operation(op)["ph"]
