"""A campaign in numbers and in command."""

from typing import TYPE_CHECKING

from paceline.campaigns.draft import corrected
from paceline.campaigns.progress import Progress, progress_of
from paceline.errors import CampaignConflict, NotFound
from paceline.flows.steps import Flow
from paceline.forecast.outlook import Forecast, forecast_of
from paceline.state import questions
from paceline.state.pictures import CampaignPicture

if TYPE_CHECKING:
    from paceline.state.campaigns import CampaignSnapshot


def counting(name: str) -> Flow[Progress]:
    """The campaign's numbers now.

    Raises:
        NotFound: there is no such campaign.
    """
    campaign: CampaignSnapshot | None = yield questions.campaign(name)
    if campaign is None:
        raise NotFound(f"no campaign named {name!r}")
    return progress_of(name, campaign)


def picturing(name: str) -> Flow[CampaignPicture]:
    """A campaign with all that waits beside it.

    Raises:
        NotFound: there is no such campaign.
    """
    picture: CampaignPicture | None = yield questions.campaign_picture(name)
    if picture is None:
        raise NotFound(f"no campaign named {name!r}")
    return picture


def forecasting(name: str) -> Flow[Forecast]:
    """When its next and its last operation are expected to leave, and why not earlier.

    Raises:
        NotFound: there is no such campaign.
    """
    picture = yield from picturing(name)
    return forecast_of(name, picture)


def controlling(verb: str, name: str, argument: str = "") -> Flow[None]:
    """Pause, resume, cancel or change it.

    Raises:
        NotFound, CampaignConflict: there is none, or it is cancelled or complete.
    """
    _conclude((yield questions.control_campaign(verb, name, argument)), verb, name)


def correcting(name: str, template: str | None, url: str | None, *, literal_braces: bool = False) -> Flow[None]:
    """Give a campaign of which nothing has left another template; arguments as for `Campaign.change_template`.

    Raises:
        InvalidOperation: the template cannot be, or asks for what the rows did not bring.
        NotFound, CampaignConflict: there is none, or it cannot be corrected any more.
    """
    campaign: CampaignSnapshot | None = yield questions.campaign(name)
    if campaign is None:
        raise NotFound(f"no campaign named {name!r}")
    payload, digest = corrected(campaign, template, url, literal_braces=literal_braces)
    _conclude((yield questions.change_template(name, payload, digest)), "template", name)


def _conclude(reply: str, verb: str, name: str) -> None:
    """Raise what a refusing reply means."""
    if reply == "begun":
        raise CampaignConflict(
            f"something of campaign {name!r} has left already: pause or cancel it, and upload the rest under another name"
        )
    if reply == "unknown campaign":
        raise NotFound(f"no campaign named {name!r}")
    if reply == "complete":
        raise CampaignConflict(f"campaign {name!r} is complete: every operation of it has its outcome")
    if reply == "cancelled" and verb != "cancel":
        raise CampaignConflict(f"campaign {name!r} was cancelled, which is final")
