"""What an accepted answer brings: handles, per-number results, and whether further calls follow."""

import json
from collections.abc import Iterable
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
from paceline.wire import NUMBERS_A_PAGE, Followed, Work, request_for
from paceline_worker import results
from paceline_worker.answers import Answer, Meaning
from paceline_worker.policy import Verdict
from tests.unit.samples import GROUP, MESSAGE, NOON_US, OPERATION_ID, RECIPIENT, SENDER, make, message, numbers, work

ONE, TWO, THREE = numbers(3)
CHANNEL = "WPN99999999-2222-4333-8444-555555555555"
WA_GROUP = "120363000000000001@g.us"
JOINED = {"statusCode": 200, "message": "added", "isInviteV4Sent": False}


def answered(value: dict[str, Any] | None, code: str = "200", uuid: str = "") -> Answer:
    return Answer(Meaning.ACCEPTED, code, uuid=uuid, value=value)


def accepted(known: Work, value: dict[str, Any] | None, **answer: str) -> Verdict:
    return results.accepted(known, request_for(known), answered(value, **answer), NOON_US)


def refused(known: Work, code: str, words: str = "no") -> Verdict:
    return results.refused(known, request_for(known), Answer(Meaning.REJECTED, code, words))


def after(known: Work, verdict: Verdict) -> Work:
    """The operation as the next call finds it."""
    return replace(known, result=json.loads(verdict.result), channel=verdict.channel)


def result(verdict: Verdict) -> Any:
    return json.loads(verdict.result)


def adding(count: int = 3) -> Work:
    return work(make(AddParticipants, participants=numbers(count)))


def creating(count: int = 3) -> Work:
    return work(make(CreateGroup, participants=numbers(count)))


def group(participants: Iterable[str], **more: Any) -> dict[str, Any]:
    """A good answer to the creation of a group."""
    members = {number: JOINED | {"isGroupCreator": number == SENDER} for number in (SENDER, *participants)}
    made = {"name": "Team A", "wa_group_id": WA_GROUP, "uuid": GROUP, "participants": members}
    return {"success": True, "group": made | {"accepted_numbers": list(participants), "unaccepted_numbers": []} | more}


# -- what became of each number -------------------------------------------------------------------------------------------

YES: dict[str, Any] = {"accepted": True}
NO: dict[str, Any] = {"accepted": False}
UNNAMED = {"accepted": False, "words": "the answer does not name it"}


