"""Accounts: names and figures, never keys."""

import re
from typing import Any, Final

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from paceline.errors import UnknownAccount
from paceline.gateway.answers import Box, problems
from paceline.gateway.guard import Known, Reads, limits, seen
from paceline.state import questions
from paceline.status.audit import balance_of

routes = APIRouter(route_class=Known, tags=["accounts"])


_RATE: Final = re.compile(r"(\d+)\s*/\s*(\d*)\s*(second|minute|hour|day)s?")
_SECONDS: Final = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}


def rates_of(words: str) -> list[tuple[float, int]]:
    """Numbers of calls, and the seconds in which so many are allowed, of rates in words."""
    return [(int(number), int(count or 1) * _SECONDS[unit]) for number, count, unit in _RATE.findall(words)]


class AccountView(BaseModel):
    """An account's books; `waiting` and `in_flight` are counted from the lists themselves."""

    name: str
    suspended: str | None
    rate: str | None = Field(description="The limit set by hand.", examples=["10/minute; 1000/day"])
    received: int
    waiting: int
    in_flight: int
    held: int
    outcomes: dict[str, int]


class AccountNames(BaseModel):
    """Names, sorted."""

    items: list[str]


@routes.get("/accounts", response_model=AccountNames, responses=problems())
async def listing(token: Reads, outbox: Box) -> dict[str, Any]:
    """The accounts that the token may know of."""
    return {"items": [name for name in await outbox.state.ask(questions.accounts()) if token.sees(name)]}


@routes.get("/accounts/{name}", response_model=AccountView, responses=problems(404))
async def one(name: str, token: Reads, outbox: Box, response: Response) -> dict[str, Any]:
    """One account. The header RateLimit-Policy tells its pace: what is sent faster waits."""
    seen(token, name)
    picture = await outbox.state.ask(questions.account(name))
    if picture is None:
        raise UnknownAccount(f"no account named {name!r}: GET /v1/accounts lists those of this token")
    books, account = balance_of(picture), picture.account
    numbers: dict[str, Any] = {"received": books.received, "waiting": books.waiting, "in_flight": books.in_flight}
    response.headers.update(limits("account", rates_of(account.rate)))
    numbers |= {"rate": account.rate or None, "held": picture.held}
    return {"name": name, "suspended": account.suspended, "outcomes": dict(books.outcomes)} | numbers
