"""Lua scripts as files: loaded once, includes resolved, called by one typed Python function each."""

import hashlib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import NoScriptError, RedisError

from paceline import names
from paceline.lua.fields import with_codes
from paceline.shards.routes import route_of
from paceline.state.trouble import LEADS_ASTRAY, REFUSED, TooFewReplicas

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import redis
    import redis.asyncio

    from paceline.shards.paths import Arguments

_INCLUDE: Final = "--@include "

# Scripts that only read, and scripts whose writes may be forgotten: a lost grant is granted again, a heartbeat repeated.
_UNCONFIRMED: Final = frozenset(
    ("clock_set", "gauges", "grant", "heartbeat", "layout", "look", "outcomes", "overdue_records", "public", "records")
) | {"restart_buckets", "restarted", "take", "unreachable", "way"}
# Milliseconds to wait for replicas: within the time that `send()` promises.
_REPLICAS_TIMEOUT_MS: Final = 1000


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
    for line in _read(package, file_name):
        included = line.removeprefix(_INCLUDE).strip()
        if not line.startswith(_INCLUDE):
            yield line
        elif included not in known:
            yield from _resolved(package, included, known)


@cache
def _read(package: str, file_name: str) -> list[str]:
    """The lines of one file, with the codes of fields. Scripts share most of what they include."""
    own = files(package) / "lua" / file_name
    if own.is_file():
        return with_codes(own.read_text("utf-8")).splitlines()
    return _read("paceline", file_name)


def root_of(client: "redis.Redis | redis.asyncio.Redis") -> str:
    """The root of a client's namespace; of a client that has none, the usual one."""
    return str(getattr(client, "root", names.STATE_ROOT))


def _raw(client: "redis.Redis") -> "Callable[..., Any]":
    execute: Callable[..., Any] = client.execute_command
    return execute


def _check_replicas(wanted: int, reply: Any) -> None:
    """Raise unless as many replicas have what was written."""
    if isinstance(reply, Exception):
        raise reply
    if int(reply) < wanted:
        raise TooFewReplicas(
            f"the state server wrote it, and {reply} of {wanted} replicas confirmed that within {_REPLICAS_TIMEOUT_MS / 1000:g} s: "
            "send again with the same idempotency key"
        )


def is_unknown(reply: Any) -> bool:
    """Whether a server did nothing because the script that was named is unknown there, or the shard is elsewhere."""
    return isinstance(reply, (NoScriptError, *REFUSED))


