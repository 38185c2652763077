"""A whole small Paceline for system tests: server, sandbox, workers, an Outbox, and the sandbox's own log."""

import os
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from copy import copy
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Final, Protocol, Self

from paceline import Outbox, SendMessage, Settings, Status, Ticket
from paceline.state import connect
from paceline.state.calls import State
from paceline.state.pictures import AccountPicture
from paceline.state.snapshots import AccountSnapshot
from paceline.status.audit import Balance, balance_of
from paceline_sandbox.embedded import EmbeddedServer
from paceline_worker.accounts.accounts import Accounts
from paceline_worker.accounts.secrets import ApiKey, KeyRing
from paceline_worker.pacing.bucket import Pacing
from tests.support.processes import Process, start_worker
from tests.support.sandbox_client import SandboxClient
from tests.support.wait import wait_until

SECRET = "A" * 43 + "="  # 32 zero bytes
PATIENCE = timedelta(seconds=150)
# A worker keeps three quarters of what it takes on: so few that the others have their part in small tests, too.
SHARING: Final = {"PACELINE_CAPACITY": "20"}
# A call begins at most 0.3 s before its slot, and the way to the provider on top.
BEGUN_AHEAD: Final = timedelta(seconds=0.5)
UNLIMITED: dict[str, Any] = {"defaults": {"limits": []}}


class Addresses(Protocol):
    """Where a running sandbox is."""

    origin: str

    @property
    def base_url(self) -> str:
        """Of the emulated API."""


class Stack:
    """Owns its workers; the server and the sandbox are lent.

    Args:
        server: an empty state server.
        sandbox: a running sandbox.
        environment: further variables of the workers.

    Attributes:
        forked: whether its workers are children of the nursery; not where a process itself is the subject.
    """

    forked = True

    def __init__(self, server: EmbeddedServer, sandbox: Addresses, **environment: str) -> None:
        self.server = server
        self.sandbox = SandboxClient(sandbox.origin)
        self.environment = {
            "PACELINE_BROKER_URL": server.url,
            "PACELINE_SECRET_KEY": SECRET,
            "PACELINE_API_BASE": sandbox.base_url,
            "PACELINE_HTTP_DEADLINE": "2",
            "PACELINE_RECONCILE_GRACE": "1",
            **environment,
        }
        self._exit = ExitStack()
        state_url, replicas = environment.get("PACELINE_STATE_URL"), environment.get("PACELINE_WAIT_REPLICAS")
        broker_url = environment.get("PACELINE_BROKER_URL", server.url) if state_url else server.url
        self.settings = Settings(
            broker_url=broker_url, state_url=state_url or server.url, wait_replicas=int(replicas or 0)
        )
        self.outbox = self._exit.enter_context(Outbox(settings=self.settings))
        self.client = connect(self.settings.state_url)
        self._exit.callback(self.client.close)
        self.state = State(self.client)
        self.workers: list[Process] = []
        self.name = f"acme-{uuid.uuid4().hex[:8]}"  # keys of one shared sandbox must not meet

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self.workers:
            worker.kill()  # what a worker does when it is told to stop is asked of it by tests of that
        self._exit.close()

    def scenario(self, **fields: Any) -> None:
        """What the provider does from now on; no limits unless given."""
        self.sandbox.put_scenario(UNLIMITED | fields)

    def add_account(
        self, rates: str = "6000/minute", pacing: Pacing = "window", variation_ms: int = 100, **options: Any
    ) -> str:
        """Add this stack's account; its provider key is its name. Without options workers do not read its /info."""
        Accounts(self.client).add(
            self.name,
            ApiKey(self.name),
            ring=KeyRing(SECRET),
            rates=rates,
            pacing=pacing,
            variation=timedelta(milliseconds=variation_ms),
            **{"info_every": timedelta(0), **options},
        )
        return self.name

    def another(self) -> "Stack":
        """The same stack with a second account; it shares workers, server and sandbox."""
        other = copy(self)
        other.name = f"acme-{uuid.uuid4().hex[:8]}"
        return other

    def start_worker(self, *, options: Iterable[str] = (), **environment: str) -> Process:
        """Start one more worker, which shares what it grants as soon as it can, and wait until it takes work."""
        variables = {**SHARING, **self.environment, **environment}
        worker = start_worker(variables, options=tuple(options), forked=self.forked)
        self.workers.append(worker)
        return worker

    def send(self, number: int = 0, **fields: Any) -> Ticket:
        """Send one message; `number` makes its text and recipient its own."""
        values = {
            "sender": f"+155501000{number % 20:02d}",
            "to": f"+1555020{number:04d}",
            "text": f"message {number}",
            **fields,
        }
        return self.outbox.send(SendMessage(account=self.name, **values))

    def wait_for(self, ready: Callable[[Balance], bool], what: str, patience: timedelta = PATIENCE) -> Balance:
        """Wait until the account's books say so."""

        def check() -> Balance | None:
            books = self.balance()
            return books if ready(books) else None

        return wait_until(check, patience, lambda: f"{what}; the books: {self.balance()}")

    def settled(self, number: int, patience: timedelta = PATIENCE) -> Balance:
        """Wait until so many operations have their outcome."""
        return self.wait_for(lambda books: sum(books.outcomes.values()) >= number, f"{number} outcomes", patience)

    def status_when(self, receipt: Ticket, *states: str) -> Status:
        """Wait until an operation is in one of these states."""
        self.wait_for(lambda books: books.inbox == 0, "the inbox is empty")

        def check() -> Status | None:
            status = self.outbox.status(receipt.id)
            return status if status.state in states else None

        return wait_until(check, PATIENCE, lambda: f"{states}; it is {self.outbox.status(receipt.id)}")

    def balance(self) -> Balance:
        """The account's books."""
        return balance_of(self._picture())

    def account(self) -> AccountSnapshot:
        """The account as readers see it."""
        return self._picture().account

    def _picture(self) -> AccountPicture:
        picture = self.state.account(self.name)
        assert picture is not None
        return picture

    def arrivals(self) -> list[dict[str, Any]]:
        """What reached the provider under this account's key, in order."""
        return [arrival for arrival in self.sandbox.arrivals() if arrival["key"] == self.name]

    def begun_after(self, receipts: Iterable[Ticket], instant: datetime) -> list[int]:
        """When the last calls arrived (us) of those settled messages whose last call began after an instant, in order.

        However busy the machine is, a call that was under way at that instant is none of them: a history has the slot of a call,
        which begins some time ahead.

        Args:
            receipts: of messages 0, 1, 2 and so on.
            instant: by the state server's clock, such as that of an event in an operation's history.
        """
        last = {str((arrival["body"] or {}).get("text")): int(arrival["at_us"]) for arrival in self.arrivals()}
        begun = {
            f"message {number}": max(
                event.at for event in self.outbox.status(receipt.id).history if event.what == "sent"
            )
            for number, receipt in enumerate(receipts)
        }
        return sorted(last[text] for text, at in begun.items() if at > instant + BEGUN_AHEAD)

    def texts_accepted(self) -> Counter[str]:
        """How often each text took effect at the provider."""
        return Counter(str((arrival["body"] or {}).get("text")) for arrival in self.arrivals() if arrival["accepted"])

    def violations(self) -> int:
        """Limit violations of this account, by the provider's own count."""
        report = self.sandbox.report()["keys"].get(self.name)
        return int(report["violations"]) if report else 0


def canary_environment() -> dict[str, str]:
    """The process environment without our variables."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PACELINE_")}
