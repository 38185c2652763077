"""What `status` says in each situation, from replies of look.lua made by hand."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from paceline.state.pictures import OperationPicture
from paceline.status.view import Event, Status, status_of
from tests.unit.samples import ACCOUNT, NOON, NOON_US, RECIPIENT, SENDER

SECOND = 1_000_000
INTERVAL = 6_100_000
RETRY = "1769860790000000|retry|503|the service is unavailable"


def found(
    operation: dict[str, str] | None = None, account: dict[str, str] | None = None, **more: Any
) -> OperationPicture:
    """A waiting operation, first in its lane, whose account's next slot is two seconds ahead."""
    fields = {
        "id": "01op",
        "s": "w",
        "a": ACCOUNT,
        "f": SENDER,
        "to": RECIPIENT,
        "k": "message.to_number",
        "t": str(NOON_US - 10 * SECOND),
        "now": str(NOON_US),
    }
    bucket = {"name": ACCOUNT, "next_slot": str(NOON_US + 2 * SECOND), "interval": "1", "interval_now": str(INTERVAL)}
    fields |= {"pr": "t"} | (operation or {})
    ahead = more.pop("ahead", 0)
    lane = {"sender": SENDER, "transactional": ahead + 1, "sources": []} | more.pop("lane", {})
    reply = {"operation": fields, "account": bucket | (account or {}), "lanes": [lane], "position": ahead}
    return OperationPicture.read(reply | more)


def seconds(status: Status) -> float | None:
    return None if status.expected_at is None else (status.expected_at - NOON) / timedelta(seconds=1)


