"""The console as an ASGI application: alone, or beside the routes of the gateway."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from paceline.async_outbox import AsyncOutbox
from paceline.errors import StateUnavailable
from paceline.gateway.guard import Gate
from paceline.gateway.limits import BodyLimit
from paceline.look import HEADERS
from paceline.settings import Settings
from paceline.state import questions
from paceline_worker.console import doors
from paceline_worker.console.desk import opened
from paceline_worker.console.drawing import whole
from paceline_worker.console.frame import ROOT
from paceline_worker.console.pages import (
    accounts,
    campaigns,
    hooks,
    now,
    operations,
    outcomes,
    review,
    suppression,
    upload,
)
from paceline_worker.console.session import DEFAULT_LIFETIME

LARGEST_UPLOAD: Final = 64 * 1024 * 1024
_RATE: Final = 100.0

_ROUTES: Final = (
    Route("/", now.now),
    Route("/accounts", accounts.listing),
    Route("/accounts/{name}", accounts.one),
    Route("/accounts/{name}/suspend", accounts.suspend, methods=["POST"]),
    Route("/accounts/{name}/resume", accounts.resume, methods=["POST"]),
    Route("/campaigns", campaigns.listing),
    # Below /campaigns/ stand the names that people give.
    Route("/campaigns-new", upload.form),
    Route("/campaigns-new", upload.submit, methods=["POST"]),
    Route("/campaigns/{name}", campaigns.one),
    Route("/campaigns/{name}/cancel", campaigns.cancelling, methods=["GET"]),
    Route("/campaigns/{name}/{verb}", campaigns.control, methods=["POST"]),
    Route("/operations", operations.search),
    Route("/operations/more", operations.more),
    Route("/operations/{id}", operations.one),
    Route("/operations/{id}/cancel", operations.cancel, methods=["POST"]),
    Route("/held", review.held),
    Route("/held", review.decide, methods=["POST"]),
    Route("/dead", review.dead),
    Route("/dead/replay", review.replay, methods=["POST"]),
    Route("/outcomes", outcomes.newest),
    Route("/suppression", suppression.lists, methods=["GET"]),
    Route("/suppression", suppression.change, methods=["POST"]),
    Route("/hooks", hooks.listing),
    Route("/hooks/{id}", hooks.one),
    Route("/hooks/{id}/replay", hooks.replay, methods=["POST"]),
    Route("/hooks/{id}/{verb}", hooks.switch, methods=["POST"]),
    Route("/sign-in", doors.form, methods=["GET"]),
    Route("/sign-in", doors.sign_in, methods=["POST"]),
    Route("/sign-out", doors.sign_out, methods=["POST"]),
    Route("/theme", doors.choose_theme, methods=["POST"]),
    Route("/static/{version}/{name}", doors.static),
)


class Console:
    """The pages; they answer while `open` is entered.

    Args:
        settings: where the state is.
        lifetime: of a session.
    """

    def __init__(self, settings: Settings, lifetime: timedelta = DEFAULT_LIFETIME) -> None:
        self._settings, self._lifetime = settings, lifetime
        self.app = Starlette(
            routes=list(_ROUTES),
            middleware=[Middleware(_Guarding)],
            exception_handlers={HTTPException: _of_routing, 500: _of_defects},
        )

    @asynccontextmanager
    async def open(self, outbox: AsyncOutbox, gate: Gate) -> AsyncIterator[None]:
        """Serve.

        Args:
            outbox: lent.
            gate: lent.
        """
        async with opened(self._settings, outbox, gate, self._lifetime) as desk:
            state = self.app.state
            state.desk, state.streams, state.closing = desk, set(), asyncio.Event()
            yield
            state.closing.set()


class _Guarding:
    """Adds the headers that keep pages to themselves."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def guarded(message: dict[str, object]) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))  # type: ignore[call-overload]
                names = {name for name, _ in headers}
                headers += [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
                if b"cache-control" not in names:
                    headers.append((b"cache-control", b"no-store"))
                message = {**message, "headers": headers}
            await send(message)

        await self._app(scope, receive, guarded)  # type: ignore[arg-type]


async def _of_routing(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    words = {404: "There is no such page.", 405: "This page is read-only."}
    detail = words.get(status) or (str(error.detail) if isinstance(error, HTTPException) else "")
    return HTMLResponse(whole("problem.html", request, None, {"words": detail, "status": status}), status)


async def _of_defects(request: Request, _: Exception) -> Response:
    words = "The console failed; its log says why."
    return HTMLResponse(whole("problem.html", request, None, {"words": words, "status": 500}), 500)


def attached(settings: Settings) -> Console:
    """The console for a gateway, which finds this function by its entry point.

    Args:
        settings: where the state is.
    """
    return Console(settings)


def alone(
    settings: Settings,
    *,
    lifetime: timedelta = DEFAULT_LIFETIME,
    largest: int = LARGEST_UPLOAD,
    rate: float = _RATE,
) -> Starlette:
    """The console without a gateway.

    Args:
        settings: broker and state.
        lifetime: of a session.
        largest: bytes of a request.
        rate: requests a second that one token may make.
    """
    console = Console(settings, lifetime)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with AsyncOutbox(settings=settings) as outbox, console.open(outbox, Gate(outbox.state, rate)):
            app.state.outbox = outbox
            yield

    async def first(_: Request) -> Response:
        return RedirectResponse(f"{ROOT}/")

    async def healthz(_: Request) -> Response:
        return JSONResponse({"ready": True})

    async def readyz(request: Request) -> Response:
        try:
            await request.app.state.outbox.state.ask(questions.fleet())
        except StateUnavailable:
            return JSONResponse({"ready": False}, 503)
        return JSONResponse({"ready": True})

    routes = [
        Route("/", first),
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        Mount(ROOT, console.app),
    ]
    return Starlette(routes=routes, lifespan=lifespan, middleware=[Middleware(BodyLimit, most=largest)])
