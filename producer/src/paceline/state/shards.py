"""A client of one shard, the layout of state as a client knows it, and calls that go through the shards."""

import asyncio
import copy
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from redis.exceptions import NoPermissionError, RedisError, ResponseError

from paceline import names
from paceline.errors import ConfigurationError
from paceline.shards.layout import ALONE, Layout, read_layout
from paceline.state import scripts
from paceline.state.connections import SHARD_CLIENTS, pool_under
from paceline.state.trouble import of_shard

if TYPE_CHECKING:
    import redis
    import redis.asyncio

    from paceline.shards.paths import Arguments, Call, Path
    from paceline.state.scripts import Script

_T = TypeVar("_T")
_Client = TypeVar("_Client", bound=Any)

# State of one shard may turn out to be created with several, after it was looked at while empty.
_ALONE_FOR_S: Final = 60.0
# In place of the reply to a call that is made alone: it waits for replicas.
_ALONE: Final = object()
_OVER_US: Final = 2_000_000
# What Redis and Valkey say of a script whose user may not read a key.
_REFUSED: Final = re.compile(r"can't access|[Nn]o permissions to access")
_INSTEAD: Final = "follow outcomes instead, as `paceline outcomes --follow` does"
# The attribute of a client that holds what it knows.
_KNOWN: Final = "paceline_layout"


@dataclass(frozen=True, slots=True)
class _Known:
    layout: Layout
    until_s: float


_FOR_EVER: Final = _Known(ALONE, float("inf"))


def at(client: _Client, shard: int) -> _Client:
    """A client of one shard, over the same connections. Closing it is not needed.

    Args:
        client: of the whole state, blocking or asyncio.
        shard: its number.
    """
    clients: dict[int, Any] = vars(client).setdefault(SHARD_CLIENTS, {})
    if shard not in clients:
        alone = copy.copy(client)
        alone.auto_close_connection_pool = False
        alone.root = root_at(client, shard)
        # Of a cluster, connections to the node that has the shard.
        alone.connection_pool = pool_under(client.connection_pool, alone.root)
        vars(alone)[_KNOWN] = _FOR_EVER
        vars(alone)[SHARD_CLIENTS] = {}
        clients[shard] = alone
    return clients[shard]  # type: ignore[no-any-return]


def root_at(client: Any, shard: int) -> str:
    """The root of a shard, in the namespace of a client."""
    return names.state_root(scripts.root_of(client).rpartition(":")[0], shard)


def each_shard(client: "redis.Redis") -> "list[redis.Redis]":
    """A client of each shard; of state with one shard, the client."""
    layout = layout_of(client)
    return [at(client, shard) for shard in layout.shards] if layout.count > 1 else [client]


def at_each_server(client: "redis.Redis", act: "Callable[[redis.Redis], _T]") -> list[_T]:
    """Do something once on each server of the state, with a client of a shard that lies there.

    Raises:
        RedisError, OSError: a server is in trouble; `trouble` names its shard.
    """
    done: dict[Any, _T] = {}
    for shard, own in enumerate(each_shard(client)):
        guide = own.connection_pool.connection_kwargs.get("guide")
        with _naming(client, shard):
            if guide is not None and guide.place is None:
                own.ping()
            place = guide.place if guide is not None else None
            if place not in done:
                done[place] = act(own)
    return list(done.values())


def layout_of(client: "redis.Redis") -> Layout:
    """The layout as a client knows it; asks state the first time."""
    known: _Known | None = getattr(client, _KNOWN, None)
    if known is None or known.until_s < time.monotonic():
        return fresh_layout(client)
    return known.layout


def fresh_layout(client: "redis.Redis") -> Layout:
    """The layout as state tells it now; a pipeline, which has no replies yet, goes to one shard."""
    if hasattr(client, "command_stack"):
        return _learnt(client, None)
    try:
        return _learnt(client, _layout().run(client, "read"))
    except ResponseError as error:
        if not _is_refusal(error):
            raise
        return _learnt(client, None)


async def alayout_of(client: "redis.asyncio.Redis") -> Layout:
    """As `layout_of`."""
    known: _Known | None = getattr(client, _KNOWN, None)
    if known is None or known.until_s < time.monotonic():
        return await afresh_layout(client)
    return known.layout