@pytest.mark.parametrize(
    ("expected", "value"),
    [
        pytest.param(
            {ONE: YES | {"code": 200}, TWO: YES | {"code": 200}, THREE: NO},
            group([ONE, TWO], unaccepted_numbers=[THREE]),
            id="create: a map with the creator, and both lists",
        ),
        pytest.param(
            {ONE: YES | {"code": 200}, TWO: NO | {"code": 403, "invited": True, "words": "privacy"}, THREE: UNNAMED},
            {
                "success": True,
                "group": {
                    "uuid": GROUP,
                    "participants": {
                        SENDER: JOINED,
                        ONE: JOINED,
                        TWO: {"statusCode": 403, "message": "privacy", "isInviteV4Sent": True},
                    },
                },
            },
            id="create: a map alone",
        ),
        pytest.param(
            {ONE: YES | {"code": 200}, TWO: YES | {"code": 200}, THREE: NO | {"code": 404, "words": "nobody"}},
            {
                "success": True,
                "participants": {ONE: JOINED, TWO: JOINED, THREE: {"statusCode": 404, "message": "nobody"}},
            },
            id="add: a map",
        ),
        pytest.param(
            {ONE: YES | {"code": 200}, TWO: YES | {"code": 200}, THREE: NO},
            {"success": True, "participants": {ONE: JOINED, TWO: JOINED}, "unaccepted_numbers": [THREE]},
            id="add: unaccepted numbers at the top",
        ),
        pytest.param(
            {ONE: YES | {"code": 200}, TWO: NO, THREE: NO},
            {"success": True, "participants": {ONE: JOINED, "unaccepted_numbers": [TWO, THREE]}},
            id="add: unaccepted numbers among the participants",
        ),
        pytest.param(
            {ONE: YES | {"code": 200}, TWO: UNNAMED, THREE: UNNAMED},
            {"success": True, "participants": {ONE: JOINED}},
            id="add: unaccepted numbers nowhere",
        ),
        pytest.param(
            {ONE: NO | {"code": 200, "words": "added"}, TWO: YES | {"code": 200}, THREE: YES | {"code": 200}},
            {"participants": {ONE: JOINED, TWO: JOINED, THREE: JOINED, "unaccepted_numbers": [ONE]}},
            id="add: a list that contradicts the map counts more",
        ),
        pytest.param(
            {ONE: YES, TWO: NO, THREE: NO},
            {
                "success": True,
                "participants": {
                    "timestamp": 1735725600,
                    "accepted_numbers": [ONE],
                    "unaccepted_numbers": [TWO, THREE],
                },
            },
            id="remove: lists and a timestamp",
        ),
        pytest.param(
            {ONE: YES, TWO: UNNAMED, THREE: UNNAMED},
            {"success": True, "participants": {"timestamp": 1735725600, "accepted_numbers": [ONE]}},
            id="remove: what is in neither list was not accepted",
        ),
        pytest.param({ONE: YES, TWO: YES, THREE: YES}, {"success": True}, id="promote: bare"),
        pytest.param({ONE: YES, TWO: YES, THREE: NO}, {"unaccepted_numbers": [THREE]}, id="promote: refusals alone"),
        pytest.param(
            {ONE: YES, TWO: NO, THREE: NO},
            {"accepted_numbers": [ONE[1:]], "unaccepted_numbers": [TWO[1:], THREE[1:]]},
            id="lists of numbers without plus",
        ),
        pytest.param(
            {ONE: YES | {"code": 200}, TWO: NO | {"code": 409, "words": "already in"}, THREE: NO},
            {
                "participants": {ONE[1:]: JOINED, TWO[1:]: {"statusCode": 409, "message": "already in"}},
                "unaccepted_numbers": [THREE[1:]],
            },
            id="a map of numbers without plus",
        ),
        pytest.param(
            {ONE: YES | {"code": 200}, TWO: YES, THREE: NO | {"code": 403}},
            {"participants": {ONE: {"statusCode": "200"}, TWO: {}, THREE: {"statusCode": "403"}}},
            id="codes as texts, or none",
        ),
        pytest.param(
            {ONE: YES, TWO: YES, THREE: YES},
            {"participants": [ONE], "group": "x", "accepted_numbers": 5, "unaccepted_numbers": {"a": TWO}},
            id="nonsense names nobody",
        ),
    ],
)
def test_every_documented_shape_is_read(expected: dict[str, Any], value: dict[str, Any]) -> None:
    """Whichever shape the answer has, each number has its own result (provider reference, 2.2)."""
    assert expected == results.numbers_in(value, [ONE, TWO, THREE])


def test_a_number_has_words_only_when_it_was_refused() -> None:
    """That it was added need not be told of each of a thousand numbers."""
    found = results.numbers_in(
        {"participants": {ONE: JOINED, TWO: {"statusCode": 403, "message": "x" * 500}}}, [ONE, TWO]
    )
    assert {ONE: None, TWO: "x" * 100} == {number: one.get("words") for number, one in found.items()}


