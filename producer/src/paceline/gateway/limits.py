"""Requests that are too large are refused while they come, whatever they say of their length."""

import json
from typing import Final

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from paceline.gateway.problems import MEDIA_TYPE, Problem

_STATUS: Final = 413


class BodyLimit:
    """An ASGI middleware.

    Args:
        app: what is protected.
        most: bytes of a body.
    """

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app, self._words, self._most = app, f"the request has more than {most:,} bytes", most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        told = dict(scope["headers"]).get(b"content-length", b"0")
        if told.isdigit() and int(told) > self._most:
            await self._refuse(send)
            return
        came = 0

        async def counted() -> Message:
            nonlocal came
            message = await receive()
            came += len(message.get("body", b""))
            if came > self._most:
                raise HTTPException(_STATUS, self._words)
            return message

        await self._app(scope, counted, send)

    async def _refuse(self, send: Send) -> None:
        body = json.dumps(Problem(_STATUS, "too-large", self._words).as_json()).encode()
        headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": _STATUS, "headers": headers})
        await send({"type": "http.response.body", "body": body})
