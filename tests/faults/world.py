"""A fleet under faults: a supervised set of workers, a provider, and all that was sent, with what became of it."""

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Final

from paceline import Outbox, SendMessage, Settings, names
from paceline.errors import PacelineError
from paceline.state import connect
from paceline.state.calls import State
from paceline.status.audit import balance_of
from paceline_sandbox.embedded import AppendFsync, EmbeddedServer
from paceline_worker.accounts.accounts import Accounts
from paceline_worker.accounts.secrets import ApiKey, KeyRing
from paceline_worker.pacing.bucket import Pacing
from tests.faults.pulse import Pulse
from tests.faults.watch import Watch
from tests.faults.witness import Account, Sent, account_for, forgotten
from tests.support.processes import start_sandbox
from tests.support.sandbox_client import SandboxClient
from tests.support.servers import start_server

SECRET: Final = "A" * 43 + "="
# What nobody but the provider and the state server may read: it stands in each message, key and number of a run.
KEY_CANARY: Final = "UAKq7x3"
TEXT_CANARY: Final = "wording-9f4e"
SENDERS: Final = 20
DEADLINE_S: Final = 2.0
LEASE_S: Final = DEADLINE_S + 5.0
# A disk that is slow lets a server with `appendfsync everysec` acknowledge so much that a kill forgets.
FORGETS_S: Final = 3.0
_WITNESS: Final = "harness:last-acknowledged-write"
# So long nothing more gets its outcome before a run is given up.
PATIENCE_S: Final = 120.0
_CANARY_S: Final = 1.0
_SENDS: Final = 40
_SEND_AGAIN_S: Final = 0.25


