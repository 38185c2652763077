"""A campaign in numbers and in command."""

from typing import TYPE_CHECKING, Final

from paceline.campaigns.draft import corrected
from paceline.campaigns.hours import RecipientHours, check_hours
from paceline.campaigns.options import CampaignOptions
from paceline.campaigns.progress import Progress, progress_of
from paceline.errors import CampaignConflict, InvalidOperation, NotFound
from paceline.flows.steps import Flow
from paceline.forecast.outlook import Forecast, forecast_of
from paceline.inbox.record import compact
from paceline.state import questions
from paceline.state.pictures import CampaignPicture

if TYPE_CHECKING:
    from paceline.state.campaigns import CampaignSnapshot

_LONGEST_NAME: Final = 100


def counting(name: str) -> Flow[Progress]:
    """The campaign's numbers now.

    Raises:
        NotFound: there is no such campaign.
    """
    campaign: CampaignSnapshot | None = yield questions.campaign(name)
    if campaign is None:
        raise NotFound(f"no campaign named {name!r}: see `paceline campaign list`")
    return progress_of(name, campaign)


def picturing(name: str) -> Flow[CampaignPicture]:
    """A campaign with all that waits beside it.

    Raises:
        NotFound: there is no such campaign.
    """
    picture: CampaignPicture | None = yield questions.campaign_picture(name)
    if picture is None:
        raise NotFound(f"no campaign named {name!r}: see `paceline campaign list`")
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


def checked_approver(by: str) -> str:
    """Who approves, as it is shown.

    Raises:
        InvalidOperation: nobody is named, or with a whole letter.
    """
    name = " ".join(by.split())
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise InvalidOperation(f"by: name who approves, in 1 to {_LONGEST_NAME} characters")
    return name


def changing(name: str, options: CampaignOptions) -> Flow[None]:
    """Change the options of a campaign; the zones of its recipients get their new hours first.

    Raises:
        NotFound, CampaignConflict: there is none, or it is cancelled or complete, or its rows have no zones.
    """
    if options.window is not None:
        campaign: CampaignSnapshot | None = yield questions.campaign(name)
        check_hours(name, campaign, options.window)
        if campaign and campaign.zoned:
            known: dict[str, str] = yield questions.campaign_zones(name)
            hours = RecipientHours(options.window)
            yield from controlling("zones", name, hours.again(known))
    yield from controlling("change", name, compact(options.texts()))


def correcting(name: str, template: str | None, url: str | None, *, literal_braces: bool = False) -> Flow[None]:
    """Correct the template of a campaign while no message has left, as `Campaign.change_template` describes.

    Raises:
        InvalidOperation: the template cannot be, or asks for what the rows did not bring.
        NotFound, CampaignConflict: there is none, or it cannot be corrected any more.
    """
    campaign: CampaignSnapshot | None = yield questions.campaign(name)
    if campaign is None:
        raise NotFound(f"no campaign named {name!r}: see `paceline campaign list`")
    payload, digest = corrected(campaign, template, url, literal_braces=literal_braces)
    _conclude((yield questions.change_template(name, payload, digest)), "template", name)


def _conclude(reply: str, verb: str, name: str) -> None:
    """Raise what a refusing reply means."""
    if reply == "no memory":
        raise CampaignConflict(
            f"the account of campaign {name!r} does not remember its recipients for so long: change that with "
            "`paceline accounts change NAME --remember SPAN`"
        )
    if reply == "begun":
        raise CampaignConflict(
            f"messages of campaign {name!r} have left already: pause or cancel the campaign, and upload the rest under another name"
        )
    if reply == "not approved":
        raise CampaignConflict(
            f"campaign {name!r} needs an approval first: `paceline campaign approve {name} --by WHO`"
        )
    if reply == "needs no approval":
        raise CampaignConflict(f"campaign {name!r} needs no approval: it was started without --needs-approval")
    if reply == "unknown campaign":
        raise NotFound(f"no campaign named {name!r}: see `paceline campaign list`")
    if reply == "complete":
        raise CampaignConflict(f"campaign {name!r} is complete: every operation has its outcome")
    if reply == "cancelled" and verb != "cancel":
        raise CampaignConflict(f"campaign {name!r} was cancelled, which is final")
