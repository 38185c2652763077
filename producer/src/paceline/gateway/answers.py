"""Problems that routes may answer, for the OpenAPI document, and the application's outbox."""

from typing import Annotated, Any, Final

from fastapi import Depends, Query, Request

from paceline.async_outbox import AsyncOutbox
from paceline.gateway.shapes import Problem
from paceline.problems import MEDIA_TYPE

_WORDS: Final = {
    400: "The request cannot be read.",
    401: "No token, or one that is not known.",
    403: "The token lacks the scope.",
    404: "There is none, or the token may not know of it.",
    409: "It is too late, or a name is taken.",
    410: "Entries after this one are deleted.",
    413: "The request is too large.",
    415: "The content type is not known.",
    422: "A field cannot be as it is; or the idempotency key belongs to another content.",
    429: "The token asks too often.",
    503: "The state server does not answer.",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Answers of a route besides its own; all routes may answer 401, 403, 413, 422, 429 and 503."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    every = sorted({*statuses, 400, 401, 403, 413, 422, 429, 503})
    return {status: {"description": _WORDS[status], "model": Problem, "content": content} for status in every}


async def outbox_of(request: Request) -> AsyncOutbox:
    """The application's outbox; asynchronous, because FastAPI would take a thread for a plain function."""
    outbox: AsyncOutbox = request.app.state.outbox
    return outbox


Box = Annotated[AsyncOutbox, Depends(outbox_of)]
Limit = Annotated[int, Query(ge=1, le=1000, description="At most so many.")]
Name = Annotated[str, Query(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
