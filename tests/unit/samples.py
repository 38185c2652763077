"""Values that many unit tests need."""

from datetime import UTC, datetime
from typing import Any

from paceline import SendMessage

ACCOUNT = "acme"
SENDER = "+15550100001"
RECIPIENT = "+15550100002"
GROUP = "WAG11111111-2222-4333-8444-555555555555"
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
NOON_US = 1_769_860_800_000_000


def message(**fields: Any) -> SendMessage:
    """A text to one number; None takes a field away."""
    given = {"account": ACCOUNT, "sender": SENDER, "to": RECIPIENT, "text": "Hello"} | fields
    return SendMessage(**{name: value for name, value in given.items() if value is not None})
