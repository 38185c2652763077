"""One small Paceline for the whole tutorial: an account of 600 messages a minute, one worker, the emulated provider."""

from collections.abc import Iterator

import pytest

from paceline import Outbox
from tests.conftest import Servers
from tests.support.processes import start_sandbox
from tests.support.servers import SERVER_KINDS
from tests.support.stack import Stack


@pytest.fixture(scope="module")
def stack(servers: Servers) -> Iterator[Stack]:
    server = servers.get(SERVER_KINDS[0])
    with start_sandbox() as sandbox, Stack(server, sandbox) as built:
        built.client.flushall()
        built.scenario(latency_ms=5)
        built.name = "acme"
        built.add_account("1200/minute")
        built.start_worker()
        yield built


@pytest.fixture
def outbox(stack: Stack) -> Outbox:
    return stack.outbox
