"""Paceline's producer: enqueue outbound WhatsApp work for the 2Chat API.

::

    from paceline import Outbox, SendMessage

    outbox = Outbox()
    receipt = outbox.send(SendMessage(account="acme", sender="+15550100001", to="+15550100002", text="Hello"))
    receipt.wait(timeout=5)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from paceline.campaign import Campaign, Progress
    from paceline.campaign_options import CampaignOptions
    from paceline.errors import PacelineError
    from paceline.operations import (
        AddParticipants,
        CheckNumber,
        CreateGroup,
        DeleteMessage,
        DemoteParticipants,
        Operation,
        Pin,
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
    from paceline.outbox import Accepted, Duplicate, Outbox, Receipt, Refused
    from paceline.outlook import Forecast
    from paceline.plan import Plan
    from paceline.settings import Settings
    from paceline.upload import UploadReport
    from paceline.view import Status

__all__ = [
    "Accepted",
    "AddParticipants",
    "Campaign",
    "CampaignOptions",
    "CheckNumber",
    "CreateGroup",
    "DeleteMessage",
    "DemoteParticipants",
    "Duplicate",
    "Forecast",
    "Operation",
    "Outbox",
    "PacelineError",
    "Pin",
    "Plan",
    "PostStory",
    "Progress",
    "PromoteParticipants",
    "Receipt",
    "Refused",
    "RemoveParticipants",
    "SendMessage",
    "SendSms",
    "SendTemplate",
    "SendWaba",
    "SetAbout",
    "SetGroupDescription",
    "SetGroupPicture",
    "SetProfilePicture",
    "Settings",
    "Status",
    "UploadReport",
]

# A program that only reads a status needs no Celery, and a command line that starts needs none of this: a name is looked up when
# it is asked for. Type checkers read the imports above; a test holds the two together.
if not TYPE_CHECKING:
    _HOMES = {
        "Campaign": "campaign",
        "CampaignOptions": "campaign_options",
        "Forecast": "outlook",
        "PacelineError": "errors",
        "Plan": "plan",
        "Progress": "campaign",
        "Settings": "settings",
        "Status": "view",
        "UploadReport": "upload",
    } | dict.fromkeys(("Accepted", "Duplicate", "Outbox", "Receipt", "Refused"), "outbox")

    def __getattr__(name: str) -> Any:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"{__name__}.{_HOMES.get(name, 'operations')}"), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
