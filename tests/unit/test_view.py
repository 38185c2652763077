"""What `status` says in each situation, from replies of look.lua made by hand."""

from datetime import timedelta
from typing import Any

import pytest

from paceline.view import Status, status_of
from tests.unit.samples import ACCOUNT, NOON, NOON_US, RECIPIENT, SENDER

SECOND = 1_000_000
INTERVAL = 6_100_000


def found(
    operation: dict[str, str] | None = None, account: dict[str, str] | None = None, **more: Any
) -> dict[str, Any]:
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
    bucket = {"name": ACCOUNT, "next_slot": str(NOON_US + 2 * SECOND), "interval": str(INTERVAL)}
    reply = {"operation": fields | (operation or {}), "account": bucket | (account or {}), "ahead": 0}
    return reply | more


def seconds(status: Status) -> float | None:
    return None if status.expected_at is None else (status.expected_at - NOON) / timedelta(seconds=1)


@pytest.mark.parametrize(
    ("expected_s", "why", "reply"),
    [
        (2, "it is next; the account's slot is at 2026-01-31 12:00:02 UTC", found()),
        (2 + 6.1, "1 operation leaves before it, one every 6.1 s", found(ahead=1)),
        (2 + 610, "100 operations leave before it, one every 6.1 s", found(ahead=100)),
        (None, "its account was removed", found() | {"account": None}),
        (None, "the account is suspended: by hand", found(account={"suspended": "by hand"}, ahead=3)),
        (None, "an earlier message to the same recipient is in back-off", found() | {"ahead": None}),
        (
            62 + 6.1,
            "the account pauses until 2026-01-31 12:01:02 UTC because the provider throttled it",
            found(
                account={"paused_until": str(NOON_US + 62 * SECOND), "next_slot": str(NOON_US + 62 * SECOND)}, ahead=1
            ),
        ),
        (
            2,
            "it is next; the account's slot is at 2026-01-31 12:00:02 UTC",
            found(account={"paused_until": str(NOON_US)}),
        ),
        (
            4,
            "the sender is busy; it pauses until 2026-01-31 12:00:04 UTC",
            found(lane={"sender": SENDER, "paused_until": str(NOON_US + 4 * SECOND)}),
        ),
        (
            2 + 61,
            "the sender is busy; it pauses until 2026-01-31 12:00:04 UTC",
            found(lane={"sender": SENDER, "paused_until": str(NOON_US + 4 * SECOND)}, ahead=10),
        ),
        (
            2,
            "it is next; the account's slot is at 2026-01-31 12:00:02 UTC",
            found(lane={"sender": SENDER, "paused_until": str(NOON_US)}),
        ),
        (
            30,
            "it backs off after an error until 2026-01-31 12:00:30 UTC",
            found(backoff_until=str(NOON_US + 30 * SECOND)) | {"ahead": None},
        ),
        (
            2,
            "it backs off after an error until 2026-01-31 12:00:01 UTC",
            found(backoff_until=f"{NOON_US + SECOND}.0") | {"ahead": None},
        ),
        (
            3600,
            "it is not to be sent before 2026-01-31 13:00:00 UTC",
            found(not_before=f"{NOON_US + 3600 * SECOND}") | {"ahead": None},
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
    expected_s: float | None, why: str, reply: dict[str, Any]
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
        ("expired", "expired: no words", ""),
        ("cancelled", "cancelled: no words", None),
        ("dead", "dead: 503", "503"),
        ("held", "nobody knows whether the call took effect, so it is held for a person", "timeout: no answer"),
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
    fields = {"s": "d", "oc": "accepted", "te": str(NOON_US), "c": "spring", "at": "2", "u": "MSG1", "cd": "202"}
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
        code="202",
        words=None,
        expected_at=None,
        why="the provider accepted it",
    )
    assert expected == status_of(found(fields))


def test_as_json_is_plain() -> None:
    """Times become ISO 8601; absent values stay null."""
    plain = status_of(found()).as_json()
    assert plain["expected_at"] == "2026-01-31T12:00:02+00:00"
    assert plain["accepted_at"] == "2026-01-31T11:59:50+00:00"
    assert (None, 0, "waiting") == (plain["campaign"], plain["attempts"], plain["state"])
