"""Each row of the table of answers, through a real worker process and the sandbox."""

import pytest

from paceline_worker.accounts import Accounts
from tests.support.stack import Stack

pytestmark = [pytest.mark.system]


@pytest.mark.parametrize("status", [400, 404, 406, 413, 422])
def test_what_the_provider_rejects_is_an_outcome(stack: Stack, status: int) -> None:
    """A rejected operation ends with the provider's words, and the lane goes on."""
    stack.scenario(faults=[{"kind": "answer", "status": status, "count": 1, "message": "no such thing"}])
    stack.add_account()
    stack.start_worker()
    bad, good = stack.send(1, sender="+15550100001"), stack.send(2, sender="+15550100001")
    status_of_bad = stack.status_when(bad, "rejected")
    assert (str(status), True) == (status_of_bad.code, "no such thing" in (status_of_bad.words or ""))
    assert "accepted" == stack.status_when(good, "accepted").state


def test_a_2xx_that_says_no_is_a_rejection(stack: Stack) -> None:
    """success:false in a 2xx is a failure."""
    stack.scenario(faults=[{"kind": "success_false", "count": 1}])
    stack.add_account()
    stack.start_worker()
    assert "rejected" == stack.status_when(stack.send(1), "rejected").state


def test_503_is_repeated_until_it_passes(stack: Stack) -> None:
    """An overloaded provider costs an attempt and a back-off, and the message arrives once."""
    stack.scenario(faults=[{"kind": "answer", "status": 503, "count": 1}])
    stack.add_account()
    stack.start_worker()
    assert 1 == stack.status_when(stack.send(1), "accepted").attempts
    assert [503, 202] == [arrival["status"] for arrival in stack.arrivals()]


def test_503_to_the_last_attempt_is_dead(stack: Stack) -> None:
    """Attempts used up: an outcome of its own, with the provider's words."""
    stack.scenario(faults=[{"kind": "answer", "status": 503}])
    stack.add_account()
    stack.start_worker()
    dead = stack.status_when(stack.send(1, max_attempts=2), "dead")
    assert "503" == dead.code
    assert 2 == len(stack.arrivals())


@pytest.mark.parametrize("status", [409, 410, 486])
def test_a_busy_number_waits_without_an_attempt(stack: Stack, status: int) -> None:
    """The sender pauses a few seconds; the operation goes back to the head of its lane."""
    stack.scenario(faults=[{"kind": "answer", "status": status, "count": 1, "from_number": "+15550100001"}])
    stack.add_account()
    stack.start_worker()
    busy = stack.send(1, sender="+15550100001")
    other = stack.send(2, sender="+15550100002")
    assert 0 == stack.status_when(busy, "accepted").attempts
    assert "accepted" == stack.status_when(other, "accepted").state
    first = [arrival["status"] for arrival in stack.arrivals() if arrival["body"]["from_number"] == "+15550100001"]
    assert [status, 202] == first


def test_429_silences_the_account_for_as_long_as_told(stack: Stack) -> None:
    """Retry-After is honoured by every sender of the account; then one probe goes first."""
    stack.scenario(faults=[{"kind": "answer", "status": 429, "count": 1, "retry_after": 3}])
    stack.add_account("600/minute")
    stack.start_worker()
    stack.start_worker()
    for number in range(6):
        stack.send(number)
    stack.settled(6)
    arrivals = stack.arrivals()
    throttled_at = next(arrival["at_us"] for arrival in arrivals if arrival["status"] == 429)
    later = [arrival for arrival in arrivals if arrival["at_us"] > throttled_at + 400_000]
    assert min(arrival["at_us"] for arrival in later) - throttled_at >= 3_000_000
    assert {f"message {number}": 1 for number in range(6)} == stack.texts_accepted()


@pytest.mark.parametrize(("status", "reason"), [(401, "bad_key"), (403, "bad_key"), (402, "unpaid")])
def test_a_refused_key_suspends_the_account_and_loses_nothing(stack: Stack, status: int, reason: str) -> None:
    """At most the calls in flight reach the provider; the backlog waits, and leaves after `resume`."""
    stack.scenario(faults=[{"kind": "answer", "status": status, "count": 1}])
    stack.add_account("1200/minute")
    stack.start_worker()
    receipts = [stack.send(number, sender="+15550100001") for number in range(3)]
    found = stack.wait_for(lambda _: bool(suspended(stack)), "suspension")
    assert suspended(stack).startswith(f"{reason} ({status})")
    assert (3, 0) == (found.waiting + found.inbox + found.in_flight, sum(found.outcomes.values()))
    assert 1 == len(stack.arrivals())
    assert "suspended" in stack.outbox.status(receipts[0].id).why
    Accounts(stack.client).resume(stack.name)
    stack.settled(3)
    assert {f"message {number}": 1 for number in range(3)} == stack.texts_accepted()


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "answer_after_accepting", "status": 500},
        {"kind": "answer_after_accepting", "status": 502},
        {"kind": "answer_after_accepting", "status": 504},
        {"kind": "drop"},
        {"kind": "drop_after_accepting"},
        {"kind": "delay", "seconds": 4.0},
    ],
    ids=lambda fault: "-".join(str(value) for value in fault.values()),
)
def test_an_unknown_outcome_is_held_and_never_repeated(stack: Stack, fault: dict[str, object]) -> None:
    """500, 502, 504, a lost connection and silence: nobody knows, so it is held, visibly, and sent once at most."""
    stack.scenario(faults=[{**fault, "count": 1}])
    stack.add_account()
    stack.start_worker()
    held = stack.status_when(stack.send(1), "held")
    after = stack.status_when(stack.send(2), "accepted")
    assert "nobody knows" in held.why
    assert "accepted" == after.state
    assert 1 == sum(arrival["body"]["text"] == "message 1" for arrival in stack.arrivals())
    assert (1, 0) == (stack.balance().outcomes["held"], stack.balance().unaccounted)


def test_resend_repeats_an_unknown_outcome(stack: Stack) -> None:
    """A one-time code with on_unknown=resend goes out again."""
    stack.scenario(faults=[{"kind": "drop_after_accepting", "count": 1}])
    stack.add_account()
    stack.start_worker()
    assert 1 == stack.status_when(stack.send(1, on_unknown="resend"), "accepted").attempts
    assert 2 == stack.texts_accepted()["message 1"]


def test_a_provider_that_refuses_connections_is_an_attempt_certain_not_to_be_sent(stack: Stack) -> None:
    """Connect refused: repeated with back-off, never held."""
    stack.add_account()
    worker = stack.start_worker(PACELINE_API_BASE="http://127.0.0.1:9/open")
    receipt = stack.send(1)
    stack.wait_for(lambda _: retried(stack, receipt.id), "a retry")
    worker.stop()
    stack.start_worker()
    assert "accepted" == stack.status_when(receipt, "accepted").state
    assert {"message 1": 1} == stack.texts_accepted()


def suspended(stack: Stack) -> str:
    found = stack.state.account(stack.name)
    assert found is not None
    return str(found["account"].get("suspended", ""))


def retried(stack: Stack, op_id: str) -> bool:
    found = stack.state.operation(op_id)
    return found is not None and int(found["operation"].get("at", 0)) > 0
