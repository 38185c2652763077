"""The console in this process, on an empty state server; a worker is played by its scripts."""

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp

from paceline import Outbox, SendMessage
from paceline.gateway import tokens
from paceline.literals import Outcome
from paceline.settings import Settings
from paceline.state import questions
from paceline_sandbox.embedded import EmbeddedServer
from paceline_worker.console import census
from paceline_worker.console.app import alone
from paceline_worker.console.desk import Desk
from tests.conftest import add_account
from tests.doors.conftest import server
from tests.doors.exam import Loop, Worker

__all__ = ["server"]

SENDER, RECIPIENT = "+15550100001", "+15550100002"
EVERYTHING = "read,send,campaigns,operate,numbers,suppress"


class Transport(httpx.BaseTransport):
    """Requests of this thread, answered by an application on an event loop of another thread.

    Args:
        app: the application.
        loop: where it lives.
    """

    def __init__(self, app: ASGIApp, loop: asyncio.AbstractEventLoop) -> None:
        self._inner = httpx.ASGITransport(app, raise_app_exceptions=False)
        self._loop = loop

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        async def answered() -> httpx.Response:
            body = request.read()
            inner = httpx.Request(request.method, request.url, headers=request.headers, content=body)
            answer = await self._inner.handle_async_request(inner)
            content = await answer.aread()
            return httpx.Response(answer.status_code, headers=answer.headers, content=content)

        return asyncio.run_coroutine_threadsafe(answered(), self._loop).result(60)


@contextmanager
def served(app: Starlette, base_url: str = "http://console.test") -> Iterator[httpx.Client]:
    """A client of an application in this process, while that is open."""
    with Loop() as loop:
        lifespan = app.router.lifespan_context(app)
        asyncio.run_coroutine_threadsafe(lifespan.__aenter__(), loop).result(30)
        with httpx.Client(transport=Transport(app, loop), base_url=base_url, follow_redirects=False) as client:
            yield client
        asyncio.run_coroutine_threadsafe(lifespan.__aexit__(None, None, None), loop).result(30)


@dataclass
class Person:
    """Somebody who is signed in.

    Args:
        client: has the session's cookie.
    """

    client: httpx.Client
    form_key: str = ""

    def page(self, path: str, status: int = 200, /, **params: str) -> str:
        """A page as text; also keeps the key that its forms carry."""
        answer = self.client.get(f"/console{path}", params=params or None)
        assert status == answer.status_code, answer.text
        found = re.search(r'name="form_key" value="([0-9a-f]{64})"', answer.text)
        self.form_key = found[1] if found else self.form_key
        return answer.text

    def post(self, path: str, **fields: str | list[str]) -> httpx.Response:
        """Send a form of this session."""
        if not self.form_key:
            self.page("/")
        return self.client.post(f"/console{path}", data={"form_key": self.form_key, **fields})

    def confirm(self, counted: httpx.Response) -> httpx.Response:
        """Press the button of a page that has counted, with all fields of its form."""
        [path] = re.findall(r'<form method="post" action="/console([^"]*/replay)"', counted.text)
        fields = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', counted.text)
        assert ("confirmed", "yes") in fields, counted.text
        return self.post(path, **dict(fields))

    def upload(self, content: bytes, file_name: str = "people.csv", /, **fields: str) -> httpx.Response:
        """Send the form of a new campaign with a file."""
        self.page("/campaigns-new")
        files = {"recipients": (file_name, content, "text/csv")}
        return self.client.post("/console/campaigns-new", data={"form_key": self.form_key, **fields}, files=files)


@dataclass
class Console:
    """A console, and what happens behind it.

    Args:
        server: the state.
        worker: plays worker and provider.
        outbox: of a service.
        app: a browser.
        desk: what its pages share.
    """

    server: EmbeddedServer
    worker: Worker
    outbox: Outbox
    app: httpx.Client
    desk: Callable[[], Desk]

    def token(self, scopes: str = EVERYTHING, *accounts: str, expires: timedelta | None = None) -> str:
        now = datetime.now(UTC)
        kept, token = tokens.make(
            "anna", scopes.split(","), accounts or ("*",), now + expires if expires else None, now
        )
        self.worker.plain.ask(questions.add_token(kept.id, tokens.written(kept)))
        return token

    def signed_in(self, scopes: str = EVERYTHING, *accounts: str) -> Person:
        """Somebody with a fresh token."""
        client = self.app
        client.cookies.clear()
        answer = client.post("/console/sign-in", data={"token": self.token(scopes, *accounts)})
        assert 303 == answer.status_code, answer.text
        return Person(client)

    def send(self, number: int = 2, account: str = "acme", text: str = "Hello") -> str:
        """One message that a worker has accepted."""
        message = SendMessage(account=account, sender=SENDER, to=f"+155502000{number:02d}", text=text)
        op_id = self.outbox.send(message).id
        self.worker.accept()
        return op_id

    def settled(self, outcome: Outcome, number: int = 2, account: str = "acme", words: str = "no words") -> str:
        """One message with an outcome."""
        op_id = self.send(number, account)
        self.worker.settle(op_id, outcome, code="202" if outcome == "accepted" else "422", words=words)
        return op_id


@pytest.fixture
def console(server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Console]:
    """Accounts `acme` and `other` are fast. Pages wait for their census, however busy the machine is."""
    monkeypatch.setattr(census, "_PATIENCE_S", 30.0)
    with ExitStack() as ends:
        worker = Worker(server.url)
        ends.callback(worker.close)
        for name in ("acme", "other"):
            add_account(worker.state.client, name, "1000/second", "window", 5)
        outbox = ends.enter_context(Outbox(server.url))
        app = alone(Settings(broker_url=server.url), rate=100_000, largest=1024 * 1024)
        client = ends.enter_context(served(app))
        [pages] = [route.app for route in app.routes if isinstance(route, Mount)]
        yield Console(server, worker, outbox, client, lambda: pages.state.desk)  # type: ignore[attr-defined]
