"""The state server: its connection, and beside it the scripts and the calls that producers and readers make."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, wraps
from typing import Any, Final, ParamSpec, TypeVar, cast

import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from paceline import names
from paceline.errors import ConfigurationError, StateUnavailable
from paceline.settings import Settings
from paceline.settings.address import Address, read_state
from paceline.state.connections import AsyncFollowingRetry, FollowingRetry, async_pool, guided, pools_of_shards
from paceline.state.guides import guide_of
from paceline.state.packing import PACKER
from paceline.state.trouble import LEADS_ASTRAY, trouble

_P = ParamSpec("_P")
_T = TypeVar("_T")

# connect + answer + hint stay within the 3 s that `send()` promises.
CONNECT_TIMEOUT_S: Final = 1.0
ANSWER_TIMEOUT_S: Final = 1.5
# Of one event loop.
MOST_CONNECTIONS: Final = 32
# Balancers and firewalls forget connections that say nothing, some within a minute. Releases of redis-py differ in what they do.
KEEPALIVE: Final = {
    getattr(socket, name): value
    for name, value in (("TCP_KEEPIDLE", 20), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))
    if hasattr(socket, name)
}


class StateClient(redis.Redis):
    """A client of one namespace.

    Attributes:
        root: first part of every key.
        replicas: how many of them a script waits for after it wrote; 0: none.
        shards: over how many shards state is spread when this client creates it; 0: the default.
    """

    root: str = names.STATE_ROOT
    replicas: int = 0
    shards: int = 0

    def close(self) -> None:
        """Close the connections, also those to the servers of single shards."""
        super().close()
        for pool in pools_of_shards(self):
            pool.disconnect()


class AsyncStateClient(redis.asyncio.Redis):
    """A client of one namespace, for an event loop.

    Attributes:
        root: first part of every key.
        replicas: how many of them a script waits for after it wrote; 0: none.
    """

    root: str = names.STATE_ROOT
    replicas: int = 0

    async def aclose(self, close_connection_pool: bool | None = None) -> None:  # noqa: FBT001 - as redis-py's
        """Close the connections, also those to the servers of single shards."""
        await super().aclose(close_connection_pool)
        for pool in pools_of_shards(self):
            await pool.disconnect()


def connect_to(settings: Settings, *, repeat: bool = False) -> StateClient:
    """A client of the state that the settings name; see `connect`."""
    client = connect(settings.state_url, namespace=settings.namespace, repeat=repeat, replicas=settings.wait_replicas)
    client.shards = settings.shards
    return client


def connect(
    url: str,
    *,
    namespace: str = names.NAMESPACE,
    answer_timeout_s: float = ANSWER_TIMEOUT_S,
    repeat: bool = False,
    on_connected: Callable[[Any], None] | None = None,
    replicas: int = 0,
) -> StateClient:
    """A client that fails fast.

    Args:
        url: address of a server, of a cluster, or of a group behind Sentinels.
        namespace: whose keys its scripts see.
        answer_timeout_s: seconds to wait for one reply.
        repeat: repeat a command once when its connection turns out to be gone (a restarted server), or to lead to a server that is
            no longer the primary; only for callers all of whose scripts may be replayed. redis-py's own default is ten times,
            whatever the command.
        on_connected: called with each new connection, before its first command.
        replicas: how many of them a script waits for after it wrote.

    Returns:
        A client with text replies; nothing is connected yet.

    Raises:
        ConfigurationError: the address is malformed.
    """
    options: dict[str, Any] = {}
    if on_connected:

        def connected(connection: Any) -> None:
            connection.on_connect()
            on_connected(connection)

        options["redis_connect_func"] = connected
    address, root = read_address(url), names.state_root(namespace)
    client = StateClient.from_url(
        address.for_redis_py(),
        decode_responses=True,
        retry=FollowingRetry(NoBackoff(), int(repeat), supported_errors=LEADS_ASTRAY),
        command_packer=PACKER,
        **socket_options(address, answer_timeout_s),
        **guided(guide_of(address, root), is_encrypted=address.is_encrypted),
        **options,
    )
    client = cast("StateClient", client)
    client.root, client.replicas = root, replicas
    return client


def connect_async(settings: Settings, *, most: int = MOST_CONNECTIONS) -> AsyncStateClient:
    """A client for an event loop that fails as fast; no call blocks the loop.

    Args:
        settings: name the state.
        most: connections at once; a call that finds none free waits as long as for an answer.

    Returns:
        A client with text replies that repeats a command once when its connection turns out to be gone.

    Raises:
        ConfigurationError: the address is malformed.
    """
    address, root = read_address(settings.state_url), names.state_root(settings.namespace)
    pool = async_pool(
        redis.asyncio.BlockingConnectionPool,
        address,
        root,
        max_connections=most,
        timeout=ANSWER_TIMEOUT_S,
        decode_responses=True,
        retry=AsyncFollowingRetry(NoBackoff(), 1, supported_errors=LEADS_ASTRAY),
        **socket_options(address, ANSWER_TIMEOUT_S),
    )
    client = cast("AsyncStateClient", AsyncStateClient.from_pool(pool))
    client.root, client.replicas = root, settings.wait_replicas
    return client


def read_address(url: str) -> Address:
    """Read the address of a state server.

    Raises:
        ConfigurationError: the address is malformed.
    """
    try:
        return read_state(url.strip())
    except ValueError as error:
        raise ConfigurationError(f"the state address {error}") from error


@cache
def _own_name() -> dict[str, Any]:
    """What a connection calls itself in `CLIENT LIST`; left alone, redis-py reads its package's metadata for each of them."""
    try:
        from redis.driver_info import DriverInfo  # noqa: PLC0415 - redis-py before 7.1 has none
    except ImportError:
        return {}
    return {"driver_info": DriverInfo()}


def socket_options(address: Address, answer_timeout_s: float) -> dict[str, Any]:
    """Timeouts and handshake for redis-py. A Unix socket takes neither keepalive nor a connect timeout: it is at hand or not."""
    # RESP2 needs no handshake: over a slow network each round trip counts.
    near: dict[str, Any] = {"socket_timeout": answer_timeout_s, "protocol": 2, **_own_name()}
    if address.is_socket:
        return near
    return near | {
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "socket_keepalive": True,
        "socket_keepalive_options": KEEPALIVE,
    }


@contextmanager
def translating() -> Iterator[None]:
    """Around a call: redis-py's errors become ours, with the cause chained."""
    try:
        yield
    except (RedisError, OSError) as error:
        raise StateUnavailable(trouble(error)) from error


def translated(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """A function whose calls are in `translating`."""

    @wraps(function)
    def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        with translating():
            return function(*args, **kwargs)

    return wrapper
