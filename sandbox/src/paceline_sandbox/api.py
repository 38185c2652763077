"""The provider's side over HTTP: finds out what a request asks for, waits as told, answers or drops the connection."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from aiohttp import ClientPayloadError, web

from paceline_sandbox.answers import REASONS, Answer, refusal
from paceline_sandbox.calls import Call, Route
from paceline_sandbox.clock import SECOND_US
from paceline_sandbox.messages.operations import INFO, NOT_ALLOWED, OPERATIONS, UNKNOWN, Operation
from paceline_sandbox.provider import Provider
from paceline_sandbox.webhooks.webhooks import Webhooks

KEY_HEADER: Final = "X-User-API-Key"
BASE_PATH: Final = "/open"

_UNKNOWN: Final = Route(UNKNOWN)
_NOT_ALLOWED: Final = Route(NOT_ALLOWED)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
RouteFinder = Callable[[web.Request], Route]


def api_routes(provider: Provider, webhooks: Webhooks) -> list[web.RouteDef]:
    """The routes of the emulated API.

    Args:
        provider: decides about every call.
        webhooks: delivers receipts, some of them before the answer of the send.
    """

    def door(find: RouteFinder) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            return await _serve(provider, webhooks, request, find(request))

        return handle

    paths: dict[str, dict[str, Operation]] = {}
    for operation in OPERATIONS:
        paths.setdefault(BASE_PATH + operation.path, {})[operation.method] = operation
    paths[INFO.path] = {INFO.method: INFO}  # an older page of the reference leaves the base path out
    return [
        web.get("/ping", _ping),
        web.get(f"{BASE_PATH}/ping", _ping),
        *(web.route("*", path, door(_finder(operations))) for path, operations in paths.items()),
        web.route("*", f"{BASE_PATH}/{{tail:.*}}", door(lambda _: _UNKNOWN)),
    ]


def _finder(operations: Mapping[str, Operation]) -> RouteFinder:
    def find(request: web.Request) -> Route:
        operation = operations.get(request.method)
        return _NOT_ALLOWED if operation is None else Route(operation, request.match_info, request.query)

    return find


async def _ping(_: web.Request) -> web.StreamResponse:
    return web.json_response({"success": True, "message": "pong"})


async def _serve(provider: Provider, webhooks: Webhooks, request: web.Request, route: Route) -> web.StreamResponse:
    transit_us = provider.transit_us()
    if transit_us:
        await asyncio.sleep(transit_us / SECOND_US)
    call = provider.arrive(_key(request), request.method, request.path, route)
    status: int | None = None
    try:
        answer = await _answer(provider, request, call)
        await webhooks.overtaken(call.arrival.message_uuid)
        if answer is None:
            return _dropped(request)
        status = answer.status
        return web.Response(
            body=answer.encoded(),
            status=status,
            reason=REASONS.get(status),
            headers={"Content-Type": answer.content_type, **answer.headers},
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