async def afresh_layout(client: "redis.asyncio.Redis") -> Layout:
    """As `fresh_layout`."""
    try:
        return _learnt(client, await _layout().arun(client, "read"))
    except ResponseError as error:
        if not _is_refusal(error):
            raise
        return _learnt(client, None)


def _is_refusal(error: ResponseError) -> bool:
    """Whether a server's user may not read the directory: it was made for one shard."""
    return isinstance(error, NoPermissionError) or _REFUSED.search(str(error)) is not None


def _learnt(client: Any, flat: Sequence[Any] | None) -> Layout:
    if flat is None:
        vars(client)[_KNOWN] = _FOR_EVER
        return ALONE
    before: _Known | None = getattr(client, _KNOWN, None)
    layout = read_layout(flat)
    if before and before.layout.version == layout.version and before.layout.count == layout.count:
        layout = before.layout  # with the places that it remembers
    until_s = float("inf") if layout.count > 1 else time.monotonic() + _ALONE_FOR_S
    vars(client)[_KNOWN] = _Known(layout, until_s)
    return layout


def with_campaign(client: "redis.Redis", name: str) -> "redis.Redis":
    """A client of the shard that has a campaign which this client has just read; of state with one shard, the client."""
    layout = layout_of(client)
    return at(client, layout.places.get(name, 0)) if layout.count > 1 else client


def hint_of(client: Any, rid: str) -> str:
    """What a hint says of a record that a client wrote: its id, and its shard unless that is shard 0."""
    known: _Known | None = getattr(client, _KNOWN, None)
    shard = known.layout.places.get(rid, 0) if known else 0
    return f"{rid}@{shard}" if shard else rid


def create(client: "redis.Redis", count: int) -> int:
    """Decide over how many shards state is spread, unless that was decided before.

    Args:
        client: the state server.
        count: how many; 0: whatever state has.

    Returns:
        How many there are.

    Raises:
        ConfigurationError: state has another number.
    """
    if not count:
        return fresh_layout(client).count
    known = int(_script("directory").run(client, "create", count))
    vars(client).pop(_KNOWN, None)
    if known != count:
        raise ConfigurationError(
            f"state has {known:,} {'shard' if known == 1 else 'shards'}, not {count:,}, and the number is fixed when state is"
            f" created: set {names.ENV_SHARDS}={known}, or leave it out"
        )
    return known


def granters(client: "redis.Redis") -> dict[int, str]:
    """The worker that grants for each shard, as far as one does."""
    flat = _layout().run(client, "leases")
    now_us = time.time() * 1e6
    held: dict[int, str] = {}
    for shard, text in zip(flat[::2], flat[1::2], strict=True):
        worker, until_us, _ = str(text).rsplit("|", 2)
        # Clocks may differ by a second; a lease that ended is that of a worker that is gone.
        if int(until_us) > now_us - _OVER_US:
            held[int(shard)] = worker
    return held


def require_one(client: "redis.Redis", what: str) -> None:
    """Refuse what works with one shard only.

    Raises:
        ConfigurationError: state has several.
    """
    count = layout_of(client).count
    if count > 1:
        raise ConfigurationError(f"{what} need state of one shard, and this state has {count:,}: {_INSTEAD}")


def routed(script: "Script", client: "redis.Redis", arguments: "Arguments", *, in_bytes: bool = False) -> Any:
    """Run a script where its route leads.

    Args:
        script: one that has a route.
        client: of the whole state.
        arguments: after the root.
        in_bytes: texts of the replies are bytes.
    """
    path: Path = script.route(arguments, layout_of(client))  # type: ignore[misc]
    answer: Any = None
    while True:
        try:
            step = path.send(answer)
        except StopIteration as end:
            return end.value
        answer = fresh_layout(client) if step is None else _asked(client, script, step, in_bytes=in_bytes)


async def arouted(script: "Script", client: "redis.asyncio.Redis", arguments: "Arguments") -> Any:
    """As `routed`, on an event loop."""
    path: Path = script.route(arguments, await alayout_of(client))  # type: ignore[misc]
    answer: Any = None
    while True:
        try:
            step = path.send(answer)
        except StopIteration as end:
            return end.value
        answer = await (afresh_layout(client) if step is None else _aasked(client, script, step))


