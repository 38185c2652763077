"""The state server: its connection, and beside it the scripts and the calls that producers and readers make."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from paceline.errors import ConfigurationError, StateUnavailable

_P = ParamSpec("_P")
_T = TypeVar("_T")

# connect + answer + hint stay within the 3 s that `send()` promises.
CONNECT_TIMEOUT_S: Final = 1.0
ANSWER_TIMEOUT_S: Final = 1.5
# Of one event loop.
MOST_CONNECTIONS: Final = 32


def connect(
    url: str,
    *,
    answer_timeout_s: float = ANSWER_TIMEOUT_S,
    repeat: bool = False,
    on_connected: Callable[[Any], None] | None = None,
) -> redis.Redis:
    """A client that fails fast.

    Args:
        url: ``redis://``, ``rediss://`` or ``unix://`` address.
        answer_timeout_s: seconds to wait for one reply.
        repeat: repeat a command once when its connection turns out to be gone (a restarted server); only for callers
            all of whose scripts may be replayed. redis-py's own default is ten times, whatever the command.
        on_connected: called with each new connection, before its first command.

    Returns:
        A client with text replies; nothing is connected yet.

    Raises:
        ConfigurationError: the address is malformed.
    """
    options: dict[str, Any] = socket_options(url, answer_timeout_s)
    if on_connected:

        def connected(connection: Any) -> None:
            connection.on_connect()
            on_connected(connection)

        options["redis_connect_func"] = connected
    try:
        client: redis.Redis = redis.Redis.from_url(
            url,
            decode_responses=True,
            retry=Retry(NoBackoff(), int(repeat), supported_errors=(RedisConnectionError,)),
            **options,
        )
    except ValueError as error:
        raise ConfigurationError(f"the state address is malformed: {error}") from error
    return client


def connect_async(url: str, *, most: int = MOST_CONNECTIONS) -> redis.asyncio.Redis:
    """A client for an event loop that fails as fast; nothing of it blocks the loop.

    Args:
        url: as for `connect`.
        most: connections at once; a call that finds none free waits as long as for an answer.

    Returns:
        A client with text replies that repeats a command once when its connection turns out to be gone.

    Raises:
        ConfigurationError: the address is malformed.
    """
    try:
        pool = redis.asyncio.BlockingConnectionPool.from_url(
            url,
            max_connections=most,
            timeout=ANSWER_TIMEOUT_S,
            decode_responses=True,
            retry=AsyncRetry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
            **socket_options(url, ANSWER_TIMEOUT_S),
        )
    except ValueError as error:
        raise ConfigurationError(f"the state address is malformed: {error}") from error
    return redis.asyncio.Redis.from_pool(pool)


def socket_options(url: str, answer_timeout_s: float) -> dict[str, Any]:
    """Timeouts and handshake for redis-py. A Unix socket takes neither keepalive nor a connect timeout: it is at hand or not."""
    # RESP2 needs no handshake: over a slow network each round trip counts.
    near: dict[str, Any] = {"socket_timeout": answer_timeout_s, "protocol": 2}
    if url.startswith("unix://"):
        return near
    return near | {"socket_connect_timeout": CONNECT_TIMEOUT_S, "socket_keepalive": True}


@contextmanager
def translating() -> Iterator[None]:
    """Around a call: redis-py's errors become ours, with the cause chained."""
    try:
        yield
    except (AuthenticationError, NoPermissionError) as error:
        raise StateUnavailable(f"the state server refused us: {error}") from error
    except (RedisConnectionError, RedisTimeoutError, OSError) as error:
        raise StateUnavailable(f"the state server cannot be reached: {error}") from error
    except RedisError as error:
        raise StateUnavailable(f"the state server did not take the command: {error}") from error


def translated(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """A function whose calls are in `translating`."""

    @wraps(function)
    def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        with translating():
            return function(*args, **kwargs)

    return wrapper
