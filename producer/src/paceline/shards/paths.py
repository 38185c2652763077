"""The ways that a call of a script may go through the shards, and how replies are put together. Pure.

A route is a generator: it yields the calls of one round trip and is sent their replies, an exception in place of a reply that did
not come; or it yields `REFRESH` and is sent the layout as state tells it now. What it returns is the reply.
"""

import json
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from paceline.errors import StateUnavailable
from paceline.shards.layout import Layout

Arguments = Sequence[str | int | bytes]

HOME: Final = 0
# Yielded in place of calls: read the directory again.
REFRESH: Final = None


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a script on one shard.

    Args:
        shard: its number.
        arguments: after the root.
        script: another script of the thin package, by its name; '': the one that was called.
    """

    shard: int
    arguments: Arguments
    script: str = ""


Path = Generator[list[Call] | None, Any, Any]
Route = Callable[[Arguments, Layout], Path]
IsMiss = Callable[[Any], bool]


def sound(replies: Sequence[Any]) -> Sequence[Any]:
    """The replies of all shards.

    Raises:
        Exception: one of them did not come; its own.
    """
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    return replies


def home(arguments: Arguments, _: Layout) -> Path:
    """Only shard 0 has it."""
    [reply] = sound((yield [Call(HOME, arguments)]))
    return reply


def everywhere(merge: Callable[[Sequence[Any]], Any]) -> Route:
    """Ask all shards, and put their replies together.

    Args:
        merge: makes one reply of theirs.
    """

    def route(arguments: Arguments, layout: Layout) -> Path:
        return merge(sound((yield [Call(shard, arguments) for shard in layout.shards])))

    return route


def by_account(position: int, unknown: Sequence[Any] = ("unknown account",)) -> Route:
    """Ask the shard of an account; when that does not know the account, look whether it was moved.

    Args:
        position: of the account in the arguments.
        unknown: replies that mean that the account is not there.
    """

    def route(arguments: Arguments, layout: Layout) -> Path:
        name = str(arguments[position])
        shard = layout.shard_of(name)
        [reply] = sound((yield [Call(shard, arguments)]))
        if reply in unknown:
            layout = yield REFRESH
            if layout.shard_of(name) != shard:
                [reply] = sound((yield [Call(layout.shard_of(name), arguments)]))
            if reply in unknown and name in layout.moving:
                raise StateUnavailable(f"account {name!r} is being moved to another shard: try again in a minute")
        return reply

    return route


def search(position: int, is_miss: IsMiss) -> Route:
    """Ask all shards for something that one of them has, unless a client remembers which; the reply of a miss when none has it.

    Args:
        position: of its name in the arguments.
        is_miss: whether a reply says that it is not there.
    """

    def route(arguments: Arguments, layout: Layout) -> Path:
        name = str(arguments[position])
        remembered = layout.places.get(name)
        if remembered is not None:
            [reply] = yield [Call(remembered, arguments)]
            if not isinstance(reply, Exception) and not is_miss(reply):
                return reply
        replies = yield [Call(shard, arguments) for shard in layout.shards]
        for shard, reply in enumerate(replies):
            if not isinstance(reply, Exception) and not is_miss(reply):
                layout.remember(name, shard)
                return reply
        # A shard that does not answer may have it.
        return sound(replies)[0]

    return route


def each(start: int, merge_one: Callable[[Sequence[Any]], Any]) -> Route:
    """Ask all shards for several things, of each of which one shard tells more than the others.

    Args:
        start: of their names in the arguments; a reply is a list with one item for each.
        merge_one: chooses among the items of all shards.
    """

    def route(arguments: Arguments, layout: Layout) -> Path:
        if len(arguments) <= start:
            return []
        replies = sound((yield [Call(shard, arguments) for shard in layout.shards]))
        if not isinstance(replies[0], list):
            return replies[0]
        return [merge_one(items) for items in zip(*replies, strict=True)]

    return route


def by_names(start: int, width: int = 1) -> Route:
    """Ask each shard for its own ones of several accounts; the reply is in the order of the names.

    Args:
        start: of the names in the arguments.
        width: items of a reply that belong to one name; 0: shards tell as many as they like, in any order.
    """

    def route(arguments: Arguments, layout: Layout) -> Path:
        names = [str(name) for name in arguments[start:]]
        parts = layout.by_shard(names)
        calls = [Call(shard, [*arguments[:start], *some]) for shard, some in parts.items()]
        replies = sound((yield calls)) if calls else []
        if not width:
            return [item for reply in replies for item in reply]
        told: dict[str, Any] = {}
        for some, reply in zip(parts.values(), replies, strict=True):
            for number, name in enumerate(some):
                told[name] = reply[number * width : (number + 1) * width]
        return [item for name in names for item in told[name]]

    return route


def paged(position: int) -> Route:
    """Go through one shard after the other: cursors name the shard, as ``3.17``; the first is ``0``, and so is the end.

    Args:
        position: of the cursor in the arguments; a reply is a list that begins with the next one.
    """

    def route(arguments: Arguments, layout: Layout) -> Path:
        first, _, second = str(arguments[position]).rpartition(".")
        shard = min(int(first or 0), layout.count - 1)
        within = [*arguments[:position], second, *arguments[position + 1 :]]
        [reply] = sound((yield [Call(shard, within)]))
        following, *more = reply
        if str(following) != "0":
            return [f"{shard}.{following}", *more]
        return [f"{shard + 1}.0" if shard + 1 < layout.count else "0", *more]

    return route


def claimed(what: str, shard: int, path: Path, *, taken: Any) -> Path:
    """Walk a path that looks for a name on all shards and writes it on one, while nobody else does so for another shard.

    Args:
        what: the name, and of what it is.
        shard: on which the path writes.
        path: the path; the name is claimed before its first step.
        taken: the reply when somebody else has claimed the name.
    """
    [holder] = sound((yield [Call(HOME, ("claim", what, shard), "directory")]))
    if int(holder) != shard:
        path.close()
        return taken
    reply = yield from path
    yield [Call(HOME, ("done", what, shard), "directory")]
    return reply


def joined(replies: Sequence[Sequence[Any]]) -> list[Any]:
    """Lists, one after the other."""
    return [item for reply in replies for item in reply]


def added(replies: Sequence[Any]) -> int:
    """Numbers, added."""
    return sum(map(int, replies))


def objects(*, added: Sequence[str] = (), most: Sequence[str] = (), some: Sequence[str] = ()) -> Callable[..., str]:
    """Put JSON objects together: what is named here is added, or the largest, or whatever is true; the rest is of the first shard.

    Args:
        added: names of numbers.
        most: names of numbers, or of texts of numbers.
        some: names of flags and of texts.
    """

    def merge(replies: Sequence[Any]) -> str:
        rows = [json.loads(reply) for reply in replies]
        merged = dict(rows[0])
        for name in added:
            merged[name] = sum(int(row.get(name) or 0) for row in rows)
        for name in (*most, *some):
            values = [row[name] for row in rows if row.get(name)]
            if values:
                merged[name] = max(values, key=float) if name in most else values[0]
        return json.dumps(merged)

    return merge


def never(_: Any) -> bool:
    """No reply is a miss."""
    return False


def is_text(text: str) -> IsMiss:
    """A miss is this text."""
    return lambda reply: bool(reply == text)


def begins_with(text: str) -> IsMiss:
    """A miss is a list that begins with this text."""
    return lambda reply: isinstance(reply, list) and bool(reply) and bool(reply[0] == text)


def is_empty(reply: Any) -> bool:
    """A miss is an empty text or list."""
    return not reply
