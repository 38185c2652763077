"""Typed calls of hooks.lua: a runner's from its event loop, a person's from the command line."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Final

import redis
from redis.exceptions import RedisError

from paceline import names
from paceline.errors import NotFound, Refusal, StateUnavailable
from paceline.flows.following import Page, reading
from paceline.flows.steps import arun
from paceline.outcomes import place as begin_after
from paceline.state import ANSWER_TIMEOUT_S, translated
from paceline.state.calls import AsyncState
from paceline.state.scripts import Script
from paceline.state.trouble import trouble
from paceline_worker.hooks.event import Event
from paceline_worker.hooks.hook import Hook
from paceline_worker.hooks.stored import DeadEvent, Look, Noted, StoredHook, Taken, dead_event, look_of
from paceline_worker.state.connection import aconnect

_PACKAGE: Final = "paceline_worker"
MOST_WAITING: Final = 50_000


class HookDisabled(Refusal):
    """The hook is disabled, so nothing is posted to it."""


class HookFull(Refusal):
    """Too many events wait for the hook already."""


class LeaseLost(Exception):
    """Another runner serves the hook."""


class RunnerState:
    """A runner's calls, from its event loop.

    Args:
        url: the state server.
        namespace: whose state it is.
        runner: its name.
        lease: how long a hook is its own without another word.
        retention: how long dead events are kept.
    """

    def __init__(
        self, url: str, runner: str, *, lease: timedelta, retention: timedelta, namespace: str = names.NAMESPACE
    ) -> None:
        self.client = aconnect(url, namespace, answer_timeout_s=ANSWER_TIMEOUT_S, connections=16)
        self._runner, self._retention = runner, retention
        self._lease_us = int(lease.total_seconds() * 1_000_000)
        self._script = Script(_PACKAGE, "hooks")
        self._asked = AsyncState(self.client)

    async def claim(self) -> Look:
        """Renew what is held, and take a share of the others."""
        return look_of(str(await self._run("claim", self._runner, self._lease_us)))

    async def leave(self, but: Iterable[str] = ()) -> None:
        """Let others have what is held.

        Args:
            but: hooks that it keeps and renews.
        """
        await self._run("leave", self._runner, self._lease_us, *but)

    async def head(self) -> str:
        """The last entry of the stream."""
        return str(await self._run("head", ""))

    async def page(self, after: str, most: int) -> Page:
        """Entries after a place.

        Raises:
            OutcomesTrimmed: some of them are deleted.
        """
        return await arun(reading(None, begin_after(after), most, receipts=True), self._asked)

    async def put(self, hook: str, before: str, after: str, events: Iterable[Event], *, gap: bool = False) -> None:
        """Keep events, and move the place: both or none.

        Raises:
            LeaseLost: the hook is another's, or its place was moved.
        """
        await self._held("put", hook, self._runner, before, after, "1" if gap else "", *_flat(events))

    async def back(self, hook: str) -> None:
        """Let what state takes for being posted be due.

        Raises:
            LeaseLost: the hook is another's.
        """
        await self._held("back", hook, self._runner)

    async def take(self, hook: str, most: int) -> tuple[list[Taken], float | None]:
        """Events to post, and how many seconds later the next is due.

        Raises:
            LeaseLost: the hook is another's.
        """
        reply = json.loads(await self._held("take", hook, self._runner, most))
        events = [Taken(event, body, int(tries)) for event, body, tries in reply.get("events", ())]
        return events, None if reply["next"] < 0 else reply["next"] / 1000

    async def note(self, hook: str, fields: Mapping[str, str], noted: Iterable[Noted]) -> None:
        """Keep what became of events.

        Args:
            hook: its id.
            fields: of the hook; '' takes one away.
            noted: of each event.

        Raises:
            LeaseLost: the hook is another's, who posts them again.
        """
        flat = [
            text
            for one in noted
            for text in (one.id, one.next.what, str(int(one.next.wait.total_seconds() * 1000)), one.words)
        ]
        retention = int(self._retention.total_seconds() * 1000)
        await self._held("note", hook, self._runner, retention, json.dumps(dict(fields)), *flat)

    async def close(self) -> None:
        """Close the connections."""
        await self.client.aclose()

    async def _held(self, *arguments: str | int) -> str:
        reply = str(await self._run(*arguments))
        if reply in ("lost", "moved"):
            raise LeaseLost
        return reply

    async def _run(self, *arguments: str | int) -> object:
        try:
            return await self._script.arun(self.client, *arguments)
        except (RedisError, OSError) as error:
            raise StateUnavailable(trouble(error)) from error


class HookBook:
    """A person's calls.

    Args:
        client: from `paceline.state.connect`.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._script = Script(_PACKAGE, "hooks")

    def add(self, hook: str, about: Hook, sealed: str, after: str = "") -> bool:
        """Keep a new hook; False when the id is taken."""
        return self._run("add", hook, about.text(), sealed, after) == "done"

    def change(self, hook: str, before: Hook, after: Hook | None = None, *, enabled: bool | None = None) -> None:
        """Change one, enable or disable it.

        Args:
            hook: its id.
            before: as it was read.
            after: as it is to be; only the differences are written, so that another change meanwhile is kept. Default: no change.
            enabled: whether it is enabled. Default: as it is.

        Raises:
            NotFound: there is none of that id.
        """
        known = before.as_json()
        differences = {name: value for name, value in (after or before).as_json().items() if value != known[name]}
        flag = "" if enabled is None else str(int(enabled))
        _known(hook, self._run("change", hook, json.dumps(differences), flag, "by hand"))

    def seal(self, hook: str, serial: int, sealed: str) -> bool:
        """Replace its secrets; False when somebody else did meanwhile.

        Raises:
            NotFound: there is none of that id.
        """
        return _known(hook, self._run("seal", hook, serial, sealed)) == "done"

    def remove(self, hook: str) -> None:
        """Forget a hook and its events.

        Raises:
            NotFound: there is none of that id.
        """
        _known(hook, self._run("remove", hook))

    def all(self, *ids: str) -> Look:
        """All hooks, or those of these ids."""
        return look_of(str(self._run("list", *ids)))

    def one(self, hook: str) -> StoredHook:
        """One hook.

        Raises:
            NotFound: there is none of that id.
        """
        found = self.all(hook).hooks
        if hook not in found:
            _known(hook, "unknown")
        return found[hook]

    @translated
    def secrets(self, hook: str) -> str:
        """Its sealed secrets."""
        return str(self._client.get(f"{getattr(self._client, 'root', names.STATE_ROOT)}:signing:{hook}") or "")

    def queue(self, hook: str, events: Sequence[Event]) -> int:
        """Let events be posted again.

        Raises:
            NotFound: there is no hook of that id.
            HookFull: it takes no more.
        """
        return int(_room(hook, self._run("queue", hook, *_flat(events)))) if events else 0

    def revive(self, hook: str, events: Sequence[str]) -> int:
        """Let dead events be posted again.

        Raises:
            NotFound: there is no hook of that id.
            HookFull: it takes no more.
        """
        return int(_room(hook, self._run("revive", hook, *events))) if events else 0

    def dead(self, hook: str, skipped: int, most: int) -> list[DeadEvent]:
        """Dead events, longest dead first.

        Raises:
            NotFound: there is no hook of that id.
        """
        reply = json.loads(_known(hook, self._run("dead", hook, skipped, most)))
        return [dead_event(*one) for one in reply.get("events", ())]

    @translated
    def _run(self, *arguments: str | int) -> str:
        return str(self._script.run(self._client, *arguments))


def _flat(events: Iterable[Event]) -> list[str]:
    return [text for event in events for text in (event.id, event.order, event.body)]


def _known(hook: str, reply: str) -> str:
    if reply == "unknown":
        raise NotFound(f"no hook {hook!r}: see `paceline hooks list`")
    return reply


def _room(hook: str, reply: str) -> str:
    if _known(hook, reply) == "full":
        raise HookFull(f"{MOST_WAITING:,} events wait for hook {hook} already: repeat the command later")
    return reply
