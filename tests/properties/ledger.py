"""What the machine of test_books.py remembers of its moves, and what must be true after each of them."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Any

import redis
from hypothesis.stateful import RuleBasedStateMachine, invariant

from paceline_worker.accounts.accounts import Accounts
from paceline_worker.accounts.secrets import ApiKey, KeyRing
from paceline_worker.state.values import Hint, InfoTurn
from paceline_worker.verdict.policy import Verdict
from tests.conftest import SECRET
from tests.properties.places import ROOT, Places, look
from tests.support.drive import NOT_MADE, Drive
from tests.support.stored import stored_account

ACCOUNTS = ("acme", "fast", "told")
SENDERS = ("+15550100001", "+15550100002")
TARGETS = ("+15550200001", "+15550200002", "+15550200003")
BUDGETS = {"*": "20/minute", "group.create": "2/hour", "message.to_number": "12/minute"}
# Of `acme`: 10 a minute, and J.
SPACING_US = 6_100_000

Pair = tuple[str, str, str, str]


@dataclass(frozen=True)
class Sent:
    """One operation that was offered.

    Args:
        id: the operation.
        account: account name.
        sender: E.164.
        kind: operation kind.
        follows: another operation, or None.
        campaign: the campaign that it belongs to, or ''.
    """

    id: str
    account: str
    sender: str
    kind: str
    follows: str | None = None
    campaign: str = ""


@dataclass
class Call:
    """One begun grant.

    Args:
        hint: the grant.
        phase: of the look-up that it is, or ''.
        first: whether none of the operation's calls was answered before.
        slot_us: its slot, that of the grant or a later one.
        owner: the worker.
        questions: how often the worker has asked about it.
        verdict: its outcome, once that was said; a call has one answer.
        heard: whether the answer was taken.
    """

    hint: Hint
    phase: str
    first: bool
    slot_us: int
    owner: str
    questions: int = 1
    verdict: Verdict | None = None
    heard: bool = False


class Ledger(RuleBasedStateMachine):
    """The machine's memory and its invariants; the moves are mixed in."""

    client: redis.Redis

    def __init__(self) -> None:
        super().__init__()
        self.client.flushall()
        self.drive = Drive(self.client)
        self.accounts = Accounts(self.client)
        ring, never = KeyRing(SECRET), timedelta(0)
        self.accounts.add("acme", ApiKey("k"), ring=ring, rates="10/minute", info_every=never)
        self.accounts.add("fast", ApiKey("f"), ring=ring, rates="600/minute", budgets=BUDGETS, info_every=never)
        self.accounts.add("told", ApiKey("t"), ring=ring)
        self.sent: dict[str, Sent] = {}
        self.offered = 0
        self.hints: list[Hint] = []
        self.calls: dict[tuple[str, str], Call] = {}
        self.turns: list[InfoTurn] = []
        self.tokens: dict[str, int] = defaultdict(int)
        self.enqueued: dict[Pair, list[str]] = defaultdict(list)
        self.first_begin: dict[Pair, list[str]] = defaultdict(list)
        self.pair_of: dict[str, Pair] = {}
        self.uuids: dict[str, str] = {}
        # Operation to the token of its call of unknown outcome: it must not be made again before somebody looked.
        self.uncertain: dict[str, str] = {}
        # Account (or '' for the provider) to what was granted while its breaker was open.
        self.probes: dict[str, set[tuple[str, str]]] = defaultdict(set)
        # Account, or `*`, to the numbers on its suppression list.
        self.suppressed: dict[str, set[str]] = defaultdict(set)

    def new_uuid(self, prefix: str = "MSG") -> str:
        return f"{prefix}{len(self.uuids) + len(self.calls) * 1000}"

    def account_fields(self, account: str) -> Mapping[str, str]:
        return stored_account(self.client, account)

    def open_breakers(self) -> set[str]:
        """Accounts whose breaker is open, and '' when the provider's is."""
        opened = {name for name in ACCOUNTS if self.account_fields(name).get("breaker") == "open"}
        return opened | ({""} if self.client.hexists(f"{ROOT}:meta", "pb_until") else set())

    @invariant()
    def the_books_balance(self) -> None:
        books = [self.drive.balance(name) for name in ACCOUNTS]
        assert [0] * len(ACCOUNTS) == [book.unaccounted for book in books]
        assert self.offered == sum(book.received for book in books)
        assert sum(book.in_flight for book in books) == self.client.zcard(f"{ROOT}:fl")

    @invariant()
    def every_operation_is_in_one_place(self) -> None:
        places = look(self.client)
        assert places.operations.keys() >= places.waiting.keys() | places.flying.keys() | places.held
        for op, fields in places.operations.items():
            where = (places.waiting[op], int(op in places.flying), int(op in places.held))
            expected = {"w": (1, 0, 0), "g": (0, 1, 0), "s": (0, 1, 0), "d": (0, 0, int(fields.get("oc") == "held"))}
            assert expected[fields["s"]] == where, (op, fields)
        self._one_call_in_flight_per_sender(places)
        self._followers_wait_in_two_lists(places)
        self._one_probe_at_a_time(places)
        for op in self.uncertain:
            self._looked_up_or_settled(places.operations[op])

    def _one_call_in_flight_per_sender(self, places: Places) -> None:
        lanes = {op: (places.account_of(op), places.sender_of(op)) for op in places.flying}
        assert {lane: op for op, lane in lanes.items()} == places.heads
        assert len(lanes) == len(places.heads)

    @staticmethod
    def _followers_wait_in_two_lists(places: Places) -> None:
        """Those that follow stand in the other's list and in a timer, and the other is not settled."""
        timed = sorted(member[2:] for member in places.timed if member.startswith("v:"))
        assert timed == sorted(f"{other}:{op}" for other, ops in places.followers.items() for op in ops)
        for other in places.followers:
            assert places.operations[other].get("oc", "held") == "held"

    def _one_probe_at_a_time(self, places: Places) -> None:
        opened = self.open_breakers()
        for scope in list(self.probes):
            granted = {
                (op, token)
                for op, token in self.probes[scope]
                if places.operations[op].get("n") == token and places.flying.get(op, 0) > self.drive.now_us
            }
            self.probes[scope] = granted if scope in opened else set()
            assert len(self.probes[scope]) <= 1, scope or "provider"

    @staticmethod
    def _looked_up_or_settled(fields: Mapping[str, str]) -> None:
        assert "ph" in fields or fields["s"] == "d", fields

    @invariant()
    def an_operation_settles_once(self) -> None:
        told: dict[str, list[str]] = defaultdict(list)
        entries: Any = self.client.xrange(f"{ROOT}:outcomes")
        for _, entry in entries:
            if entry["kind"] != "campaign":
                told[entry["id"]].append(entry["outcome"])
        for op, outcomes in told.items():
            assert {"held", "rejected", "dead"} >= set(outcomes[:-1]), (op, outcomes)
            assert outcomes.count("held") <= self.tokens[op], (op, outcomes)

    @invariant()
    def order_is_kept_per_pair(self) -> None:
        for pair, begun in self.first_begin.items():
            known = [op for op in self.enqueued[pair] if op in begun]
            assert known == [op for op in begun if op in known]

    @invariant()
    def no_limit_and_no_budget_is_exceeded(self) -> None:
        made = [call for call in self.calls.values() if call.verdict is not NOT_MADE]
        acme = sorted(call.slot_us for call in made if self.sent[call.hint.id].account == "acme")
        assert all(later - earlier >= SPACING_US for earlier, later in pairwise(acme)), acme
        for sender in SENDERS:
            of_sender = [call for call in made if not call.phase and self._is_by("fast", sender, call)]
            self._within(of_sender, 20, 60_000_000)
            messages = [call for call in of_sender if self.sent[call.hint.id].kind == "message.to_number"]
            self._within(messages, 12, 60_000_000)
            creations = [call for call in of_sender if self.sent[call.hint.id].kind == "group.create" and call.first]
            self._within(creations, 2, 3_600_000_000)

    def _is_by(self, account: str, sender: str, call: Call) -> bool:
        sent = self.sent[call.hint.id]
        return (account, sender) == (sent.account, sent.sender)

    @staticmethod
    def _within(calls: list[Call], most: int, window_us: int) -> None:
        slots = sorted(call.slot_us for call in calls)
        for earlier, later in zip(slots, slots[most:], strict=False):
            assert later - earlier >= window_us, slots
