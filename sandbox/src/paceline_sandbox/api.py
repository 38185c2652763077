"""The provider's side over HTTP: finds out what a request asks for, waits as told, answers or drops the connection."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import ClientPayloadError, web

from paceline_sandbox.answers import REASONS, Answer, refusal
from paceline_sandbox.clock import SECOND_US
from paceline_sandbox.provider import Call, Provider, Route

KEY_HEADER: Final = "X-User-API-Key"
BASE_PATH: Final = "/open"

_SEND: Final = Route("send", "send")
_INFO: Final = Route("info", "info")
_UNKNOWN: Final = Route("other", "unknown")
_NOT_ALLOWED: Final = Route("other", "method_not_allowed")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
RouteFinder = Callable[[web.Request], Route]


def api_routes(provider: Provider) -> list[web.RouteDef]:
    """The routes of the emulated API.

    Args:
        provider: decides about every call.
    """

    def door(find: RouteFinder) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            return await _serve(provider, request, find(request))

        return handle

    history = door(_history)
    info = door(_only("GET", _INFO))
    return [
        web.route("*", f"{BASE_PATH}/whatsapp/send-message", door(_only("POST", _SEND))),
        web.route("*", f"{BASE_PATH}/info", info),
        web.route("*", "/info", info),
        web.get("/ping", _ping),
        web.get(f"{BASE_PATH}/ping", _ping),
        web.get(f"{BASE_PATH}/whatsapp/groups/messages/{{group_uuid}}", history),
        web.get(f"{BASE_PATH}/whatsapp/messages/{{number}}", history),
        web.get(f"{BASE_PATH}/whatsapp/messages/{{number}}/{{remote}}", history),
        web.route("*", f"{BASE_PATH}/{{tail:.*}}", door(lambda _: _UNKNOWN)),
    ]


def _only(method: str, route: Route) -> RouteFinder:
    return lambda request: route if request.method == method else _NOT_ALLOWED


def _history(request: web.Request) -> Route:
    operation = "group_history" if "group_uuid" in request.match_info else "conversation"
    return Route("history", operation, dict(request.match_info), request.query.get("page_number", "0"))


async def _ping(_: web.Request) -> web.StreamResponse:
    return web.json_response({"success": True, "message": "pong"})


async def _serve(provider: Provider, request: web.Request, route: Route) -> web.StreamResponse:
    transit_us = provider.transit_us()
    if transit_us:
        await asyncio.sleep(transit_us / SECOND_US)
    call = provider.arrive(_key(request), request.method, request.path, route)
    status: int | None = None
    try:
        answer = await _answer(provider, request, call)
        if answer is None:
            return _dropped(request)
        status = answer.status
        return web.Response(
            body=answer.encoded(),
            status=status,
            reason=REASONS.get(status),
            headers=answer.headers,
            content_type="application/json",
        )
    finally:
        provider.finish(call, status)


def _key(request: web.Request) -> str | None:
    """The API key; bytes that are no text become question marks, for they could be neither logged nor shown."""
    key = request.headers.get(KEY_HEADER)
    return key if key is None or key.isascii() else key.encode(errors="replace").decode()


async def _answer(provider: Provider, request: web.Request, call: Call) -> Answer | None:
    try:
        raw_body = await request.read() if request.body_exists else b""
    except web.HTTPRequestEntityTooLarge:
        return refusal(413)
    except (ConnectionError, ClientPayloadError):
        return None  # the caller left in the middle of its body: nobody to answer
    wait_us = provider.read(call, raw_body)
    if wait_us:
        await asyncio.sleep(wait_us / SECOND_US)
    reply = provider.reply(call)
    if reply.wait_us:
        await asyncio.sleep(reply.wait_us / SECOND_US)
    return reply.answer


def _dropped(request: web.Request) -> web.StreamResponse:
    """Cuts the connection; the response returned is never seen by anybody."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
