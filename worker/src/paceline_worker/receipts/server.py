"""The HTTP side of the receiver: three paths, small bodies, quick answers, and no word of what was posted in any log."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from paceline.errors import StateUnavailable
from paceline_worker.receipts.address import PATH
from paceline_worker.receipts.connections import Connections
from paceline_worker.receipts.intake import Intake
from paceline_worker.receipts.metrics import ReceiptMetrics, Result
from paceline_worker.telemetry.health import FORMER, LIVE, METRICS, READY, Health, answer
from paceline_worker.telemetry.serving import listener

log = structlog.get_logger(__name__)

LARGEST_BODY: Final = 64 * 1024
# A receipt has some hundred bytes: who needs longer for them does not want to be heard.
_BODY_S: Final = 10.0
_KEEPALIVE_S: Final = 60.0
_SHUTDOWN_S: Final = 5.0
# How long the rest of a refused body is taken, so that the sender can read why.
_LINGERING_S: Final = 2.0
_ANSWERS: Final = {
    Result.FORBIDDEN: (404, "not found"),
    Result.MALFORMED: (400, "not a receipt"),
    Result.UNAVAILABLE: (503, "not now; please send it again"),
}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(
    intake: Intake, metrics: ReceiptMetrics, registry: CollectorRegistry, health: Health, *, port: int, address: str
) -> AsyncIterator[None]:
    """Serve for as long as the context lasts; at its end requests that are under way are answered.

    Args:
        intake: takes receipts.
        metrics: counts requests.
        registry: what ``/metrics`` shows.
        health: answers the probes.
        port: TCP port.
        address: interface.

    Raises:
        OSError: the port is taken.
    """
    connections = Connections(idle_s=_KEEPALIVE_S)
    app = web.Application(client_max_size=LARGEST_BODY, middlewares=[_watched(connections), _plain])
    app.add_routes(
        [
            web.post(f"{PATH}/{{account}}/{{token}}", _receipts(intake, metrics)),
            *(web.get(path, _probed(health)) for path in (LIVE, READY, FORMER)),
            web.get(METRICS, _metrics(registry)),
        ]
    )
    # aiohttp's logs hold paths (tokens are in them) and what was sent instead of HTTP.
    silent = logging.getLogger(f"{__name__}.silent")
    silent.disabled = True
    runner = web.AppRunner(
        app,
        access_log=None,
        logger=silent,
        keepalive_timeout=_KEEPALIVE_S,
        shutdown_timeout=_SHUTDOWN_S,
        lingering_time=_LINGERING_S,
    )
    await runner.setup()
    handlers: Any = runner.server
    try:
        loop = asyncio.get_running_loop()
        async with await loop.create_server(
            lambda: connections.front(handlers()), sock=listener(address, port)
        ) as server:
            yield
            server.close()
            await runner.cleanup()
    finally:
        await runner.cleanup()


def _receipts(intake: Intake, metrics: ReceiptMetrics) -> Handler:
    async def post(request: web.Request) -> web.StreamResponse:
        try:
            result = await _result(intake, request)
        except StateUnavailable:
            result = Result.UNAVAILABLE
            intake.reached(answers=False)
        except web.HTTPRequestEntityTooLarge:
            metrics.request(Result.MALFORMED)
            return _answer(413, "too large for a receipt")
        metrics.request(result)
        return _answer(*_ANSWERS.get(result, (200, "")))

    return post


async def _result(intake: Intake, request: web.Request) -> Result:
    account = request.match_info["account"]
    digest = await intake.key(account, request.match_info["token"])
    if digest is None:
        return Result.FORBIDDEN
    try:
        async with asyncio.timeout(_BODY_S):
            body = await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise
    except Exception:  # noqa: BLE001 - it did not come to its end, or is not encoded as it says
        return Result.MALFORMED
    return await intake.take(account, digest, body)


def _probed(health: Health) -> Handler:
    async def probe(request: web.Request) -> web.StreamResponse:
        # The check of state blocks; a loop that does not turn answers no probe.
        status, words = await asyncio.to_thread(answer, health, request.path)
        return web.Response(text=f"{words}\n", status=int(status[:3]))

    return probe


def _metrics(registry: CollectorRegistry) -> Handler:
    async def show(_: web.Request) -> web.StreamResponse:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return show


def _watched(connections: Connections) -> Any:
    """Tells which connections have said what they want."""

    @web.middleware
    async def watch(request: web.Request, handler: Handler) -> web.StreamResponse:
        transport = request.transport
        connections.asked(transport)
        try:
            return await handler(request)
        finally:
            connections.answered(transport)

    return watch


@web.middleware
async def _plain(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Whatever is not there looks alike, whether its path, its method or its token is wrong; and no error tells of itself."""
    try:
        return await handler(request)
    except web.HTTPException:
        return _answer(*_ANSWERS[Result.FORBIDDEN])
    except Exception as error:  # noqa: BLE001 - its words and its traceback may hold what was posted
        log.error("a request could not be answered", error=type(error).__name__)  # noqa: TRY400
        return _answer(500, "not now")


def _answer(status: int, error: str) -> web.Response:
    body = {"success": False, "error": error} if error else {"success": True}
    headers = {"Retry-After": "5"} if status == 503 else None
    return web.json_response(body, status=status, headers=headers)
