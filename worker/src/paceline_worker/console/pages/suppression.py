"""Suppression lists: whom nobody may write to; look up, add, take off."""

from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import Response

from paceline.errors import InvalidOperation, UnknownAccount
from paceline.flows.steps import arun
from paceline.state import questions
from paceline.suppression.lists import BY_HAND, EVERY_ACCOUNT, Suppression, paging
from paceline_worker.console.acts import note
from paceline_worker.console.frame import View, act, done, page

_MOST_SHOWN: Final = 50
_MOST_GIVEN: Final = 1000
_MOST_NAMES: Final = 500


@page("suppression.html")
async def lists(view: View) -> Mapping[str, Any]:
    """Some entries of one list, and whether a number is on it."""
    state = view.desk.outbox.state
    names = [name for name in await state.ask(questions.accounts()) if view.viewer.sees(name)][:_MOST_NAMES]
    account = _chosen(view, view.asked("account", 64) or (EVERY_ACCOUNT if view.viewer.sees_all else ""))
    number, entry, problem = view.asked("number", 40), None, ""
    entries: list[Suppression] = []
    if account:
        _, entries = await arun(paging(account, "0", _MOST_SHOWN), state)
        if number:
            try:
                entry = await view.desk.outbox.suppressed(number, **_list(account))
            except InvalidOperation as error:
                problem = view.viewer.words(str(error))
    return {
        "names": names,
        "account": account,
        "every": EVERY_ACCOUNT,
        "entries": entries[:_MOST_SHOWN],
        "more": len(entries) >= _MOST_SHOWN,
        "number": number,
        "entry": entry,
        "problem": problem,
    }


@act(scope="suppress")
async def change(view: View) -> Response:
    """Put numbers on a list, or take them off."""
    account, verb = _chosen(view, view.given("account")), view.given("act")
    numbers = view.given("numbers").replace(",", " ").split()
    if not account:
        raise InvalidOperation("account: is empty; choose a list")
    if not numbers or len(numbers) > _MOST_GIVEN:
        raise InvalidOperation(f"numbers: give 1 to {_MOST_GIVEN}; `paceline suppress import` takes a file of any size")
    on = "" if account == EVERY_ACCOUNT else account
    if verb == "remove":
        number = await view.desk.outbox.unsuppress(numbers, **_list(account))
        await note(view, "suppress remove", f"{number} numbers", account=on)
        return done(view, "/suppression", "unsuppressed", n=number)
    reason = view.given("reason") or BY_HAND
    number = await view.desk.outbox.suppress(numbers, reason=reason, **_list(account))
    await note(view, "suppress add", f"{number} numbers", account=on, why=reason)
    return done(view, "/suppression", "suppressed", n=number)


def _chosen(view: View, account: str) -> str:
    """A list that the viewer may know of; that of all accounts needs a token for all accounts."""
    visible = view.viewer.sees_all if account == EVERY_ACCOUNT else not account or view.viewer.sees(account)
    if not visible:
        raise UnknownAccount(f"no account named {account!r}: see `paceline accounts list`")
    return account


def _list(account: str) -> dict[str, Any]:
    """As an outbox takes it."""
    return {"all_accounts": True} if account == EVERY_ACCOUNT else {"account": account}
