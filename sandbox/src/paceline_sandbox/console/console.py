"""The sandbox's own side: arrivals, report, scenario, reset, and pages for people."""

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final, Protocol

from aiohttp import web

from paceline.look import HEADERS as LOOK_HEADERS
from paceline.look import asset
from paceline_sandbox.console.buttons import pressed
from paceline_sandbox.console.page import page
from paceline_sandbox.console.report import key_report, summary
from paceline_sandbox.console.shell import inbox_page, inbox_part
from paceline_sandbox.faults.scenario import BadScenario, parse_json, parse_toml
from paceline_sandbox.provider import Provider
from paceline_sandbox.webhooks.inbound import BadInbound
from paceline_sandbox.webhooks.webhooks import Webhooks

# Lines or keys at a time: few enough that requests in between are stamped without delay, many enough to be quick.
_LINES: Final = 200
# The inbox is looked at so often while somebody watches, by at most so many: the API comes first.
_BEAT_S: Final = 1.0
_MOST_WATCHED: Final = 8
_HEADERS: Final = {"Cache-Control": "no-store", **LOOK_HEADERS}


def console_routes(provider: Provider, webhooks: Webhooks) -> list[web.RouteDef]:
    """The routes of the sandbox's own side.

    Args:
        provider: whose state is shown and changed.
        webhooks: whose deliveries are shown.
    """
    console = _Console(provider, webhooks)
    return [
        web.get("/", console.inbox),
        web.get("/guide", console.guide),
        web.get("/sandbox/live", console.live),
        web.post("/sandbox/press", console.press),
        web.get("/sandbox/static/{version}/{name}", static),
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
        self._watched = 0

    async def inbox(self, request: web.Request) -> web.StreamResponse:
        return _page(inbox_page(self._provider, request.query.get("to", "")))

    async def guide(self, request: web.Request) -> web.StreamResponse:
        return _page(page(self._provider, request.host))

    async def press(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
            return web.Response(status=403, text="The form does not come from a page of this sandbox.\n")
        form = await request.post()
        name, typed = str(form.get("act", "")), str(form.get("typed", ""))
        if name == "reset":
            self._provider.reset()
        else:
            try:
                self._provider.use(pressed(self._provider.scenario, name, typed))
            except BadScenario as error:
                return _page(inbox_page(self._provider, "", str(error)), status=422)
        raise web.HTTPSeeOther("/")

    async def live(self, request: web.Request) -> web.StreamResponse:
        if self._watched >= _MOST_WATCHED:
            return web.Response(status=503, text="Too many pages are open.\n")
        self._watched += 1
        try:
            return await self._beats(request)
        finally:
            self._watched -= 1

    async def _beats(self, request: web.Request) -> web.StreamResponse:
        """The changing part of the inbox whenever it has changed; the log itself is only looked at then."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", **_HEADERS})
        await response.prepare(request)
        shown: tuple[int, object, int] | None = None
        with contextlib.suppress(ConnectionError):
            while True:
                journal = self._provider.journal
                now = (len(journal), self._provider.scenario, journal.answered)
                if now != shown:
                    shown = now
                    part = inbox_part(self._provider, request.query.get("to", ""))
                    lines = "".join(f"data: {line}\n" for line in part.splitlines())
                    await response.write(f"event: part\n{lines}\n".encode(errors="replace"))
                else:
                    await response.write(b": still there\n\n")
                await asyncio.sleep(_BEAT_S)
        return response

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
        except BadScenario as error:
            return web.Response(status=400, text=f"{error}\n")
        self._provider.use(scenario)
        return web.json_response({"success": True})

    async def reset(self, _: web.Request) -> web.StreamResponse:
        self._provider.reset()
        return web.json_response({"success": True})

    async def inbound(self, request: web.Request) -> web.StreamResponse:
        try:
            message_uuid, hooks = self._provider.receive(json.loads(await request.read()))
        except BadInbound as error:
            return web.Response(status=400, text=f"{error}.\n")
        except (ValueError, RecursionError):
            return web.Response(status=400, text="The message is not JSON.\n")
        return web.json_response({"success": True, "message_uuid": message_uuid, "hooks": hooks})


async def static(request: web.Request) -> web.StreamResponse:
    """A file of the look; its address changes with its content."""
    found = asset(request.match_info["name"])
    if found is None:
        return web.Response(status=404, text="There is no such file.\n")
    body, kind = found
    headers = {"Cache-Control": "public, max-age=31536000, immutable", **LOOK_HEADERS}
    return web.Response(body=body, content_type=kind, headers=headers)


def _page(text: str, status: int = 200) -> web.Response:
    # Names may hold half a surrogate pair, which JSON can carry and UTF-8 cannot.
    body = text.encode(errors="replace")
    return web.Response(body=body, status=status, content_type="text/html", charset="utf-8", headers=_HEADERS)


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
