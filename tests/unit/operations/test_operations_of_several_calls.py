"""Operations that take several calls: participants ten at a time, and what a deletion asks for before it deletes."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline import (
    AddParticipants,
    CreateGroup,
    DeleteMessage,
    DemoteParticipants,
    Operation,
    PromoteParticipants,
    RemoveParticipants,
)
from paceline.errors import InvalidOperation
from paceline.operations.requests import Followed, ProviderRequest, participants_of_this_call, request_for, session_key
from tests.unit.samples import GROUP, MESSAGE, OPERATION_ID, RECIPIENT, REMOTE_ID, make, numbers, work

CHANNEL = "WPN11111111-2222-4333-8444-555555555555"
WA_GROUP = "120363000000000001@g.us"


def calls(operation: Operation) -> Iterator[ProviderRequest]:
    """The requests of an operation with participants, each one answered."""
    asked = work(operation)
    for done in range(operation.requests):
        yield request_for(replace(asked, result={"calls": done, "group_uuid": GROUP} if done else {}))


def of(request: ProviderRequest) -> list[str]:
    """The participants a request is about."""
    body = request.body or {}
    return list(body["group"]["participants"] if "group" in body else body["participants"])


def test_a_group_of_37_is_one_creation_and_three_additions() -> None:
    """The first ten come with the group; the others are added to it, ten a call."""
    people = numbers(37)
    found = [
        (request.step, request.path, of(request)) for request in calls(make(CreateGroup, participants=list(people)))
    ]
    add = f"/whatsapp/group/{GROUP}/add-participant"
    assert found == [
        ("create", "/whatsapp/group/create", list(people[:10])),
        ("participants", add, list(people[10:20])),
        ("participants", add, list(people[20:30])),
        ("participants", add, list(people[30:])),
    ]


@pytest.mark.parametrize("model", [AddParticipants, RemoveParticipants, PromoteParticipants, DemoteParticipants])
def test_a_change_of_37_is_four_calls_of_one_path(model: type[Operation]) -> None:
    """Ten participants a call, to the same path, in the order that was given."""
    people = numbers(37)
    found = list(calls(make(model, participants=list(people))))
    assert [list(people[i : i + 10]) for i in range(0, 37, 10)] == [of(request) for request in found]
    assert {(request.step, request.path) for request in found} == {("participants", found[0].path)}


@given(
    st.sampled_from([CreateGroup, AddParticipants, RemoveParticipants, PromoteParticipants, DemoteParticipants]),
    st.integers(1, 120),
)
def test_each_participant_is_in_exactly_one_call(model: type[Operation], count: int) -> None:
    """However many there are: all of them, once, in order, at most ten a call, and in as many calls as announced."""
    people = numbers(count)
    requests = list(calls(make(model, participants=list(people))))
    chunks = [of(request) for request in requests]
    assert list(people) == [one for chunk in chunks for one in chunk]
    assert all(1 <= len(chunk) <= 10 for chunk in chunks)
    assert -(-count // 10) == len(requests)


def test_the_participants_of_a_call_follow_from_the_calls_answered() -> None:
    """A worker that takes over asks for the next ten; after the last call there are none."""
    people = numbers(12)
    asked = work(make(AddParticipants, participants=list(people)))
    for done, expected in ((0, people[:10]), (1, people[10:]), (2, ())):
        assert list(expected) == participants_of_this_call(replace(asked, result={"calls": done}))


def test_the_first_deletion_asks_for_the_channel() -> None:
    """The session key needs the sender's channel, which is in the list of numbers; a later page is asked for by number."""
    path = "/whatsapp/get-numbers"
    asked = work(make(DeleteMessage))
    query = {"status": "all", "page_number": "0", "results_per_page": "200"}
    assert ProviderRequest("GET", path, None, path, query, "channel") == request_for(asked)
    assert request_for(replace(asked, result={"page": 2})).query == query | {"page_number": "2"}


