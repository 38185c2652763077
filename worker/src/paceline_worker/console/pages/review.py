"""Held operations and dead letters: to whom, the last words, and what to do about one, many or all of them."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace as changed
from functools import partial
from typing import Any, Final, TypeVar

from starlette.responses import Response

from paceline.errors import InvalidOperation, NotFound, PacelineError, UnknownAccount
from paceline.state import questions
from paceline.status.view import Status, status_of
from paceline_worker.console.acts import note
from paceline_worker.console.frame import View, act, done, drawn, page
from paceline_worker.review.dead import DeadLetter, DeadList, Match, Replayed, Selection

_Answer = TypeVar("_Answer")
_SHOWN: Final = 50
# Dead letters that one press of a button replays.
_MOST_REPLAYED: Final = 10_000


@page("held.html")
async def held(view: View) -> Mapping[str, Any]:
    """Operations of unknown outcome, the oldest first."""
    account = view.asked("account", 64)
    parts = await view.desk.in_thread(_of_each, view, account, partial(view.desk.held.list, limit=_SHOWN))
    every = (operation for part in parts for operation in part.operations)
    shown = sorted(every, key=lambda operation: operation.since)[:_SHOWN]
    total = sum(part.total for part in parts)
    stories = await _stories(view, [operation.id for operation in shown])
    return {"operations": shown, "stories": stories, "total": total, "account": account}


@act(scope="operate")
async def decide(view: View) -> Response:
    """Release or drop the chosen ones."""
    ids, verb = _chosen(view), view.given("act")
    if verb not in {"release", "drop"}:
        raise InvalidOperation("act: is neither release nor drop")

    desk, decided, kept = view.desk, 0, 0
    reason = view.given("reason")

    for op_id in ids:
        try:
            status = await _visible(view, op_id)
            if verb == "release":
                await desk.in_thread(desk.held.release, op_id)
            else:
                await desk.in_thread(desk.held.drop, op_id, reason=reason)
        except InvalidOperation:
            raise
        except PacelineError:
            if len(ids) == 1:
                raise
            kept += 1
            continue
        await note(view, f"held {verb}", op_id, account=status.account, why=reason)
        decided += 1

    return done(view, "/held", "released" if verb == "release" else "dropped", n=decided, kept=kept)


@page("dead.html")
async def dead(view: View) -> Mapping[str, Any]:
    """Dead letters, the oldest first."""
    match = _match(view.asked)
    letters, total, more = await _listed(view, match)
    stories = await _stories(view, [letter.id for letter in letters])
    return {"letters": letters, "stories": stories, "total": total, "more": more, "match": match}


async def _listed(view: View, match: Match) -> tuple[Sequence[DeadLetter], int | None, bool]:
    def of_account(name: str) -> DeadList:
        return view.desk.dead.list(Match(name, match.campaign, match.code), limit=_SHOWN)

    letters: list[DeadLetter] = []
    total: int | None = 0
    more = False
    for part in await view.desk.in_thread(_of_each, view, match.account, of_account):
        letters += part.letters
        total = None if total is None or part.total is None else total + part.total
        more = more or part.more
    letters.sort(key=lambda letter: letter.since)
    return letters[:_SHOWN], total, more or len(letters) > _SHOWN


@act(scope="operate")
async def replay(view: View) -> Response:
    """Say how many would be replayed, and replay those when that is confirmed."""
    match = _match(lambda name, most=300: view.given(name)[:most])
    chosen = _chosen(view, needed=False)
    if not chosen and view.given("all") != "yes":
        raise InvalidOperation("nothing is chosen: mark letters, or replay all that match")
    for op_id in chosen:
        await _visible(view, op_id)

    counted_us = view.moment("before")
    # Nobody agreed to a count that was never made.
    confirmed = view.given("confirmed") == "yes" and (bool(chosen) or counted_us is not None)
    desk = view.desk
    selections = [] if chosen else await desk.in_thread(_selected, view, match, counted_us if confirmed else None)
    result = await desk.in_thread(_replayed, view, chosen, selections, dry_run=not confirmed)

    if not confirmed:
        context = {"match": match, "chosen": chosen, "result": result, "most": _MOST_REPLAYED}
        before_us = selections[0].before_us if selections else 0
        return drawn(view, "dead-replay.html", context | {"before_us": before_us})
    await note(view, "dead replay", f"{result.replayed} operations", account=match.account)
    return done(view, "/dead", "replayed", n=result.replayed, kept=len(result.refused) + result.gone)


def _selected(view: View, match: Match, counted_us: int | None) -> Sequence[Selection]:
    """What is meant at one moment, which is that of the count when there was one: what died later is not among it."""

    def of_account(name: str) -> Selection:
        return view.desk.dead.select(Match(name, match.campaign, match.code))

    selections = _of_each(view, match.account, of_account)
    moments = [selection.before_us for selection in selections]
    before_us = min(moments if counted_us is None else [*moments, counted_us], default=0)
    return [changed(selection, before_us=before_us) for selection in selections]


def _replayed(view: View, chosen: Sequence[str], selections: Sequence[Selection], *, dry_run: bool) -> Replayed:
    dead_letters, total = view.desk.dead, Replayed()
    if chosen:
        for part in dead_letters.replay(chosen, dry_run=dry_run):
            total += part
        return total
    for selection in selections:
        for part in dead_letters.replay_selected(selection, dry_run=dry_run):
            total += part
            if total.seen >= _MOST_REPLAYED:
                return total
    return total


def _match(asked: Any) -> Match:
    return Match(account=asked("account", 64), campaign=asked("campaign", 64), code=asked("code", 40))


def _of_each(view: View, wanted: str, ask: Callable[[str], _Answer]) -> list[_Answer]:
    """An answer for each account to look at; a token may name some that are not there, or not yet."""
    answers = []
    for name in _accounts(view, wanted):
        try:
            answers.append(ask(name))
        except UnknownAccount:
            if wanted:
                raise
        except NotFound:  # a campaign of another account is missing in the same way: nothing of it is found
            if view.viewer.sees_all:
                raise
    return answers


def _accounts(view: View, wanted: str) -> Sequence[str]:
    """Accounts to look at: '' is all of them."""
    if wanted:
        if not view.viewer.sees(wanted):
            raise UnknownAccount(f"no account named {wanted!r}: see `paceline accounts list`")
        return (wanted,)
    if view.viewer.sees_all:
        return ("",)
    return sorted(view.viewer.token.accounts)


def _chosen(view: View, *, needed: bool = True) -> list[str]:
    ids = [value for value in view.form.getlist("id") if isinstance(value, str)]
    if needed and not ids:
        raise InvalidOperation("nothing is chosen: mark at least one")
    return list(dict.fromkeys(ids))


async def _visible(view: View, op_id: str) -> Status:
    picture = await view.desk.outbox.state.ask(questions.operation(op_id))
    if picture is None or not view.viewer.sees(picture.operation.account):
        raise NotFound(f"no operation {op_id!r}: never accepted, or deleted after its retention time")
    return status_of(picture)


async def _stories(view: View, ids: Sequence[str]) -> Mapping[str, Status]:
    """To whom they were, by id."""
    state = view.desk.outbox.state
    found = await asyncio.gather(*(state.ask(questions.operation(op_id)) for op_id in ids))
    return {op_id: status_of(story) for op_id, story in zip(ids, found, strict=True) if story}
