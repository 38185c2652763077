"""What an accepted answer of a group's call brings: its ids, its numbers, and the next call."""

from typing import Any

import pytest

from paceline.operations.requests import Work, request_for
from paceline_worker.verdict.policy import Verdict
from tests.unit.samples import GROUP, MESSAGE, NOON_US, numbers
from tests.unit.verdict.result_samples import (
    NO,
    ONE,
    TWO,
    WA_GROUP,
    YES,
    accepted,
    adding,
    after,
    creating,
    group,
    refused,
    result,
)

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
