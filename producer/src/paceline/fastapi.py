"""Paceline in a FastAPI service: an outbox for the life of the application, a dependency, and answers for errors.

::

    from fastapi import FastAPI
    from paceline import SendMessage
    from paceline.fastapi import OutboxOf, answer_errors, lifespan

    app = FastAPI(lifespan=lifespan)
    answer_errors(app)

    @app.post("/orders/{order}/ready")
    async def ready(order: str, number: str, outbox: OutboxOf) -> str:
        message = SendMessage(account="acme", sender="+15550100001", to=number, text="Ready", idempotency_key=order)
        return (await outbox.send(message)).id
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse

from paceline.async_outbox import AsyncOutbox
from paceline.errors import PacelineError
from paceline.problems import MEDIA_TYPE, problem_of

__all__ = ["OutboxOf", "answer_errors", "lifespan", "outbox_of"]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open an `AsyncOutbox` when the application starts, close it when it ends. Settings come from ``PACELINE_*``.

    Args:
        app: keeps the outbox in ``app.state.paceline``; an outbox that is there already is left to its owner.
    """
    if getattr(app.state, "paceline", None) is not None:
        yield
        return
    async with AsyncOutbox() as outbox:
        app.state.paceline = outbox
        try:
            yield
        finally:
            app.state.paceline = None


async def outbox_of(request: Request) -> AsyncOutbox:
    """The application's outbox, as a dependency.

    Tests put a recording one in its place with ``app.dependency_overrides``. A plain function would take a thread for each request.
    """
    outbox: AsyncOutbox | None = getattr(request.app.state, "paceline", None)
    if outbox is None:
        raise RuntimeError("the application has no outbox: FastAPI(lifespan=paceline.fastapi.lifespan)")
    return outbox


OutboxOf = Annotated[AsyncOutbox, Depends(outbox_of)]


def answer_errors(app: FastAPI) -> None:
    """Answer errors of an outbox as problem details (RFC 9457): 422 for what cannot be sent, 503 without state, and so on.

    Args:
        app: gets a handler for `PacelineError`.
    """
    app.add_exception_handler(PacelineError, _answer)


async def _answer(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, PacelineError):
        raise error
    problem = problem_of(error)
    return JSONResponse(problem.as_json(), problem.status, media_type=MEDIA_TYPE)
