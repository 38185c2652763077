from collections.abc import Iterator

import pytest

from paceline_sandbox import running_sandbox
from paceline_sandbox.faults.scenario import parse_toml
from tests.sandbox.client import Client, connected
from tests.sandbox.receiver import Receiver, receiving

FREE = parse_toml("latency_ms = 0\n[defaults]\nlimits = []\n")


@pytest.fixture(scope="session")
def shared_client() -> Iterator[Client]:
    with running_sandbox(FREE) as sandbox, connected(sandbox) as client:
        yield client


@pytest.fixture
def client(shared_client: Client) -> Client:
    """A client of a sandbox that has just been reset and that lets everything pass at once."""
    shared_client.sandbox.use(FREE)
    shared_client.sandbox.reset()
    return shared_client


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver
