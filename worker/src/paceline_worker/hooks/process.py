"""The process of a runner: its settings, its metrics, its end."""

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

import structlog
from prometheus_client import CollectorRegistry, ProcessCollector, make_wsgi_app
from redis.exceptions import RedisError

from paceline.settings import Settings
from paceline.state import connect_to
from paceline.state.shards import require_one
from paceline_worker.accounts.secrets import KeyRing
from paceline_worker.hooks.metrics import HookMetrics
from paceline_worker.hooks.posting import DEADLINE, Poster
from paceline_worker.hooks.runner import LEASE, Runner, until_told
from paceline_worker.hooks.serving import Rules, Tools
from paceline_worker.hooks.state import RunnerState
from paceline_worker.telemetry import logs, scraped
from paceline_worker.telemetry.serving import origin

log = structlog.get_logger(__name__)

_HEALTHY: Final = ("/healthz", "/-/healthy")
_READY: Final = "/readyz"
_METRICS: Final = ("/metrics", "/")


@dataclass(frozen=True, slots=True)
class Options:
    """Of one process.

    Args:
        rules: how hooks are served.
        deadline: for one request.
        lease: how long a hook is its own without another word.
        allow_private: post to private addresses as well.
        port: of the metrics; 0 shows none.
    """

    rules: Rules
    deadline: timedelta = DEADLINE
    lease: timedelta = LEASE
    allow_private: bool = False
    port: int = 9812


def serve(settings: Settings, options: Options) -> None:
    """Serve hooks until SIGTERM or SIGINT.

    Raises:
        ConfigurationError: there is no secret key.
        OSError: the metrics cannot be served.
    """
    ring = KeyRing(settings.secret_key.get_secret_value())
    # A server that is away now is waited for later.
    with closing(connect_to(settings, repeat=True)) as client, suppress(RedisError, OSError):
        require_one(client, "webhooks out")
    # Kept until they are waited for: an end that is asked for during the start counts, too.
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))
    logs.configure(settings.log_format)
    asyncio.run(_serve(settings, options, ring))


async def _serve(settings: Settings, options: Options, ring: KeyRing) -> None:
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    name = f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:6]}"
    retention = timedelta(seconds=settings.retention_s)
    state = RunnerState(
        settings.state_url, name, lease=options.lease, retention=retention, namespace=settings.namespace
    )
    async with Poster(allow_private=options.allow_private, deadline=options.deadline) as poster:
        runner = Runner(Tools(state, poster, HookMetrics(registry), options.rules), ring, options.lease)
        stop = _show(registry, runner, settings.metrics_address, options.port)
        try:
            await until_told(runner)
        finally:
            stop()
            await state.close()


def _show(registry: CollectorRegistry, runner: Runner, address: str, port: int) -> Callable[[], None]:
    if not port:
        return lambda: None
    metrics: scraped.App = make_wsgi_app(registry)

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path in _METRICS:
            return metrics(environ, start_response)
        ok = path in _HEALTHY or (path == _READY and runner.answers)
        status = "200 OK" if ok else "503 Service Unavailable" if path == _READY else "404 Not Found"
        start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
        return [b"ok\n" if ok else b"the state server does not answer\n" if path == _READY else b"not found\n"]

    stop = scraped.serve(app, port, address, "paceline-hooks")
    log.info("metrics", address=f"{origin(address, port)}/metrics")
    return stop
