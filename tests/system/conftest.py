"""One server and one sandbox for all system tests; each test has its own account and scenario.

Starting and ending a worker takes longer than most of what is asked of it. Who needs no more than a worker that runs asks for
`served`; who starts, stops or kills workers, or has something to say before there is one, for `stack`; and who looks at a worker
through several tests, for `lasting`.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from paceline import names
from paceline_sandbox.embedded import EmbeddedServer
from paceline_worker.accounts.accounts import Accounts
from tests.conftest import Servers, emptied
from tests.support.ownership import ownerless_keys
from tests.support.processes import Sandbox, start_sandbox
from tests.support.servers import SERVER_KINDS, start_server
from tests.support.stack import Stack
from tests.support.wait import wait_until

# A call's deadline, and something for a busy machine.
REST = timedelta(seconds=60)


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


@pytest.fixture(scope="session")
def standing(sandbox: Sandbox) -> Iterator[Stack]:
    """A server of its own, and the worker of all tests that ask for `served`."""
    with start_server() as server, Stack(server, sandbox) as built:
        yield built


@pytest.fixture
def served(standing: Stack, sandbox: Sandbox) -> Iterator[Stack]:
    """A stack whose worker runs already, with nothing in it: no account, operation or fault of an earlier test."""
    if not standing.workers or standing.workers[-1].exit_code is not None:
        standing.start_worker()
    with Stack(standing.server, sandbox) as built:
        built.sandbox.reset()
        built.scenario()
        yield built
        if not at_rest(built):
            standing.workers.pop().kill()
        leaks = ownerless_keys(built.client)
        forget(built)
        assert [] == leaks


def at_rest(stack: Stack) -> bool:
    """Let nothing more begin, and wait for what has begun; False when that does not end."""
    accounts = Accounts(stack.client)
    for name in stack.state.accounts():
        accounts.suspend(name)
    try:
        wait_until(lambda: not stack.state.fleet().in_flight, REST, "the end of what was under way")
    except AssertionError:
        return False
    return True


def forget(stack: Stack) -> None:
    """Empty the server but for what its worker needs: Celery's queues, its place in the fleet and its seals."""
    found: list[Any] = [
        key
        for key in stack.client.scan_iter("*", count=1000)
        if not key.startswith("_kombu") and key not in (f"{names.STATE_ROOT}:workers", f"{names.STATE_ROOT}:seals")
    ]
    if found:
        stack.client.unlink(*found)


@pytest.fixture(scope="module")
def lasting(sandbox: Sandbox) -> Iterator[Stack]:
    """A stack with one worker and a server of its own, for all tests of a module; accounts are theirs to add."""
    with start_server() as own, emptied(own) as server, Stack(server, sandbox) as built:
        built.sandbox.reset()
        built.scenario()
        built.start_worker(PACELINE_RECONCILE_GRACE="0.25")  # a group is looked up after twelve times as long
        yield built
