"""Accounts: names and figures, never keys."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from paceline.errors import UnknownAccount
from paceline.gateway.answers import Box, problems
from paceline.gateway.guard import Reads, seen
from paceline.state import questions
from paceline.status.audit import balance_of

routes = APIRouter(tags=["accounts"])


class AccountView(BaseModel):
    """An account's books; `waiting` and `in_flight` are counted from the lists themselves."""

    name: str
    suspended: str | None
    received: int
    waiting: int
    in_flight: int
    outcomes: dict[str, int]


class AccountNames(BaseModel):
    """Names, sorted."""

    items: list[str]


@routes.get("/accounts", response_model=AccountNames, responses=problems())
async def listing(token: Reads, outbox: Box) -> dict[str, Any]:
    """The accounts that the token may know of."""
    return {"items": [name for name in await outbox.state.ask(questions.accounts()) if token.sees(name)]}


@routes.get("/accounts/{name}", response_model=AccountView, responses=problems(404))
async def one(name: str, token: Reads, outbox: Box) -> dict[str, Any]:
    """One account."""
    seen(token, name)
    picture = await outbox.state.ask(questions.account(name))
    if picture is None:
        raise UnknownAccount(f"no account named {name!r}")
    books = balance_of(picture)
    numbers = {"received": books.received, "waiting": books.waiting, "in_flight": books.in_flight}
    return {"name": name, "suspended": picture.account.suspended, "outcomes": dict(books.outcomes)} | numbers
