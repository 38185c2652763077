"""What became of each number, whichever shape the answer has."""

from typing import Any

import pytest
from hypothesis import given

from paceline_worker.verdict import results
from tests.unit.samples import GROUP, SENDER
from tests.unit.verdict.result_samples import JOINED, NO, OBJECTS, ONE, THREE, TWO, YES, group

# -- what became of each number -------------------------------------------------------------------------------------------

UNNAMED = {"accepted": False, "words": "the answer does not name the number"}


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
    """Whichever shape the answer has, each number has its own result (docs/provider.md, 2.2)."""
    assert expected == results.numbers_in(value, [ONE, TWO, THREE])


def test_a_number_has_words_only_when_it_was_refused() -> None:
    """That it was added need not be told of each of a thousand numbers."""
    found = results.numbers_in(
        {"participants": {ONE: JOINED, TWO: {"statusCode": 403, "message": "x" * 500}}}, [ONE, TWO]
    )
    assert {ONE: None, TWO: "x" * 100} == {number: one.get("words") for number, one in found.items()}


@given(OBJECTS)
def test_no_answer_loses_a_number(value: dict[str, Any]) -> None:
    """Whatever the answer holds in whatever place, each asked number is in the result exactly once."""
    found = results.numbers_in(value, [ONE, TWO, THREE])
    assert [ONE, TWO, THREE] == list(found)
    for one in found.values():
        assert {"accepted"} <= set(one) <= {"accepted", "code", "invited", "words"}
        assert isinstance(one["accepted"], bool)
