"""Accounts: what each may send, what it uses, why it does not; suspend and resume."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import Response

from paceline.errors import InvalidOperation, UnknownAccount
from paceline.state import questions
from paceline_worker.console.acts import note
from paceline_worker.console.frame import View, act, done, page
from paceline_worker.console.views import AccountView, account_view

PER_PAGE: Final = 20
_LONGEST_REASON: Final = 160


@page("accounts.html")
async def listing(view: View) -> Mapping[str, Any]:
    """A page of accounts, by name."""
    wanted = view.asked("q", 64)
    state = view.desk.outbox.state
    names = [name for name in await state.ask(questions.accounts()) if view.viewer.sees(name)]
    census = await view.desk.census.look()
    only = view.asked("only")
    if only == "trouble" and census is not None:
        troubled = {
            one.name for one in census.accounts.values() if one.suspended or one.paused or one.breaker == "open"
        }
        names = [name for name in names if name in troubled]
    matching = [name for name in names if wanted.lower() in name.lower()]
    first = view.number("from", 0, max(0, len(matching) - 1), 0) // PER_PAGE * PER_PAGE
    shown = await asyncio.gather(*(_read(view, name) for name in matching[first : first + PER_PAGE]))
    return {
        "accounts": [account for account in shown if account],
        "used": census.used if census else {},
        "readings": census.accounts if census else {},
        "wanted": wanted,
        "only": only,
        "first": first,
        "per_page": PER_PAGE,
        "total": len(matching),
        "known": len(names),
    }


@page("account.html")
async def one(view: View) -> Mapping[str, Any]:
    """One account."""
    account = await _visible(view, view.path["name"])
    census = await view.desk.census.look()
    return {
        "account": account,
        "used": census.used.get(account.name) if census else None,
        "reading": census.accounts.get(account.name) if census else None,
    }


@act(scope="operate")
async def suspend(view: View) -> Response:
    """Stop sending for an account."""
    account = await _visible(view, view.path["name"])
    reason = " ".join(view.given("reason").split()) or "by hand"
    if len(reason) > _LONGEST_REASON:
        raise InvalidOperation(f"reason: has more than {_LONGEST_REASON} characters")
    await view.desk.in_thread(view.desk.accounts.suspend, account.name, reason)
    await note(view, "accounts suspend", account.name, account=account.name, why=reason)
    return done(view, f"/accounts/{account.name}", "suspended")


@act(scope="operate")
async def resume(view: View) -> Response:
    """End a suspension or a throttling pause."""
    account = await _visible(view, view.path["name"])
    await view.desk.in_thread(view.desk.accounts.resume, account.name)
    await note(view, "accounts resume", account.name, account=account.name)
    return done(view, f"/accounts/{account.name}", "account-resumed")


async def _read(view: View, name: str) -> AccountView | None:
    picture = await view.desk.outbox.state.ask(questions.account(name))
    return account_view(picture) if picture else None


async def _visible(view: View, name: str) -> AccountView:
    account = await _read(view, name) if view.viewer.sees(name) else None
    if account is None:
        raise UnknownAccount(f"no account named {name!r}: see `paceline accounts list`")
    return account
