"""What the tests of results share: answers, works, and JSON of every shape."""

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from paceline import (
    AddParticipants,
    CreateGroup,
)
from paceline.operations.requests import Work, request_for
from paceline_worker.verdict import results
from paceline_worker.verdict.meaning import Answer, Meaning
from paceline_worker.verdict.policy import Verdict
from tests.unit.samples import GROUP, NOON_US, SENDER, make, numbers, work

ONE, TWO, THREE = numbers(3)
YES: dict[str, Any] = {"accepted": True}
NO: dict[str, Any] = {"accepted": False}
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
