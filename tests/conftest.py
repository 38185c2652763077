"""Fixtures of all tests: real state servers, one of each kind for the whole run, emptied before each test that asks."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
import redis

from paceline.state import connect
from paceline_sandbox.embedded import EmbeddedServer, Source
from paceline_worker.accounts.accounts import Accounts
from paceline_worker.accounts.secrets import ApiKey, KeyRing
from paceline_worker.pacing.bucket import Pacing
from tests.support import profiles
from tests.support.drive import Drive
from tests.support.moved_clock import moved_scripts
from tests.support.ownership import ownerless_keys
from tests.support.processes import unignored
from tests.support.servers import SERVER_KINDS, start_server

pytest_plugins = ["tests.support.garbage", "tests.support.order", "tests.support.report", "tests.support.traces_left"]
profiles.register()
unignored()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Who asks for many examples has time for them."""
    if profiles.is_long():
        for item in items:
            item.add_marker(pytest.mark.timeout(0), append=False)


SECRET = base64.urlsafe_b64encode(bytes(32)).decode()
SENDER = "+15550100001"


class Servers:
    """Starts each kind of server at most once."""

    def __init__(self) -> None:
        self._started: dict[Source, EmbeddedServer] = {}

    def get(self, kind: Source) -> EmbeddedServer:
        if kind not in self._started:
            self._started[kind] = start_server(kind)
        return self._started[kind]

    def stop(self) -> None:
        for server in self._started.values():
            server.stop()


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    started = Servers()
    yield started
    started.stop()


@pytest.fixture(params=SERVER_KINDS)
def server(request: pytest.FixtureRequest, servers: Servers) -> Iterator[EmbeddedServer]:
    """An empty state server; the test runs once on each kind this machine has."""
    with emptied(servers.get(request.param)) as running:
        yield running


@contextmanager
def emptied(running: EmbeddedServer) -> Iterator[EmbeddedServer]:
    """Empty it before, and look for ownerless keys after."""
    client = connect(running.url, answer_timeout_s=30)
    client.flushall()
    yield running
    leaks = ownerless_keys(client)
    client.close()
    assert leaks == []


@pytest.fixture
def client(server: EmbeddedServer) -> Iterator[redis.Redis]:
    connected = connect(server.url)
    yield connected
    connected.close()


def add_account(
    client: redis.Redis,
    name: str,
    rates: str = "10/minute",
    pacing: Pacing = "spacing",
    variation_ms: int = 100,
    key: str = "",
) -> None:
    """An account with a test key (its own name unless given)."""
    Accounts(client).add(
        name,
        ApiKey(key or f"KEY-{name}"),
        ring=KeyRing(SECRET),
        rates=rates,
        pacing=pacing,
        variation=timedelta(milliseconds=variation_ms),
        info_every=timedelta(0),
    )


@pytest.fixture
def drive(client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> Iterator[Drive]:
    """The scripts on a clock that only the test moves, with an account `acme` of 10/minute."""
    with moved_scripts(monkeypatch):
        driver = Drive(client)
        add_account(client, "acme")
        yield driver
        client.delete(driver.clock_key)
