"""Connections of the event loop to the state server."""

from collections.abc import Callable
from typing import Any, Final, cast

import redis.asyncio
from redis.backoff import NoBackoff

from paceline import names
from paceline.state import AsyncStateClient, read_address, socket_options
from paceline.state.connections import AsyncFollowingRetry, async_pool
from paceline.state.trouble import LEADS_ASTRAY

# Seconds a worker waits for one reply of the state server.
ANSWER_TIMEOUT_S: Final = 5.0


def aconnect(
    url: str,
    namespace: str,
    *,
    answer_timeout_s: float,
    connections: int | None = None,
    on_connected: Callable[[Any], Any] | None = None,
    replicas: int = 0,
) -> AsyncStateClient:
    """A client that repeats nothing that may have been done.

    Args:
        url: the state server.
        namespace: whose keys its scripts see.
        answer_timeout_s: seconds to wait for one reply.
        connections: most connections at once. A pool that is full is a wait: each of its connections is busy with a call that ends.
        on_connected: makes a new connection ready.
        replicas: how many of them a script waits for after it wrote.

    Raises:
        ConfigurationError: the address is malformed.
    """
    address, root = read_address(url), names.state_root(namespace)
    options: dict[str, Any] = {
        "decode_responses": True,
        # None is repeated; but a connection to the wrong server is closed.
        "retry": AsyncFollowingRetry(NoBackoff(), 0, supported_errors=LEADS_ASTRAY),
        **socket_options(address, answer_timeout_s),
    }
    if on_connected:
        options["redis_connect_func"] = on_connected
    if connections is None:
        pool = async_pool(redis.asyncio.ConnectionPool, address, root, **options)
    else:
        pool = async_pool(
            redis.asyncio.BlockingConnectionPool, address, root, max_connections=connections, timeout=None, **options
        )
    client = cast("AsyncStateClient", AsyncStateClient.from_pool(pool))
    client.root, client.replicas = root, replicas
    return client
