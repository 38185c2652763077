"""Outcomes: pages, and server-sent events."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse

from paceline.errors import PacelineError
from paceline.flows.following import reading
from paceline.flows.steps import arun
from paceline.gateway.answers import Box, Limit, problems
from paceline.gateway.guard import Gate, Known, Reads, RequestRefused, campaign_of
from paceline.gateway.problems import Problem, is_defect, problem_of
from paceline.gateway.shapes import Entries
from paceline.gateway.tokens import Token
from paceline.outcomes import OutcomeEntry, place

routes = APIRouter(route_class=Known, tags=["outcomes"])
# A comment so often keeps proxies from closing a stream in which nothing comes.
_HEARTBEAT_S: Final = 15.0
_EVENTS: Final[dict[str, Any]] = {"text/event-stream": {"schema": {"type": "string"}}}

# With several shards, an id has a part for each of them.
_ENTRY_ID = r"^([0-9]{1,18}(-[0-9]{1,18})?|s[0-9]{1,4}(\.[0-9a-z-]{1,40}){1,1025})$"
After = Annotated[str, Query(pattern=_ENTRY_ID, description="The last entry handled, or 0.")]
Campaign = Annotated[str | None, Query(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


@routes.get("/outcomes", response_model=Entries, responses=problems(404, 410))
async def page(
    token: Reads,
    outbox: Box,
    campaign: Campaign = None,
    after: After = "0",
    limit: Limit = 100,
    *,
    receipts: bool = False,
) -> dict[str, Any]:
    """What became of operations, oldest first. `next` is the `after` of the next page, also when nothing is there yet."""
    if campaign is not None:
        await campaign_of(outbox, campaign, token)
    found = await arun(reading(campaign, place(after), limit, receipts=receipts), outbox.state)
    items = [entry.as_json() for entry in found.entries if token.sees(entry.account)]
    return {"items": items, "next": found.next.lstrip("(") if found.next.startswith("(") else after}


@routes.get(
    "/outcomes/stream",
    response_class=StreamingResponse,
    responses=problems(404)
    | {200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}, "description": "Entries as they come."}},
)
async def stream(  # noqa: PLR0917 - FastAPI passes by name
    request: Request,
    token: Reads,
    outbox: Box,
    campaign: Campaign = None,
    after: After = "0",
    last_event_id: Annotated[str | None, Header(pattern=_ENTRY_ID)] = None,
    *,
    receipts: bool = False,
    follow: bool = True,
) -> StreamingResponse:
    """Server-sent events: `id` is the entry's, so a browser's EventSource goes on where it was. A gap is an event `problem`."""
    if campaign is not None:
        await campaign_of(outbox, campaign, token)
    entries = outbox.outcomes(campaign, last_event_id or after, follow=follow, receipts=receipts)
    events = _events(entries, token, request.app.state.gate)
    return StreamingResponse(events, media_type="text/event-stream", headers={"Cache-Control": "no-store"})


async def _events(entries: AsyncIterator[OutcomeEntry], token: Token, gate: Gate) -> AsyncIterator[str]:
    following = asyncio.ensure_future(anext(entries))
    try:
        while True:
            done, _ = await asyncio.wait([following], timeout=_HEARTBEAT_S)
            await gate.still(token)
            if not done:
                yield ": still there\n\n"
                continue
            entry = following.result()
            following = asyncio.ensure_future(anext(entries))
            if token.sees(entry.account):
                yield f"id: {entry.entry_id}\nevent: {entry.event}\ndata: {json.dumps(entry.as_json())}\n\n"
    except StopAsyncIteration:
        return
    except RequestRefused as refusal:
        yield _event_of(Problem(refusal.status, refusal.kind, refusal.detail))
    except PacelineError as error:
        yield _event_of(problem_of(error))
        if is_defect(error):
            raise
    finally:
        following.cancel()


def _event_of(problem: Problem) -> str:
    return f"event: problem\ndata: {json.dumps(problem.as_json())}\n\n"
