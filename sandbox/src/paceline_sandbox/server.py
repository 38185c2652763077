"""The composition root: builds the provider and serves it on one port."""

import asyncio
import contextlib
import gc
import secrets
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from random import Random
from typing import Final, TextIO

from aiohttp import web

from paceline_sandbox.api import api_routes
from paceline_sandbox.clock import anchored_clock
from paceline_sandbox.console.console import console_routes
from paceline_sandbox.console.journal import Journal
from paceline_sandbox.faults.scenario import Scenario
from paceline_sandbox.provider import Provider
from paceline_sandbox.webhooks.webhooks import Webhooks

DEFAULT_HOST: Final = "127.0.0.1"
# Requests in work at the end are cut off: a sandbox that stops is an outage, and tests wait for it.
_SHUTDOWN_SECONDS: Final = 0.1
_FREEZE_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Settings:
    """How to run a sandbox. `port` 0 picks a free one; `log_file` receives the arrivals and is not closed here."""

    scenario: Scenario
    host: str = DEFAULT_HOST
    port: int = 0
    seed: int = 0
    log_file: TextIO | None = None


@contextlib.asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[str]:
    """Runs a sandbox on the current event loop.

    Args:
        settings: how to run it.

    Yields:
        Its root address, as ``http://127.0.0.1:8080``.

    Raises:
        OSError: the port cannot be had.
    """
    clock = anchored_clock()
    webhooks = Webhooks(clock)
    provider = Provider(
        settings.scenario,
        clock=clock,
        new_id=_new_id,
        random=Random(settings.seed),  # noqa: S311 - emulated latency, not a secret
        seed=settings.seed,
        journal=Journal(settings.log_file),
        carrier=webhooks,
    )
    app = web.Application()
    app.cleanup_ctx.append(webhooks.running)
    app.add_routes(console_routes(provider, webhooks))
    app.add_routes(api_routes(provider, webhooks))
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
    await runner.setup()

    try:
        site = web.TCPSite(runner, settings.host, settings.port, backlog=1024)
        await site.start()
        port = runner.addresses[0][1]
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


async def keep_collections_short() -> None:
    """Hides what the log holds from the garbage collector, for ever.

    A full collection over a million arrivals stops the process for a good part of a second; the requests of that time
    would be stamped together afterwards and look like a burst. Given up: cyclic garbage alive at that moment stays.
    """
    while True:
        await asyncio.sleep(_FREEZE_SECONDS)
        gc.collect(1)
        gc.freeze()


def _new_id(prefix: str) -> str:
    return f"{prefix}{uuid.UUID(bytes=secrets.token_bytes(16), version=4)}"