class World:
    """One run: a state server, a provider, accounts, and the messages that were sent.

    Args:
        server: the state server, and the broker unless another is given.
        sandbox: the provider's own side.
        api_base: the provider.
        broker_url: of workers and producer; a proxy's, perhaps.
        random: all choices of the run.
        namespace: of all keys and queues.
    """

    def __init__(
        self,
        server: EmbeddedServer,
        sandbox: SandboxClient,
        api_base: str,
        broker_url: str,
        random: Random,
        namespace: str = names.NAMESPACE,
    ) -> None:
        self.namespace = namespace
        self.server = server
        self.sandbox = sandbox
        self.random = random
        self.environment: dict[str, str] = {
            "PACELINE_BROKER_URL": broker_url,
            "PACELINE_SECRET_KEY": SECRET,
            "PACELINE_API_BASE": api_base,
            "PACELINE_HTTP_DEADLINE": f"{DEADLINE_S:g}",
            "PACELINE_RECONCILE_GRACE": "1",
            "PACELINE_NAMESPACE": namespace,
        }
        self.client = connect(server.url, namespace=namespace, answer_timeout_s=30)
        self.state = State(self.client)
        self.outbox = Outbox(settings=Settings(broker_url=broker_url, namespace=namespace))
        self.sent: list[Sent] = []
        self.accounts: list[str] = []
        self.failed_sends = 0
        self.given_up = 0
        self.slowest_send_s = 0.0
        self._witness = 1
        self.forgot_at_s: list[tuple[float, float]] = []
        self._calls: list[tuple[int, str]] = []
        self.separate_broker_url = ""
        self.watch = Watch(server.url, namespace)
        self.pulse = Pulse().__enter__()

    def produce_through(self, broker_url: str, state_url: str) -> None:
        """Send from here on with a broker that is not the state server."""
        self.outbox.close()
        self.outbox = Outbox(broker_url=broker_url, state_url=state_url)
        self.separate_broker_url = broker_url

    def close(self) -> None:
        """Close the connections."""
        self.pulse.__exit__()
        self.watch.close()
        self.outbox.close()
        self.client.close()

    def add_account(
        self, name: str, rate: str, pacing: Pacing = "spacing", variation_ms: int = 100, **options: Any
    ) -> str:
        """Add an account; its API key is that of `key_of`."""
        Accounts(self.client).add(
            name,
            ApiKey(key_of(name)),
            ring=KeyRing(SECRET),
            rates=rate,
            pacing=pacing,
            variation=timedelta(milliseconds=variation_ms),
            **{"info_every": timedelta(0), **options},
        )
        self.accounts.append(name)
        return name

    def send(self, account: str, policy: Any = "reconcile", **fields: Any) -> bool:
        """Send the next message, of its own text; when `send()` raises, again with the same idempotency key, as a service does.

        Returns:
            Whether it was sent in the end. Nothing was promised of one that was not, and it may be there all the same.
        """
        number = len(self.sent) + self.given_up
        text = f"{TEXT_CANARY} {self.namespace} {number}"
        values = {"sender": f"+155501000{number % SENDERS:02d}", "to": f"+1555020{number % 10_000:04d}", **fields}
        message = SendMessage(account=account, text=text, on_unknown=policy, idempotency_key=text, **values)
        for _ in range(_SENDS):
            called_s, began_s = time.time(), time.monotonic()
            op_id = self._tried(message)
            ended_s = time.monotonic()
            self.slowest_send_s = max(self.slowest_send_s, ended_s - began_s - self.pulse.late_s(began_s, ended_s))
            if op_id is not None:
                self.sent.append(Sent(op_id, text, (values["sender"], values["to"]), policy, time.time(), called_s))
                self.watch.add(op_id)
                return True
            self.failed_sends += 1
            time.sleep(_SEND_AGAIN_S)
        self.given_up += 1
        return False

    def _tried(self, message: SendMessage) -> str | None:
        try:
            return self.outbox.send(message).id
        except PacelineError:
            return None

    def outcomes(self) -> tuple[int, int]:
        """How many operations have their outcome, and how many the books do not account for."""
        books = [balance_of(found) for name in self.accounts if (found := self.state.account(name))]
        return sum(sum(book.outcomes.values()) for book in books), sum(abs(book.unaccounted) for book in books)

    def drain(self, *, canaries: bool = True, patience_s: float = PATIENCE_S) -> bool:
        """Wait until all that was sent has its outcome, and go on sending meanwhile; False when nothing more comes.

        Args:
            canaries: send a further message of each sender now and then: a look-up believes a history that shows later ones.
            patience_s: seconds without any further outcome.
        """
        progress, since_s, canary_s = -1, time.monotonic(), time.monotonic()
        while True:
            left = len(self.unsettled())
            if not left:
                return True
            now_s = time.monotonic()
            if left != progress:
                progress, since_s = left, now_s
            if now_s - since_s > patience_s:
                return False
            if canaries and now_s - canary_s > _CANARY_S:
                canary_s = now_s
                self._send_canaries()
            time.sleep(0.2)

    def unsettled(self) -> list[str]:
        """Texts that have no outcome yet."""
        states = self.states()
        open_states = (None, "waiting", "granted", "sending", "inbox")
        return [one.text for one in self.sent if states.get(one.id) in open_states]

    def _send_canaries(self) -> None:
        """Messages that nobody counts, one of each sender of the first account."""
        for number in range(SENDERS):
            message = SendMessage(
                account=self.accounts[0], sender=f"+155501000{number:02d}", to="+15550999999", text="canary"
            )
            try:
                self.outbox.send(message)
            except PacelineError:
                return

    def states(self) -> dict[str, str]:
        """Where each operation is: its outcome, or where it waits."""
        root = f"{self.client.root}:o:"
        found: dict[str, str] = {}
        for start in range(0, len(self.sent), 500):
            page = self.sent[start : start + 500]
            with self.client.pipeline(transaction=False) as pipe:
                for one in page:
                    pipe.hmget(root + one.id, "s", "oc")
                replies = pipe.execute()
            for one, (state, outcome) in zip(page, replies, strict=True):
                found[one.id] = outcome or {"w": "waiting", "g": "granted", "s": "sending"}.get(state, "inbox")
        return found

    def rest(self, patience_s: float = 30.0) -> None:
        """Wait until nothing is under way any more, canaries included."""
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            books = [balance_of(found) for name in self.accounts if (found := self.state.account(name))]
            if not any(book.waiting + book.in_flight + book.inbox for book in books):
                return
            time.sleep(0.2)

    def kill_server(self) -> tuple[float, float]:
        """Kill the state server as a crash does; when it was certainly alive, and when it was certainly dead."""
        self.client.set(_WITNESS, self._witness, ex=3600)
        alive_s = time.time()
        self.server.kill()
        return alive_s, time.time()

    def note_forgotten(self, killed_at_s: tuple[float, float]) -> None:
        """Look whether the server that was killed has come back without its last acknowledged write."""
        if self.client.get(_WITNESS) != str(self._witness):
            self.forgot_at_s.append(killed_at_s)
        self._witness += 1

    def set_aside_forgotten(self) -> int:
        """Judge no message whose records a server without `appendfsync always` was allowed to forget; how many they are."""
        if not self.forgot_at_s:
            return 0
        arrivals = self.sandbox.arrivals()
        texts = forgotten(self.sent, arrivals, self.forgot_at_s, reach_s=FORGETS_S, call_s=DEADLINE_S)
        kept = [one for one in self.sent if one.text not in texts]
        self.watch.excuse({one.id for one in self.sent} - {one.id for one in kept})
        number = len(self.sent) - len(kept)
        self.sent = kept
        return number

    def judged(self) -> Account:
        """What became of all messages."""
        return account_for(self.sent, self.states(), self.sandbox.arrivals())

    def violations(self) -> int:
        """Calls against the pace, as the provider counts them; those of canaries too."""
        keys = self.sandbox.report()["keys"]
        return sum(int(keys[key_of(name)]["violations"]) for name in self.accounts if key_of(name) in keys)

    def calls(self) -> list[tuple[int, str]]:
        """When each call arrived (us of the provider's clock), and its key; only what is new is asked for."""
        new = self.sandbox.arrivals(len(self._calls))
        self._calls += [(int(arrival["at_us"]), str(arrival["key"])) for arrival in new]
        return self._calls

    def arrived_after(self, at_us: int) -> list[int]:
        """When calls arrived after an instant (us of the provider's clock)."""
        return [call_us for call_us, _ in self.calls() if call_us > at_us]

    def recovery_s(self, ended_s: float, patience_s: float = 60.0) -> float:
        """Seconds from the end of a fault (wall clock) until the next call arrives."""
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            if later := self.arrived_after(int(ended_s * 1e6)):
                return min(later) / 1e6 - ended_s
            time.sleep(0.1)
        return patience_s


