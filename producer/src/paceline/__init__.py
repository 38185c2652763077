"""Paceline's producer: enqueue outbound WhatsApp work for the 2Chat API.

::

    from paceline import Outbox, SendMessage

    outbox = Outbox()
    receipt = outbox.send(SendMessage(account="acme", sender="+15550100001", to="+15550100002", text="Hello"))
    receipt.wait(timeout=5)
"""

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
