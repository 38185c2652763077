"""Campaigns: uploaded, counted, in command."""

import tempfile
from pathlib import Path as File
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request

from paceline.async_outbox import AsyncCampaign, AsyncOutbox
from paceline.campaigns.options import CampaignOptions
from paceline.campaigns.progress import progress_of
from paceline.campaigns.recipients import Row
from paceline.gateway.answers import Box, Limit, problems
from paceline.gateway.guard import Known, Reads, RequestRefused, Runs, campaign_of, remember, seen
from paceline.gateway.shapes import Approval, CampaignIn, Campaigns, CampaignView, Recalled, Uploaded, Why
from paceline.gateway.tokens import ANY_ACCOUNT, Token
from paceline.state import questions
from paceline.state.campaigns import CampaignSnapshot

routes = APIRouter(route_class=Known, tags=["campaigns"])
_SHOWN_ROWS: Final = 100
# Campaigns whose accounts one run of a script tells.
_HEADS_AT_ONCE: Final = 500
_SUFFIXES: Final = {"text/csv": ".csv", "application/x-ndjson": ".jsonl", "application/jsonl": ".jsonl"}
_NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
Named = Annotated[str, Path(pattern=_NAME)]


class _BadRows:
    """The first bad rows of an upload."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def note(self, row: Row, reason: str) -> None:
        if len(self.rows) < _SHOWN_ROWS:
            self.rows.append({"line": row.line, "reason": reason})


@routes.put("/campaigns/{name}", status_code=202, response_model=Uploaded, responses=problems(404, 409))
async def put(name: Named, campaign: CampaignIn, token: Runs, outbox: Box) -> dict[str, Any]:
    """Upload recipients, 10,000 at most at a time. Again under the same description, further ones are added, and nobody twice."""
    given = campaign.model_dump(exclude={"recipients"}, exclude_none=True)
    seen(token, campaign.account)
    return await _upload(outbox, name, campaign.recipients, given, token)


@routes.post(
    "/campaigns/{name}/upload",
    status_code=202,
    response_model=Uploaded,
    responses=problems(404, 409, 415),
    openapi_extra={
        "requestBody": {"required": True, "content": {kind: {"schema": {"type": "string"}} for kind in _SUFFIXES}}
    },
)
async def upload(  # noqa: PLR0917 - FastAPI passes by name
    name: Named,
    request: Request,
    token: Runs,
    outbox: Box,
    account: Annotated[str, Query(pattern=_NAME)],
    sender: str,
    template: str,
    *,
    paused: bool = False,
) -> dict[str, Any]:
    """Upload a file: CSV with a header, or JSON Lines. Several requests under the same description are chunks of one campaign."""
    seen(token, account)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in _SUFFIXES:
        raise RequestRefused(415, "unsupported-media-type", f"the content type is not one of {', '.join(_SUFFIXES)}")
    with tempfile.NamedTemporaryFile(suffix=_SUFFIXES[kind]) as file:
        async for part in request.stream():
            file.write(part)
        file.flush()
        given = {"account": account, "sender": sender, "template": template, "paused": paused}
        return await _upload(outbox, name, File(file.name), given, token)


async def _upload(
    outbox: AsyncOutbox, name: str, recipients: Any, given: dict[str, Any], token: Token
) -> dict[str, Any]:
    bad = _BadRows()

    def start(blocking: Any) -> Any:
        return blocking.start_campaign(name, recipients=recipients, on_invalid=bad.note, **given)

    report = (await outbox.in_thread(start)).report
    written = f"{name}: {report.written:,} rows"
    await remember(outbox, token, "campaign start", account=given["account"], on=written)
    counted = {"offered": report.offered, "written": report.written, "invalid": report.invalid}
    return {"name": name, "bad_rows": bad.rows} | counted


@routes.get("/campaigns", response_model=Campaigns, responses=problems())
async def listing(token: Reads, outbox: Box, after: str = "", limit: Limit = 100) -> dict[str, Any]:
    """Campaigns by name; `next` is the `after` of the next page."""
    names = [name for name in await outbox.state.ask(questions.campaigns()) if name > after]
    names = await _own(outbox, names, token, limit + 1)
    shown: list[dict[str, Any]] = []
    for name in names[:limit]:
        campaign = await outbox.state.ask(questions.campaign(name))
        if campaign and token.sees(campaign.account):
            shown.append(_view(name, campaign))
    return {"items": shown, "next": names[limit - 1] if len(names) > limit else None}


async def _own(outbox: AsyncOutbox, names: list[str], token: Token, most: int) -> list[str]:
    """The first campaigns that a token may know of."""
    if ANY_ACCOUNT in token.accounts:
        return names[:most]
    own: list[str] = []
    for start in range(0, len(names), _HEADS_AT_ONCE):
        part = names[start : start + _HEADS_AT_ONCE]
        heads = await outbox.state.ask(questions.campaign_heads(part))
        accounts = {name: account for name, _, account, *_ in heads}
        own += [name for name in part if name in accounts and token.sees(accounts[name])]
        if len(own) >= most:
            break
    return own[:most]


@routes.get("/campaigns/{name}", response_model=CampaignView, responses=problems(404))
async def one(name: Named, token: Reads, outbox: Box) -> dict[str, Any]:
    """A campaign in numbers."""
    return _view(name, await campaign_of(outbox, name, token))


@routes.post("/campaigns/{name}/pause", status_code=204, responses=problems(404, 409))
async def pause(name: Named, token: Runs, outbox: Box, why: Why | None = None) -> None:
    """Let nothing begin until it is resumed."""
    given = (why or Why()).why
    campaign, account = await _campaign(outbox, name, token)
    await campaign.pause(given)
    await remember(outbox, token, "campaign pause", account=account, on=name, why=given)


@routes.post("/campaigns/{name}/resume", status_code=204, responses=problems(404, 409))
async def resume(name: Named, token: Runs, outbox: Box) -> None:
    """Go on."""
    campaign, account = await _campaign(outbox, name, token)
    await campaign.resume()
    await remember(outbox, token, "campaign resume", account=account, on=name)


@routes.post("/campaigns/{name}/approve", status_code=204, responses=problems(404, 409))
async def approve(name: Named, approval: Approval, token: Runs, outbox: Box) -> None:
    """Let it leave."""
    campaign, account = await _campaign(outbox, name, token)
    await campaign.approve(approval.by)
    await remember(outbox, token, "campaign approve", account=account, on=name, why=f"by {approval.by}")


@routes.post("/campaigns/{name}/cancel", status_code=204, responses=problems(404, 409))
async def cancel(name: Named, token: Runs, outbox: Box, why: Why | None = None) -> None:
    """Let nothing begin ever again."""
    given = (why or Why()).why
    campaign, account = await _campaign(outbox, name, token)
    await campaign.cancel(given)
    await remember(outbox, token, "campaign cancel", account=account, on=name, why=given)


@routes.post(
    "/campaigns/{name}/delete-messages", status_code=202, response_model=Recalled, responses=problems(404, 409)
)
async def delete_messages(name: Named, token: Runs, outbox: Box, *, dry_run: bool = False) -> dict[str, Any]:
    """Delete what it sent in the last 60 hours: deletions are a campaign of their own, `name` of the answer."""
    _, account = await _campaign(outbox, name, token)
    done = await outbox.delete_messages(name, dry_run=dry_run)
    if done.written:
        await remember(
            outbox, token, "campaign delete-messages", account=account, on=f"{name}: {done.written:,} messages"
        )
    return done.as_json()


@routes.patch("/campaigns/{name}", status_code=204, responses=problems(404, 409))
async def change(name: Named, options: CampaignOptions, token: Runs, outbox: Box) -> None:
    """Change what holds for all that has not begun."""
    campaign, account = await _campaign(outbox, name, token)
    await campaign.change(options)
    await remember(outbox, token, "campaign change", account=account, on=f"{name}: {', '.join(options.texts())}")


async def _campaign(outbox: AsyncOutbox, name: str, token: Token) -> tuple[AsyncCampaign, str]:
    """A campaign, and its account."""
    campaign = await campaign_of(outbox, name, token)
    return AsyncCampaign(name, outbox), campaign.account


def _view(name: str, campaign: CampaignSnapshot) -> dict[str, Any]:
    progress = progress_of(name, campaign)
    numbers = {"total": progress.total, "remaining": progress.remaining, "outcomes": dict(progress.outcomes)}
    receipts = {"sent": progress.sent, "delivered": progress.delivered, "read": progress.read}
    approval = {"approval": progress.approval, "approved_by": progress.approved_by}
    state = {"name": name, "account": campaign.account, "state": progress.state, "why": progress.why}
    return state | approval | numbers | receipts