def key_of(account: str) -> str:
    """The API key of an account."""
    return f"{KEY_CANARY}-{account}"


@contextmanager
def world(
    seed: int,
    *,
    scenario: Mapping[str, Any],
    appendfsync: AppendFsync = "everysec",
    broker: Callable[[EmbeddedServer, ExitStack], str] | None = None,
    extra: Iterable[str] = (),
    home: Path | None = None,
) -> Iterator[World]:
    """Start a state server and a provider, and end them with the block.

    Args:
        seed: of all choices.
        scenario: what the provider does.
        appendfsync: of the state server.
        broker: the address that workers and producer use, made from the server; its own unless given.
        extra: further options of the state server.
        home: where its files are; a temporary directory unless given.
    """
    with ExitStack() as stack:
        directory = home or Path(stack.enter_context(TemporaryDirectory(prefix="paceline-faults-")))
        server = stack.enter_context(
            start_server(directory=directory / "state", appendfsync=appendfsync, extra=tuple(extra))
        )
        process = stack.enter_context(start_sandbox(seed=seed))
        sandbox = SandboxClient(process.origin)
        sandbox.put_scenario(scenario)
        url = broker(server, stack) if broker else server.url
        built = World(server, sandbox, process.base_url, url, Random(seed))
        stack.callback(built.close)
        yield built


@contextmanager
def neighbour(built: World, namespace: str) -> Iterator[World]:
    """A second deployment on the same server and provider."""
    url = built.environment["PACELINE_BROKER_URL"]
    other = World(
        built.server, built.sandbox, built.environment["PACELINE_API_BASE"], url, Random(namespace), namespace
    )
    try:
        yield other
    finally:
        other.close()


def feed(
    built: World, accounts: Iterable[str], per_second: float, stopping: threading.Event, most: int, **fields: Any
) -> threading.Thread:
    """Send messages evenly from a thread, to the accounts in turn, until told to stop or until so many are sent."""
    names = list(accounts)

    def run() -> None:
        began_s = time.monotonic()
        for number in range(most):
            if stopping.wait(max(0.0, began_s + number / per_second - time.monotonic())):
                return
            built.send(names[number % len(names)], **fields)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def end(pid: int, signal: int) -> None:
    """Send a signal to a process that may have ended."""
    try:
        os.kill(pid, signal)
    except ProcessLookupError:
        return
