"""begin.lua's answer, read; and what follows from the call that it leads to."""

import json
from random import Random
from typing import Any

import pytest

from paceline import CreateGroup, DeleteMessage, SendMessage
from paceline.errors import PacelineError
from paceline.operations import Operation
from paceline.operations.requests import Followed
from paceline_worker.delivery.begun import Begun, read_begun
from paceline_worker.verdict.meaning import Answer, Meaning
from paceline_worker.verdict.policy import Situation, Verdict
from tests.unit.samples import GROUP, MESSAGE, NOON_US, OPERATION_ID, RECIPIENT, SENDER, make, message, numbers

NEEDED = [
    "account",
    "priority",
    "kind",
    "sender",
    "to",
    "payload",
    "accepted_at",
    "slot",
    "tolerance",
    "attempts",
    "max_attempts",
    "throttled",
    "window",
    "key_version",
]
CHANNEL = "WPN99999999-2222-4333-8444-555555555555"


def begun(operation: Operation | None = None, **more: Any) -> dict[str, Any]:
    """What begin.lua answers; None takes a field away."""
    operation = operation or message()
    found = {
        "s": "go",
        "account": "acme",
        "kind": operation.kind,
        "sender": SENDER,
        "to": operation.target or OPERATION_ID,
        "payload": json.dumps(operation.payload()),
        "priority": "t",
        "accepted_at": str(NOON_US - 5_000_000),
        "max_attempts": "8",
        "on_unknown": "reconcile",
        "attempts": "0",
        "slot": str(NOON_US),
        "tolerance": "50000",
        "window": 60000000,
        "throttled": "0",
        "key_version": "1769860800000",
    }
    return {name: value for name, value in (found | more).items() if value is not None}


def judged(found: Begun, meaning: Meaning, code: str, seconds: float = 1.0, **answer: Any) -> Verdict:
    return found.verdict(Answer(meaning, code, "why", **answer), NOON_US + int(seconds * 1e6), Random(1))


def test_an_operation_is_read_with_its_request() -> None:
    """Texts become numbers, and the call is ready to be made."""
    found = read_begun(begun(attempts="2", throttled="3"))
    assert ("acme", "t", "message.to_number") == (found.account, found.priority, found.kind)
    assert {"from_number": SENDER, "to_number": RECIPIENT, "text": "Hello"} == found.request.body
    assert (NOON_US - 5_000_000, NOON_US, NOON_US, 50_000) == (
        found.accepted_us,
        found.slot_us,
        found.sent_us,
        found.tolerance_us,
    )
    assert Situation(attempts=2, max_attempts=8, throttled=3, window_s=60.0) == found.situation
    assert (False, None, 1769860800000) == (found.looks_up, found.group_made_us, found.key_version)


@pytest.mark.parametrize("name", NEEDED)
def test_a_field_that_is_missing_is_named(name: str) -> None:
    """The engine rejects what cannot be sent, and says why, instead of leaving it to a lease."""
    with pytest.raises(KeyError, match=name):
        read_begun(begun(**{name: None}))


@pytest.mark.parametrize(
    "broken",
    [
        {"payload": "no JSON"},
        {"payload": "5"},
        {"payload": '["text"]'},
        {"payload": "null"},
        {"result": "no JSON"},
        {"slot": "soon"},
        {"attempts": ""},
        {"kind": "message.by_pigeon"},
        {"campaign": "spring", "template": None},
        {"campaign": "spring", "template": "no JSON"},
        {"campaign": "spring", "template": '{"text": "Hi {name}"}', "payload": "{}"},
        {"followed": {"uuid": "MSG1"}},
        {"kind": "message.delete", "payload": "{}", "followed": {"uuid": "", "to": RECIPIENT, "result": "{}"}},
    ],
)
def test_what_cannot_be_read_is_one_of_three_errors(broken: dict[str, Any]) -> None:
    """The engine knows these, and rejects the operation in words."""
    with pytest.raises((PacelineError, ValueError, KeyError)):
        read_begun(begun(**broken))


# -- campaigns ------------------------------------------------------------------------------------------------------------


def test_a_campaigns_template_is_filled_with_the_recipients_values() -> None:
    """The payload of an operation of a campaign is one recipient's columns."""
    found = read_begun(
        begun(
            campaign="spring",
            template='{"text": "Hi {name}", "url": "https://example.com/a.png"}',
            payload='{"name": "Ann"}',
        )
    )
    assert {"text": "Hi Ann", "url": "https://example.com/a.png"} == found.work.payload
    assert "Hi Ann" == (found.request.body or {})["text"]


