"""Lua scripts as files: loaded once, includes resolved, called by one typed Python function each."""

import hashlib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import NoScriptError, ReadOnlyError

from paceline import names
from paceline.lua.fields import with_codes
from paceline.shards.routes import route_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import redis
    import redis.asyncio

    from paceline.shards.paths import Arguments

_INCLUDE: Final = "--@include "


@cache
def source(package: str, name: str) -> str:
    """The text of a script with its includes put in place.

    Args:
        package: the package whose ``lua`` folder holds it; includes may also come from ``paceline``.
        name: file name without ``.lua``.

    Returns:
        One self-contained Lua text.
    """
    return "\n".join(_resolved(package, f"{name}.lua", set()))


def _resolved(package: str, file_name: str, known: set[str]) -> "Iterator[str]":
    """The lines of a file; what it includes stands where it is first asked for, once."""
    known.add(file_name)
    for line in _read(package, file_name).splitlines():
        included = line.removeprefix(_INCLUDE).strip()
        if not line.startswith(_INCLUDE):
            yield line
        elif included not in known:
            yield from _resolved(package, included, known)


def _read(package: str, file_name: str) -> str:
    own = files(package) / "lua" / file_name
    text = (own if own.is_file() else files("paceline") / "lua" / file_name).read_text("utf-8")
    return with_codes(text)


def root_of(client: "redis.Redis | redis.asyncio.Redis") -> str:
    """The root of a client's namespace; of a client that has none, the usual one."""
    return str(getattr(client, "root", names.STATE_ROOT))


def is_unknown(reply: Any) -> bool:
    """Whether a server does not know the script that was named."""
    return isinstance(reply, NoScriptError)


def as_bytes(in_bytes: bool) -> dict[str, bool]:  # noqa: FBT001 - a value that is passed on
    """Options of a command whose reply is wanted as bytes."""
    return {"NEVER_DECODE": True} if in_bytes else {}


def of_the_thin_package(name: str) -> "Script":
    """A script that others need on their way, seldom."""
    return Script("paceline", name)


class Script:
    """One Lua script, run under the root of the client that runs it, or where its route through the shards leads.

    Args:
        package: the package that ships it.
        name: file name without ``.lua``.
    """

    def __init__(self, package: str, name: str) -> None:
        self.name = name
        self.route = route_of(package, name)
        self._text = source(package, name)
        self._sha = hashlib.sha1(self._text.encode(), usedforsecurity=False).hexdigest()
        self._known = False

    def plainly(self, root: str, *arguments: str | int) -> tuple[str | int, ...]:
        """The words of the command, for a connection without a client, under a root."""
        return ("EVAL", self._text, 1, root, *arguments)

    def words(self, root: str, arguments: "Arguments") -> "tuple[str | int | bytes, ...]":
        """The words of the command, for a pipeline. The first ones teach the server; a server that does not know them says so."""
        named = ("EVALSHA", self._sha) if self._known else ("EVAL", self._text)
        self._known = True
        return (*named, 1, root, *arguments)

    def run(self, client: "redis.Redis", *arguments: str | int | bytes) -> Any:
        """Run it on a blocking client; one round trip, also the first time: EVAL teaches the server what EVALSHA then names."""
        if self.route and shards().layout_of(client).count > 1:
            return shards().routed(self, client, arguments)
        return self.run_at(client, root_of(client), arguments)

    def run_in_bytes(self, client: "redis.Redis", *arguments: str | int | bytes) -> Any:
        """Run it; texts of the reply are bytes, because what others wrote need not be UTF-8."""
        if self.route and shards().layout_of(client).count > 1:
            return shards().routed(self, client, arguments, in_bytes=True)
        return self.run_at(client, root_of(client), arguments, in_bytes=True)

    def run_at(self, client: "redis.Redis", root: str, arguments: "Arguments", *, in_bytes: bool = False) -> Any:
        """Run it under a root."""
        execute: Callable[..., Any] = client.execute_command
        if self._known:
            try:
                return execute("EVALSHA", self._sha, 1, root, *arguments, **as_bytes(in_bytes))
            except NoScriptError:
                pass
        reply = execute("EVAL", self._text, 1, root, *arguments, **as_bytes(in_bytes))
        self._known = True
        return reply

    def run_many(self, client: "redis.Redis", calls: "Sequence[Sequence[str | int | bytes]]") -> list[Any]:
        """Run it once per call, all in one round trip; other clients' commands may come in between.

        Args:
            client: a blocking client.
            calls: the arguments of each call.

        Returns:
            The replies, in the order of the calls.

        Raises:
            RedisError: the server refused a call; the others are made all the same.
        """
        if self.route and shards().layout_of(client).count > 1:
            return [shards().routed(self, client, arguments) for arguments in calls]
        root = root_of(client)
        with client.pipeline(transaction=False) as pipeline:
            for number, arguments in enumerate(calls):
                # The first EVAL of a pipeline teaches the server what all others of the same pipeline name.
                run, text = (pipeline.evalsha, self._sha) if number else (pipeline.eval, self._text)
                run(text, 1, root, *arguments)
            # Raised here: redis-py would put the whole command, script and all, into the message.
            replies = pipeline.execute(raise_on_error=False)
        for reply in replies:
            if isinstance(reply, ReadOnlyError):
                client.connection_pool.disconnect()
            if isinstance(reply, Exception):
                raise reply
        return list(replies)

    async def arun(self, client: "redis.asyncio.Redis", *arguments: str | int | bytes) -> Any:
        """The same on an asyncio client."""
        if self.route and (await shards().alayout_of(client)).count > 1:
            return await shards().arouted(self, client, arguments)
        return await self.arun_at(client, root_of(client), arguments)

    async def arun_at(self, client: "redis.asyncio.Redis", root: str, arguments: "Arguments") -> Any:
        """Run it under a root on an asyncio client."""
        if self._known:
            try:
                return await client.evalsha(self._sha, 1, root, *arguments)
            except NoScriptError:
                pass
        reply = await client.eval(self._text, 1, root, *arguments)
        self._known = True
        return reply

    async def arun_many(
        self, client: "redis.asyncio.Redis", calls: "Sequence[Sequence[str | int | bytes]]"
    ) -> list[Any]:
        """Run it once per call on an asyncio client, all in one round trip.

        Args:
            client: an asyncio client.
            calls: the arguments of each call.

        Returns:
            The reply of each call, in their order; an exception where the server refused one.
        """
        if self.route and (await shards().alayout_of(client)).count > 1:
            some: list[Any] = await shards().gathered(self, client, calls)
            return some
        root = root_of(client)
        async with client.pipeline(transaction=False) as pipeline:
            for number, arguments in enumerate(calls):
                teaches = number == 0 and not self._known
                run, text = (pipeline.eval, self._text) if teaches else (pipeline.evalsha, self._sha)
                run(text, 1, root, *arguments)
            replies: list[Any] = await pipeline.execute(raise_on_error=False)
        self._known = True

        missing = [number for number, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        for number in missing:
            replies[number] = await client.eval(self._text, 1, root, *calls[number])
        return replies


@cache
def shards() -> Any:
    """The module that leads calls through the shards, which needs this one."""
    from paceline.state import shards as module  # noqa: PLC0415

    return module
