"""Operations: found by id, key, row of a campaign, recipient or outcome; the story of one, and why it waits."""

import re
import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from starlette.responses import Response

from paceline.errors import InvalidOperation, NotFound, OutcomesTrimmed
from paceline.flows.following import reading
from paceline.flows.sending import finding
from paceline.flows.steps import arun
from paceline.literals import OUTCOMES
from paceline.recipients.numbers import phone_number
from paceline.status.entry import OutcomeEntry
from paceline.status.view import Status
from paceline_worker.console.acts import note
from paceline_worker.console.frame import ROOT, View, act, done, page

_ID: Final = re.compile(r"[0-9a-hjkmnp-tv-z]{26}")
# One part of a search takes at most so long; the browser asks for the next part.
_PART_S: Final = 0.1
_MOST_FOUND: Final = 50
_PAGE: Final = 500
_BY: Final = ("id", "recipient", "key", "row", "outcome")


@page("operations.html")
async def search(view: View) -> Mapping[str, Any]:
    """The form, and what was found."""
    by = view.asked("by")
    by = by if by in _BY else "id"
    context: dict[str, Any] = {
        "by": by,
        "found": None,
        "entries": None,
        "next": None,
        "looked": view.number("looked", 0, 10**9, 0),
        "outcomes": OUTCOMES,
        "problem": "",
    }
    if not any(view.asked(name) for name in ("id", "to", "key", "row", "outcome")):
        return context
    try:
        return context | await _searched(view, by)
    except InvalidOperation as error:
        return context | {"problem": view.viewer.words(str(error))}


@page("parts/found.html")
async def more(view: View) -> Mapping[str, Any]:
    """The next part of a search."""
    by = view.asked("by")
    context = {"by": by, "found": None, "entries": None, "next": None, "looked": view.number("looked", 0, 10**9, 0)}
    return context | await _searched(view, by)


async def _searched(view: View, by: str) -> dict[str, Any]:
    match by:
        case "recipient":
            return await _to(view)
        case "outcome":
            return await _with_outcome(view)
    return {"found": await _exact(view, by)}


async def _exact(view: View, by: str) -> list[Status]:
    outbox = view.desk.outbox
    account, campaign = view.asked("account"), view.asked("campaign")
    try:
        match by:
            case "key":
                if not account:
                    raise InvalidOperation("account: is empty; a key belongs to an account")
                status = await outbox.status_by_key(account, view.asked("key"))
            case "row":
                if not campaign:
                    raise InvalidOperation("campaign: is empty; a row belongs to a campaign")
                status = await outbox.status_of_row(campaign, view.asked("row"))
            case _:
                if not _ID.fullmatch(view.asked("id")):
                    raise InvalidOperation("id: an id has 26 letters and digits, such as 01k0zxw5d3v8m2c7r4q9n6t1ea")
                status = await outbox.status(view.asked("id"))
    except NotFound:
        return []
    return [status] if view.viewer.sees(status.account) else []


async def _to(view: View) -> dict[str, Any]:
    try:
        to = phone_number(view.asked("to")) if view.asked("to").startswith("+") else view.asked("to")
    except ValueError as error:
        raise InvalidOperation(f"to: {error}") from None

    cursor, looked = view.asked("after") or "0", view.number("looked", 0, 10**9, 0)
    if not cursor.isascii() or not cursor.isdecimal() or len(cursor) > 19:
        raise InvalidOperation("after: is not a place in a search")

    found: list[Status] = []
    began = time.monotonic()

    while True:
        cursor, statuses = await arun(finding(cursor, to, view.asked("account")), view.desk.outbox.state)
        found += [status for status in statuses if view.viewer.sees(status.account)]
        looked += _PAGE
        if cursor == "0" or len(found) >= _MOST_FOUND or time.monotonic() - began > _PART_S:
            break

    rest = {"by": "recipient", "to": to, "account": view.asked("account"), "after": cursor, "looked": looked}
    return {
        "found": found,
        "looked": looked,
        "next": None if cursor == "0" else f"{ROOT}/operations/more?{urlencode(rest)}",
    }


async def _with_outcome(view: View) -> dict[str, Any]:
    outcome, campaign, account = view.asked("outcome"), view.asked("campaign"), view.asked("account")
    begin, looked = view.asked("after") or "-", view.number("looked", 0, 10**9, 0)
    if begin != "-" and not re.fullmatch(r"[0-9]{1,18}-[0-9]{1,18}", begin):
        raise InvalidOperation("after: is not a place in a search")

    begin = begin if begin == "-" else f"({begin}"
    entries: list[OutcomeEntry] = []
    began = time.monotonic()

    try:
        while True:
            part = await arun(reading(campaign or None, begin, _PAGE), view.desk.outbox.state)
            entries += [entry for entry in part.entries if _fits(view, entry, outcome, account)]
            begin, looked = part.next, looked + len(part.entries)
            if not part.more or len(entries) >= _MOST_FOUND or time.monotonic() - began > _PART_S:
                break
    except OutcomesTrimmed as error:
        raise InvalidOperation(f"after: {error}; search again") from None

    rest = {"by": "outcome", "outcome": outcome, "campaign": campaign, "account": account}
    rest |= {"after": begin.removeprefix("("), "looked": str(looked)}
    return {
        "entries": entries,
        "looked": looked,
        "next": f"{ROOT}/operations/more?{urlencode(rest)}" if part.more else None,
    }


def _fits(view: View, entry: OutcomeEntry, outcome: str, account: str) -> bool:
    meant = entry.outcome == outcome and (not account or entry.account == account)
    return meant and not entry.is_final and view.viewer.sees(entry.account)


@page("operation.html")
async def one(view: View) -> Mapping[str, Any]:
    """One operation: where it is, why, and its story."""
    return {"status": await visible(view, view.path["id"])}


async def visible(view: View, op_id: str) -> Status:
    """An operation that the viewer may know of.

    Raises:
        NotFound: there is none.
    """
    status = await view.desk.outbox.status(op_id)
    if not view.viewer.sees(status.account):
        raise NotFound(f"no operation {op_id!r}: never accepted, or deleted after its retention time")
    return status


@act(scope="send")
async def cancel(view: View) -> Response:
    """Let an operation that has not begun never begin."""
    status = await visible(view, view.path["id"])
    await view.desk.outbox.cancel(status.id, f"by {view.viewer.token.name}")
    await note(view, "cancel", status.id, account=status.account)
    return done(view, f"/operations/{status.id}", "cancelled")