def test_a_campaigns_message_is_looked_up_with_its_text() -> None:
    """What is compared with the history is what was sent."""
    found = read_begun(
        begun(campaign="spring", template='{"text": "Hi {name}"}', payload='{"name": "Ann"}', phase="l1")
    )
    entry = {"uuid": MESSAGE, "message": {"text": "Hi Ann"}, "created_at": "2026-01-31T12:00:00Z", "sent_by": "api"}
    verdict = judged(found, Meaning.ACCEPTED, "200", value={"messages": [entry]})
    assert ("looked", (MESSAGE,)) == (verdict.verb, verdict.uuids)


# -- look-ups -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", ["l1", "l3", "l4"])
def test_a_look_up_reads_what_the_earlier_call_did(phase: str) -> None:
    """The request reads the conversation, from the slot of the call whose outcome nobody knows."""
    found = read_begun(begun(phase=phase, sent_at=str(NOON_US - 20_000_000), was_unknown="1"))
    assert ("GET", f"/whatsapp/messages/{SENDER}/{RECIPIENT}") == (found.request.method, found.request.path)
    assert (True, NOON_US - 20_000_000) == (found.looks_up, found.sent_us)


def test_without_its_time_a_look_up_begins_at_its_own_slot() -> None:
    """Records of an older release lack it."""
    assert NOON_US == read_begun(begun(phase="l1")).sent_us


def test_the_answer_of_a_look_up_is_no_acceptance() -> None:
    """A history that could be read says what is in it, and finishes nothing by itself."""
    found = read_begun(begun(phase="l1"))
    verdict = judged(found, Meaning.ACCEPTED, "200", value={"messages": []})
    assert ("looked", "", "good") == (verdict.verb, verdict.outcome, verdict.health)


@pytest.mark.parametrize(
    ("verb", "scope", "meaning", "code"),
    [
        ("defer", "account", Meaning.THROTTLED, "429"),
        ("defer", "sender", Meaning.SENDER_BUSY, "486"),
        ("defer", "suspend", Meaning.BAD_KEY, "401"),
        ("defer", "suspend", Meaning.UNPAID, "402"),
        ("wait", "operation", Meaning.OVERLOADED, "503"),
        ("wait", "operation", Meaning.UNKNOWN, "timeout"),
        ("defer", "operation", Meaning.NOT_SENT, "connect"),
    ],
)
def test_a_look_up_may_be_put_off(verb: str, scope: str, meaning: Meaning, code: str) -> None:
    """Limits and keys hold for it as for any call; what fails is looked up again, and no attempt is spent."""
    verdict = judged(read_begun(begun(phase="l1", attempts="7")), meaning, code)
    assert (verb, scope) == (verdict.verb, verdict.scope)


# -- followers ------------------------------------------------------------------------------------------------------------


def test_a_follower_knows_what_it_follows() -> None:
    """The group that another operation made is what the provider is told."""
    followed = {"uuid": GROUP, "to": OPERATION_ID, "result": json.dumps({"made_us": NOON_US})}
    found = read_begun(begun(make(SendMessage, to=None, group=OPERATION_ID), followed=followed))
    assert Followed(GROUP, OPERATION_ID, {"made_us": NOON_US}) == found.work.followed
    assert GROUP == (found.request.body or {})["to_group_uuid"]


def test_a_deletion_follows_the_message_to_its_recipient() -> None:
    """Where it went is told by the operation that sent it; the channel, by the lane."""
    followed = {"uuid": MESSAGE, "to": RECIPIENT, "result": "{}"}
    found = read_begun(begun(make(DeleteMessage, message=OPERATION_ID, to=None), followed=followed, channel=CHANNEL))
    assert f"/whatsapp/message/WW-{CHANNEL}-15550100002@c.us/{MESSAGE}" == found.request.path


@pytest.mark.parametrize(("verb", "made_s_ago"), [("wait", 10), ("wait", 590), ("finish", 610)])
def test_a_404_about_a_new_group_waits(verb: str, made_s_ago: int) -> None:
    """The group's age is that at the time of the answer."""
    operation = make(SendMessage, to=None, group=GROUP)
    found = read_begun(begun(operation, made_at=str(NOON_US - made_s_ago * 1_000_000)))
    assert verb == judged(found, Meaning.REJECTED, "404").verb
    assert "finish" == judged(found, Meaning.REJECTED, "422").verb
    assert "finish" == judged(read_begun(begun(operation)), Meaning.REJECTED, "404").verb


