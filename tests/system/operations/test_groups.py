"""Groups: several calls as one operation, numbers that are refused, groups that show late, and what follows a group's creation."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from paceline import (
    AddParticipants,
    CreateGroup,
    DeleteMessage,
    Operation,
    PromoteParticipants,
    RemoveParticipants,
    SendMessage,
    SetGroupDescription,
    Status,
    Ticket,
    names,
)
from tests.support.processes import Sandbox
from tests.support.stack import PATIENCE, Stack
from tests.support.wait import wait_until

pytestmark = [pytest.mark.system]

SENDER, TO, THIRD, FOURTH = (f"+1555010000{number}" for number in range(1, 5))
NEVER_MADE = "WAG99999999-2222-4333-8444-555555555555"
OUTCOMES = f"{names.STATE_ROOT}:outcomes"


@pytest.fixture
def desk(lasting: Stack, sandbox: Sandbox) -> Iterator[Stack]:
    """A fresh account and an empty provider, served by the module's worker."""
    with Stack(lasting.server, sandbox) as built:
        built.sandbox.reset()
        built.scenario()
        yield built


def people(count: int, first: int = 0) -> list[str]:
    return [f"+1555020{number:04d}" for number in range(first, first + count)]


def send(stack: Stack, model: type[Operation], **fields: Any) -> Ticket:
    return stack.outbox.send(model(account=stack.name, **{"sender": SENDER, **fields}))


def create(stack: Stack, count: int = 2, **fields: Any) -> Ticket:
    return send(stack, CreateGroup, **{"name": "Team", "participants": people(count)} | fields)


def status_when_asked(stack: Stack, receipt: Ticket, what: str, **shown: Any) -> Status:
    """Wait until a status shows these values."""

    def check() -> Status | None:
        status = stack.outbox.status(receipt.id)
        return status if all(getattr(status, name) == value for name, value in shown.items()) else None

    stack.wait_for(lambda books: books.inbox == 0, "the inbox is empty")
    return wait_until(check, PATIENCE, lambda: f"{what}; it is {stack.outbox.status(receipt.id)}")


def happened(status: Status) -> list[str]:
    return [event.what for event in status.history]


def operations(stack: Stack) -> list[tuple[str, int]]:
    return [(arrival["operation"], arrival["status"]) for arrival in stack.arrivals()]


def outcomes(stack: Stack, receipt: Ticket) -> list[str]:
    """Every outcome that was announced of an operation."""
    announced: Any = stack.client.xrange(OUTCOMES)
    return [fields["outcome"] for _, fields in announced if fields["id"] == receipt.id]


def test_a_group_of_37_survives_the_death_of_its_worker(stack: Stack) -> None:
    """Four paced calls, the worker killed after the second: the next one makes the other two. No number is sent twice."""
    stack.scenario(keys=[{"key": stack.name, "limits": ["30/minute"], "algorithm": "spacing"}])
    stack.add_account("30/minute", "spacing")
    worker = stack.start_worker()
    receipt = create(stack, 37)
    stack.wait_for(lambda _: answered(stack, receipt) == 2, "the second call is answered")
    worker.kill()
    assert 2 == len(stack.arrivals())
    stack.start_worker()
    status = stack.status_when(receipt, "accepted", "rejected", "held", "dead")

    arrivals = stack.arrivals()
    assert [("group.create", 200), *[("group.add", 200)] * 3] == operations(stack)
    asked = [arrivals[0]["body"]["group"]["participants"], *(one["body"]["participants"] for one in arrivals[1:])]
    assert [10, 10, 10, 7] == [len(call) for call in asked]
    assert people(37) == [number for call in asked for number in call]
    assert {f"/open/whatsapp/group/{status.group_uuid}/add-participant"} == {one["path"] for one in arrivals[1:]}

    assert ("accepted", 0, 4) == (status.state, status.attempts, status.result["calls"])
    assert people(37) == list(status.result["numbers"])
    assert all(one["accepted"] for one in status.result["numbers"].values())
    assert ["enqueued", "answered", "answered", "answered", "sent", "accepted"] == happened(status)
    assert ["accepted"] == outcomes(stack, receipt)
    assert 0 == stack.violations()
    assert min(later["at_us"] - earlier["at_us"] for earlier, later in pairwise(arrivals)) >= 2_000_000


