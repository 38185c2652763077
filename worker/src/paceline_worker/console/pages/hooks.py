"""Hooks: where events are posted, what fails, events that were given up; enable, disable, replay."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit, urlunsplit

from starlette.responses import Response

from paceline.errors import InvalidOperation, NotFound
from paceline.outcomes import is_before
from paceline.times import instant, microseconds
from paceline_worker.console.acts import note
from paceline_worker.console.frame import View, act, done, drawn, page
from paceline_worker.hooks.hook import ANY_ACCOUNT, EVENT_TYPES
from paceline_worker.hooks.review import HookState, dead_since, events_of, queue, revive, state_of
from paceline_worker.hooks.stored import DeadEvent, StoredHook

if TYPE_CHECKING:
    from paceline_worker.hooks.state import HookBook

PER_PAGE: Final = 50
# Events that one press of a button replays.
MOST_REPLAYED: Final = 10_000
SPANS: Final[Mapping[str, timedelta]] = {
    "1 h": timedelta(hours=1),
    "6 h": timedelta(hours=6),
    "24 h": timedelta(days=1),
    "3 d": timedelta(days=3),
    "7 d": timedelta(days=7),
}


@dataclass(frozen=True, slots=True)
class HookView:
    """A hook as pages show it.

    Args:
        stored: as state has it; its secret is not read.
        state: whether events are posted.
        url: where they go; without what follows a question mark unless the viewer may change hooks.
        accounts: names, or ``*``.
        events: types of events.
    """

    stored: StoredHook
    state: HookState
    url: str
    accounts: str
    events: str


@dataclass(frozen=True, slots=True)
class DeadView:
    """An event that was given up.

    Args:
        event: as state has it.
        type: of the event.
        operation: the operation it is about, or ''.
        campaign: its campaign, or ''.
    """

    event: DeadEvent
    type: str
    operation: str
    campaign: str


async def visible_hooks(view: View) -> Sequence[StoredHook]:
    """Hooks whose accounts the viewer may all know of, by id.

    Args:
        view: the request.
    """
    look = await view.desk.in_thread(view.desk.hooks.all)
    return [hook for hook in look.hooks.values() if _sees(view, hook)]


@page("hooks.html")
async def listing(view: View) -> Mapping[str, Any]:
    """All hooks."""
    look = await view.desk.in_thread(view.desk.hooks.all)
    hooks = [_shown(view, hook) for hook in look.hooks.values() if _sees(view, hook)]
    return {"hooks": hooks, "runners": look.runners}


@page("hook.html")
async def one(view: View) -> Mapping[str, Any]:
    """One hook with its dead events."""
    hook = await _visible(view)
    dead = await view.desk.in_thread(view.desk.hooks.dead, hook.id, 0, PER_PAGE)
    return {"hook": _shown(view, hook), "dead": [_dead(event) for event in dead], "spans": list(SPANS)}


@act(scope="operate")
async def switch(view: View) -> Response:
    """Enable or disable a hook."""
    hook, verb = await _visible(view), view.path["verb"]
    if verb not in {"enable", "disable"}:
        raise NotFound(f"no act named {verb!r}")
    await view.desk.in_thread(view.desk.hooks.change, hook.id, hook.hook, enabled=verb == "enable")
    await note(view, f"hooks {verb}", hook.id)
    return done(view, f"/hooks/{hook.id}", f"hook-{verb}d")


@act(scope="operate")
async def replay(view: View) -> Response:
    """Say how many events would be posted again, and do it when that is confirmed."""
    hook = await _visible(view)
    chosen = [value for value in view.form.getlist("id") if isinstance(value, str)]
    which, since = view.given("which"), view.given("since")
    if not chosen and (which not in {"dead", "all"} or since not in SPANS):
        raise InvalidOperation("nothing is chosen: mark events, or choose which ones and since when")

    before_us = view.moment("before")
    # Nobody agreed to a count that was never made.
    confirmed = view.given("confirmed") == "yes" and (bool(chosen) or before_us is not None)
    if not confirmed or before_us is None:
        look = await view.desk.in_thread(view.desk.hooks.all, hook.id)
        before_us = (look.now_ms + 1) * 1000

    wanted = _Wanted(tuple(chosen), which, SPANS.get(since, timedelta(0)), instant(before_us))
    number = await view.desk.in_thread(_replayed, view, hook.id, wanted, dry_run=not confirmed)

    if not confirmed:
        asked = {"hook": hook, "number": number, "chosen": chosen, "which": which, "since": since}
        return drawn(view, "hook-replay.html", asked | {"most": MOST_REPLAYED, "before_us": before_us})
    await note(view, "hooks replay", f"{hook.id}: {number} events")
    return done(view, f"/hooks/{hook.id}", "hook-replayed", n=number)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Events to post again: the chosen dead ones; else dead ones, or all, of the span before the count."""

    chosen: tuple[str, ...]
    which: str
    span: timedelta
    before: datetime


def _replayed(view: View, hook: str, wanted: _Wanted, *, dry_run: bool) -> int:
    book: HookBook = view.desk.hooks
    if wanted.chosen:
        return len(wanted.chosen) if dry_run else revive(book, hook, wanted.chosen)
    since = wanted.before - wanted.span
    given_up = dead_since(book, hook, since, MOST_REPLAYED, before=wanted.before)
    number = len(given_up) if dry_run else revive(book, hook, given_up)
    if wanted.which == "all":
        end = f"{microseconds(wanted.before) // 1000}-0"
        entries = takewhile(
            lambda entry: is_before(entry.entry_id, end), view.desk.stream.each(since=since, receipts=True)
        )
        known = set(given_up)
        events = (
            event for event in events_of(book, hook, entries, MOST_REPLAYED - len(given_up)) if event.id not in known
        )
        number += sum(1 for _ in events) if dry_run else queue(book, hook, events)
    return number


async def _visible(view: View) -> StoredHook:
    hook = await view.desk.in_thread(view.desk.hooks.one, view.path["id"])
    if not _sees(view, hook):
        raise NotFound(f"no hook {view.path['id']!r}: see `paceline hooks list`")
    return hook


def _sees(view: View, hook: StoredHook) -> bool:
    """Whether the viewer may know of all accounts of a hook."""
    if ANY_ACCOUNT in hook.hook.accounts:
        return view.viewer.sees_all
    return all(map(view.viewer.sees, hook.hook.accounts))


def _shown(view: View, stored: StoredHook) -> HookView:
    parts = urlsplit(stored.hook.url)
    # What follows a question mark may be a password of the receiver's.
    query = parts.query if view.viewer.may("operate") else "•••" if parts.query else ""
    return HookView(
        stored=stored,
        state=state_of(stored),
        url=urlunsplit(parts._replace(query=query)),
        accounts="all accounts" if ANY_ACCOUNT in stored.hook.accounts else ", ".join(sorted(stored.hook.accounts)),
        events=", ".join(event for event in EVENT_TYPES if event in stored.hook.events),
    )


def _dead(event: DeadEvent) -> DeadView:
    body = json.loads(event.body)
    data = body.get("data") or {}
    return DeadView(event, str(body.get("type") or ""), str(data.get("id") or ""), str(data.get("campaign") or ""))
