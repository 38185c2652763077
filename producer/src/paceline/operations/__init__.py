"""One frozen model for each piece of work the provider can be asked for (docs/provider.md, 0)."""

from paceline.defaults import DEFAULT_MAX_ATTEMPTS, DEFAULT_VALIDITY
from paceline.operations.base import OnUnknown, Operation, Priority
from paceline.operations.groups import (
    AddParticipants,
    CreateGroup,
    DemoteParticipants,
    PromoteParticipants,
    RemoveParticipants,
    SetGroupDescription,
    SetGroupPicture,
)
from paceline.operations.messages import DeleteMessage, Pin, SendMessage
from paceline.operations.others import CheckNumber, SendSms
from paceline.operations.profile import PostStory, SetAbout, SetProfilePicture
from paceline.operations.waba import (
    Interactive,
    ListRow,
    ListSection,
    ReplyButton,
    SendTemplate,
    SendWaba,
    UrlButton,
)

# Every operation, in the order of docs/provider.md, 0.
OPERATIONS: tuple[type[Operation], ...] = (
    SendMessage,
    DeleteMessage,
    PostStory,
    SetAbout,
    SetProfilePicture,
    CreateGroup,
    AddParticipants,
    RemoveParticipants,
    PromoteParticipants,
    DemoteParticipants,
    SetGroupDescription,
    SetGroupPicture,
    SendTemplate,
    SendWaba,
    SendSms,
    CheckNumber,
)

__all__ = [
    "DEFAULT_MAX_ATTEMPTS",
    "DEFAULT_VALIDITY",
    "OPERATIONS",
    "AddParticipants",
    "CheckNumber",
    "CreateGroup",
    "DeleteMessage",
    "DemoteParticipants",
    "Interactive",
    "ListRow",
    "ListSection",
    "OnUnknown",
    "Operation",
    "Pin",
    "PostStory",
    "Priority",
    "PromoteParticipants",
    "RemoveParticipants",
    "ReplyButton",
    "SendMessage",
    "SendSms",
    "SendTemplate",
    "SendWaba",
    "SetAbout",
    "SetGroupDescription",
    "SetGroupPicture",
    "SetProfilePicture",
    "UrlButton",
]
