"""Campaigns: progress, forecast, receipts; approve, pause, resume, change, cancel."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from starlette.responses import Response

from paceline.async_outbox import AsyncCampaign
from paceline.campaigns.options import CampaignOptions
from paceline.campaigns.progress import Progress, progress_of
from paceline.errors import InvalidOperation, NotFound
from paceline.forecast.outlook import Forecast, forecast_of
from paceline.state import questions
from paceline.state.campaigns import CampaignSnapshot
from paceline.state.envelopes import ENVELOPE
from paceline.times import instant
from paceline_worker.console.acts import note
from paceline_worker.console.frame import View, act, done, page

PER_PAGE: Final = 20
_HEADS_AT_ONCE: Final = 500
_STATES: Final = ("open", "paused", "over", "all")


@dataclass(frozen=True, slots=True)
class CampaignView:
    """A campaign.

    Args:
        progress: its numbers.
        account: account name.
        sender: the number that sends.
        text: its template's words, or ''.
        url: its template's attachment, or ''.
        created_at: when it was opened.
        valid_until: not sent later.
        fields: its options in words: rate, window, weight, auto_pause.
        invalid: bad rows that were left out.
        fresh: whether nothing has left, so that it can be deleted.
    """

    progress: Progress
    account: str
    sender: str
    text: str
    url: str
    created_at: datetime | None
    valid_until: datetime | None
    fields: Mapping[str, str]
    invalid: int
    fresh: bool

    @property
    def needs_approval(self) -> bool:
        """Whether nothing leaves before somebody approves it."""
        return self.progress.approval == "needed"


def campaign_view(name: str, campaign: CampaignSnapshot) -> CampaignView:
    """A campaign as pages show it.

    Args:
        name: the campaign.
        campaign: as it was read.
    """
    progress = progress_of(name, campaign)
    payload = {} if campaign.template.startswith(ENVELOPE) else json.loads(campaign.template)
    auto_pause = "" if campaign.auto_pause is None else str(campaign.auto_pause)
    weight = "" if campaign.weight == 1 else str(campaign.weight)
    return CampaignView(
        progress=progress,
        account=campaign.account,
        sender=campaign.sender,
        text=str(payload.get("text") or ""),
        url=str(payload.get("url") or ""),
        created_at=instant(campaign.created_at_us) if campaign.created_at_us else None,
        valid_until=instant(campaign.valid_until_us) if campaign.valid_until_us else None,
        fields={"rate": campaign.rate, "window": campaign.window, "weight": weight, "auto_pause": auto_pause},
        invalid=campaign.invalid,
        fresh=campaign.fresh and not progress.settled,
    )


@page("campaigns.html")
async def listing(view: View) -> Mapping[str, Any]:
    """A page of campaigns, the newest first."""
    state = view.desk.outbox.state
    names = await state.ask(questions.campaigns())
    heads: list[list[str]] = []
    for start in range(0, len(names), _HEADS_AT_ONCE):
        part: list[list[str]] = await state.ask(questions.campaign_heads(names[start : start + _HEADS_AT_ONCE]))
        heads += part
    visible = [head for head in heads if view.viewer.sees(head[2])]
    wanted, which = view.asked("q", 64), view.asked("state")
    which = which if which in _STATES else "all"
    matching = sorted(
        (head for head in visible if wanted.lower() in head[0].lower() and _is(which, head[3], head[4])),
        key=lambda head: (-int(head[1]), head[0]),
    )
    first = view.number("from", 0, max(0, len(matching) - 1), 0) // PER_PAGE * PER_PAGE
    on_page = [name for name, *_ in matching[first : first + PER_PAGE]]
    found = await asyncio.gather(*(state.ask(questions.campaign(name)) for name in on_page))
    shown = [campaign_view(name, fields) for name, fields in zip(on_page, found, strict=True) if fields]
    return {
        "campaigns": shown,
        "wanted": wanted,
        "which": which,
        "states": _STATES,
        "first": first,
        "per_page": PER_PAGE,
        "total": len(matching),
        "known": len(visible),
    }


def _is(which: str, hold: str, completed: str) -> bool:
    match which:
        case "open":
            return not completed and hold != "cancelled"
        case "paused":
            return hold == "paused" and not completed
        case "over":
            return bool(completed) or hold == "cancelled"
    return True


@page("campaign.html")
async def one(view: View) -> Mapping[str, Any]:
    """One campaign with its forecast."""
    name = view.path["name"]
    picture = await view.desk.outbox.state.ask(questions.campaign_picture(name))
    if picture is None or not view.viewer.sees(picture.campaign.account):
        raise NotFound(f"no campaign named {name!r}: see `paceline campaign list`")
    campaign = campaign_view(name, picture.campaign)
    forecast: Forecast | None = None
    if not campaign.progress.complete and campaign.progress.hold != "cancelled":
        forecast = forecast_of(name, picture)
    return {"campaign": campaign, "forecast": forecast, "progress": campaign.progress}


@page("campaign-cancel.html", scope="campaigns")
async def cancelling(view: View) -> Mapping[str, Any]:
    """What cancelling would do."""
    return {"campaign": await visible(view, view.path["name"])}


async def visible(view: View, name: str) -> CampaignView:
    """A campaign that the viewer may know of.

    Raises:
        NotFound: there is none.
    """
    campaign = await view.desk.outbox.state.ask(questions.campaign(name))
    if campaign is None or not view.viewer.sees(campaign.account):
        raise NotFound(f"no campaign named {name!r}: see `paceline campaign list`")
    return campaign_view(name, campaign)


@act(scope="campaigns")
async def control(view: View) -> Response:
    """Pause, resume, approve, cancel, delete or change it."""
    name, verb = view.path["name"], view.path["verb"]
    account = (await visible(view, name)).account
    campaign = AsyncCampaign(name, view.desk.outbox)
    why = " ".join(view.given("why").split())[:160] or f"by {view.viewer.token.name}"
    said, to = await _controlled(view, campaign, verb, why)
    await note(view, f"campaign {verb}", name, account=account, why=why if verb in {"pause", "cancel"} else "")
    return done(view, to, said)


async def _controlled(view: View, campaign: AsyncCampaign, verb: str, why: str) -> tuple[str, str]:
    own = f"/campaigns/{campaign.name}"
    match verb:
        case "pause":
            await campaign.pause(why)
            return "paused", own
        case "resume":
            await campaign.resume()
            return "resumed", own
        case "approve":
            await campaign.approve(view.viewer.token.name)
            return "approved", own
        case "cancel":
            await campaign.cancel(why)
            return "campaign-cancelled", own
        case "delete":
            await campaign.delete()
            return "deleted", "/campaigns"
        case "change":
            await campaign.change(options_of(view))
            return "changed", own
    raise NotFound(f"no act named {verb!r}")


def options_of(view: View) -> CampaignOptions:
    """The options of a form that has them all; an empty field takes its option away."""
    until = view.given("valid_until")
    return CampaignOptions(
        rate=view.given("rate"),
        window=view.given("window"),
        weight=_number(view, "weight"),
        auto_pause=_number(view, "auto_pause"),
        valid_until=moment_of("valid_until", until) if until else None,
    )


def _number(view: View, name: str) -> int | None:
    text = view.given(name)
    if not text:
        return None
    if not text.isascii() or not text.isdecimal() or len(text) > 6:
        raise InvalidOperation(f"{name}: {text!r} is not a whole number")
    return int(text)


def moment_of(name: str, text: str) -> datetime:
    """A time of a form, in UTC unless it has a zone of its own.

    Raises:
        InvalidOperation: it is none.
    """
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidOperation(f"{name}: {text!r} is not a time such as 2026-12-24T18:00 (UTC)") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
