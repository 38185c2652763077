"""What an accepted answer brings: handles, per-number results, and whether further calls follow."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline import (
    AddParticipants,
    CheckNumber,
    CreateGroup,
    DeleteMessage,
    Operation,
    PromoteParticipants,
    RemoveParticipants,
    SendMessage,
    SetGroupDescription,
)
from paceline.operations.requests import NUMBERS_A_PAGE, Followed, request_for
from paceline_worker.verdict import results
from paceline_worker.verdict.meaning import Answer, Meaning
from paceline_worker.verdict.policy import Verdict
from tests.unit.samples import GROUP, MESSAGE, NOON_US, OPERATION_ID, RECIPIENT, SENDER, make, message, numbers, work
from tests.unit.verdict.result_samples import (
    CHANNEL,
    OBJECTS,
    ONE,
    WA_GROUP,
    accepted,
    adding,
    after,
    refused,
    result,
)

# -- whatever the answer --------------------------------------------------------------------------------------------------

ABOUT_NUMBERS: list[Operation] = [
    make(CreateGroup, participants=numbers(12)),
    make(AddParticipants, participants=numbers(12)),
    make(RemoveParticipants, participants=numbers(3)),
    make(PromoteParticipants, participants=numbers(10)),
]
OTHERS: list[Operation] = [
    message(),
    make(DeleteMessage),
    make(DeleteMessage, to=None, group=GROUP),
    make(CheckNumber),
    make(SetGroupDescription),
]


def is_strict_json(text: str) -> bool:
    """Whether a reader that knows the standard alone can read it, and it can be written as UTF-8."""

    def refuse(constant: str) -> float:
        raise ValueError(constant)

    json.loads(text, parse_constant=refuse)
    return len(text.encode()) > 0


@pytest.mark.parametrize("operation", ABOUT_NUMBERS + OTHERS, ids=lambda operation: operation.kind)
@given(value=OBJECTS | st.none(), channel=st.sampled_from(["", CHANNEL]))
def test_any_answer_has_a_verdict_whose_result_can_be_read(operation: Any, value: Any, channel: str) -> None:
    """Nonsense raises nothing, and results are texts of standard JSON that Lua, Redis and people can read."""
    known = work(operation, channel=channel)
    verdict = accepted(known, value)
    assert verdict.verb in {"finish", "step", "unknown"}
    assert isinstance(verdict.result, str)
    assert verdict.result == "" or is_strict_json(verdict.result)
    (verdict.uuid + verdict.channel + verdict.words).encode()  # raises for half a character


@given(st.lists(OBJECTS | st.sampled_from(["400", "422"]), min_size=4, max_size=4))
def test_an_operation_of_several_calls_ends_with_every_number(answers: list[Any]) -> None:
    """Whatever each of four calls was answered, all 37 numbers are in the result, and no fifth call follows."""
    known = adding(37)
    for answer in answers[:3]:
        verdict = refused(known, answer) if isinstance(answer, str) else accepted(known, answer)
        assert verdict.verb == "step"
        known = after(known, verdict)
    last = refused(known, answers[3]) if isinstance(answers[3], str) else accepted(known, answers[3])
    assert "finish" == last.verb
    assert list(numbers(37)) == list(result(last)["numbers"])


@pytest.mark.parametrize("depth", [10, 500, 900])
def test_a_deep_nest_is_cut(depth: int) -> None:
    """What the parser could follow is kept to a few levels."""
    nest: Any = "x"
    for _ in range(depth):
        nest = {"number": [nest]}
    verdict = accepted(work(make(CheckNumber)), {"is_valid": True, "number": nest, "whatsapp_info": nest})
    assert {
        "is_valid": True,
        "number": {"number": [{"number": "..."}]},
        "whatsapp_info": {"number": [{"number": "..."}]},
    } == (result(verdict)["check"])
    assert results.numbers_in({"participants": {ONE: {"message": nest, "statusCode": nest}}}, [ONE])


# -- one call -------------------------------------------------------------------------------------------------------------


def test_a_message_keeps_its_handle() -> None:
    """The provider's uuid is what receipts and deletions name."""
    verdict = accepted(work(message()), {"success": True, "message_uuid": MESSAGE}, code="202", uuid=MESSAGE)
    assert Verdict("finish", "accepted", code="202", uuid=MESSAGE) == verdict


