"""The sandbox's own side: arrivals, report, scenario, reset, and a page for people."""

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final, Protocol

from aiohttp import web

from paceline_sandbox.console.page import page
from paceline_sandbox.console.report import key_report, summary
from paceline_sandbox.faults.scenario import ScenarioError, parse_json, parse_toml
from paceline_sandbox.provider import Provider
from paceline_sandbox.webhooks.inbound import InboundError
from paceline_sandbox.webhooks.webhooks import Webhooks

# Lines or keys at a time: few enough that requests in between are stamped without delay, many enough to be quick.
_LINES: Final = 200


def console_routes(provider: Provider, webhooks: Webhooks) -> list[web.RouteDef]:
    """The routes of the sandbox's own side.

    Args:
        provider: whose state is shown and changed.
        webhooks: whose deliveries are shown.
    """
    console = _Console(provider, webhooks)
    return [
        web.get("/", console.page),
        web.get("/sandbox/arrivals", console.arrivals),
        web.get("/sandbox/receipts", console.receipts),
        web.get("/sandbox/report", console.report),
        web.get("/sandbox/scenario", console.show_scenario),
        web.put("/sandbox/scenario", console.replace_scenario),
        web.post("/sandbox/reset", console.reset),
        web.post("/sandbox/inbound", console.inbound),
    ]


class _Console:
    def __init__(self, provider: Provider, webhooks: Webhooks) -> None:
        self._provider = provider
        self._webhooks = webhooks

    async def page(self, request: web.Request) -> web.StreamResponse:
        # Names may hold half a surrogate pair, which JSON can carry and UTF-8 cannot.
        body = page(self._provider, request.host).encode(errors="replace")
        return web.Response(body=body, content_type="text/html", charset="utf-8")

    async def arrivals(self, request: web.Request) -> web.StreamResponse:
        return await _streamed(request, self._provider.journal.since)

    async def receipts(self, request: web.Request) -> web.StreamResponse:
        return await _streamed(request, self._webhooks.since)

    async def report(self, _: web.Request) -> web.StreamResponse:
        parts = []
        for position, account in enumerate(list(self._provider.accounts.values()), 1):
            parts.append(f"{json.dumps(account.key)}: {json.dumps(key_report(account))}")
            if position % _LINES == 0:
                await asyncio.sleep(0)
        receipts = {**self._provider.receipts.counts(), **self._webhooks.counts()}
        opening = json.dumps({**summary(self._provider), "receipts": receipts}).removesuffix("}")
        return web.Response(text=f'{opening}, "keys": {{{", ".join(parts)}}}}}', content_type="application/json")

    async def show_scenario(self, _: web.Request) -> web.StreamResponse:
        return web.Response(text=self._provider.scenario.model_dump_json(), content_type="application/json")

    async def replace_scenario(self, request: web.Request) -> web.StreamResponse:
        parse = parse_json if request.content_type == "application/json" else parse_toml
        try:
            scenario = parse((await request.read()).decode())
        except UnicodeDecodeError:
            return web.Response(status=400, text="The scenario is not UTF-8 text.\n")
        except ScenarioError as error:
            return web.Response(status=400, text=f"{error}\n")
        self._provider.use(scenario)
        return web.json_response({"success": True})

    async def reset(self, _: web.Request) -> web.StreamResponse:
        self._provider.reset()
        return web.json_response({"success": True})

    async def inbound(self, request: web.Request) -> web.StreamResponse:
        try:
            message_uuid, hooks = self._provider.receive(json.loads(await request.read()))
        except InboundError as error:
            return web.Response(status=400, text=f"{error}.\n")
        except (ValueError, RecursionError):
            return web.Response(status=400, text="The message is not JSON.\n")
        return web.json_response({"success": True, "message_uuid": message_uuid, "hooks": hooks})


class _Entry(Protocol):
    """An entry of a log."""

    def line(self) -> str:
        """The entry as one line of JSON, without the line's end."""


async def _streamed(request: web.Request, entries: Callable[[int], Iterator[_Entry]]) -> web.StreamResponse:
    """A log as JSON Lines, from the index on that the query asks for."""
    since = request.query.get("since", "0")
    if not (since.isascii() and since.isdecimal()):
        return web.Response(status=400, text="since must be a whole number, the index of the first entry.\n")
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
    await response.prepare(request)
    wanted = entries(int(since))
    with contextlib.suppress(ConnectionError):  # a reader may leave in the middle
        while lines := [entry.line() for entry in islice(wanted, _LINES)]:
            await response.write(("\n".join(lines) + "\n").encode())
        await response.write_eof()
    return response
