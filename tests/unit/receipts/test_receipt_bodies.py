"""What the body of a webhook tells, for every form that a source names and for those that none does."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from paceline.times import microseconds
from paceline_worker.receipts.reading import Told, Unread, Wrote, read_body, read_time

UUID = "MSG11111111-2222-4333-8444-555555555555"
AT = microseconds(datetime(2025, 1, 5, 10, 0, 5, tzinfo=UTC))
FLAT = {"event": "message.received", "message_uuid": UUID, "timestamp": "2025-01-05T10:00:05Z"}
WHOLE = {
    "id": UUID,
    "uuid": UUID,
    "session_key": "WW-WPN9999-15550100002@c.us",
    "message": {"text": "hello"},
    "created_at": "2025-01-05T10:00:00Z",
    "sent_by": "api",
    "event": "whatsapp.message.receipt.read",
    "timestamp": "2025-01-05T10:00:05Z",
}


def read(body: Any) -> Told | Wrote | Unread:
    return read_body(json.dumps(body).encode())


@pytest.mark.parametrize(
    ("status", "event"),
    [
        ("sent", "message.sent"),
        ("not_sent", "message.not-sent"),
        ("received", "message.received"),
        ("read", "message.read"),
        ("sent", "whatsapp.message.receipt.sent"),
        ("not_sent", "whatsapp.message.receipt.not-sent"),
        ("received", "whatsapp.message.receipt.received"),
        ("read", "whatsapp.message.receipt.read"),
        ("sent", "whatsapp.waba.message.receipt.sent"),
        ("received", "whatsapp.waba.message.receipt.received"),
        ("not_sent", "message.not_sent"),
    ],
)
def test_short_and_full_names_tell_the_same(status: str, event: str) -> None:
    """A production receiver knows both; the official API writes the full ones."""
    assert Told(UUID, status, AT) == read(FLAT | {"event": event})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("expected", "body"),
    [
        (Told(UUID, "read", AT), WHOLE),
        (Told(UUID, "received", AT), FLAT | {"something": {"new": [1, None]}}),
        (Told("MSG1", "received", AT), FLAT | {"message_uuid": "MSG1", "uuid": "MSG2", "id": "MSG3"}),
        (Told("MSG2", "received", AT), FLAT | {"message_uuid": None, "uuid": "MSG2", "id": "MSG3"}),
        (Told("MSG3", "received", AT), FLAT | {"message_uuid": "", "uuid": 5, "id": "MSG3"}),
        (Told(UUID, "received"), {"event": "message.received", "message_uuid": UUID}),
        (Told(UUID, "received"), FLAT | {"timestamp": "yesterday"}),
        (Told(UUID, "received"), FLAT | {"timestamp": {"at": 1}}),
    ],
)
def test_the_message_is_told_by_its_first_usable_id(expected: Told, body: Any) -> None:
    """Flat bodies and whole Message objects; the time may be missing or nonsense."""
    assert expected == read(body)


@pytest.mark.parametrize(
    "body",
    [
        {},
        FLAT | {"event": None},
        FLAT | {"event": 5},
        FLAT | {"event": ["message.read"]},
        {name: value for name, value in FLAT.items() if name != "event"},
        FLAT | {"event": "message.edited"},
        FLAT | {"event": "message.received.twice"},
        FLAT | {"event": "MESSAGE.READ"},
        FLAT | {"event": "message.received", "sent_by": "user"},
        FLAT | {"event": "whatsapp.message.received"},
        FLAT | {"event": "whatsapp.message.sent"},
        FLAT | {"event": "whatsapp.message.new"},
        FLAT | {"event": "whatsapp.waba.message.sent"},
        FLAT | {"event": "whatsapp.group.message.received"},
        FLAT | {"event": "whatsapp.group.join"},
        {"event": "qr-received", "channel": {}},
        {"event": "disconnected"},
    ],
)
def test_other_events_are_ignored(body: Any) -> None:
    """What people write to us, what happens in groups, what a number's state is, and what is not known today."""
    assert Unread.IGNORED is read(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"message.read"',
        b"event=message.read",
        b"\xff\xfe",
        b"[" * 100_000,
        b"1" * 10_000,
        json.dumps({"event": "message.read"}).encode(),
        json.dumps(FLAT | {"message_uuid": "a b"}).encode(),
        json.dumps(FLAT | {"message_uuid": "x" * 101}).encode(),
        json.dumps(FLAT | {"message_uuid": "MSG|read"}).encode(),
        json.dumps(FLAT | {"message_uuid": {"uuid": UUID}}).encode(),
        json.dumps(FLAT | {"message_uuid": "\ud800"}).encode(),
    ],
)
def test_what_is_no_object_or_names_no_message_is_malformed(body: bytes) -> None:
    """Whatever a stranger may send, nothing is raised."""
    assert Unread.MALFORMED is read_body(body)


@pytest.mark.parametrize(
    ("expected", "value"),
    [
        (AT, "2025-01-05T10:00:05Z"),
        (AT, "2025-01-05T10:00:05"),
        (AT, "2025-01-05 10:00:05"),
        (AT, "2025-01-05T11:00:05+01:00"),
        (AT, " 2025-01-05T10:00:05.000000Z "),
        (AT + 250_000, "2025-01-05T10:00:05.250Z"),
        (AT, AT // 10**6),
        (AT, str(AT // 10**6)),
        (AT + 500_000, AT / 10**6 + 0.5),
        (AT + 250_000, f"{AT // 10**6}.25"),
        (AT, AT // 10**3),
        (AT, AT),
        (None, None),
        (None, ""),
        (None, "now"),
        (None, "2025-13-05T10:00:05Z"),
        (None, "0001-01-01T00:00:00+23:59"),
        (None, 0),
        (None, -1),
        (None, True),
        (None, float("nan")),
        (None, float("inf")),
        (None, 10**18),
        (None, 10**400),
        (None, "9" * 40),
        (None, []),
    ],
)
def test_times_in_many_forms(expected: int | None, value: object) -> None:
    """ISO 8601 with and without a zone (then UTC), seconds, milliseconds, microseconds; nothing else is guessed."""
    assert expected == read_time(value)
