"""How the worker's scripts go through the shards where people, readers and receivers run them. Pure.

Scripts that are not named here belong to one shard: a worker runs each with a client of it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from paceline.errors import StateUnavailable
from paceline.shards.layout import Layout
from paceline.shards.paths import (
    REFRESH,
    Arguments,
    Call,
    Path,
    Route,
    added,
    begins_with,
    by_account,
    by_names,
    claimed,
    each,
    everywhere,
    home,
    is_text,
    joined,
    objects,
    paged,
    search,
    sound,
)

_fleet: Final = objects(added=("in_flight", "inbox", "accounts"), most=("breaker_open",))


def account(arguments: Arguments, layout: Layout) -> Path:
    """By the verb; a key belongs to one account of the whole deployment."""
    verb = str(arguments[0])
    if verb == "keys":
        route = by_names(1, 3)
    elif verb == "whose":
        route = search_key
    elif verb == "no digest":
        route = everywhere(joined)
    elif verb in _DIGESTS:
        if verb == "add":
            layout = yield REFRESH
            if arguments[1] in layout.moving:
                raise StateUnavailable(
                    f"account {arguments[1]!r} is being moved to another shard: try again in a minute"
                )
        route = _with_key(_DIGESTS[verb])
    else:
        route = by_account(1)
    reply = yield from route(arguments, layout)
    return reply


# Where the digests of a key stand in the arguments.
_DIGESTS: Final[Mapping[str, int]] = {"add": 3, "rotate": 6, "digest": 3}


def search_key(arguments: Arguments, layout: Layout) -> Path:
    """The account that has a key, on whatever shard; '' for none."""
    replies = sound((yield [Call(shard, arguments) for shard in layout.shards]))
    return next((reply for reply in replies if reply), "")


def _with_key(position: int) -> Route:
    def route(arguments: Arguments, layout: Layout) -> Path:
        name = str(arguments[1])
        digests = str(arguments[position]) if len(arguments) > position else ""
        # The same key, encrypted again, is its own.
        if digests and not (arguments[0] == "rotate" and arguments[5] != "1"):
            what, shard = f"key:{digests.split()[0]}", layout.shard_of(name)
            writing = _of_nobody_else(arguments, layout, position, digests)
            reply = yield from claimed(what, shard, writing, taken="taken:an account that somebody adds now")
            return reply
        reply = yield from by_account(1)(arguments, layout)
        return reply

    return route


def _of_nobody_else(arguments: Arguments, layout: Layout, position: int, digests: str) -> Path:
    name = str(arguments[1])
    holder = yield from search_key(("whose", digests), layout)
    if holder and holder != name:
        if arguments[0] == "digest":
            unread = [*arguments[:position], "", *arguments[position + 1 :]]
            yield [Call(layout.shard_of(name), unread)]
        return f"taken:{holder}"
    reply = yield from by_account(1)(arguments, layout)
    return reply


def dead(arguments: Arguments, layout: Layout) -> Path:
    """By the verb; of ids, one shard knows each."""
    verb = str(arguments[0])
    route: Route
    if verb == "begin":
        route = _dead_begin
    elif verb == "heads":
        route = by_names(3, 0)
    elif verb == "page":
        route = by_account(1)
    else:
        route = each(6, _known_one)
    reply = yield from route(arguments, layout)
    return reply


def _dead_begin(arguments: Arguments, layout: Layout) -> Path:
    name, campaign = str(arguments[1]), str(arguments[2])
    if name:
        # An account has its campaigns beside it; a campaign of another account is unknown there, or elsewhere.
        route = by_account(1)
        reply = yield from route(arguments, layout)
        if reply != "unknown campaign":
            return reply
        elsewhere = yield from search(1, is_text("unknown campaign"))(("begin", "", campaign), layout)
        return reply if elsewhere == reply else [elsewhere[0], []]
    if campaign:
        reply = yield from search(2, is_text("unknown campaign"))(arguments, layout)
        return reply
    replies = sound((yield [Call(shard, arguments) for shard in layout.shards]))
    return [max((reply[0] for reply in replies), key=int), joined([reply[1] for reply in replies])]


def _known_one(items: Sequence[Any]) -> Any:
    """Of the replies about one operation, the reply of the shard that knows the operation."""
    return next((item for item in items if item[0] != "unknown operation"), items[0])


def held(arguments: Arguments, layout: Layout) -> Path:
    """By the verb."""
    if arguments[0] == "list":
        route = by_account(2) if arguments[2] else _held_list
    else:
        route = search(1, begins_with("unknown operation"))
    reply = yield from route(arguments, layout)
    return reply


def _held_list(arguments: Arguments, layout: Layout) -> Path:
    replies = sound((yield [Call(shard, arguments) for shard in layout.shards]))
    rows = sorted(joined([reply[2:] for reply in replies]), key=lambda row: int(row[3]))
    return [replies[0][0], added([reply[1] for reply in replies]), *rows[: int(arguments[1])]]


def gauges(arguments: Arguments, layout: Layout) -> Path:
    """By the verb; accounts are read from as many names as belong to one shard."""
    verb = str(arguments[0])
    route = {"names": paged(1), "accounts": _gauges_of_accounts}.get(verb, everywhere(_fleet))
    reply = yield from route(arguments, layout)
    return reply


def _gauges_of_accounts(arguments: Arguments, layout: Layout) -> Path:
    names = [str(name) for name in arguments[2:]]
    shard = layout.shard_of(names[0])
    own = []
    for name in names:
        if layout.shard_of(name) != shard:
            break
        own.append(name)
    [reply] = sound((yield [Call(shard, [*arguments[:2], *own])]))
    return reply


def receipts(arguments: Arguments, layout: Layout) -> Path:
    """By account; counts of all shards together."""
    route = everywhere(joined) if arguments[0] == "caught up" else by_account(1, ("unknown account", "forbidden", ""))
    reply = yield from route(arguments, layout)
    return reply


def rotation(arguments: Arguments, layout: Layout) -> Path:
    """Keys by account; who has which secret stands on shard 0."""
    reply = yield from (by_account(1, ("changed",)) if arguments[0] == "reseal" else home)(arguments, layout)
    return reply


def seals(arguments: Arguments, layout: Layout) -> Path:
    """The key of all seals stands on shard 0; operations and campaigns are sealed where they are."""
    verb = str(arguments[0])
    if verb == "look":
        replies = yield [Call(shard, arguments) for shard in layout.shards]
        [(stored, _)] = sound(replies[:1])
        if stored:  # a shard that is away keeps no worker from starting
            replies = [reply for reply in replies if not isinstance(reply, Exception)]
        return [stored, max(str(reply[1]) for reply in sound(replies))]
    route = _SEALS.get(verb, home)
    reply = yield from route(arguments, layout)
    return reply


_SEALS: Final[Mapping[str, Route]] = {
    "page": paged(1),
    "campaigns": everywhere(joined),
    "seal": everywhere(added),
    "campaign": everywhere(added),
}

ROUTES: Final[Mapping[str, Route]] = {
    "account": account,
    "dead": dead,
    "gauges": gauges,
    "held": held,
    "receipts": receipts,
    "rotation": rotation,
    "seals": seals,
    "settings": by_names(1, 1),
    "take": by_account(0),
    "unreachable": home,
    "hooks": home,
    "migrate": home,
}
