"""A receiver of webhooks that verifies each with the public library, and fails as it is told."""

import asyncio
import json
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

from aiohttp import web
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

HANG_S = 60.0
POLL_S = 0.01


@dataclass
class Receiver:
    """What came, and how the receiver behaves.

    Args:
        url: where it takes events.
        failing: share of requests that are answered 500.
        hanging: share of requests that are not answered.
        status: answered to the others.
        first: answered before that, one after the other.
        is_down: whether each connection is closed without an answer.
        is_holding: whether no request is answered yet.
    """

    url: str = ""
    failing: float = 0.0
    hanging: float = 0.0
    status: int = 204
    first: list[int] = field(default_factory=list)
    is_down: bool = False
    is_holding: bool = False
    secrets: list[str] = field(default_factory=list)
    # Of each request that was answered with 2xx, in order: the event's id and body.
    taken: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    # Of each request: whether the library took its signature, under each secret.
    verified: list[list[bool]] = field(default_factory=list)
    requests: int = 0
    random: Random = field(default_factory=lambda: Random(7))

    @property
    def ids(self) -> set[str]:
        return {event for event, _ in self.taken}

    def first_deliveries(self) -> dict[str, list[str]]:
        """Of each operation, the types of its events in the order in which each came first."""
        seen: set[str] = set()
        orders: dict[str, list[str]] = defaultdict(list)
        for event, body in self.taken:
            if event not in seen:
                seen.add(event)
                orders[body["data"].get("id") or body["data"].get("campaign", "")].append(body["type"])
        return orders

    def bodies(self) -> dict[str, set[str]]:
        """Each event's different bodies; one, if a duplicate is one."""
        found: dict[str, set[str]] = defaultdict(set)
        for event, body in self.taken:
            found[event].add(json.dumps(body, sort_keys=True))
        return found

    async def take(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        text = await request.text()
        if self.is_down:
            assert request.transport
            request.transport.abort()
            return web.Response()
        while self.is_holding:  # noqa: ASYNC110 - another thread lets go
            await asyncio.sleep(POLL_S)
        chance = self.random.random()
        if chance < self.hanging:
            await asyncio.sleep(HANG_S)
        self.verified.append([_fits(secret, text, dict(request.headers)) for secret in self.secrets])
        if chance < self.hanging + self.failing:
            return web.Response(status=500)
        status = self.first.pop(0) if self.first else self.status
        if status < 300:
            self.taken.append((request.headers["webhook-id"], json.loads(text)))
        return web.Response(status=status)


def _fits(secret: str, text: str, headers: dict[str, str]) -> bool:
    try:
        Webhook(secret).verify(text, headers)
    except WebhookVerificationError:
        return False
    return True


@contextmanager
def receiving(**behaviour: Any) -> Iterator[Receiver]:
    """A receiver on a free port of this machine."""
    receiver = Receiver(**behaviour)
    loop = asyncio.new_event_loop()

    async def start() -> web.AppRunner:
        app = web.Application()
        app.router.add_post("/events", receiver.take)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/events"
        return runner

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def on_loop(made: Callable[[], Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(made(), loop).result(30)

    async def stop() -> None:
        hanging = asyncio.all_tasks() - {asyncio.current_task()}
        for task in hanging:
            task.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)
        await runner.cleanup()

    runner = on_loop(start)
    try:
        yield receiver
    finally:
        on_loop(stop)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()
