"""Lua scripts as files: loaded once, includes resolved, called by one typed Python function each."""

import hashlib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import NoScriptError, ReadOnlyError

from paceline import names
from paceline.lua.fields import with_codes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import redis
    import redis.asyncio

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


def _raw(client: "redis.Redis") -> "Callable[..., Any]":
    execute: Callable[..., Any] = client.execute_command
    return execute


class Script:
    """One Lua script, run under the root of the client that runs it.

    Args:
        package: the package that ships it.
        name: file name without ``.lua``.
    """

    def __init__(self, package: str, name: str) -> None:
        self.name = name
        self._text = source(package, name)
        self._sha = hashlib.sha1(self._text.encode(), usedforsecurity=False).hexdigest()
        self._known = False

    def plainly(self, root: str, *arguments: str | int) -> tuple[str | int, ...]:
        """The words of the command, for a connection without a client, under a root."""
        return ("EVAL", self._text, 1, root, *arguments)

    def run(self, client: "redis.Redis", *arguments: str | int | bytes) -> Any:
        """Run it on a blocking client; one round trip, also the first time: EVAL teaches the server what EVALSHA then names."""
        if self._known:
            try:
                return client.evalsha(self._sha, 1, root_of(client), *arguments)
            except NoScriptError:
                pass
        reply = client.eval(self._text, 1, root_of(client), *arguments)
        self._known = True
        return reply

    def run_in_bytes(self, client: "redis.Redis", *arguments: str | int | bytes) -> Any:
        """Run it; texts of the reply are bytes, because what others wrote need not be UTF-8."""
        words = (1, root_of(client), *arguments)
        if self._known:
            try:
                return _raw(client)("EVALSHA", self._sha, *words, NEVER_DECODE=True)
            except NoScriptError:
                pass
        reply = _raw(client)("EVAL", self._text, *words, NEVER_DECODE=True)
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
        if self._known:
            try:
                return await client.evalsha(self._sha, 1, root_of(client), *arguments)
            except NoScriptError:
                pass
        reply = await client.eval(self._text, 1, root_of(client), *arguments)
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
