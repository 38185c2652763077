"""One server and one sandbox for all system tests; each test has its own account, workers and scenario."""

from collections.abc import Iterator

import pytest

from paceline_sandbox.embedded import EmbeddedServer
from tests.conftest import Servers, emptied
from tests.support.processes import Sandbox, start_sandbox
from tests.support.servers import SERVER_KINDS
from tests.support.stack import Stack


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    with start_sandbox() as running:
        yield running


@pytest.fixture(params=SERVER_KINDS[:1])
def server(request: pytest.FixtureRequest, servers: Servers) -> Iterator[EmbeddedServer]:
    """One kind is enough here: the scripts run on every kind elsewhere."""
    with emptied(servers.get(request.param)) as running:
        yield running


@pytest.fixture
def stack(server: EmbeddedServer, sandbox: Sandbox) -> Iterator[Stack]:
    with Stack(server, sandbox) as built:
        built.scenario()
        yield built
