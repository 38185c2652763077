"""kombu's connections, with what a queue that must recover automatically needs besides.

- Waits between attempts to reconnect stay at about a second: kombu's own grow to half a minute, and a worker that is deaf for that
  long after an outage sends nothing.
- Any refusal of a Redis broker (READONLY after a failover, OOM, MISCONF, UNBLOCKED) is a lost connection, and so is an
  acknowledgement on a channel that is closed: a worker reconnects, and goes on when the server lets it. In kombu they end it.
"""

import random
import time
from collections.abc import Callable
from typing import Any, Final

import kombu
from celery.app import amqp
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

# Spread, so that a fleet does not reconnect in step. The system's chance: that of the program is its own, may be seeded, and
# would be the same in each process that a server forks.
_PAUSE_S: Final = (0.4, 1.0)
_CHANCE: Final = random.SystemRandom()
# While a broker is away, one line of the log in so many seconds.
_SAY_EVERY_S: Final = 30.0


class Connection(kombu.Connection):  # type: ignore[misc, name-defined]
    """A broker connection that comes back within seconds, however long it was away."""

    # When a consumer of this process connected last; it has one.
    _consumer_connects_s = float("-inf")

    def get_transport_cls(self) -> Any:
        """Ours for Redis and Sentinel, kombu's own for all others."""
        if self.transport_cls in ("redis", "rediss", "sentinel"):
            return _redis_transports()[self.transport_cls == "sentinel"]
        return super().get_transport_cls()

    def _ensure_connection(
        self,
        errback: Callable[[Exception, float], None] | None = None,
        max_retries: int | None = None,
        interval_start: float = 2,
        interval_step: float = 2,  # noqa: ARG002 - kombu's signature
        interval_max: float = 30,  # noqa: ARG002 - kombu's signature
        *arguments: Any,
        **options: Any,
    ) -> Any:
        if errback:  # a consumer connects: a consumer that the server lets in and then refuses comes back at once
            self._calm_down(callback=options.get("callback"))
        pause_s = min(interval_start, _CHANCE.uniform(*_PAUSE_S))
        said_s = float("-inf")

        def seldom(error: Exception, interval: float) -> None:
            nonlocal said_s
            if errback and time.monotonic() - said_s >= _SAY_EVERY_S:
                said_s = time.monotonic()
                errback(error, interval)

        return super()._ensure_connection(seldom, max_retries, pause_s, 0, pause_s, *arguments, **options)

    def _calm_down(self, callback: Callable[[], None] | None) -> None:
        if callback:
            callback()  # ends the worker that is told to
        early_s = Connection._consumer_connects_s + _PAUSE_S[1] - time.monotonic()
        if early_s > 0:
            time.sleep(early_s)
        Connection._consumer_connects_s = time.monotonic()


class AMQP(amqp.AMQP):  # type: ignore[misc]
    """Celery's messaging, over our connections."""

    Connection = Connection


class _ClosedIsLost:
    """A channel says that it is closed, instead of failing on what it no longer has."""

    connection: Any

    def _connparams(self, *arguments: Any, **options: Any) -> Any:
        if self.connection is None or self.connection.client is None:
            raise RedisConnectionError("the connection to the broker is closed")
        return super()._connparams(*arguments, **options)  # type: ignore[misc]


def _redis_transports() -> tuple[Any, Any]:
    """The transports for Redis and for Sentinel, made when one is needed: other brokers do without them."""
    global _made  # noqa: PLW0603 - made once
    if _made is None:
        _made = _make()
    return _made


_made: tuple[Any, Any] | None = None


def _make() -> tuple[Any, Any]:
    from kombu.transport import redis  # noqa: PLC0415 - see above

    extra = "keyprefix_binding_deadlines"

    class Channel(_ClosedIsLost, redis.Channel):
        from_transport_options: Any = (*redis.Channel.from_transport_options, extra)

    class SentinelChannel(_ClosedIsLost, redis.SentinelChannel):
        from_transport_options: Any = (*redis.SentinelChannel.from_transport_options, extra)

    class Transport(redis.Transport):
        connection_errors = (*redis.Transport.connection_errors, ResponseError)

    class SentinelTransport(redis.SentinelTransport):
        connection_errors = (*redis.SentinelTransport.connection_errors, ResponseError)

    Transport.Channel, SentinelTransport.Channel = Channel, SentinelChannel
    return Transport, SentinelTransport