def _asked(client: "redis.Redis", script: "Script", calls: "Sequence[Call]", *, in_bytes: bool) -> list[Any]:
    """The replies of a round trip to each server; an exception where one did not come."""
    if len(calls) == 1:
        with _naming(client, calls[0].shard):
            return [_run(_of(script, calls[0]), at(client, calls[0].shard), calls[0].arguments, in_bytes=in_bytes)]
    replies: list[Any] = [_ALONE] * len(calls)
    for numbers in () if script.waits(client) else _by_server(client, calls):
        try:
            with at(client, calls[numbers[0]].shard).pipeline(transaction=False) as pipeline:
                queue: Any = pipeline.execute_command
                for number in numbers:
                    queue(*_words(client, script, calls[number]), **_as_bytes(in_bytes))
                some: list[Any] = pipeline.execute(raise_on_error=False)
        except (RedisError, OSError) as error:
            some = [error] * len(numbers)
        for number, reply in zip(numbers, some, strict=True):
            replies[number] = reply

    for number, call in enumerate(calls):
        if replies[number] is _ALONE or scripts.is_unknown(replies[number]):
            try:
                replies[number] = _run(_of(script, call), at(client, call.shard), call.arguments, in_bytes=in_bytes)
            except (RedisError, OSError) as error:
                replies[number] = error
        _note(client, call.shard, replies[number])
    return replies


async def _aasked(client: "redis.asyncio.Redis", script: "Script", calls: "Sequence[Call]") -> list[Any]:
    """As `_asked`, on an event loop."""
    if len(calls) == 1:
        with _naming(client, calls[0].shard):
            return [await _of(script, calls[0]).arun(at(client, calls[0].shard), *calls[0].arguments)]
    replies: list[Any] = [_ALONE] * len(calls)
    for numbers in () if script.waits(client) else _by_server(client, calls):
        try:
            async with at(client, calls[numbers[0]].shard).pipeline(transaction=False) as pipeline:
                for number in numbers:
                    pipeline.execute_command(*_words(client, script, calls[number]))
                some: list[Any] = await pipeline.execute(raise_on_error=False)
        except (RedisError, OSError) as error:
            some = [error] * len(numbers)
        for number, reply in zip(numbers, some, strict=True):
            replies[number] = reply

    for number, call in enumerate(calls):
        if replies[number] is _ALONE or scripts.is_unknown(replies[number]):
            try:
                replies[number] = await _of(script, call).arun(at(client, call.shard), *call.arguments)
            except (RedisError, OSError) as error:
                replies[number] = error
        _note(client, call.shard, replies[number])
    return replies


@contextmanager
def _naming(client: Any, shard: int) -> Iterator[None]:
    try:
        yield
    except (RedisError, OSError) as error:
        _note(client, shard, error)
        raise


def _note(client: Any, shard: int, reply: Any) -> None:
    """Name the shard in an error, where the shard has a server of its own: on one server, all of them are in trouble."""
    if isinstance(reply, Exception) and at(client, shard).connection_pool is not client.connection_pool:
        of_shard(reply, shard)


def _run(script: "Script", client: "redis.Redis", arguments: "Arguments", *, in_bytes: bool) -> Any:
    return (script.run_in_bytes if in_bytes else script.run)(client, *arguments)


def _of(script: "Script", call: "Call") -> "Script":
    return _script(call.script) if call.script else script


def _words(client: Any, script: "Script", call: "Call") -> "tuple[str | int | bytes, ...]":
    return _of(script, call).words(root_at(client, call.shard), call.arguments)


def _by_server(client: Any, calls: "Sequence[Call]") -> list[list[int]]:
    """Numbers of calls that may share a connection: those whose shards are on one server, as far as that is known."""
    groups: dict[Any, list[int]] = {}
    for number, call in enumerate(calls):
        guide = at(client, call.shard).connection_pool.connection_kwargs.get("guide")
        place = None if guide is None else guide.place or call.shard
        groups.setdefault(place, []).append(number)
    return list(groups.values())


def _as_bytes(in_bytes: bool) -> dict[str, bool]:  # noqa: FBT001 - a value that is passed on
    return {"NEVER_DECODE": True} if in_bytes else {}


async def gathered(script: "Script", client: "redis.asyncio.Redis", calls: "Sequence[Arguments]") -> list[Any]:
    """Run a script once for each of several arguments; an exception where a call failed."""
    return list(await asyncio.gather(*(arouted(script, client, call) for call in calls), return_exceptions=True))


def _script(name: str) -> "Script":
    return scripts.of_the_thin_package(name)


def _layout() -> "Script":
    return scripts.of_the_thin_package("layout")
