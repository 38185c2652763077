"""A client of one shard, the layout of state as a client knows it, and what is read of each shard."""

import copy
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from redis.exceptions import NoPermissionError, RedisError, ResponseError

from paceline import names
from paceline.errors import ConfigurationError, StateUnavailable
from paceline.shards.layout import ALONE, SHARDS_ON_CLUSTER, Layout, read_layout
from paceline.state import scripts
from paceline.state.connections import SHARD_CLIENTS, pool_under
from paceline.state.guides import ClusterGuide
from paceline.state.trouble import of_shard, trouble

if TYPE_CHECKING:
    import redis
    import redis.asyncio

    from paceline.state.scripts import Script

_T = TypeVar("_T")
_Client = TypeVar("_Client", bound=Any)

# State of one shard may turn out to be created with several, after it was looked at while empty.
_ALONE_FOR_S: Final = 60.0
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


@dataclass(frozen=True, slots=True)
class Readings(Generic[_T]):
    """What was read of each shard.

    Args:
        values: of the shards that answered, in their order.
        away: the others, and what is wrong, in words.
    """

    values: Sequence[_T]
    away: Mapping[int, str]


def of_each(client: "redis.Redis", read: "Callable[[redis.Redis], _T]") -> Readings[_T]:
    """Read each shard. A shard whose server is away does not keep anybody from reading the others.

    Args:
        client: of the whole state.
        read: takes a client of one shard.

    Raises:
        RedisError, OSError, StateUnavailable: of state on one server, the server does not answer; on a cluster: shard 0, or all.
    """
    values, away, last = list[_T](), dict[int, str](), None
    lost: dict[Any, str] = {}
    for shard, own in enumerate(each_shard(client)):
        guide = own.connection_pool.connection_kwargs.get("guide")
        place = guide.likely if guide else None
        if place is not None and place in lost:  # one shard has waited for the server: that is long enough
            away[shard] = lost[place]
            continue
        try:
            values.append(read(own))
        except (RedisError, OSError, StateUnavailable) as error:
            if own.connection_pool is client.connection_pool:
                raise
            last, away[shard] = error, _words_of(error, shard)
            if place is not None:
                lost[place] = away[shard]
    if last and not values:
        raise last
    return Readings(values, away)


def at_each_server(client: "redis.Redis", act: "Callable[[redis.Redis], _T]") -> Readings[_T]:
    """Do something once on each server of the state, with a client of a shard that lies there; see `of_each`."""
    done: dict[Any, _T] = {}

    def once(own: "redis.Redis") -> None:
        guide = own.connection_pool.connection_kwargs.get("guide")
        if guide is not None and guide.place is None:
            own.ping()
        place = guide.place if guide is not None else None
        if place not in done:
            done[place] = act(own)

    away = of_each(client, once).away
    return Readings(list(done.values()), away)


def _words_of(error: Exception, shard: int) -> str:
    cause = error.__cause__ if isinstance(error, StateUnavailable) else error
    if not isinstance(cause, RedisError | OSError):
        return str(error)
    of_shard(cause, shard)
    return trouble(cause)


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


def create(client: "redis.Redis", count: int = 0) -> int:
    """Decide over how many shards state is spread, unless that was decided before.

    Args:
        client: the state server.
        count: how many; 0: what state has, else what the client's settings say, else 64 on a cluster and 1 on one server.

    Returns:
        How many there are.

    Raises:
        ConfigurationError: state has another number than `count`.
    """
    is_on_cluster = _is_on_cluster(client)
    wanted = count or getattr(client, "shards", 0) or (SHARDS_ON_CLUSTER if is_on_cluster else 0)
    if not wanted:
        return fresh_layout(client).count
    known = int(_script("directory").run(client, "create", wanted, *(["keep"] if is_on_cluster else [])))
    vars(client).pop(_KNOWN, None)
    if count and known != count:
        raise ConfigurationError(
            f"state has {known:,} {'shard' if known == 1 else 'shards'}, not {count:,}, and the number is fixed when state is"
            f" created: set {names.ENV_SHARDS}={known}, or leave it out"
        )
    return known


def _is_on_cluster(client: "redis.Redis") -> bool:
    return isinstance(client.connection_pool.connection_kwargs.get("guide"), ClusterGuide)


def begun(client: "redis.Redis") -> None:
    """Before the first thing that lies on a shard is written: fix the number of shards, where one server is not all there may be.

    Raises:
        RedisError: the state server does not answer.
    """
    may_have_several = _is_on_cluster(client) or getattr(client, "shards", 0) > 1
    if may_have_several and layout_of(client).count == 1:
        create(client)


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


@contextmanager
def naming(client: Any, shard: int) -> Iterator[None]:
    """Around a call of one shard: an error names it."""
    try:
        yield
    except (RedisError, OSError) as error:
        note(client, shard, error)
        raise


def note(client: Any, shard: int, reply: Any) -> None:
    """Name the shard in an error, where the shard has a server of its own: on one server, all of them are in trouble."""
    if isinstance(reply, Exception) and at(client, shard).connection_pool is not client.connection_pool:
        of_shard(reply, shard)


def _script(name: str) -> "Script":
    return scripts.of_the_thin_package(name)


def _layout() -> "Script":
    return scripts.of_the_thin_package("layout")