def test_an_answer_that_cannot_be_read_is_an_acceptance_still() -> None:
    """Sending again would double the message."""
    answer = Answer(Meaning.ACCEPTED, "200", "accepted, but the answer could not be read")
    verdict = results.accepted(work(message()), request_for(work(message())), answer, NOON_US)
    assert ("accepted", answer.words) == (verdict.outcome, verdict.words)


def test_a_message_to_a_group_that_was_made_here_tells_which() -> None:
    """Who deletes it later must know where it went, and the operation names the group by another operation."""
    followed = Followed(GROUP, OPERATION_ID, {})
    known = work(make(SendMessage, to=None, group=OPERATION_ID), followed=followed)
    assert {"recipient": GROUP} == result(accepted(known, {"message_uuid": MESSAGE}, uuid=MESSAGE))


def test_only_the_creation_of_a_group_has_the_group_as_its_handle() -> None:
    """Who changes a group did not make it: its age is told by the operation that has its uuid."""
    verdict = accepted(work(make(SetGroupDescription)), {"success": True, "group": {"uuid": GROUP}}, uuid=GROUP)
    assert ("accepted", "") == (verdict.outcome, verdict.uuid)


@pytest.mark.parametrize(
    ("expected", "value"),
    [
        ({"is_valid": False}, {"is_valid": False}),
        (
            {
                "is_valid": True,
                "on_whatsapp": True,
                "number": {"e164_format": RECIPIENT, "timezone": ["America/New_York"]},
                "whatsapp_info": {"number_id": "15550100002@c.us"},
            },
            {
                "is_valid": True,
                "on_whatsapp": True,
                "number": {"e164_format": RECIPIENT, "timezone": ["America/New_York"]},
                "whatsapp_info": {"number_id": "15550100002@c.us"},
                "is_business": False,
            },
        ),
        # What is worth keeping of a large answer.
        (
            {"is_valid": True, "on_whatsapp": False},
            {"is_valid": True, "on_whatsapp": False, "number": {f"name{i}": "x" * 500 for i in range(20)}},
        ),
        ({"number": ["x"] * 20}, {"number": ["x"] * 1000}),
        ({"number": {"carrier": "x" * 512}}, {"number": {"carrier": "x" * 5000}}),
        (
            {"is_valid": None, "number": [1.5, "9" * 20, 7]},
            {"is_valid": float("nan"), "number": [1.5, int("9" * 20), 7]},
        ),
        ({"number": {"carrier": "cut ?", "region": "a b"}}, {"number": {"carrier": "cut \ud83d", "region": "a\r\nb"}}),
        ({}, {"other": 1}),
    ],
)
def test_a_number_check_keeps_what_is_documented(expected: dict[str, Any], value: dict[str, Any]) -> None:
    """Four fields, and never more than four thousand characters."""
    verdict = accepted(work(make(CheckNumber)), value)
    assert ("finish", "accepted", expected) == (verdict.verb, verdict.outcome, result(verdict)["check"])


@given(OBJECTS)
def test_a_number_check_is_trimmed(value: dict[str, Any]) -> None:
    """Whatever is in it, its result stays small."""
    keys = ("is_valid", "on_whatsapp", "number", "whatsapp_info")
    verdict = accepted(work(make(CheckNumber)), dict(zip(keys, [value] * 4, strict=True)))
    assert len(verdict.result) <= 4100


# -- deletions ------------------------------------------------------------------------------------------------------------


def listed(*phones: str, uuid: Any = CHANNEL) -> dict[str, Any]:
    return {"success": True, "numbers": [{"uuid": uuid, "phone_number": phone} for phone in phones]}