def answered(stack: Stack, receipt: Ticket) -> int:
    found = stack.state.operation(receipt.id)
    return 0 if found is None else int(stack.outbox.status(receipt.id).result.get("calls", 0))


@pytest.mark.parametrize("place", ["top", "participants", "nowhere"])
def test_numbers_that_are_refused_are_told_one_by_one(desk: Stack, place: str) -> None:
    """The operation is accepted, and says of each number its outcome, wherever the provider lists refusals."""
    refusing = [
        {"pattern": "+15550201*", "status_code": 403, "invited": True},
        {"pattern": "+15550202*", "status_code": 404},
    ]
    desk.scenario(participants=refusing, add_refusals_in=place)
    desk.add_account()
    fine, invited, absent = people(9), people(2, 1000), people(1, 2000)
    status = desk.status_when(create(desk, participants=[*fine, *invited, *absent]), "accepted")
    told = status.result["numbers"]
    assert "the provider accepted it, but refused 3 of 12 numbers (2 of them got an invitation)" == status.why
    assert [{"accepted": True, "code": 200}] * 9 == [told[number] for number in fine]
    assert [(False, 403, True)] * 2 == [(told[n]["accepted"], told[n]["code"], told[n]["invited"]) for n in invited]
    assert [(False, 404, "The number is not on WhatsApp")] == [
        (told[n]["accepted"], told[n]["code"], told[n]["words"]) for n in absent
    ]
    removed = desk.status_when(
        send(desk, RemoveParticipants, group=status.group_uuid, participants=[fine[0], absent[0]]), "accepted"
    )
    assert {fine[0]: {"accepted": True}, absent[0]: {"accepted": False}} == removed.result["numbers"]


def test_one_call_of_several_is_refused(desk: Stack) -> None:
    """The numbers of that call were refused, the others are in the group: accepted, since the group is there."""
    desk.scenario(faults=[{"kind": "answer", "status": 422, "on": "group.add", "count": 1, "message": "no, thanks"}])
    desk.add_account()
    status = desk.status_when(create(desk, 25), "accepted")
    assert [("group.create", 200), ("group.add", 422), ("group.add", 200)] == operations(desk)
    refused = [number for number, one in status.result["numbers"].items() if not one["accepted"]]
    assert people(10, 10) == refused
    assert {"accepted": False, "code": 422, "words": "no, thanks"} == status.result["numbers"][refused[0]]
    assert "but refused 10 of 25 numbers" in status.why


@pytest.fixture
def late(desk: Stack) -> Stack:
    """An account of a provider where a group shows four seconds after it was made, and no group exists that was not made."""
    desk.scenario(group_lag_seconds=4, accept_unknown_groups=False)
    desk.add_account()
    return desk


