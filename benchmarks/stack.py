"""What the benchmarks share: a server, the sandbox and workers as processes of their own, ended when the block ends."""

import base64
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from tests.support.processes import Process, start_sandbox, start_worker
from tests.support.sandbox_client import SandboxClient
from tests.support.servers import start_server

from paceline import Outbox
from paceline.state import connect
from paceline.state.calls import State
from paceline_sandbox.embedded import EmbeddedServer
from paceline_worker.accounts.accounts import Accounts
from paceline_worker.accounts.secrets import ApiKey, KeyRing
from paceline_worker.pacing.bucket import DEFAULT_VARIATION, Pacing, Variation


@dataclass
class Stack:
    """Everything a benchmark touches.

    Args:
        server: the state server and broker.
        sandbox: the provider's own side.
        workers: the worker processes.
        environment: their variables, for further ones.
        outbox: a producer.
        state: for reading.
        secret: encrypts the keys.
        start: starts a worker that ends with the others.
    """

    server: EmbeddedServer
    sandbox: SandboxClient
    workers: list[Process]
    environment: dict[str, str]
    outbox: Outbox
    state: State
    secret: str
    start: Callable[[], Process]

    def start_worker(self) -> None:
        """One more worker."""
        self.workers.append(self.start())

    def add_account(
        self, name: str, rates: str, pacing: Pacing = "window", variation: Variation = DEFAULT_VARIATION
    ) -> None:
        """Add an account whose key is its name."""
        Accounts(self.state.client).add(
            name,
            ApiKey(name),
            ring=KeyRing(self.secret),
            rates=rates,
            pacing=pacing,
            variation=variation,
            info_every=timedelta(0),  # the report is of messages alone
        )


@contextmanager
def running(
    scenario: dict[str, Any], *, workers: int, link: Callable[[int], int] | None = None, **environment: str
) -> Iterator[Stack]:
    """Start it all, and stop it in order.

    Args:
        scenario: for the sandbox.
        workers: how many.
        link: gives the port at which workers find the provider, from that of the sandbox; default: the same.
        environment: further variables of the workers.
    """
    secret = base64.urlsafe_b64encode(os.urandom(32)).decode()
    with ExitStack() as stack:
        server = stack.enter_context(start_server())
        process = stack.enter_context(start_sandbox())
        sandbox = SandboxClient(process.origin)
        sandbox.put_scenario(scenario)
        env = {
            "PACELINE_BROKER_URL": server.url,
            "PACELINE_SECRET_KEY": secret,
            "PACELINE_API_BASE": _through(link, process.base_url),
            **environment,
        }

        def start() -> Process:
            return stack.enter_context(start_worker(env))

        started = [start() for _ in range(workers)]
        outbox = stack.enter_context(Outbox(broker_url=server.url))
        yield Stack(server, sandbox, started, env, outbox, State(connect(server.url)), secret, start)


def _through(link: Callable[[int], int] | None, base_url: str) -> str:
    port = urlsplit(base_url).port
    return base_url.replace(f":{port}", f":{link(port)}", 1) if link and port else base_url
