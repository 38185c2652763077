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
    from paceline.campaigns.campaign import Campaign, Progress
    from paceline.campaigns.options import CampaignOptions
    from paceline.campaigns.plan import Plan
    from paceline.campaigns.upload import UploadReport
    from paceline.errors import PacelineError
    from paceline.forecast.outlook import Forecast
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
    from paceline.settings import Settings
    from paceline.status.view import Status

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
        "Campaign": "campaigns.campaign",
        "CampaignOptions": "campaigns.options",
        "Forecast": "forecast.outlook",
        "PacelineError": "errors",
        "Plan": "campaigns.plan",
        "Progress": "campaigns.campaign",
        "Settings": "settings",
        "Status": "status.view",
        "UploadReport": "campaigns.upload",
    } | dict.fromkeys(("Accepted", "Duplicate", "Outbox", "Receipt", "Refused"), "outbox")

    def __getattr__(name: str) -> Any:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"{__name__}.{_HOMES.get(name, 'operations')}"), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
