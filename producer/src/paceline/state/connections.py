"""Connections that a guide leads to the primary, and what is repeated when they were led astray."""

from collections.abc import Callable
from typing import Any, Final

import redis.asyncio.connection
import redis.connection
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry as AsyncRetry
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from paceline.settings.address import Address, Place
from paceline.state.guides import Guide, guide_of
from paceline.state.trouble import LEADS_ASTRAY, REFUSED

# Seconds for each step of a question: several doors may be asked within the time that a caller has.
_ASK_TIMEOUT_S: Final = 0.8
# The attribute of a client that holds its clients of single shards.
SHARD_CLIENTS: Final = "paceline_shards"
_TROUBLE: Final = (*LEADS_ASTRAY, RedisTimeoutError)


class FollowingRetry(Retry):
    """Repeats once more what a server refused because it is not the primary: nothing of it was done."""

    def call_with_retry(self, do: Callable[[], Any], fail: Callable[..., Any], *more: Any, **named: Any) -> Any:
        """As redis-py's."""
        try:
            return super().call_with_retry(do, fail, *more, **named)
        except REFUSED:
            return super().call_with_retry(do, fail, *more, **named)


class AsyncFollowingRetry(AsyncRetry):
    """The same for an event loop."""

    async def call_with_retry(self, do: Callable[[], Any], fail: Callable[..., Any], *more: Any, **named: Any) -> Any:
        """As redis-py's."""
        try:
            return await super().call_with_retry(do, fail, *more, **named)
        except REFUSED:
            return await super().call_with_retry(do, fail, *more, **named)


class _Guided:
    """What both kinds of connection share."""

    host: str
    port: int

    def __init__(self, *, guide: Guide, **options: Any) -> None:
        self._guide = guide
        asking = {name: value for name, value in options.items() if name not in ("redis_connect_func", "path")}
        timeouts = {"socket_timeout": _ASK_TIMEOUT_S, "socket_connect_timeout": _ASK_TIMEOUT_S}
        self._asking = asking | timeouts | dict(guide.asking)
        super().__init__(**options)

    def _to(self, door: Place) -> dict[str, Any]:
        return self._asking | {"host": door[0], "port": door[1]}

    def _went_wrong(self, door: Place, error: Exception) -> None:
        self._guide.failed(door)
        if isinstance(error, AuthenticationError | NoPermissionError):
            raise error


def _unanswered(error: Exception | None) -> Exception:
    """What is raised when no door answered; a server's own words stay as they are."""
    if isinstance(error, ResponseError):
        return error
    return RedisConnectionError(f"nobody tells where the primary is: {error}")


class GuidedConnection(_Guided, redis.connection.Connection):
    """A blocking connection to the primary."""

    _asks: Any = redis.connection.Connection

    def _connect(self) -> Any:
        place = self._guide.place or self._ask()
        try:
            return self._reach(place)
        except (RedisError, OSError):
            self._guide.forget()
            elsewhere = self._ask()
            if elsewhere == place:
                self._guide.forget()
                raise
        return self._reach(elsewhere)

    def _reach(self, place: Place) -> Any:
        self.host, self.port = place
        return super()._connect()  # type: ignore[no-untyped-call]

    def _ask(self) -> Place:
        last: Exception | None = None
        for door in self._guide.doors:
            connection = self._asks(**self._to(door))
            try:
                connection.connect()
                connection.send_command(*self._guide.question)
                return self._guide.answered(door, connection.read_response())
            except (RedisError, OSError) as error:
                last = error
                self._went_wrong(door, error)
            finally:
                connection.disconnect()
        raise _unanswered(last) from last

    def read_response(self, *arguments: Any, **named: Any) -> Any:
        """As redis-py's; the guide learns from refusals."""
        try:
            return super().read_response(*arguments, **named)
        except _TROUBLE as error:
            self._guide.follow(error)
            raise


class GuidedSSLConnection(GuidedConnection, redis.connection.SSLConnection):
    """The same under TLS."""

    _asks = redis.connection.SSLConnection


class AsyncGuidedConnection(_Guided, redis.asyncio.connection.Connection):
    """A connection of an event loop to the primary."""

    _asks: Any = redis.asyncio.connection.Connection

    async def _connect(self) -> None:
        place = self._guide.place or await self._ask()
        try:
            return await self._reach(place)
        except (RedisError, OSError, TimeoutError):
            self._guide.forget()
            elsewhere = await self._ask()
            if elsewhere == place:
                self._guide.forget()
                raise
        return await self._reach(elsewhere)

    async def _reach(self, place: Place) -> None:
        self.host, self.port = place
        await super()._connect()  # type: ignore[no-untyped-call]

    async def _ask(self) -> Place:
        last: Exception | None = None
        for door in self._guide.doors:
            connection = self._asks(**self._to(door))
            try:
                await connection.connect()
                await connection.send_command(*self._guide.question)
                return self._guide.answered(door, await connection.read_response())
            except (RedisError, OSError, TimeoutError) as error:
                last = error
                self._went_wrong(door, error)
            finally:
                await connection.disconnect()
        raise _unanswered(last) from last

    async def read_response(self, *arguments: Any, **named: Any) -> Any:
        """As redis-py's; the guide learns from refusals."""
        try:
            return await super().read_response(*arguments, **named)
        except _TROUBLE as error:
            self._guide.follow(error)
            raise


class AsyncGuidedSSLConnection(AsyncGuidedConnection, redis.asyncio.connection.SSLConnection):
    """The same under TLS."""

    _asks = redis.asyncio.connection.SSLConnection


def guided(guide: Guide | None, *, is_encrypted: bool) -> dict[str, Any]:
    """Options of a pool whose connections a guide leads; none without a guide."""
    if guide is None:
        return {}
    return {"connection_class": GuidedSSLConnection if is_encrypted else GuidedConnection, "guide": guide}


def async_pool(kind: type[Any], address: Address, root: str, **options: Any) -> Any:
    """A pool of an event loop for an address.

    Args:
        kind: of the pool.
        address: of the state.
        root: first part of the keys.
        options: of the pool and its connections.
    """
    guide = guide_of(address, root)
    named: dict[str, Any] = {**parse_url(address.for_redis_py()), **options}
    if guide:
        # Given to `from_url`, this class would lose against that of the scheme.
        named["connection_class"] = AsyncGuidedSSLConnection if address.is_encrypted else AsyncGuidedConnection
        named["guide"] = guide
    return kind(**named)


def pool_under(pool: Any, root: str) -> Any:
    """A pool for another root: the same one where one server has all roots, else one whose connections go to that root's node.

    Args:
        pool: of a client, blocking or asyncio.
        root: first part of the keys.
    """
    guide: Guide | None = pool.connection_kwargs.get("guide")
    other = guide.under(root) if guide else None
    if other is guide:
        return pool
    more = {"timeout": pool.timeout} if hasattr(pool, "timeout") else {}
    return type(pool)(
        connection_class=pool.connection_class,
        max_connections=pool.max_connections,
        **more,
        **(pool.connection_kwargs | {"guide": other}),
    )


def pools_of_shards(client: Any) -> list[Any]:
    """The pools that `pool_under` made for shards of a client; none where one server has all shards."""
    clients = vars(client).get(SHARD_CLIENTS, {}).values()
    return [one.connection_pool for one in clients if one.connection_pool is not client.connection_pool]
