"""Paceline's producer: enqueue outbound WhatsApp work for the 2Chat API.

::

    from paceline import Outbox, SendMessage

    outbox = Outbox()
    ticket = outbox.send(SendMessage(account="acme", sender="+15550100001", to="+15550100002", text="Hello"))
    ticket.wait(timeout=5)
"""

import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from paceline.async_outbox import (
        AsyncCampaign,
        AsyncOutbox,
    )
    from paceline.campaigns.campaign import (
        Campaign,
    )
    from paceline.campaigns.options import (
        CampaignOptions,
    )
    from paceline.campaigns.plan.plan import (
        Plan,
    )
    from paceline.campaigns.progress import (
        Progress,
    )
    from paceline.campaigns.spec import (
        CampaignSpec,
    )
    from paceline.campaigns.upload import (
        UploadReport,
    )
    from paceline.errors import (
        AlreadyBegun,
        CampaignConflict,
        ConfigurationError,
        Conflict,
        InvalidOperation,
        InvalidRow,
        NotFound,
        NotYetAccepted,
        NotYetSettled,
        OutcomesTrimmed,
        PacelineError,
        Refusal,
        StateUnavailable,
        UnknownAccount,
        UnknownSender,
    )
    from paceline.flows.sending import (
        Duplicate,
        Queued,
        Refused,
    )
    from paceline.flows.tickets import (
        AsyncTicket,
        Ticket,
    )
    from paceline.forecast.outlook import (
        Forecast,
    )
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
    from paceline.outbox import (
        Outbox,
    )
    from paceline.settings import (
        Settings,
    )
    from paceline.status.entry import (
        OutcomeEntry,
    )
    from paceline.status.view import (
        Status,
    )
    from paceline.suppression.lists import (
        Suppression,
    )
    from paceline.version import (
        __version__,
    )

__all__ = [
    "AddParticipants",
    "AlreadyBegun",
    "AsyncCampaign",
    "AsyncOutbox",
    "AsyncTicket",
    "Campaign",
    "CampaignConflict",
    "CampaignOptions",
    "CampaignSpec",
    "CheckNumber",
    "ConfigurationError",
    "Conflict",
    "CreateGroup",
    "DeleteMessage",
    "DemoteParticipants",
    "Duplicate",
    "Forecast",
    "InvalidOperation",
    "InvalidRow",
    "NotFound",
    "NotYetAccepted",
    "NotYetSettled",
    "Operation",
    "Outbox",
    "OutcomeEntry",
    "OutcomesTrimmed",
    "PacelineError",
    "Pin",
    "Plan",
    "PostStory",
    "Progress",
    "PromoteParticipants",
    "Queued",
    "Refusal",
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
    "StateUnavailable",
    "Status",
    "Suppression",
    "Ticket",
    "UnknownAccount",
    "UnknownSender",
    "UploadReport",
    "__version__",
]

# A program that only reads a status needs no Celery, and a command line that starts needs none of this: a name is looked up when
# it is asked for. Type checkers read the imports above; a test holds the two together.
if not TYPE_CHECKING:
    _HOMES = {
        "AlreadyBegun": "errors",
        "AsyncCampaign": "async_outbox",
        "AsyncOutbox": "async_outbox",
        "AsyncTicket": "flows.tickets",
        "Campaign": "campaigns.campaign",
        "CampaignConflict": "errors",
        "CampaignOptions": "campaigns.options",
        "CampaignSpec": "campaigns.spec",
        "ConfigurationError": "errors",
        "Conflict": "errors",
        "Duplicate": "flows.sending",
        "Forecast": "forecast.outlook",
        "InvalidOperation": "errors",
        "InvalidRow": "errors",
        "NotFound": "errors",
        "NotYetAccepted": "errors",
        "NotYetSettled": "errors",
        "Outbox": "outbox",
        "OutcomeEntry": "status.entry",
        "OutcomesTrimmed": "errors",
        "PacelineError": "errors",
        "Plan": "campaigns.plan.plan",
        "Progress": "campaigns.progress",
        "Queued": "flows.sending",
        "Refusal": "errors",
        "Refused": "flows.sending",
        "Settings": "settings",
        "StateUnavailable": "errors",
        "Status": "status.view",
        "Suppression": "suppression.lists",
        "Ticket": "flows.tickets",
        "UnknownAccount": "errors",
        "UnknownSender": "errors",
        "UploadReport": "campaigns.upload",
        "__version__": "version",
    }
    # Names that meant two things, until 1.0.
    _FORMERLY = {"Accepted": "Queued", "Receipt": "Ticket"}

    def __getattr__(name: str) -> Any:
        if name in _FORMERLY:
            warnings.warn(f"paceline.{name} is now called {_FORMERLY[name]}", DeprecationWarning, stacklevel=2)
            return __getattr__(_FORMERLY[name])
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"{__name__}.{_HOMES.get(name, 'operations')}"), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