def test_what_follows_a_creation_waits_until_the_group_shows(late: Stack) -> None:
    """A 404 of a group that was just made costs no attempt, named by the creation's id or by its uuid; order is kept."""
    made = create(late)
    message = send(late, SendMessage, group=made.id, text="Welcome")
    description = send(late, SetGroupDescription, group=made.id, description="Thursdays")
    promotion = send(late, PromoteParticipants, group=made.id, participants=people(1))
    large = create(late, 12, sender=FOURTH)
    uuid = late.status_when(made, "accepted").group_uuid
    by_uuid = send(late, AddParticipants, group=uuid, participants=[TO], sender=THIRD)

    by_id = [late.status_when(receipt, "accepted") for receipt in (message, description, promotion)]
    added = late.status_when(by_uuid, "accepted")
    assert [0, 0, 0, 0] == [status.attempts for status in (*by_id, added)]
    # The first one meets the 404, and those behind it wait with it.
    assert [["enqueued", "waits", "sent", "accepted"], *[["enqueued", "sent", "accepted"]] * 2] == list(
        map(happened, by_id)
    )
    assert "waits" in happened(added)
    assert uuid == by_id[0].result["recipient"]
    in_order = [name for name, status in operations(late) if status < 300 and name not in ("group.create", "group.add")]
    assert ["message.to_group", "group.set_description", "group.promote"] == in_order
    assert {people(2)[0]: {"accepted": True}} == by_id[2].result["numbers"]
    # The additions that belong to a creation meet the same 404.
    grown = late.status_when(large, "accepted")
    assert (0, 2) == (grown.attempts, grown.result["calls"])
    assert "waits" in happened(grown)
    assert [200, 404, 200] == [one["status"] for one in late.arrivals() if one["body"]["from_number"] == FOURTH]


def test_a_group_that_nobody_made_is_not_there(late: Stack) -> None:
    """Its 404 is an answer like any other: rejected at once, with the provider's words."""
    status = late.status_when(send(late, SendMessage, group=NEVER_MADE, text="Hello"), "rejected")
    assert ("404", "The group was not found", 0) == (status.code, status.words, status.attempts)
    assert ["enqueued", "sent", "rejected"] == happened(status)
    assert [("message.to_group", 404)] == operations(late)


def test_followers_of_a_rejected_creation_are_rejected(desk: Stack) -> None:
    """Nothing of theirs reaches the provider, and their words say what they followed and how it ended."""
    desk.scenario(faults=[{"kind": "answer", "status": 400, "on": "group.create", "message": "no more groups today"}])
    desk.add_account()
    made = create(desk)
    follow = followers(desk, made)
    assert "no more groups today" in desk.status_when(made, "rejected").why
    for receipt in follow:
        status = desk.status_when(receipt, "rejected")
        assert "rejected: the operation that it follows ended as rejected" == status.why
    assert [("group.create", 400)] == operations(desk)
    late_one = desk.status_when(send(desk, SendMessage, group=made.id, text="Anybody?"), "rejected")
    assert "the operation that it follows ended as rejected" in late_one.why


def test_followers_of_an_unknown_creation_wait(desk: Stack) -> None:
    """Held, it has no outcome that decides anything: they wait at no cost and say for what."""
    desk.scenario(faults=[{"kind": "drop_after_accepting", "on": "group.create", "count": 1}])
    desk.add_account()
    made = create(desk, on_unknown="hold")
    follow = followers(desk, made)
    desk.status_when(made, "held")
    why = f"it follows operation {made.id}, which has no result yet"
    assert [(why, 0)] * 3 == [
        (status.why, status.attempts)
        for status in (status_when_asked(desk, receipt, "waits", why=why) for receipt in follow)
    ]
    other = desk.status_when(send(desk, SendMessage, to=TO, text="Hello"), "accepted")
    assert "accepted" == other.state  # their lane goes on meanwhile
    assert (3, 1, 0) == (desk.balance().waiting, desk.balance().outcomes["held"], desk.balance().unaccounted)


def test_followers_of_a_creation_that_is_found_go_on(desk: Stack) -> None:
    """The answer was lost; the group is found in the sender's list, filled, and then what follows leaves."""
    desk.scenario(faults=[{"kind": "drop_after_accepting", "on": "group.create", "count": 1}])
    desk.add_account()
    made = create(desk, 12, name="Found again")
    follow = followers(desk, made)
    assert "looked up" in happened(desk.status_when(made, "accepted"))
    assert ["accepted"] * 3 == [desk.status_when(receipt, "accepted").state for receipt in follow]
    effective = [name for name, status in operations(desk) if name != "lookup"]
    assert ["group.create", "group.add", "message.to_group", "group.set_description", "group.promote"] == effective


