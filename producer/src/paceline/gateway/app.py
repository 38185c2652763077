"""The HTTP gateway: every operation and campaign for services in any language."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any, Final, Protocol

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from paceline.async_outbox import AsyncOutbox
from paceline.errors import PacelineError, StateUnavailable
from paceline.gateway import accounts, campaigns, history, operations, outcomes, suppressions
from paceline.gateway.guard import Audit, Gate, RequestRefused
from paceline.gateway.limits import BodyLimit
from paceline.gateway.problems import MEDIA_TYPE, Problem, defect, is_defect, problem_of
from paceline.gateway.shapes import Health
from paceline.refusals import place_of, words_of
from paceline.settings import Settings
from paceline.state import questions
from paceline.version import VERSION

DEFAULT_RATE: Final = 100.0
LARGEST_BODY: Final = 8 * 1024 * 1024
PAGES_AT: Final = "/console"


class Pages(Protocol):
    """Pages for people that another package brings."""

    @property
    def app(self) -> ASGIApp:
        """The application that serves them."""

    def open(self, outbox: AsyncOutbox, gate: Gate) -> AbstractAsyncContextManager[None]:
        """Serve with what the gateway has, while the context is entered."""


def build(
    settings: Settings,
    *,
    rate: float = DEFAULT_RATE,
    largest_body: int = LARGEST_BODY,
    outbox: AsyncOutbox | None = None,
    pages: Pages | None = None,
) -> FastAPI:
    """The application.

    Args:
        settings: broker and state.
        rate: requests a second that one token may make.
        largest_body: bytes of a request.
        outbox: used instead of an outbox of the application's own.
        pages: served beside the gateway's own routes.

    Returns:
        An ASGI application.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with outbox or AsyncOutbox(settings=settings) as opened:
            app.state.outbox = opened
            app.state.gate = Gate(opened.state, rate)
            async with pages.open(opened, app.state.gate) if pages else nullcontext():
                yield

    app = FastAPI(
        title="Paceline",
        version=VERSION,
        summary="Send WhatsApp messages through the 2Chat API, and follow their outcomes.",
        lifespan=lifespan,
        openapi_url="/v1/openapi.json",
        generate_unique_id_function=_named,
        docs_url=None,
        redoc_url=None,
    )
    for routes in (
        operations.routes(),
        outcomes.routes,
        campaigns.routes,
        accounts.routes,
        history.routes,
        suppressions.routes,
    ):
        app.include_router(routes, prefix="/v1")
    if pages is not None:
        app.mount(PAGES_AT, pages.app)
    _health(app)
    _answer_errors(app)
    app.add_middleware(BodyLimit, most=largest_body)
    app.add_middleware(Audit)
    return app


def _named(route: APIRoute) -> str:
    """The id of a route, which is the name of a method in generated clients."""
    verb = {"one": "get", "listing": "list"}.get(route.name, route.name)
    return f"{route.tags[0]}_{verb}"


def _health(app: FastAPI) -> None:
    @app.get("/healthz", tags=["health"], summary="The process runs.")
    async def healthz() -> Health:
        return Health(ready=True)

    @app.get("/readyz", tags=["health"], summary="The state server answers.", responses={503: {"model": Health}})
    async def readyz(request: Request, response: Response) -> Health:
        try:
            await request.app.state.outbox.state.ask(questions.fleet())
        except StateUnavailable:
            response.status_code = 503
            return Health(ready=False)
        return Health(ready=True)


def _answer_errors(app: FastAPI) -> None:
    @app.exception_handler(PacelineError)
    async def of_paceline(_: Request, error: PacelineError) -> JSONResponse:
        if is_defect(error):
            raise error
        return _answer(problem_of(error))

    @app.exception_handler(RequestRefused)
    async def of_guard(_: Request, error: RequestRefused) -> JSONResponse:
        return _answer(Problem(error.status, error.kind, error.detail), error.headers)

    @app.exception_handler(HTTPException)
    async def of_routing(_: Request, error: HTTPException) -> JSONResponse:
        kinds = {404: "no-such-path", 405: "method-not-allowed", 413: "too-large"}
        return _answer(
            Problem(error.status_code, kinds.get(error.status_code, "bad-request"), str(error.detail)), error.headers
        )

    @app.exception_handler(RequestValidationError)
    async def of_values(_: Request, error: RequestValidationError) -> JSONResponse:
        first: Any = error.errors()[0]
        where = place_of(first["loc"][1:])
        words = words_of(first)
        return _answer(Problem(422, "invalid-request", f"{where}: {words}" if where else words))

    @app.exception_handler(Exception)
    async def of_defects(_: Request, __: Exception) -> JSONResponse:
        # Starlette raises the error again once the answer is written, and the server logs it.
        return _answer(defect())


def _answer(problem: Problem, headers: Any = None) -> JSONResponse:
    return JSONResponse(problem.as_json(), problem.status, headers=dict(headers or {}), media_type=MEDIA_TYPE)