def test_a_group_that_is_being_filled_knows_its_own_age() -> None:
    """Its creation was a call of the same operation."""
    kept = {"calls": 1, "group_uuid": GROUP, "made_us": NOON_US, "numbers": {}}
    found = read_begun(begun(make(CreateGroup, participants=numbers(12)), result=json.dumps(kept)))
    assert NOON_US == found.group_made_us
    assert "wait" == judged(found, Meaning.REJECTED, "404").verb


# -- verdicts -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verb", "outcome", "health", "meaning", "code"),
    [
        ("finish", "accepted", "good", Meaning.ACCEPTED, "202"),
        ("finish", "rejected", "good", Meaning.REJECTED, "422"),
        ("unknown", "", "bad", Meaning.UNKNOWN, "timeout"),
        ("retry", "", "bad", Meaning.OVERLOADED, "503"),
        ("defer", "", "", Meaning.NOT_SENT, "connect"),
        ("defer", "", "good", Meaning.THROTTLED, "429"),
    ],
)
def test_an_answer_becomes_a_verdict(verb: str, outcome: str, health: str, meaning: Meaning, code: str) -> None:
    """With what it says about the provider's health."""
    verdict = judged(read_begun(begun()), meaning, code)
    assert (verb, outcome, health) == (verdict.verb, verdict.outcome, verdict.health)


@pytest.mark.parametrize(("verb", "treat_503"), [("retry", None), ("retry", "overloaded"), ("unknown", "unknown")])
def test_an_account_may_treat_a_503_as_unknown(verb: str, treat_503: str | None) -> None:
    """The account's option comes along with the operation."""
    assert verb == judged(read_begun(begun(treat_503=treat_503)), Meaning.OVERLOADED, "503").verb


def test_a_deletion_that_was_lost_counts_as_done_when_it_finds_nothing() -> None:
    """Its repetition answers 404 because the first one took effect."""
    deletion = make(DeleteMessage)
    found = read_begun(begun(deletion, channel=CHANNEL, was_unknown="1"))
    assert "accepted" == judged(found, Meaning.REJECTED, "404").outcome
    assert "rejected" == judged(read_begun(begun(deletion, channel=CHANNEL)), Meaning.REJECTED, "404").outcome


@pytest.mark.parametrize("known", [{}, {"channel": CHANNEL}])
def test_a_question_before_a_deletion_deletes_nothing(known: dict[str, str]) -> None:
    """A 404 to the question for the channel or the group is no proof that the message is gone, whatever was lost before."""
    found = read_begun(begun(make(DeleteMessage, to=None, group=GROUP), was_unknown="1", **known))
    assert "GET" == found.request.method
    assert "rejected" == judged(found, Meaning.REJECTED, "404").outcome


def test_a_refusal_of_one_of_several_calls_keeps_what_was_done() -> None:
    """The group exists; the numbers of the refused call are marked."""
    kept = {"calls": 1, "group_uuid": GROUP, "numbers": {number: {"accepted": True} for number in numbers(10)}}
    found = read_begun(begun(make(CreateGroup, participants=numbers(12)), result=json.dumps(kept)))
    verdict = judged(found, Meaning.REJECTED, "422")
    assert ("finish", "accepted", GROUP) == (verdict.verb, verdict.outcome, verdict.uuid)
    assert [True] * 10 + [False] * 2 == [one["accepted"] for one in json.loads(verdict.result)["numbers"].values()]


def test_a_creation_that_dies_while_it_is_filled_still_names_its_group() -> None:
    """Attempts used up by the additions: the outcome is dead, and the group that exists can be found in it."""
    kept = {"calls": 1, "group_uuid": GROUP, "numbers": {number: {"accepted": True} for number in numbers(10)}}
    found = begun(make(CreateGroup, participants=numbers(12)), result=json.dumps(kept), max_attempts="1")
    verdict = judged(read_begun(found), Meaning.OVERLOADED, "503")
    assert ("dead", GROUP, "bad") == (verdict.outcome, verdict.uuid, verdict.health)