def followers(stack: Stack, made: Ticket) -> list[Ticket]:
    return [
        send(stack, SendMessage, group=made.id, text="Welcome"),
        send(stack, SetGroupDescription, group=made.id, description="Thursdays"),
        send(stack, PromoteParticipants, group=made.id, participants=people(1)),
    ]


def test_a_budget_of_creations_holds_back_the_second(desk: Stack) -> None:
    """It waits and says why; the sender's messages and another sender's groups do not wait with it."""
    desk.add_account(budgets={"group.create": "1/minute"})
    first, second = create(desk, name="One"), create(desk, name="Two")
    message = send(desk, SendMessage, to=TO, text="Hello")
    other = create(desk, name="Three", sender=THIRD)
    for receipt in (first, message, other):
        desk.status_when(receipt, "accepted")
    waiting = desk.outbox.status(second.id)
    assert ("waiting", 0) == (waiting.state, waiting.attempts)
    assert waiting.why.startswith("it waits (the budget of 1 group.create of its sender is used up) until ")
    first_at = desk.outbox.status(first.id).settled_at
    assert waiting.expected_at
    assert first_at
    assert 55 < (waiting.expected_at - first_at).total_seconds() < 65
    assert 2 == sum(name == "group.create" for name, _ in operations(desk))


def test_a_message_is_deleted_by_its_operation_or_by_its_uuid(desk: Stack) -> None:
    """In a conversation and in a group; the channel and the group's WhatsApp id are asked for, the channel only once."""
    desk.add_account()
    made = create(desk)
    group = desk.status_when(made, "accepted").group_uuid
    texts: dict[str, dict[str, Any]] = {
        "conversation, id": {"to": TO},
        "conversation, uuid": {"to": TO},
        "group, id": {"group": made.id},
        "group, uuid": {"group": group},
    }
    sent = {name: send(desk, SendMessage, text=name, **target) for name, target in texts.items()}
    by_id = [send(desk, DeleteMessage, message=sent[name].id) for name in ("conversation, id", "group, id")]
    uuids = {name: desk.status_when(receipt, "accepted").message_uuid for name, receipt in sent.items()}
    by_uuid = [
        send(desk, DeleteMessage, message=uuids["conversation, uuid"], to=TO),
        send(desk, DeleteMessage, message=uuids["group, uuid"], group=group),
    ]
    for receipt in (*by_id, *by_uuid):
        desk.status_when(receipt, "accepted")
    deleted = [arrival["path"].rsplit("/", 1)[1] for arrival in desk.arrivals() if arrival["method"] == "DELETE"]
    assert sorted(uuids.values(), key=str) == sorted(deleted)
    asked = [arrival["path"] for arrival in desk.arrivals() if arrival["method"] == "GET"]
    assert ["/open/whatsapp/get-numbers", *[f"/open/whatsapp/group/{group}"] * 2] == sorted(asked)
    assert {"DELETE": {200}, "GET": {200}, "POST": {200, 202}} == statuses(desk)


def statuses(stack: Stack) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {}
    for arrival in stack.arrivals():
        found.setdefault(arrival["method"], set()).add(arrival["status"])
    return found


def test_the_deletion_of_a_message_that_was_not_sent_is_rejected(desk: Stack) -> None:
    """There is nothing to delete: it ends with words that say why, without a call."""
    desk.scenario(faults=[{"kind": "answer", "status": 422, "on": "send", "message": "no such number"}])
    desk.add_account()
    message = send(desk, SendMessage, to=TO, text="Hello")
    deletion = desk.status_when(send(desk, DeleteMessage, message=message.id), "rejected")
    assert "rejected: the operation that it follows ended as rejected" == deletion.why
    assert [("message.to_number", 422)] == operations(desk)
