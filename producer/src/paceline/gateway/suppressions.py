"""Suppression lists: read, and changed."""

from datetime import datetime
from typing import Annotated, Any, Self

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field, model_validator

from paceline.errors import UnknownAccount
from paceline.flows.steps import arun
from paceline.gateway.answers import Box, problems
from paceline.gateway.guard import Known, Reads, Suppresses, remember, seen
from paceline.gateway.tokens import ANY_ACCOUNT, Token
from paceline.suppression.lists import BY_HAND, LONGEST_REASON, named_list, paging

routes = APIRouter(prefix="/suppressions", route_class=Known, tags=["suppressions"])
_ACCOUNT = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"


class SuppressionView(BaseModel):
    """One entry; `account` is null on the list of all accounts."""

    number: str
    account: str | None
    since: datetime
    reason: str


class Suppressions(BaseModel):
    """Some entries, and the `after` of the next ones."""

    items: list[SuppressionView]
    next: str | None


class NumbersIn(BaseModel):
    """Numbers of one list: that of an account, or that of all accounts."""

    model_config = ConfigDict(extra="forbid")

    account: str | None = Field(default=None, pattern=_ACCOUNT, examples=["acme"])
    all_accounts: bool = False
    numbers: list[str] = Field(min_length=1, max_length=1000, examples=[["+15550100002"]])

    @model_validator(mode="after")
    def _one_list(self) -> Self:
        if (self.account is None) != self.all_accounts:
            raise ValueError("account, all_accounts: give exactly one of them")
        return self

    @property
    def list(self) -> dict[str, Any]:
        """As an outbox takes it."""
        return {"account": self.account, "all_accounts": self.all_accounts}


class SuppressIn(NumbersIn):
    """Numbers that are put on a list."""

    reason: str = Field(default=BY_HAND, min_length=1, max_length=LONGEST_REASON)


class Added(BaseModel):
    """How many of the numbers are new."""

    added: int


class Removed(BaseModel):
    """How many of the numbers were on the list."""

    removed: int


@routes.post("", response_model=Added, responses=problems(404))
async def add(given: SuppressIn, token: Suppresses, outbox: Box) -> dict[str, int]:
    """Put numbers on a list: nothing begins to them from now on. Again, nothing changes."""
    _seen(token, given.account)
    added = await outbox.suppress(given.numbers, reason=given.reason, **given.list)
    await remember(outbox, token, "suppress add", account=given.account or "", on=_counted(added), why=given.reason)
    return {"added": added}


@routes.post("/remove", response_model=Removed, responses=problems(404))
async def remove(given: NumbersIn, token: Suppresses, outbox: Box) -> dict[str, int]:
    """Take numbers off a list."""
    _seen(token, given.account)
    removed = await outbox.unsuppress(given.numbers, **given.list)
    await remember(outbox, token, "suppress remove", account=given.account or "", on=_counted(removed))
    return {"removed": removed}


@routes.get("", response_model=Suppressions, responses=problems(404))
async def listing(  # noqa: PLR0917 - FastAPI passes by name
    token: Reads,
    outbox: Box,
    account: Annotated[str | None, Query(pattern=_ACCOUNT)] = None,
    all_accounts: Annotated[bool, Query(description="List of all accounts instead.")] = False,  # noqa: FBT002 - likewise
    number: Annotated[
        str | None, Query(description="Only the entry that keeps the account from writing to this number.")
    ] = None,
    after: Annotated[str, Query(pattern="^[0-9]{1,19}$", description="`next` of the last answer.")] = "0",
) -> dict[str, Any]:
    """A list, page by page, in no particular order. A page may be empty though others follow: `next` says so."""
    name = named_list(account, all_accounts=all_accounts)
    _seen(token, account)
    if number is not None:
        entry = await outbox.suppressed(number, account=account, all_accounts=all_accounts)
        return {"items": [entry.as_json()] if entry else [], "next": None}
    cursor, entries = await arun(paging(name, after), outbox.state)
    return {"items": [entry.as_json() for entry in entries], "next": None if cursor == "0" else cursor}


def _counted(number: int) -> str:
    return "1 number" if number == 1 else f"{number:,} numbers"


def _seen(token: Token, account: str | None) -> None:
    """Refuse a list that the token may not know of; that of all accounts needs a token for all accounts.

    Raises:
        UnknownAccount: likewise.
    """
    if account is not None:
        seen(token, account)
    elif ANY_ACCOUNT not in token.accounts:
        raise UnknownAccount("the list of all accounts needs a token for all accounts")
