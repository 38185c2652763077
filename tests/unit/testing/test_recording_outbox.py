"""`RecordingOutbox` in use, as the unit tests of another service would use it."""

from datetime import timedelta

import pytest

from paceline import CreateGroup, DeleteMessage, Duplicate, Operation, Outbox, PacelineError, Queued, Refused
from paceline.errors import InvalidOperation, NotFound, StateUnavailable, UnknownAccount
from paceline.operations import OPERATIONS
from paceline.testing import RecordingOutbox
from tests.unit.samples import NOON, OPERATION_ID, RECIPIENT, make, message


def remind(outbox: Outbox, number: str, order: str) -> bool:
    """A service's own code: one reminder per order, and a word about whether it could be left."""
    try:
        outbox.send(message(to=number, text=f"Order {order} is ready", idempotency_key=order))
    except PacelineError:
        return False
    return True


def test_what_was_sent_can_be_compared() -> None:
    """Operations are values, so a test compares them with what it expects."""
    outbox = RecordingOutbox()
    assert remind(outbox, RECIPIENT, "7")
    assert outbox.sent == [message(text="Order 7 is ready", idempotency_key="7")]


def test_a_receipt_says_accepted() -> None:
    """What is sent counts as accepted at once, to leave at once."""
    outbox = RecordingOutbox(clock=lambda: NOON)
    ticket = outbox.send(message())
    assert ticket.wait() == Queued(ticket.id, NOON)


def test_a_ticket_knows_the_time_before_which_nothing_leaves() -> None:
    """An operation for later is expected then."""
    later = NOON + timedelta(hours=3)
    ticket = RecordingOutbox(clock=lambda: NOON).send(message(not_before=later))
    assert ticket.wait() == Queued(ticket.id, later)


def test_a_repeated_key_is_a_duplicate() -> None:
    """The same idempotency key is one operation: the second receipt says so, and `sent` has one."""
    outbox = RecordingOutbox()
    first, second = outbox.send(message(idempotency_key="7")), outbox.send(message(idempotency_key="7"))
    assert isinstance(first.wait(), Queued)
    assert second.wait() == Duplicate(first.id)
    assert outbox.sent == [message(idempotency_key="7")]


def test_the_same_text_without_a_key_is_two_operations() -> None:
    """Without a key every send stands for itself."""
    outbox = RecordingOutbox()
    assert outbox.send(message()).id != outbox.send(message()).id
    assert outbox.sent == [message(), message()]


def test_it_can_be_told_to_fail() -> None:
    """While `fail_with` is set every send raises it, and nothing is recorded."""
    outbox = RecordingOutbox(fail_with=StateUnavailable("Redis is down"))
    assert not remind(outbox, RECIPIENT, "7")
    outbox.fail_with = None
    assert remind(outbox, RECIPIENT, "8")
    assert [operation.idempotency_key for operation in outbox.sent] == ["8"]


def test_it_can_refuse_accounts() -> None:
    """An account named unknown is refused in the words of the real one, for messages and campaigns."""
    outbox = RecordingOutbox(unknown_accounts=["acme"])
    with pytest.raises(UnknownAccount, match="no account named 'acme'"):
        outbox.send(message())
    with pytest.raises(UnknownAccount, match="no account named 'acme'"):
        outbox.start_campaign(
            "spring", account="acme", sender="+15550100001", template="Hi", recipients=[{"to": RECIPIENT}]
        )
    assert ([], {}) == (outbox.sent, outbox.campaigns)


def test_status_is_waiting() -> None:
    """Nothing leaves, so an operation stays in its lane."""
    outbox = RecordingOutbox(clock=lambda: NOON)
    status = outbox.status(outbox.send(message()).id)
    assert ("waiting", "acme", None, NOON) == (status.state, status.account, status.campaign, status.accepted_at)


def test_what_was_never_sent_is_not_found() -> None:
    """Unknown ids and campaigns raise as they do in earnest."""
    outbox = RecordingOutbox()
    with pytest.raises(NotFound):
        outbox.status("0" * 26)
    with pytest.raises(NotFound):
        outbox.find_campaign("spring")


def test_operations_are_checked_as_in_earnest() -> None:
    """A wrong number does not reach the outbox: the models refuse it."""
    outbox = RecordingOutbox()
    with pytest.raises(InvalidOperation, match=r"^to: "):
        outbox.send(message(to="0555 0100002"))
    assert outbox.sent == []


@pytest.mark.parametrize("model", OPERATIONS)
def test_every_operation_is_recorded(model: type[Operation]) -> None:
    """Not only messages: each comes out of `sent` as it went in, is accepted, and waits under its own kind."""
    outbox = RecordingOutbox(clock=lambda: NOON)
    operation = make(model, metadata={"order": "7"})
    ticket = outbox.send(operation)
    status = outbox.status(ticket.id)
    assert outbox.sent == [operation]
    assert ticket.wait() == Queued(ticket.id, NOON)
    assert (operation.kind, "waiting", {}) == (status.kind, status.state, status.result)
    assert [event.what for event in status.history] == ["enqueued"]


@pytest.mark.parametrize("model", OPERATIONS)
def test_a_key_makes_any_operation_one(model: type[Operation]) -> None:
    """Two groups are not made for one key."""
    outbox = RecordingOutbox()
    first, second = (outbox.send(make(model, idempotency_key="7")) for _ in range(2))
    assert (Duplicate(first.id), [make(model, idempotency_key="7")]) == (second.wait(), outbox.sent)


def test_an_operation_may_follow_one_that_was_sent_before() -> None:
    """A group is named by its creation's id; when its follower leaves nobody can say before the group is there."""
    outbox = RecordingOutbox()
    group = outbox.send(make(CreateGroup)).id
    hello = message(to=None, group=group)
    ticket = outbox.send(hello)
    assert ticket.wait() == Queued(ticket.id, None)
    assert group in outbox.status(ticket.id).why
    assert outbox.sent[1:] == [hello]


def test_an_operation_may_not_follow_what_was_never_sent() -> None:
    """A worker would refuse it, so its receipt says so and it is not in `sent`."""
    outbox = RecordingOutbox()
    ticket = outbox.send(make(DeleteMessage, to=None, message=OPERATION_ID))
    answer = ticket.wait()
    assert isinstance(answer, Refused)
    assert f"operation {OPERATION_ID}, its predecessor, is unknown" in answer.reason
    assert outbox.sent == []
    with pytest.raises(NotFound):
        outbox.status(ticket.id)


def test_it_closes_as_a_context_manager() -> None:
    """Whether the service closed its outbox can be asked."""
    with RecordingOutbox() as outbox:
        assert not outbox.closed
    assert outbox.closed


def test_it_reads_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken environment of the machine that runs the tests does not matter."""
    monkeypatch.setenv("PACELINE_CAPACITY", "many")
    assert RecordingOutbox().send(message()).wait()
