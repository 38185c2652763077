"""Any sequence of what can happen to operations keeps the books: nothing lost, nothing twice, order kept, tokens grow."""

from collections import defaultdict

import pytest
import redis
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from paceline_sandbox.embedded import EmbeddedServer
from paceline_worker.accounts import Accounts
from paceline_worker.policy import Verdict
from paceline_worker.secrets import ApiKey, KeyRing
from paceline_worker.state import Hint
from tests.conftest import SECRET
from tests.support.drive import (
    ACCEPTED,
    BAD_KEY,
    LEASE_US,
    NOT_MADE,
    OVERLOADED,
    REJECTED,
    SENDER_BUSY,
    THROTTLED,
    UNKNOWN,
    Drive,
)
from tests.support.machines import run

ACCOUNTS = ("acme", "fast")
SENDERS = ("+15550100001", "+15550100002")
TARGETS = ("+15550200001", "+15550200002", "+15550200003")
VERDICTS = (ACCEPTED, REJECTED, OVERLOADED, THROTTLED, SENDER_BUSY, BAD_KEY, UNKNOWN, NOT_MADE)


class Books(RuleBasedStateMachine):
    """Accounts, senders, workers that die, hints that are lost or doubled, and a clock that moves."""

    client: redis.Redis

    @initialize()
    def set_up(self) -> None:
        self.client.flushall()
        self.drive = Drive(self.client)
        for name, rates in zip(ACCOUNTS, ("10/minute", "600/minute"), strict=True):
            Accounts(self.client).add(name, ApiKey("k"), ring=KeyRing(SECRET), rates=rates)
        self.hints: list[Hint] = []
        self.begun: list[Hint] = []
        self.tokens: dict[str, int] = defaultdict(int)
        self.offered = 0
        self.enqueued: dict[tuple[str, str, str, str], list[str]] = defaultdict(list)
        self.first_begin: dict[tuple[str, str, str, str], list[str]] = defaultdict(list)
        self.pair_of: dict[str, tuple[str, str, str, str]] = {}

    @rule(
        account=st.sampled_from(ACCOUNTS),
        sender=st.sampled_from(SENDERS),
        to=st.sampled_from(TARGETS),
        priority=st.sampled_from(["transactional", "bulk"]),
        policy=st.sampled_from(["reconcile", "resend", "hold"]),
        key=st.sampled_from([None, None, "k1", "k2"]),
        at_once=st.booleans(),
    )
    def send(
        self, account: str, sender: str, to: str, priority: str, policy: str, key: str | None, at_once: bool
    ) -> None:
        if not at_once and key is None:
            self.drive.accept_all()  # keeps the order of acceptance equal to the order of enqueueing
        op = self.drive.send(
            account,
            accept=at_once,
            sender=sender,
            to=to,
            priority=priority,
            on_unknown=policy,
            idempotency_key=key,
            max_attempts=4,
        )
        self.offered += 1
        if op not in self.pair_of:
            pair = (account, sender, to, priority)
            self.pair_of[op] = pair
            if at_once or key is None:
                self.drive.accept_all()
                self.enqueued[pair].append(op)

    @rule()
    def accept(self) -> None:
        self.drive.accept_all()

    @rule(seconds=st.sampled_from([0.01, 0.1, 1.0, 6.1, 30.0, 700.0]))
    def wait(self, seconds: float) -> None:
        self.drive.advance(seconds)

    @rule(capacity=st.integers(0, 4))
    def grant(self, capacity: int) -> None:
        for hint in self.drive.grant(capacity=capacity).hints:
            assert int(hint.token) > self.tokens[hint.id]
            self.tokens[hint.id] = int(hint.token)
            self.hints.append(hint)

    @rule(data=st.data())
    @precondition(lambda self: self.hints)
    def begin(self, data: st.DataObject) -> None:
        """A hint arrives, perhaps late, perhaps for the second time."""
        hint = data.draw(st.sampled_from(self.hints))
        if data.draw(st.booleans()):
            self.drive.set_time(max(self.drive.now_us, hint.slot_us - 30_000))
        reply = self.drive.begin([hint], owner=data.draw(st.sampled_from(["w1", "w2"])))[0]
        if reply["s"] == "go" and hint not in self.begun:
            self.begun.append(hint)
            self._note_order(hint.id)

    def _note_order(self, op: str) -> None:
        seen = self.first_begin[self.pair_of[op]]
        if op not in seen:
            seen.append(op)

    @rule(data=st.data(), verdict=st.sampled_from(VERDICTS), slow=st.booleans())
    @precondition(lambda self: self.begun)
    def settle(self, data: st.DataObject, verdict: Verdict, slow: bool) -> None:
        """An answer comes, perhaps late, perhaps for the second time."""
        hint = data.draw(st.sampled_from(self.begun))
        self.drive.settle(hint, verdict, elapsed_us=3_000_000 if slow else 1)

    @rule()
    def all_workers_die(self) -> None:
        """Leases run out: granted goes back, begun is unknown."""
        self.drive.advance(LEASE_US / 1e6 + 6)
        self.grant(capacity=0)

    @rule(account=st.sampled_from(ACCOUNTS), suspended=st.booleans())
    def switch(self, account: str, suspended: bool) -> None:
        accounts = Accounts(self.client)
        if suspended:
            accounts.suspend(account)
        else:
            accounts.resume(account)

    @invariant()
    def the_books_balance(self) -> None:
        if not hasattr(self, "drive"):
            return
        books = [self.drive.balance(name) for name in ACCOUNTS]
        assert [0, 0] == [book.unaccounted for book in books]
        assert self.offered == sum(book.received for book in books)
        assert sum(book.in_flight for book in books) == int(self.client.hget("paceline:{0}:meta", "inflight") or 0)

    @invariant()
    def one_call_in_flight_per_sender(self) -> None:
        if not hasattr(self, "drive"):
            return
        for name in ACCOUNTS:
            flying = self.client.zrange(f"paceline:{{0}}:a:{name}:fl", 0, -1)
            senders = [self.drive.operation(str(op))["f"] for op in flying]
            assert len(senders) == len(set(senders))

    @invariant()
    def order_is_kept_per_pair(self) -> None:
        for pair, begun in getattr(self, "first_begin", {}).items():
            known = [op for op in self.enqueued[pair] if op in begun]
            assert known == [op for op in begun if op in known]

    def teardown(self) -> None:
        """Whatever happened: with healthy workers everything reaches its outcome."""
        if not hasattr(self, "drive"):
            return
        self.drive.accept_all()
        for name in ACCOUNTS:
            Accounts(self.client).resume(name)
        for _ in range(400):
            for hint in self.drive.grant().hints:
                self.drive.set_time(max(self.drive.now_us, hint.slot_us - 30_000))
                if self.drive.begin([hint], owner="last")[0]["s"] == "go":
                    self.drive.settle(hint, ACCEPTED)
            dues = [due for name in ACCOUNTS if (due := self.drive.due_us(name)) is not None]
            if not dues:
                break
            self.drive.set_time(max(self.drive.now_us, min(dues)))
        for name in ACCOUNTS:
            book = self.drive.balance(name)
            assert (0, 0, 0, 0) == (book.unaccounted, book.inbox, book.waiting, book.in_flight)


def test_the_books_balance_whatever_happens(server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """received = refused + inbox + waiting + in flight + outcomes, at every step, and everything ends in an outcome."""
    run(Books, server, monkeypatch, examples=60, steps=40)