@pytest.mark.parametrize("phone", [SENDER, SENDER[1:]])
def test_a_deletion_first_finds_the_senders_channel(phone: str) -> None:
    """The session key is made from the channel, which the lane remembers."""
    known = work(make(DeleteMessage))
    verdict = accepted(known, listed("+15550109999", phone))
    assert ("step", CHANNEL, {"channel": CHANNEL}) == (verdict.verb, verdict.channel, result(verdict))
    request = request_for(after(known, verdict))
    assert ("DELETE", f"/whatsapp/message/WW-{CHANNEL}-15550100002@c.us/{MESSAGE}") == (request.method, request.path)


@pytest.mark.parametrize("size", [NUMBERS_A_PAGE, 50, 100])
def test_a_long_list_of_numbers_is_read_page_by_page(size: int) -> None:
    """A full page is followed by the next, also of a provider that gives smaller pages than were asked for."""
    known = work(make(DeleteMessage))
    others = [f"+1555020{place:04}" for place in range(size)]
    pages = []
    for _ in range(3):
        pages.append(request_for(known).query["page_number"])
        verdict = accepted(known, listed(*others))
        assert "step" == verdict.verb
        known = after(known, verdict)
    assert ["0", "1", "2"] == pages
    found = accepted(known, listed(SENDER))
    assert (CHANNEL, "DELETE") == (found.channel, request_for(after(known, found)).method)


@pytest.mark.parametrize("count", [0, 1, 49])
def test_a_sender_that_is_not_connected_is_rejected(count: int) -> None:
    """A page that is not full is the last one."""
    verdict = accepted(work(make(DeleteMessage)), listed(*(f"+1555020{place:04}" for place in range(count))))
    assert ("finish", "rejected") == (verdict.verb, verdict.outcome)
    assert "does not list the sender" in verdict.words


def test_a_provider_that_knows_no_pages_is_not_asked_for_ever() -> None:
    """The same full page again and again ends in a rejection, and not in an endless use of slots."""
    known, others = work(make(DeleteMessage)), [f"+1555020{place:04}" for place in range(NUMBERS_A_PAGE)]
    for _ in range(100):
        verdict = accepted(known, listed(*others))
        if verdict.verb == "finish":
            break
        known = after(known, verdict)
    assert ("finish", "rejected") == (verdict.verb, verdict.outcome)


@pytest.mark.parametrize("uuid", [None, 5, "", "../x", ["WPN1"]])
def test_a_channel_without_a_usable_id_is_none(uuid: Any) -> None:
    """Nothing is put into an address that does not belong there."""
    assert "rejected" == accepted(work(make(DeleteMessage)), listed(SENDER, uuid=uuid)).outcome


@pytest.mark.parametrize("holder", ["data", "group"])
def test_a_groups_message_needs_the_groups_own_id(holder: str) -> None:
    """Its session key ends in WhatsApp's id of the group."""
    known = work(make(DeleteMessage, to=None, group=GROUP), channel=CHANNEL)
    assert f"/whatsapp/group/{GROUP}" == request_for(known).path
    verdict = accepted(known, {"success": True, holder: {"wa_group_id": WA_GROUP}})
    assert ("step", {"wa_group_id": WA_GROUP}) == (verdict.verb, result(verdict))
    assert f"/whatsapp/message/WW-{CHANNEL}-{WA_GROUP}/{MESSAGE}" == (
        request_for(replace(known, result=result(verdict))).path
    )


@pytest.mark.parametrize("value", [{}, {"data": []}, {"data": {}}, {"data": {"wa_group_id": 5}}])
def test_a_group_without_its_own_id_is_rejected(value: dict[str, Any]) -> None:
    """Its messages cannot be named."""
    known = work(make(DeleteMessage, to=None, group=GROUP), channel=CHANNEL)
    verdict = accepted(known, value)
    assert ("finish", "rejected") == (verdict.verb, verdict.outcome)


def test_what_was_found_before_stays() -> None:
    """The channel is not asked for again when the deletion itself is refused."""
    known = replace(work(make(DeleteMessage)), result={"channel": CHANNEL})
    assert {"channel": CHANNEL} == result(refused(known, "404"))
