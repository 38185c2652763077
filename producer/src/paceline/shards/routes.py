"""How each script of the thin package goes through the shards. Pure."""

import json
from collections.abc import Mapping
from typing import Any, Final

from paceline.errors import StateUnavailable
from paceline.lua.fields import CAMPAIGN
from paceline.shards.cursors import all_outcomes
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
    claimed,
    everywhere,
    home,
    is_empty,
    is_text,
    joined,
    objects,
    paged,
    search,
    sound,
)

# Of a list of all accounts, in place of an account's name.
_EVERY_ACCOUNT: Final = "*"
_ACCOUNT: Final = CAMPAIGN.code("account")

_fleet: Final = objects(
    added=("in_flight", "inbox", "accounts"), most=("provider_breaker_until",), some=("unreachable_why",)
)
_record: Final = objects(some=("waiting", "refused", "known", "created_here"))


def write_record(arguments: Arguments, layout: Layout) -> Path:
    """By account; where a record was written, its ticket looks first."""
    path = by_account(1)(arguments, layout)
    reply = yield from path
    if reply == "written":
        layout.remember(str(arguments[0]), layout.shard_of(str(arguments[1])))
    return reply


def campaign(arguments: Arguments, layout: Layout) -> Path:
    """A new one on the shard of its account, when no other shard has its name; else where it is."""
    if arguments[0] != "open":
        missing = is_empty if str(arguments[0]).startswith("read") else is_text("unknown campaign")
        reply = yield from search(1, missing)(arguments, layout)
        return reply

    name, account = str(arguments[1]), str(json.loads(str(arguments[2]))[_ACCOUNT])
    for _ in range(2):
        shard = layout.shard_of(account)
        opening = _opening(arguments, layout, shard)
        reply = yield from claimed(f"campaign:{name}", shard, opening, taken="different")
        if reply != "unknown account":
            layout.remember(name, shard)
            return reply
        layout = yield REFRESH
        if layout.shard_of(account) == shard:
            if account in layout.moving:
                raise StateUnavailable(f"account {account!r} is being moved to another shard: try again in a minute")
            return reply
    return reply


def _opening(arguments: Arguments, layout: Layout, shard: int) -> Path:
    heads = sound((yield [Call(one, ("heads", str(arguments[1])), "look") for one in layout.shards]))
    if any(rows and one != shard for one, rows in enumerate(heads)):
        return "different"
    [reply] = sound((yield [Call(shard, arguments)]))
    return reply


def look(arguments: Arguments, layout: Layout) -> Path:
    """By the verb."""
    reply = yield from _LOOKS[str(arguments[0])](arguments, layout)
    return reply


def _look_record(arguments: Arguments, layout: Layout) -> Path:
    shard = layout.places.get(str(arguments[1]))
    calls = [Call(shard, arguments)] if shard is not None else [Call(one, arguments) for one in layout.shards]
    return _record(sound((yield calls)))


def _look_fleet(arguments: Arguments, layout: Layout) -> Path:
    """The shards that answer, put together, and which ones do not. Shard 0 tells the workers, and must answer."""
    replies = yield [Call(shard, arguments) for shard in layout.shards]
    sound(replies[:1])
    away = [shard for shard, reply in enumerate(replies) if isinstance(reply, Exception)]
    merged = _fleet([reply for reply in replies if not isinstance(reply, Exception)])
    return json.dumps(json.loads(merged) | {"shards_away": away}) if away else merged


def outcomes(arguments: Arguments, layout: Layout) -> Path:
    """A campaign's own stream, or those of all shards together."""
    path = all_outcomes if arguments[0] == "" else search(0, begins_with("unknown campaign"))
    reply = yield from path(arguments, layout)
    return reply


def suppress(arguments: Arguments, layout: Layout) -> Path:
    """The list of an account on its shard; the list of all accounts on each, so that whoever sends asks one shard only."""
    verb, account = arguments[0], arguments[1]
    route = by_account(1)
    if account == _EVERY_ACCOUNT:
        route = everywhere(max) if verb in ("add", "remove") else home
    reply = yield from route(arguments, layout)
    return reply


_LOOKS: Final[Mapping[str, Route]] = {
    "operation": search(1, is_empty),
    "record": _look_record,
    "accounts": everywhere(joined),
    "account": by_account(1, ("",)),
    "campaign": search(1, is_empty),
    "campaigns": everywhere(joined),
    "heads": everywhere(joined),
    "known": everywhere(added),
    "find": paged(1),
    "fleet": _look_fleet,
}

ROUTES: Final[Mapping[str, Route]] = {
    "public": home,
    "write_record": write_record,
    "campaign": campaign,
    "look": look,
    "outcomes": outcomes,
    "cancel": search(0, is_text("unknown")),
    "tokens": home,
    "trail": home,
    "suppress": suppress,
    "pools": by_account(1),
}


def route_of(package: str, script: str) -> Route | None:
    """The route of a script; None: it runs on the shard of its client, whichever that is.

    Args:
        package: that ships the script.
        script: its name.
    """
    if package == "paceline":
        return ROUTES.get(script)
    from importlib import import_module  # noqa: PLC0415 - only state of several shards needs them

    routes: Mapping[str, Any] = import_module(f"{package}.state.routes").ROUTES
    return routes.get(script)
