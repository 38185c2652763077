"""Who did what, as the history tells it."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from paceline.gateway.answers import Box, Limit, problems
from paceline.gateway.guard import Audits, Known
from paceline.gateway.shapes import Acts
from paceline.gateway.tokens import ANY_ACCOUNT
from paceline.status import history

routes = APIRouter(route_class=Known, tags=["history"])


@routes.get("/history", response_model=Acts, responses=problems())
async def page(
    token: Audits,
    outbox: Box,
    after: Annotated[
        str, Query(pattern=r"^[0-9]{1,18}(-[0-9]{1,18})?$", description="The last entry seen, or 0.")
    ] = "0",
    limit: Limit = 100,
) -> dict[str, Any]:
    """Acts of people, oldest first. A token that is not for all accounts sees those of its accounts only."""
    begin = "-" if after in ("0", "0-0") else f"({after}"
    acts = await outbox.state.ask(history.reading(begin, limit))
    items = [
        act.as_json() for act in acts if ANY_ACCOUNT in token.accounts or (act.account and token.sees(act.account))
    ]
    return {"items": items, "next": acts[-1].entry_id if acts else after}
