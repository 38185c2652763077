"""Calls of scripts that go through the shards, as their routes lead."""

import asyncio
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import RedisError

from paceline.state import scripts
from paceline.state.shards import afresh_layout, alayout_of, at, fresh_layout, layout_of, naming, note, root_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import redis
    import redis.asyncio

    from paceline.shards.paths import Arguments, Call, Path
    from paceline.state.scripts import Script

# In place of the reply to a call that is made alone: it waits for replicas.
_ALONE: Final = object()


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
        with naming(client, calls[0].shard):
            return [_run(_of(script, calls[0]), at(client, calls[0].shard), calls[0].arguments, in_bytes=in_bytes)]
    replies: list[Any] = [_ALONE] * len(calls)
    groups = _by_server(client, script, calls)
    for numbers in groups:
        try:
            with at(client, calls[numbers[0]].shard).pipeline(transaction=False) as pipeline:
                queue: Any = pipeline.execute_command
                for words in _words(client, script, calls, numbers):
                    queue(*words, **_as_bytes(in_bytes))
                some: list[Any] = pipeline.execute(raise_on_error=False)
        except (RedisError, OSError) as error:
            some = [error] * len(numbers)
        for number, reply in zip(numbers, some, strict=True):
            replies[number] = reply
    if groups:
        _of(script, calls[0]).taught()

    for number, call in enumerate(calls):
        if replies[number] is _ALONE or scripts.is_unknown(replies[number]):
            try:
                replies[number] = _run(_of(script, call), at(client, call.shard), call.arguments, in_bytes=in_bytes)
            except (RedisError, OSError) as error:
                replies[number] = error
        note(client, call.shard, replies[number])
    return replies


async def _aasked(client: "redis.asyncio.Redis", script: "Script", calls: "Sequence[Call]") -> list[Any]:
    """As `_asked`, on an event loop."""
    if len(calls) == 1:
        with naming(client, calls[0].shard):
            return [await _of(script, calls[0]).arun(at(client, calls[0].shard), *calls[0].arguments)]
    replies: list[Any] = [_ALONE] * len(calls)
    groups = _by_server(client, script, calls)
    for numbers in groups:
        try:
            async with at(client, calls[numbers[0]].shard).pipeline(transaction=False) as pipeline:
                for words in _words(client, script, calls, numbers):
                    pipeline.execute_command(*words)
                some: list[Any] = await pipeline.execute(raise_on_error=False)
        except (RedisError, OSError) as error:
            some = [error] * len(numbers)
        for number, reply in zip(numbers, some, strict=True):
            replies[number] = reply
    if groups:
        _of(script, calls[0]).taught()

    for number, call in enumerate(calls):
        if replies[number] is _ALONE or scripts.is_unknown(replies[number]):
            try:
                replies[number] = await _of(script, call).arun(at(client, call.shard), *call.arguments)
            except (RedisError, OSError) as error:
                replies[number] = error
        note(client, call.shard, replies[number])
    return replies


def _run(script: "Script", client: "redis.Redis", arguments: "Arguments", *, in_bytes: bool) -> Any:
    return (script.run_in_bytes if in_bytes else script.run)(client, *arguments)


def _of(script: "Script", call: "Call") -> "Script":
    return scripts.of_the_thin_package(call.script) if call.script else script


def _words(
    client: Any, script: "Script", calls: "Sequence[Call]", numbers: "Sequence[int]"
) -> "Iterator[tuple[str | int | bytes, ...]]":
    """The commands of a pipeline to one server: the first one teaches it the script."""
    for number in numbers:
        call = calls[number]
        teaches = number == numbers[0]
        yield _of(script, call).words(root_at(client, call.shard), call.arguments, teaches=teaches)


def _by_server(client: Any, script: "Script", calls: "Sequence[Call]") -> list[list[int]]:
    """Numbers of calls that may share a connection: those whose shards are on one server, as far as that is known.

    None of them when replicas are to confirm what the script writes: then each call waits on a connection of its own.
    """
    groups: dict[Any, list[int]] = {}
    if _of(script, calls[0]).waits(client):
        return []
    for number, call in enumerate(calls):
        guide = at(client, call.shard).connection_pool.connection_kwargs.get("guide")
        place = None if guide is None else guide.likely or call.shard
        groups.setdefault(place, []).append(number)
    return list(groups.values())


def _as_bytes(in_bytes: bool) -> dict[str, bool]:  # noqa: FBT001 - a value that is passed on
    return {"NEVER_DECODE": True} if in_bytes else {}


async def gathered(script: "Script", client: "redis.asyncio.Redis", calls: "Sequence[Arguments]") -> list[Any]:
    """Run a script once for each of several arguments; an exception where a call failed."""
    return list(await asyncio.gather(*(arouted(script, client, call) for call in calls), return_exceptions=True))