@pytest.mark.parametrize(
    ("expected_s", "why", "reply"),
    [
        (2, "it is next; the slot of the account is at 2026-01-31 12:00:02 UTC", found()),
        (2 + 6.1, "1 operation leaves before it, one every 6.1 s", found(ahead=1)),
        (2 + 610, "100 operations leave before it, one every 6.1 s", found(ahead=100)),
        (None, "its account was removed", replace(found(), account=None)),
        (None, "the account is suspended: by hand", found(account={"suspended": "by hand"}, ahead=3)),
        (None, "an earlier message to the same recipient is in back-off", replace(found(), position=None)),
        (
            None,
            "it follows operation 01first, which has no result yet",
            found({"rf": "01first"}, follows="01first", position=None),
        ),
        (2, "it is next; the slot of the account is at 2026-01-31 12:00:02 UTC", found({"rf": "01first"})),
        (
            62 + 6.1,
            "the account pauses until 2026-01-31 12:01:02 UTC because the provider throttled it",
            found(
                account={"paused_until": str(NOON_US + 62 * SECOND), "next_slot": str(NOON_US + 62 * SECOND)}, ahead=1
            ),
        ),
        (
            2,
            "it is next; the slot of the account is at 2026-01-31 12:00:02 UTC",
            found(account={"paused_until": str(NOON_US)}),
        ),
        (
            4,
            "the sender is busy; it pauses until 2026-01-31 12:00:04 UTC",
            found(lane={"sender": SENDER, "paused_until": str(NOON_US + 4 * SECOND)}),
        ),
        (
            4 + 61,
            "the sender is busy; it pauses until 2026-01-31 12:00:04 UTC",
            found(lane={"sender": SENDER, "paused_until": str(NOON_US + 4 * SECOND)}, ahead=10),
        ),
        (
            2,
            "it is next; the slot of the account is at 2026-01-31 12:00:02 UTC",
            found(lane={"sender": SENDER, "paused_until": str(NOON_US)}),
        ),
        (
            30,
            "it backs off after an error until 2026-01-31 12:00:30 UTC",
            found({"ev": RETRY}, backoff_until=str(NOON_US + 30 * SECOND), position=None),
        ),
        (
            2,
            "it backs off after an error until 2026-01-31 12:00:01 UTC",
            found({"ev": f"1|answered||\n{RETRY}"}, backoff_until=f"{NOON_US + SECOND}.0", position=None),
        ),
        (
            30,
            "it waits (the new group is not visible yet) until 2026-01-31 12:00:30 UTC",
            found({"le": "the new group is not visible yet"}, backoff_until=str(NOON_US + 30 * SECOND)),
        ),
        (
            30,
            "it waits until 2026-01-31 12:00:30 UTC",
            found({"ev": "1|waits|404|"}, backoff_until=str(NOON_US + 30 * SECOND)),
        ),
        (
            30,
            "it has an unknown outcome; the provider is asked at 2026-01-31 12:00:30 UTC",
            found({"ph": "l1", "ev": RETRY}, backoff_until=str(NOON_US + 30 * SECOND)),
        ),
        (
            60,
            "the provider fails; the next probe is at 2026-01-31 12:01:00 UTC",
            found(
                account={
                    "breaker": "open",
                    "paused_until": str(NOON_US + 60 * SECOND),
                    "next_slot": str(NOON_US + 60 * SECOND),
                }
            ),
        ),
        (
            3600,
            "a budget of its sender is used up until 2026-01-31 13:00:00 UTC",
            found(lane={"paused_until": str(NOON_US + 3600 * SECOND), "paused_because": "budget"}),
        ),
        (
            3600,
            "it is not to be sent before 2026-01-31 13:00:00 UTC",
            found(not_before=f"{NOON_US + 3600 * SECOND}", position=None),
        ),
        (
            0.25,
            "its slot is at 2026-01-31 12:00:00 UTC",
            found({"s": "g", "sl": str(NOON_US + SECOND // 4)}, {"suspended": "by hand"}),
        ),
        (-1, "the call is under way", found({"s": "s", "sl": str(NOON_US - SECOND)})),
    ],
)
def test_an_unsettled_operation_says_when_it_leaves_and_what_keeps_it(
    expected_s: float | None, why: str, reply: OperationPicture
) -> None:
    """The forecast is the account's next slot plus one interval for each operation ahead, or what lies beyond that."""
    status = status_of(reply)
    assert (expected_s, why) == (seconds(status), status.why)
    assert status.settled_at is None


@pytest.mark.parametrize(("state", "code"), [("waiting", "w"), ("granted", "g"), ("sending", "s")])
def test_states_have_names(state: str, code: str) -> None:
    """The letters of the operation's hash are words outside."""
    assert state == status_of(found({"s": code, "sl": str(NOON_US)})).state


@pytest.mark.parametrize(
    ("outcome", "why", "words"),
    [
        ("accepted", "the provider accepted it", ""),
        ("rejected", "rejected: not a WhatsApp number", "not a WhatsApp number"),
        ("expired", "expired: no reason given", ""),
        ("cancelled", "cancelled: no reason given", None),
        ("dead", "dead: 503", "503"),
        (
            "held",
            (
                "nobody knows whether the call took effect, so a person decides: "
                "`paceline held release 01op` or `drop 01op`"
            ),
            "timeout: no answer",
        ),
    ],
)
def test_a_settled_operation_says_what_became_of_it(outcome: str, why: str, words: str | None) -> None:
    """The state of a settled operation is its outcome, with the provider's words and no forecast."""
    fields = {"s": "d", "oc": outcome, "te": str(NOON_US)} | ({"le": words} if words is not None else {})
    status = status_of(found(fields))
    assert (outcome, why, None, NOON) == (status.state, status.why, status.expected_at, status.settled_at)
    assert (words or None) == status.words


def test_all_fields_are_read() -> None:
    """Every field of the hash that people ask for is in the status."""
    fields = {
        "s": "d",
        "oc": "accepted",
        "te": str(NOON_US),
        "c": "spring",
        "at": "2",
        "u": "MSG1",
        "cd": "202",
        "rs": '{"calls":1,"channel":"WPN1"}',
        "m": '{"order":"17"}',
        "ik": "inv-1",
        "rk": "row-7",
        "sl": str(NOON_US - 3 * SECOND),
    }
    expected = Status(
        id="01op",
        state="accepted",
        account=ACCOUNT,
        campaign="spring",
        kind="message.to_number",
        accepted_at=NOON - timedelta(seconds=10),
        settled_at=NOON,
        attempts=2,
        message_uuid="MSG1",
        group_uuid=None,
        code="202",
        words=None,
        expected_at=None,
        why="the provider accepted it",
        metadata={"order": "17"},
        result={"calls": 1},
        history=(
            Event(NOON - timedelta(seconds=10), "enqueued"),
            Event(NOON - timedelta(seconds=3), "sent"),
            Event(NOON, "accepted", "202"),
        ),
        sender=SENDER,
        to=RECIPIENT,
        idempotency_key="inv-1",
        key="row-7",
    )
    assert expected == status_of(found(fields))


def test_as_json_is_plain() -> None:
    """Times become ISO 8601; absent values stay null."""
    plain = status_of(found()).as_json()
    assert plain["expected_at"] == "2026-01-31T12:00:02+00:00"
    assert plain["accepted_at"] == "2026-01-31T11:59:50+00:00"
    assert (None, 0, "waiting") == (plain["campaign"], plain["attempts"], plain["state"])
    assert ({}, [{"at": "2026-01-31T11:59:50+00:00", "what": "enqueued", "code": None, "words": None}]) == (
        plain["result"],
        plain["history"],
    )
    assert json.loads(json.dumps(plain)) == plain


# -- results


def settled(outcome: str = "accepted", **fields: str) -> Status:
    return status_of(found({"s": "d", "oc": outcome, "te": str(NOON_US)} | fields))


@pytest.mark.parametrize(
    ("message_uuid", "group_uuid", "fields"),
    [
        ("MSG1", None, {"u": "MSG1"}),
        (None, "WAG1", {"k": "group.create", "u": "WAG1"}),
        (None, "WAG1", {"k": "group.create", "rs": '{"group_uuid":"WAG1","calls":1}'}),
        (None, None, {"k": "group.create"}),
        (None, None, {"k": "group.add"}),
    ],
)
def test_a_handle_is_that_of_a_message_or_of_a_group(
    message_uuid: str | None, group_uuid: str | None, fields: dict[str, str]
) -> None:
    """A group that was made has its uuid as soon as the creation is answered, though its members are still being added."""
    for status in (settled(**fields), status_of(found(fields))):
        assert (message_uuid, group_uuid) == (status.message_uuid, status.group_uuid)


def test_the_result_leaves_out_the_workers_notes() -> None:
    """Only what means something outside is shown."""
    shown = {
        "calls": 2,
        "numbers": {RECIPIENT: {"accepted": True}},
        "wa_group_id": "1@g.us",
        "check": {},
        "recipient": "WAG1",
    }
    assert shown == settled(rs=json.dumps(shown | {"channel": "WPN1", "page": 1, "group_uuid": "WAG1"})).result


@pytest.mark.parametrize(
    ("why", "accepted"),
    [
        ("the provider accepted it", [True, True]),
        ("the provider accepted it, but refused 1 of 3 numbers", [True, False, True]),
        ("the provider accepted it, but refused 2 of 2 numbers", [False, False]),
    ],
)
def test_a_partial_acceptance_is_said(why: str, accepted: list[bool]) -> None:
    """Of an operation with participants, the numbers that were refused are counted."""
    numbers = {f"+1555010000{i}": {"accepted": one} for i, one in enumerate(accepted)}
    assert why == settled(rs=json.dumps({"numbers": numbers})).why


# -- history


def told(status: Status) -> list[tuple[float, str, str | None, str | None]]:
    return [((event.at - NOON) / timedelta(seconds=1), event.what, event.code, event.words) for event in status.history]


def line(at_s: float, what: str, code: str = "", words: str = "") -> str:
    return f"{NOON_US + round(at_s * SECOND)}|{what}|{code}|{words}"


def test_a_history_is_in_order() -> None:
    """What state tells in lines, between the acceptance and the outcome; the last call left at its slot."""
    story = "\n".join(
        [line(-8, "retry", "503", "busy | back soon"), line(-6.5, "deferred", "429"), line(-1, "unknown")]
    )
    status = settled(ev=story, sl=str(NOON_US - 5 * SECOND), oc="held", cd="unknown", le="timeout")
    assert told(status) == [
        (-10, "enqueued", None, None),
        (-8, "retry", "503", "busy | back soon"),
        (-6.5, "deferred", "429", None),
        (-5, "sent", None, None),
        (-1, "unknown", None, None),
        (0, "held", "unknown", "timeout"),
    ]


def test_a_waiting_operation_has_a_history_too() -> None:
    """Without an outcome it ends with what happened last."""
    status = status_of(found({"ev": line(-3, "answered", "202"), "sl": str(NOON_US - 5 * SECOND)}))
    assert told(status) == [(-10, "enqueued", None, None), (-3, "answered", "202", None)]


@pytest.mark.parametrize(
    ("outcome", "story"),
    [("expired", ""), ("cancelled", ""), ("accepted", line(-1, "looked up", "200", "found"))],
)
def test_a_slot_is_not_always_a_sending(outcome: str, story: str) -> None:
    """What was given up was not sent at the slot it once had; the last slot of one that was looked up is the look-up's."""
    status = settled(outcome, ev=story, sl=str(NOON_US - 5 * SECOND))
    assert "sent" not in [event.what for event in status.history]


@pytest.mark.parametrize(
    "story", ["", "\n", "what is this", f"{line(-3, 'retry', '503', 'two')}\nlines", "|||", "x|y|z|w"]
)
def test_a_story_that_cannot_be_read_is_passed_over(story: str) -> None:
    """Words of the provider may hold anything; a status is given all the same."""
    whats = [event.what for event in settled(ev=story).history]
    assert whats in (["enqueued", "accepted"], ["enqueued", "retry", "accepted"])
