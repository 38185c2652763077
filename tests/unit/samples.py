"""Values that many unit tests need."""

from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from paceline import (
    AddParticipants,
    CheckNumber,
    CreateGroup,
    DeleteMessage,
    DemoteParticipants,
    Operation,
    PostStory,
    PromoteParticipants,
    RemoveParticipants,
    SendMessage,
    SendSms,
    SendTemplate,
    SendWaba,
    SetAbout,
    SetGroupDescription,
    SetGroupPicture,
    SetProfilePicture,
)
from paceline.operations.requests import Work

AnOperation = TypeVar("AnOperation", bound=Operation)

ACCOUNT = "acme"
SENDER = "+15550100001"
RECIPIENT = "+15550100002"
GROUP = "WAG11111111-2222-4333-8444-555555555555"
MESSAGE = "MSG11111111-2222-4333-8444-555555555555"
TEMPLATE = "TMP11111111-2222-4333-8444-555555555555"
REMOTE_ID = "123456789012345@lid"
OPERATION_ID = "01k0zxw5d3v8m2c7r4q9n6t1ea"
PICTURE = "https://example.com/a.png"
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
NOON_US = 1_769_860_800_000_000

# What each operation needs besides account and sender.
NEEDED: Final[dict[type[Operation], dict[str, Any]]] = {
    SendMessage: {"to": RECIPIENT, "text": "Hello"},
    DeleteMessage: {"message": MESSAGE, "to": RECIPIENT},
    PostStory: {"text": "Open today"},
    SetAbout: {"text": "Back at nine"},
    SetProfilePicture: {"url": PICTURE},
    CreateGroup: {"name": "Team A", "participants": [RECIPIENT]},
    AddParticipants: {"group": GROUP, "participants": [RECIPIENT]},
    RemoveParticipants: {"group": GROUP, "participants": [RECIPIENT]},
    PromoteParticipants: {"group": GROUP, "participants": [RECIPIENT]},
    DemoteParticipants: {"group": GROUP, "participants": [RECIPIENT]},
    SetGroupDescription: {"group": GROUP, "description": "About us"},
    SetGroupPicture: {"group": GROUP, "url": PICTURE},
    SendTemplate: {"to": RECIPIENT, "template": TEMPLATE},
    SendWaba: {"to": RECIPIENT, "text": "Hello"},
    SendSms: {"to": RECIPIENT, "text": "Hello"},
    CheckNumber: {"number": RECIPIENT},
}


def make(model: type[AnOperation], **fields: Any) -> AnOperation:
    """An operation with what it needs; None takes a field away."""
    given = {"account": ACCOUNT, "sender": SENDER} | NEEDED[model] | fields
    return model(**{name: value for name, value in given.items() if value is not None})


def message(**fields: Any) -> SendMessage:
    """A text to one number; None takes a field away."""
    return make(SendMessage, **fields)


def numbers(count: int) -> tuple[str, ...]:
    """So many different numbers."""
    return tuple(f"+1555010{1000 + i}" for i in range(count))


def work(operation: Operation, **known: Any) -> Work:
    """An operation as state holds it, with what is known of it meanwhile."""
    return Work(operation.kind, operation.sender, operation.target or OPERATION_ID, operation.payload(), **known)