@cache
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
        self._confirms = name not in _UNCONFIRMED

    def _replicas(self, client: Any) -> int:
        """How many replicas are to have what it writes before it is done."""
        return getattr(client, "replicas", 0) if self._confirms else 0

    def plainly(self, root: str, *arguments: str | int) -> tuple[str | int, ...]:
        """The words of the command, for a connection without a client, under a root."""
        return ("EVAL", self._text, 1, root, *arguments)

    def words(self, root: str, arguments: "Arguments", *, teaches: bool) -> "tuple[str | int | bytes, ...]":
        """The words of the command, for a pipeline to one server.

        Args:
            root: of the shard.
            arguments: after the root.
            teaches: whether the server does not know the script yet; else a server that does not know it says so.
        """
        named = ("EVAL", self._text) if teaches and not self._known else ("EVALSHA", self._sha)
        return (*named, 1, root, *arguments)

    def taught(self) -> None:
        """Each server that was asked knows the script now."""
        self._known = True

    def waits(self, client: Any) -> bool:
        """Whether replicas are to have what it writes, so that it runs in no pipeline with others."""
        return self._replicas(client) > 0

    def run(self, client: "redis.Redis", *arguments: str | int | bytes) -> Any:
        """Run it on a blocking client; one round trip, also the first time: EVAL teaches the server what EVALSHA then names."""
        if self.route and shards().layout_of(client).count > 1:
            return routing().routed(self, client, arguments)
        if replicas := self._replicas(client):
            return self._run_confirmed(client, replicas, arguments)
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
        if self.route and shards().layout_of(client).count > 1:
            return routing().routed(self, client, arguments, in_bytes=True)
        if replicas := self._replicas(client):
            return self._run_confirmed(client, replicas, arguments, NEVER_DECODE=True)
        words = (1, root_of(client), *arguments)
        if self._known:
            try:
                return _raw(client)("EVALSHA", self._sha, *words, NEVER_DECODE=True)
            except NoScriptError:
                pass
        reply = _raw(client)("EVAL", self._text, *words, NEVER_DECODE=True)
        self._known = True
        return reply

    def _run_confirmed(
        self, client: "redis.Redis", replicas: int, arguments: "Sequence[str | int | bytes]", **options: Any
    ) -> Any:
        """Run it, and wait for replicas on the same connection, in one round trip."""
        for is_last in (False, True):
            with client.pipeline(transaction=False) as pipeline:
                run, text = ("EVALSHA", self._sha) if self._known and not is_last else ("EVAL", self._text)
                _raw(pipeline)(run, text, 1, root_of(client), *arguments, **options)
                pipeline.wait(replicas, _REPLICAS_TIMEOUT_MS)
                reply, confirmed = pipeline.execute(raise_on_error=False)
            if isinstance(reply, LEADS_ASTRAY):
                client.connection_pool.disconnect()
            if not is_last and isinstance(reply, (NoScriptError, *REFUSED)):
                continue
            if isinstance(reply, Exception):
                raise reply
            self._known = True
            _check_replicas(replicas, confirmed)
            return reply
        raise AssertionError

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
            return [routing().routed(self, client, arguments) for arguments in calls]
        root, replicas = root_of(client), self._replicas(client)
        with client.pipeline(transaction=False) as pipeline:
            for number, arguments in enumerate(calls):
                # The first EVAL of a pipeline teaches the server what all others of the same pipeline name.
                is_known = number or self._known
                run, text = (pipeline.evalsha, self._sha) if is_known else (pipeline.eval, self._text)
                run(text, 1, root, *arguments)
            if replicas:
                pipeline.wait(replicas, _REPLICAS_TIMEOUT_MS)
            # Raised here: redis-py would put the whole command, script and all, into the message.
            replies = pipeline.execute(raise_on_error=False)
        confirmed = replies.pop() if replicas else 0

        if any(isinstance(reply, LEADS_ASTRAY) for reply in replies):
            client.connection_pool.disconnect()
        for number, reply in enumerate(replies):
            if is_unknown(reply):
                replies[number] = self.run(client, *calls[number])
            elif isinstance(reply, Exception):
                raise reply
        self._known = True
        _check_replicas(replicas, confirmed)
        return list(replies)

    async def arun(self, client: "redis.asyncio.Redis", *arguments: str | int | bytes) -> Any:
        """The same on an asyncio client."""
        if self.route and (await shards().alayout_of(client)).count > 1:
            return await routing().arouted(self, client, arguments)
        if self._replicas(client):
            [reply] = await self.arun_many(client, [arguments])
            if isinstance(reply, Exception):
                raise reply
            return reply
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
        if self.route and (await shards().alayout_of(client)).count > 1:
            some: list[Any] = await routing().gathered(self, client, calls)
            return some
        root, replicas = root_of(client), self._replicas(client)
        async with client.pipeline(transaction=False) as pipeline:
            for number, arguments in enumerate(calls):
                teaches = number == 0 and not self._known
                run, text = (pipeline.eval, self._text) if teaches else (pipeline.evalsha, self._sha)
                run(text, 1, root, *arguments)
            if replicas:
                pipeline.wait(replicas, _REPLICAS_TIMEOUT_MS)
            replies: list[Any] = await pipeline.execute(raise_on_error=False)
        confirmed = replies.pop() if replicas else 0
        self._known = True

        if any(isinstance(reply, LEADS_ASTRAY) for reply in replies):
            await client.connection_pool.disconnect(inuse_connections=False)
        for number, reply in enumerate(replies):
            if isinstance(reply, (NoScriptError, *REFUSED)):
                replies[number] = await self._again(client, replicas, calls[number])
        try:
            _check_replicas(replicas, confirmed)
        except RedisError as error:
            return [reply if isinstance(reply, Exception) else error for reply in replies]
        return replies

    async def _again(
        self, client: "redis.asyncio.Redis", replicas: int, arguments: "Sequence[str | int | bytes]"
    ) -> Any:
        """Run it where the server did nothing of it; an exception where that fails, too."""
        async with client.pipeline(transaction=False) as pipeline:
            pipeline.eval(self._text, 1, root_of(client), *arguments)
            if replicas:
                pipeline.wait(replicas, _REPLICAS_TIMEOUT_MS)
            reply, *confirmed = await pipeline.execute(raise_on_error=False)
        try:
            _check_replicas(replicas, confirmed[0] if replicas else 0)
        except RedisError as error:
            return reply if isinstance(reply, Exception) else error
        return reply


@cache
def shards() -> Any:
    """The module that knows the layout of state, which needs this one."""
    from paceline.state import shards as module  # noqa: PLC0415

    return module


@cache
def routing() -> Any:
    """The module that carries routes out, which needs this one."""
    from paceline.state import routing as module  # noqa: PLC0415

    return module
