"""One server and one sandbox for all system tests; each test has its own account, workers and scenario.

Where many tests need no more than a worker that runs, `lasting` is one for all tests of a module.
"""

from collections.abc import Iterator

import pytest

from paceline_sandbox.embedded import EmbeddedServer
from tests.conftest import Servers, emptied
from tests.support.processes import Sandbox, start_sandbox
from tests.support.servers import SERVER_KINDS, start_server
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
        built.sandbox.reset()  # the conversations of earlier tests are not this one's
        built.scenario()
        yield built


@pytest.fixture(scope="module")
def lasting(sandbox: Sandbox) -> Iterator[Stack]:
    """A stack with one worker and a server of its own, for all tests of a module; accounts are theirs to add."""
    with start_server() as own, emptied(own) as server, Stack(server, sandbox) as built:
        built.sandbox.reset()
        built.scenario()
        built.start_worker(PACELINE_RECONCILE_GRACE="0.25")  # a group is looked up after twelve times as long
        yield built
