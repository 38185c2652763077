"""Problems that routes may answer, for the OpenAPI document, and the application's outbox."""

from typing import Annotated, Any, Final

from fastapi import Depends, Query, Request

from paceline.async_outbox import AsyncOutbox
from paceline.gateway.shapes import Problem
from paceline.problems import MEDIA_TYPE

_WORDS: Final = {
    400: "The request cannot be read.",
    401: "The token is missing or unknown.",
    403: "The token lacks the scope.",
    404: "The object does not exist, or the token has no access to it.",
    409: "The change comes too late, or the name is taken.",
    410: "Entries after this one are deleted.",
    413: "The request is too large.",
    415: "The content type is unknown.",
    422: "A field is invalid, or the idempotency key belongs to other content.",
    429: "The token sends too many requests.",
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
Limit = Annotated[int, Query(ge=1, le=1000, description="Greatest number to return.")]
Name = Annotated[str, Query(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
