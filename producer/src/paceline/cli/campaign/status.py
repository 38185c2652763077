from collections.abc import Mapping
from typing import Any

from paceline.campaigns.campaign import Progress, progress_of
from paceline.campaigns.options import DEFAULT_AUTO_PAUSE
from paceline.campaigns.senders import from_field
from paceline.cli.campaign.expectation import when
from paceline.cli.render import details, iso, local
from paceline.errors import NotFound
from paceline.forecast.outlook import forecast_of, ramp_use
from paceline.state.calls import State
from paceline.state.campaigns import CampaignSnapshot
from paceline.state.pictures import CampaignPicture
from paceline.times import instant


def read(state: State, name: str) -> CampaignPicture:
    """A campaign with its account and lanes.

    Raises:
        NotFound: there is none.
    """
    picture = state.campaign_picture(name)
    if picture is None:
        raise NotFound(f"no campaign named {name!r}: see `paceline campaign list`")
    return picture


def described(name: str, picture: CampaignPicture) -> dict[str, Any]:
    """The document of ``campaign status --json``.

    Args:
        name: the campaign.
        picture: from `read`.
    """
    ahead = {"forecast": forecast_of(name, picture).as_json()}
    return numbers(name, picture.campaign) | {"senders": _senders(name, picture)} | ahead


def _senders(name: str, picture: CampaignPicture) -> list[dict[str, Any]]:
    """The senders of a campaign: what waits for each, and why it fails if so."""
    waiting = {lane.sender: one.waiting for lane in picture.lanes for one in lane.sources if one.name == name}
    campaign, lanes = picture.campaign, {lane.sender: lane for lane in picture.lanes}
    numbers = [sender.number for sender in from_field(campaign.weighted_senders)] or [campaign.sender]
    return [
        {"number": number, "waiting": waiting.get(number, 0), "failed": number in campaign.failed.split()}
        | ({"ramp": ramp_use(campaign, lanes.get(number), picture.now_us)} if campaign.ramp else {})
        for number in numbers
    ]


def _sender_rows(name: str, picture: CampaignPicture) -> list[tuple[str, str]]:
    rows = _senders(name, picture)
    if len(rows) == 1:
        return [("from", rows[0]["number"] + _ramp_of(rows[0]))]
    return [
        ("from", f"{row['number']}: {row['waiting']:,} waiting" + (", fails" if row["failed"] else "") + _ramp_of(row))
        for row in rows
    ]


def _ramp_of(row: Mapping[str, Any]) -> str:
    use = row.get("ramp")
    return f", day {use['day']}: {use['sent']:,} of {use['most']:,} sent" if use else ""


def numbers(name: str, campaign: CampaignSnapshot) -> dict[str, Any]:
    """The document of ``campaign list --json``: without senders and forecast."""
    seen = progress_of(name, campaign)
    return {
        "name": name,
        "state": seen.state,
        "why": seen.why,
        "approval": seen.approval,
        "approved_by": seen.approved_by,
        "approved_at": iso(seen.approved_at),
        "account": campaign.account,
        "sender": campaign.sender,
        "created_at": iso(instant(campaign.created_at_us)),
        "completed_at": iso(seen.completed_at),
        "valid_until": iso(instant(campaign.valid_until_us)),
        "weight": campaign.weight,
        "rate": campaign.rate or None,
        "ramp": campaign.ramp or None,
        "window": campaign.window or None,
        "auto_pause": _auto_pause(campaign),
        "uploaded": seen.uploaded,
        "complete": seen.complete,
        "total": seen.total,
        "settled": seen.settled,
        "remaining": seen.remaining,
        "received": seen.received,
        "duplicates": seen.duplicates,
        "refused": seen.refused,
        "in_inbox": seen.in_inbox,
        "invalid": campaign.invalid,
        "outcomes": dict(seen.outcomes),
        "receipts": {
            "sent": seen.sent,
            "not_sent": seen.not_sent,
            "delivered": seen.delivered,
            "read": seen.read,
        },
    }


def _auto_pause(campaign: CampaignSnapshot) -> int:
    return DEFAULT_AUTO_PAUSE if campaign.auto_pause is None else campaign.auto_pause


def share(seen: Progress) -> str:
    """``40 of 100 (40.0%)``.

    Args:
        seen: a campaign's numbers.
    """
    return f"{seen.settled:,} of {seen.total:,}" + (f" ({seen.settled / seen.total:.1%})" if seen.total else "")


def _of_accepted(seen: Progress, number: int) -> str | None:
    """How many receipts told it of, and the share of what the provider accepted; None of none."""
    accepted = seen.outcomes["accepted"]
    return (f"{number:,}" + (f" ({number / accepted:.1%} of accepted)" if accepted else "")) if number else None


def _approval(seen: Progress) -> str | None:
    if seen.approval == "needed":
        return f"no: `paceline campaign approve {seen.name} --by WHO`"
    return f"by {seen.approved_by}, {local(seen.approved_at)}" if seen.approved_at else None


def facts(name: str, picture: CampaignPicture) -> Any:
    """The table of ``campaign status``."""
    campaign, auto_pause = picture.campaign, _auto_pause(picture.campaign)
    seen, forecast = progress_of(name, campaign), forecast_of(name, picture)
    waits = bool(forecast.remaining) and not seen.hold
    return details(
        [
            ("campaign", name),
            ("state", seen.state),
            ("why", seen.why if seen.hold else None),
            ("approved", _approval(seen)),
            ("account", campaign.account),
            *_sender_rows(name, picture),
            ("window", campaign.window or None),
            ("rate", campaign.rate or None),
            ("ramp", f"{campaign.ramp} messages a day" if campaign.ramp else None),
            ("weight", campaign.weight),
            ("auto-pause", f"above {auto_pause} % rejected" if auto_pause else "never"),
            ("created", local(instant(campaign.created_at_us))),
            ("valid until", local(instant(campaign.valid_until_us))),
            ("completed", local(seen.completed_at) if seen.completed_at else None),
            ("settled", share(seen)),
            *((f"  {outcome}", number) for outcome, number in seen.outcomes.items() if number),
            ("delivered", _of_accepted(seen, seen.delivered)),
            ("read", _of_accepted(seen, seen.read)),
            ("not sent", _of_accepted(seen, seen.not_sent)),
            ("remaining", seen.remaining),
            ("to be accepted", seen.in_inbox or None),
            ("duplicates", seen.duplicates or None),
            ("refused", seen.refused or None),
            ("left out", campaign.invalid or None),
            ("expected", (when(forecast) or "not to leave") if waits else None),
            ("because", forecast.why if waits else None),
        ]
    )
