"""What probes learn of a process: ``/healthz`` says whether the process turns, ``/readyz`` whether it can do its work.

Compose, Kubernetes and ``paceline health`` ask. A process that is not ready is left alone; a process that does not turn is
restarted. So trouble of the state server or of the broker never shows in ``/healthz``: a restart would not mend that.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import redis
from redis.exceptions import RedisError

from paceline.inbox.app import App
from paceline.settings import Settings
from paceline.state import connect
from paceline.state.shards import at_each_server
from paceline_worker.telemetry import scraped

LIVE: Final = "/healthz"
READY: Final = "/readyz"
METRICS: Final = "/metrics"
# The path that exporter and receiver had before; set-ups may still ask for it.
FORMER: Final = "/-/healthy"

# A probe waits this long for one answer. With all checks of a worker an answer comes within five seconds.
PATIENCE_S: Final = 1.5
# A loop that has not turned for so long makes no call in time.
TURN_S: Final = 1.5
# Probes that come faster share an answer, so that they cost the servers next to nothing.
_KEPT_S: Final = 1.0

# A check returns why the process is not ready, or '' when nothing keeps it.
Check = Callable[[], str]


class Health:
    """The checks of one process.

    Args:
        live: Checks that the process itself turns.
        ready: Checks of what it needs, in the order in which they are told.
        clock: Seconds, monotonic.
    """

    def __init__(
        self, *, live: Sequence[Check] = (), ready: Sequence[Check] = (), clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._answers = {LIVE: _Kept(live, clock), READY: _Kept((*live, *ready), clock)}

    def trouble(self, path: str) -> str:
        """Why a probe of this path fails; '' when the process is well. Any thread may ask."""
        return self._answers[path].words()


class _Kept:
    """The last answer of some checks; one thread at a time asks for a new one.

    Args:
        checks: Asked in order; the first trouble is the answer.
        clock: Seconds, monotonic.
    """

    def __init__(self, checks: Sequence[Check], clock: Callable[[], float]) -> None:
        self._checks = checks
        self._clock = clock
        self._lock = threading.Lock()
        self._words = ""
        self._until_s = float("-inf")

    def words(self) -> str:
        with self._lock:
            if self._clock() >= self._until_s:
                self._words = next(filter(None, (check() for check in self._checks)), "")
                self._until_s = self._clock() + _KEPT_S
            return self._words


def state_answers(settings: Settings, *, of_all_shards: bool = False) -> Check:
    """A check of the state server, over a connection of its own.

    Args:
        settings: Name the state server.
        of_all_shards: Ask the server of each shard; else that of shard 0, for a program that serves other shards meanwhile.

    Raises:
        ConfigurationError: The address is malformed.
    """
    client = connect(settings.state_url, namespace=settings.namespace, answer_timeout_s=PATIENCE_S)

    def check() -> str:
        try:
            client.ping()
            away = list(at_each_server(client, redis.Redis.ping).away) if of_all_shards else []
        except (RedisError, OSError):
            return "the state server does not answer"  # without an address: strangers may ask a receiver
        if len(away) > 1:
            return f"the state servers of shards {', '.join(map(str, away))} do not answer"
        return f"the state server of shard {away[0]} does not answer" if away else ""

    return check


def broker_answers(settings: Settings) -> Check:
    """A check of the broker: one more connection, made and closed.

    Args:
        settings: Name the broker.
    """
    app = App("paceline.health", settings)
    app.conf["broker_transport_options"] |= {
        "max_retries": 0,
        "socket_timeout": PATIENCE_S,
        "socket_connect_timeout": PATIENCE_S,
    }

    def check() -> str:
        try:
            with app.connection_for_write(connect_timeout=PATIENCE_S) as connection:
                connection.ensure_connection(max_retries=1, interval_start=0, timeout=PATIENCE_S)
        except Exception:  # noqa: BLE001 - any broker, any error; its words may hold an address with a password
            return "the broker does not answer"
        return ""

    return check


def turning(loop: asyncio.AbstractEventLoop, patience_s: float = TURN_S) -> str:
    """Why an event loop does nothing; '' when it turns. Any other thread may ask.

    Args:
        loop: The loop.
        patience_s: Seconds to wait for one turn.
    """
    turned = threading.Event()
    try:
        loop.call_soon_threadsafe(turned.set)
    except RuntimeError:  # it is closed
        return "the event loop has ended"
    return "" if turned.wait(patience_s) else f"the event loop has not turned for {patience_s:g} s"


def served(health: Health, metrics: scraped.App) -> scraped.App:
    """A WSGI app with ``/metrics``, ``/healthz`` and ``/readyz``; everything else is not found.

    Args:
        health: Answers the probes: 200 ``ok``, or 503 with why not.
        metrics: Answers ``/metrics``.
    """

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == METRICS:
            return metrics(environ, start_response)
        status, words = answer(health, path)
        start_response(status, [("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store")])
        return [f"{words}\n".encode()]

    return app


def answer(health: Health, path: str) -> tuple[str, str]:
    """Status line and words for a path that is not ``/metrics``."""
    path = LIVE if path == FORMER else path
    if path not in (LIVE, READY):
        return "404 Not Found", f"not found; there are {METRICS}, {LIVE} and {READY}"
    words = health.trouble(path)
    return ("503 Service Unavailable", words) if words else ("200 OK", "ok")
