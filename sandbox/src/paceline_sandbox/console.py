"""The sandbox's own side: arrivals, report, scenario, reset, and a page for people."""

import asyncio
import contextlib
import html
import json
from itertools import islice
from typing import Final

from aiohttp import web

from paceline_sandbox.provider import Provider
from paceline_sandbox.report import key_report, summary
from paceline_sandbox.scenario import ScenarioError, parse_json, parse_toml

# Lines or keys at a time: few enough that requests in between are stamped without delay, many enough to be quick.
_LINES: Final = 200
# A page is for reading: beyond this many keys the JSON report is the better tool.
_KEYS_SHOWN: Final = 100

_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Paceline sandbox</title><style>
body {{ font-family: sans-serif; margin: 2rem auto; max-width: 60rem; }}
table {{ border-collapse: collapse; }} td, th {{ border: 1px solid #999; padding: .2rem .6rem; text-align: left; }}
pre {{ background: #eee; overflow: auto; padding: 1rem; }}
</style></head><body>
<h1>Paceline sandbox</h1>
<p>This is the emulated 2Chat API. Nothing that is sent here leaves this machine.
Its base address is <code>{base}</code>; {accepts}.</p>
<p>Its own side: <a href="/sandbox/report">report</a>, <a href="/sandbox/arrivals">arrivals</a>,
<a href="/sandbox/scenario">scenario</a>. <code>PUT /sandbox/scenario</code> replaces the scenario,
<code>POST /sandbox/reset</code> clears log, messages and counts.</p>
<h2>Keys</h2>
<table><tr><th>key</th><th>limits</th><th>arrivals</th><th>accepted</th><th>duplicates</th><th>violations</th>
<th>answers</th></tr>{rows}</table>
<p>{requests} requests in all, {keys} keys seen.</p>
<h2>Scenario</h2>
<pre>{scenario}</pre>
</body></html>
"""


def console_routes(provider: Provider) -> list[web.RouteDef]:
    """The routes of the sandbox's own side.

    Args:
        provider: whose state is shown and changed.
    """
    console = _Console(provider)
    return [
        web.get("/", console.page),
        web.get("/sandbox/arrivals", console.arrivals),
        web.get("/sandbox/report", console.report),
        web.get("/sandbox/scenario", console.show_scenario),
        web.put("/sandbox/scenario", console.replace_scenario),
        web.post("/sandbox/reset", console.reset),
    ]


class _Console:
    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    async def page(self, request: web.Request) -> web.StreamResponse:
        provider = self._provider
        accounts = list(islice(provider.accounts.values(), _KEYS_SHOWN))
        cells = [
            (
                account.key,
                ", ".join(limit.text for limit in account.limits) or "none",
                account.arrivals,
                account.accepted,
                account.duplicates,
                account.violations,
                ", ".join(f"{status}: {count}" for status, count in sorted(account.answers.items())),
            )
            for account in accounts
        ]
        rows = "".join(
            "<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) + "</tr>" for row in cells
        )
        any_key = provider.scenario.accept_unknown_keys
        text = _PAGE.format(
            base=html.escape(f"http://{request.host}/open"),
            accepts="it accepts any API key" if any_key else "it accepts only the keys of its scenario",
            rows=rows,
            requests=len(provider.journal),
            keys=len(provider.accounts),
            scenario=html.escape(provider.scenario.model_dump_json(indent=2)),
        )
        return web.Response(text=text, content_type="text/html")

    async def arrivals(self, request: web.Request) -> web.StreamResponse:
        since = request.query.get("since", "0")
        if not (since.isascii() and since.isdecimal()):
            return web.Response(status=400, text="since must be a whole number, the index of the first arrival.\n")
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        wanted = self._provider.journal.since(int(since))
        with contextlib.suppress(ConnectionError):  # a reader may leave in the middle
            while lines := [arrival.line() for arrival in islice(wanted, _LINES)]:
                await response.write(("\n".join(lines) + "\n").encode())
            await response.write_eof()
        return response

    async def report(self, _: web.Request) -> web.StreamResponse:
        parts = []
        for position, account in enumerate(list(self._provider.accounts.values()), 1):
            parts.append(f"{json.dumps(account.key)}: {json.dumps(key_report(account))}")
            if position % _LINES == 0:
                await asyncio.sleep(0)
        opening = json.dumps(summary(self._provider)).removesuffix("}")
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