@pytest.mark.parametrize(
    ("conversation", "key"),
    [
        ({"to": RECIPIENT}, f"WW-{CHANNEL}-15550100002@c.us"),
        ({"to": None, "remote_id": REMOTE_ID}, f"WW-{CHANNEL}-{REMOTE_ID}"),
    ],
)
@pytest.mark.parametrize("known", [{"channel": CHANNEL}, {"result": {"channel": CHANNEL}}])
def test_a_deletion_names_session_and_message(conversation: dict[str, Any], key: str, known: dict[str, Any]) -> None:
    """With the channel known, from the sender or from its own first call, a deletion is one call."""
    path = f"/whatsapp/message/{key}/{MESSAGE}"
    expected = ProviderRequest("DELETE", path, None, "/whatsapp/message/{session_key}/{message_uuid}")
    assert expected == request_for(work(make(DeleteMessage, **conversation), **known))


def test_a_deletion_in_a_group_asks_for_its_whatsapp_id() -> None:
    """A group's session is named after WhatsApp's own id of it, which the provider is asked for in between."""
    asked = work(make(DeleteMessage, to=None, group=GROUP), channel=CHANNEL)
    expected = ProviderRequest("GET", f"/whatsapp/group/{GROUP}", None, "/whatsapp/group/{target}", step="conversation")
    assert expected == request_for(asked)
    last = request_for(replace(asked, result={"wa_group_id": WA_GROUP}))
    assert (last.method, last.path) == ("DELETE", f"/whatsapp/message/WW-{CHANNEL}-{WA_GROUP}/{MESSAGE}")


@pytest.mark.parametrize(
    ("followed", "result", "path"),
    [
        (Followed(MESSAGE, RECIPIENT, {}), {}, f"/whatsapp/message/WW-{CHANNEL}-15550100002@c.us/{MESSAGE}"),
        (Followed(MESSAGE, REMOTE_ID, {}), {}, f"/whatsapp/message/WW-{CHANNEL}-{REMOTE_ID}/{MESSAGE}"),
        (Followed(MESSAGE, GROUP, {}), {}, f"/whatsapp/group/{GROUP}"),
        (Followed(MESSAGE, "0" * 26, {"recipient": GROUP}), {}, f"/whatsapp/group/{GROUP}"),
        (
            Followed(MESSAGE, "0" * 26, {"recipient": GROUP}),
            {"wa_group_id": WA_GROUP},
            f"/whatsapp/message/WW-{CHANNEL}-{WA_GROUP}/{MESSAGE}",
        ),
    ],
)
def test_a_deletion_by_operation_takes_all_from_it(followed: Followed, result: dict[str, Any], path: str) -> None:
    """The operation that sent the message says which it is and where it went, also when that was a new group."""
    operation = make(DeleteMessage, to=None, message=OPERATION_ID)
    assert path == request_for(work(operation, followed=followed, result=result, channel=CHANNEL)).path


@pytest.mark.parametrize("uuid", ["", GROUP])
def test_a_deletion_of_what_is_no_message_is_refused_before_any_call(uuid: str) -> None:
    """The provider would say that it is not there, which counts as deleted; so it is not asked, not even for the channel."""
    operation = make(DeleteMessage, to=None, message=OPERATION_ID)
    with pytest.raises(InvalidOperation, match=r"^message: the operation .* has no message uuid"):
        request_for(work(operation, followed=Followed(uuid, RECIPIENT, {})))


@pytest.mark.parametrize(
    ("conversation", "expected"),
    [(RECIPIENT, "WW-WPN1-15550100002@c.us"), (REMOTE_ID, f"WW-WPN1-{REMOTE_ID}"), (WA_GROUP, f"WW-WPN1-{WA_GROUP}")],
)
def test_session_keys_end_in_the_kind_of_conversation(conversation: str, expected: str) -> None:
    """Digits and ``@c.us`` of a number (docs/provider.md, 2); remote ids and groups bring their own ending."""
    assert expected == session_key("WPN1", conversation)