NAMES = st.sampled_from(
    [
        "participants",
        "group",
        "accepted_numbers",
        "unaccepted_numbers",
        "statusCode",
        "message",
        "isInviteV4Sent",
        "uuid",
    ]
) | st.sampled_from([ONE, TWO, THREE, ONE[1:], TWO[1:], SENDER])
SCALARS = (
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers()
    | st.text(max_size=8)
    | NAMES
    | st.sampled_from([200, 403, GROUP, CHANNEL, 10**400, "\ud83d", "../x"])
)
JSON: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | st.text(max_size=5), inner, max_size=6),
    max_leaves=15,
)
OBJECTS = st.dictionaries(NAMES, JSON, max_size=6)


@given(OBJECTS)
def test_no_answer_loses_a_number(value: dict[str, Any]) -> None:
    """Whatever the answer holds in whatever place, each asked number is in the result exactly once."""
    found = results.numbers_in(value, [ONE, TWO, THREE])
    assert [ONE, TWO, THREE] == list(found)
    for one in found.values():
        assert {"accepted"} <= set(one) <= {"accepted", "code", "invited", "words"}
        assert isinstance(one["accepted"], bool)


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


# -- groups ---------------------------------------------------------------------------------------------------------------


def test_a_group_that_was_made_keeps_its_ids_and_its_time() -> None:
    """The provider's uuid, WhatsApp's id, when it was made, and what became of each number."""
    verdict = accepted(creating(2), group([ONE]), uuid=GROUP)
    assert ("finish", "accepted", GROUP) == (verdict.verb, verdict.outcome, verdict.uuid)
    kept = result(verdict)
    assert (1, GROUP, WA_GROUP, NOON_US) == (kept["calls"], kept["group_uuid"], kept["wa_group_id"], kept["made_us"])
    assert {ONE: True, TWO: False} == {number: one["accepted"] for number, one in kept["numbers"].items()}


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        {"success": True},
        {"success": True, "message_uuid": MESSAGE},
        {"success": True, "group": GROUP},
        {"success": True, "group": {}},
        {"success": True, "group": {"uuid": None}},
        {"success": True, "group": {"uuid": [GROUP]}},
        {"success": True, "group": {"uuid": "../WAG1"}},
    ],
)
def test_a_group_that_is_not_named_is_unknown(value: dict[str, Any] | None) -> None:
    """It was made, and nobody can add to it: it has to be found, and must not be made again."""
    verdict = accepted(creating(), value, uuid=MESSAGE)
    assert ("unknown", "unknown", "") == (verdict.verb, verdict.reason, verdict.uuid)


def test_thirty_seven_participants_are_four_calls() -> None:
    """Ten a call: three steps and an end; each call is about the numbers that are not done yet."""
    known, verbs, asked = adding(37), [], []
    for _ in range(4):
        body = request_for(known).body
        assert body is not None
        asked.append(body["participants"])
        verdict = accepted(known, {"success": True})
        verbs.append(verdict.verb)
        known = after(known, verdict)
    assert ["step", "step", "step", "finish"] == verbs
    assert [10, 10, 10, 7] == [len(chunk) for chunk in asked]
    assert list(numbers(37)) == [number for chunk in asked for number in chunk]
    assert ("accepted", 37, 4) == (verdict.outcome, len(known.result["numbers"]), known.result["calls"])


def test_a_group_of_thirty_seven_is_one_creation_and_three_additions() -> None:
    """The first ten come with the group; the others are added to it, wherever it answers from."""
    known = creating(37)
    verdicts = [accepted(known, group(numbers(10)), uuid=GROUP)]
    paths = [request_for(known).path]
    for _ in range(3):
        known = after(known, verdicts[-1])
        paths.append(request_for(known).path)
        verdicts.append(accepted(known, {"success": True}))
    assert ["/whatsapp/group/create"] + [f"/whatsapp/group/{GROUP}/add-participant"] * 3 == paths
    assert ["step", "step", "step", "finish"] == [verdict.verb for verdict in verdicts]
    assert ("accepted", GROUP) == (verdicts[-1].outcome, verdicts[-1].uuid)
    assert 37 == len(result(verdicts[-1])["numbers"])
    assert all(one["accepted"] for one in result(verdicts[-1])["numbers"].values())


