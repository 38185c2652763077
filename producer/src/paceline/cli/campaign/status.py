from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

import typer

from paceline.campaigns.campaign import Progress, progress_of
from paceline.campaigns.options import DEFAULT_AUTO_PAUSE
from paceline.campaigns.senders import from_field
from paceline.cli.campaign.expectation import when
from paceline.cli.campaign.options import Name
from paceline.cli.options import Json, opened_state
from paceline.cli.render import console, details, iso, listing, local, say, say_json
from paceline.errors import NotFound
from paceline.forecast.outlook import forecast_of, ramp_use
from paceline.state.calls import State
from paceline.state.campaigns import CampaignSnapshot
from paceline.state.pictures import CampaignPicture
from paceline.times import instant


class ListedState(StrEnum):
    """See `paceline.literals.CampaignState`."""

    uploading = "uploading"
    running = "running"
    paused = "paused"
    cancelling = "cancelling"
    cancelled = "cancelled"
    complete = "complete"


def status(
    name: Name,
    *,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Watch until every operation is settled, as `campaign watch` does."),
    ] = False,
    json_output: Json = False,
) -> None:
    """Show how far a campaign is, why nothing leaves if so, and when its last operation is expected to leave.

    JSON: name, state (uploading, running, paused, cancelling, cancelled, complete), why (of a pause or a cancellation),
    approval (needed, given or null), approved_by, approved_at, account, sender, created_at, completed_at, valid_until,
    weight, rate, ramp, window, auto_pause (percent), uploaded, complete, total, settled, remaining, received, duplicates,
    refused, in_inbox, invalid, senders (number, waiting, failed; with a ramp also
    ramp: day, sent, most), outcomes (by name), receipts (sent,
    not_sent, delivered, read), forecast (starts_at, ends_at, remaining, why). With --watch, one document whenever a
    number or the state changed.
    """
    with opened_state() as state:
        if watch:
            from paceline.cli.campaign.watch import follow  # noqa: PLC0415 - it imports this module

            follow(state, name, json_output=json_output)
        elif json_output:
            say_json(described(name, read(state, name)))
        else:
            console().print(_facts(name, read(state, name)))


def list_(
    *,
    account: Annotated[
        str | None, typer.Option("--account", metavar="NAME", help="Account whose campaigns are listed.")
    ] = None,
    state_: Annotated[
        list[ListedState] | None,
        typer.Option("--state", metavar="STATE", help=f"One of {', '.join(ListedState)}; repeatable. Default: all."),
    ] = None,
    json_output: Json = False,
) -> None:
    """List campaigns.

    JSON: a list of what `campaign status --json` prints, without senders and forecast.
    """
    with opened_state() as state:
        campaigns = {name: campaign for name in state.campaigns() if (campaign := state.campaign(name))}

    wanted = {str(one) for one in state_ or ListedState}
    campaigns = {
        name: campaign
        for name, campaign in campaigns.items()
        if account in (None, campaign.account) and progress_of(name, campaign).state in wanted
    }

    if json_output:
        say_json([_numbers(name, campaign) for name, campaign in campaigns.items()])
        return

    if not campaigns:
        say("No campaigns.")
        return

    headers = ("campaign", "account", "state", "done", "total", "left", "rejected", "created")
    rows = []

    for name, campaign in campaigns.items():
        seen = progress_of(name, campaign)
        created = instant(campaign.created_at_us).astimezone().date().isoformat()
        word = "unapproved" if seen.approval == "needed" and seen.state == "paused" else seen.state
        done = f"{seen.settled / seen.total:.0%}" if seen.total else "-"
        rejected = seen.outcomes["rejected"] + seen.outcomes["dead"]
        rows.append((name, campaign.account, word, done, seen.total, seen.remaining, rejected, created))

    console().print(listing(headers, rows))


def read(state: State, name: str) -> CampaignPicture:
    """A campaign with its account and lanes.

    Raises:
        NotFound: there is none.
    """
    picture = state.campaign_picture(name)
    if picture is None:
        raise NotFound(f"no campaign named {name!r}")
    return picture


def described(name: str, picture: CampaignPicture) -> dict[str, Any]:
    """The document of ``campaign status --json``.

    Args:
        name: the campaign.
        picture: from `read`.
    """
    ahead = {"forecast": forecast_of(name, picture).as_json()}
    return _numbers(name, picture.campaign) | {"senders": _senders(name, picture)} | ahead


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


def _numbers(name: str, campaign: CampaignSnapshot) -> dict[str, Any]:
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


def _facts(name: str, picture: CampaignPicture) -> Any:
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