def test_a_step_says_how_many_were_accepted() -> None:
    """People follow a long operation by its story."""
    verdict = accepted(adding(12), {"unaccepted_numbers": list(numbers(10)[:3])})
    assert ("step", "7 of 10 numbers accepted") == (verdict.verb, verdict.words)


@pytest.mark.parametrize("code", ["400", "422"])
def test_a_refusal_of_numbers_lets_the_others_have_their_call(code: str) -> None:
    """One malformed number must not keep the others out; its call's numbers are marked with code and words."""
    known = adding(12)
    step = refused(known, code, "not E.164")
    assert "step" == step.verb
    last = accepted(after(known, step), {"success": True})
    assert ("finish", "accepted") == (last.verb, last.outcome)
    found = result(last)["numbers"]
    assert [NO | {"code": int(code), "words": "not E.164"}] * 10 == [found[number] for number in numbers(10)]
    assert [YES] * 2 == [found[number] for number in numbers(12)[10:]]


@pytest.mark.parametrize("code", ["404", "406", "413", "405", "302", "200"])
def test_any_other_refusal_ends_it(code: str) -> None:
    """The group is gone, or the sender may not: further calls would be refused alike. All that is left is marked."""
    verdict = refused(adding(37), code, "gone")
    assert ("finish", "rejected", code, "gone") == (verdict.verb, verdict.outcome, verdict.code, verdict.words)
    assert [NO | {"code": int(code), "words": "gone"}] * 37 == list(result(verdict)["numbers"].values())


def ended(first: str | dict[str, Any], second: str | dict[str, Any], operation: Work) -> Verdict:
    """Two calls, each accepted with a body or refused with a code."""
    known = operation
    for answer in (first, second):
        verdict = refused(known, answer) if isinstance(answer, str) else accepted(known, answer, uuid=GROUP)
        known = after(known, verdict)
    return verdict


NONE_JOINED = {"success": True, "unaccepted_numbers": list(numbers(12))}


@pytest.mark.parametrize(
    ("outcome", "first", "second"),
    [
        ("accepted", {"success": True}, {"success": True}),
        ("accepted", {"success": True}, "422"),
        ("accepted", {"success": True}, "404"),
        ("accepted", {"success": True}, "200"),
        ("accepted", "422", {"success": True}),
        ("accepted", NONE_JOINED, "404"),
        ("accepted", "422", NONE_JOINED),
        ("rejected", "422", "422"),
        ("rejected", "400", "422"),
        ("rejected", "422", "404"),
        ("rejected", "422", "200"),
    ],
)
def test_an_operation_is_rejected_only_when_every_call_was(outcome: str, first: Any, second: Any) -> None:
    """What took effect stays, and is the outcome, with what each number got."""
    verdict = ended(first, second, adding(12))
    assert ("finish", outcome, 12) == (verdict.verb, verdict.outcome, len(result(verdict)["numbers"]))
    assert "" == verdict.uuid


@pytest.mark.parametrize("second", ["422", "404", "200"])
def test_a_group_that_was_made_is_accepted_whatever_follows(second: str) -> None:
    """The group exists, though nobody could be added to it."""
    verdict = ended(group(numbers(10)), second, creating(12))
    assert ("finish", "accepted", GROUP, 12) == (
        verdict.verb,
        verdict.outcome,
        verdict.uuid,
        len(result(verdict)["numbers"]),
    )


@pytest.mark.parametrize("code", ["400", "422", "404", "200"])
def test_a_group_that_was_not_made_is_rejected(code: str) -> None:
    """Nothing took effect."""
    verdict = refused(creating(37), code, "no")
    assert Verdict("finish", "rejected", code=code, words="no") == verdict


def test_a_refusal_without_words_is_told_by_its_code() -> None:
    """There is always something for people to read."""
    assert "422" == refused(creating(), "422", "").words


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
