"""Receipts against a small model: whatever the order, the copies and the strangers, each message stands where the model says."""

from dataclasses import dataclass, field, replace

import pytest
import redis
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from paceline import names
from paceline.state.scripts import Script
from paceline.status.receipt import receipt_of
from paceline_sandbox.embedded import EmbeddedServer
from paceline_worker.receipts.state import Hooks
from paceline_worker.state.values import Hint
from tests.conftest import add_account
from tests.support.drive import ACCEPTED, LEASE_US, Drive
from tests.support.machines import run

STATUSES = ("sent", "not_sent", "received", "read")
EARLY_US = 600_000_000
DIGEST = "d" * 64


@dataclass
class Message:
    """A message as the model knows it."""

    hint: Hint
    uuid: str
    account: str
    settled: bool = False
    told: set[str] = field(default_factory=set)
    early: dict[str, int] = field(default_factory=dict)

    def hear(self, status: str) -> bool:
        """Take a receipt; whether it told something new."""
        if status in self.told or (status == "not_sent" and self.told & {"received", "read"}):
            return False
        self.told.add(status)
        return True

    @property
    def state(self) -> str | None:
        return max(self.told, key=STATUSES.index, default=None)


class ReceiptMachine(RuleBasedStateMachine):
    """Two accounts, messages under way and settled, receipts of both at any time."""

    client: redis.Redis

    @initialize()
    def add(self) -> None:
        self.client.flushall()
        self.drive = Drive(self.client)
        self.script = Script("paceline_worker", "receipts")
        self.messages: list[Message] = []
        self.caught_up: dict[tuple[str, str], int] = {}
        self.counted: dict[tuple[str, str], int] = {}
        for name in ("acme", "other"):
            add_account(self.client, name, "6000/minute", "window")
            assert Hooks(self.client).open(name, DIGEST, instead_of="", shown=True)

    @precondition(
        lambda self: all(m.settled or m.hint.slot_us + LEASE_US // 2 > self.drive.now_us for m in self.messages)
    )
    @rule(account=st.sampled_from(["acme", "other"]))
    def send(self, account: str) -> None:
        number = len(self.messages)
        self.drive.send(account, sender=f"+1555010{number:04d}", to=f"+1555020{number:04d}")
        hint = self.drive.grant_next()
        assert self.drive.begin_at_slot(hint)["s"] == "go"
        self.drive.set_time(hint.slot_us)
        self.messages.append(Message(hint, f"MSG{number}", account))

    @precondition(lambda self: any(not message.settled for message in self.messages))
    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        message = data.draw(st.sampled_from([message for message in self.messages if not message.settled]))
        self.drive.settle(message.hint, replace(ACCEPTED, uuid=message.uuid))
        message.settled = True
        for status in STATUSES:
            at = message.early.get(status)
            if at is not None and at > self.drive.now_us - EARLY_US and message.hear(status):
                self.count(self.caught_up, message.account, status)

    @precondition(lambda self: bool(self.messages))
    @rule(data=st.data(), copies=st.integers(1, 3), stranger=st.booleans())
    def hear(self, data: st.DataObject, copies: int, stranger: bool) -> None:
        """Some receipts in one call; a stranger has the other account's token."""
        told = data.draw(st.lists(st.tuples(st.sampled_from(self.messages), st.sampled_from(STATUSES)), max_size=5))
        for account in ("acme", "other"):
            receipts = [one for one in told if (one[0].account == account) != stranger] * copies
            flat = [text for message, status in receipts for text in (message.uuid, status, "")]
            done = self.script.run(self.client, "take", account, DIGEST, *flat)
            assert [self.expected(account, *one) for one in receipts] == done

    def expected(self, account: str, message: Message, status: str) -> str:
        """What state must say to a receipt; the model takes it."""
        if message.settled and message.account == account:
            return "moved" if message.hear(status) else "known"
        under_way = any(not one.settled for one in self.messages)  # of whatever account
        if message.settled or not under_way:
            return "unknown"
        if message.account == account:
            at = message.early.get(status)
            if at is None or at <= self.drive.now_us - EARLY_US:
                message.early[status] = self.drive.now_us
        return "early"

    @rule(seconds=st.one_of(st.floats(0, 3), st.floats(200, 700)))
    def wait(self, seconds: float) -> None:
        self.drive.advance(seconds)

    @rule()
    def collect(self) -> None:
        """A receiver counts what others have not."""
        flat = self.script.run(self.client, "caught up")
        for what, number in zip(flat[::2], flat[1::2], strict=True):
            status, account = what.split("|")
            self.count(self.counted, account, status, int(number))

    @staticmethod
    def count(counts: dict[tuple[str, str], int], account: str, status: str, number: int = 1) -> None:
        counts[account, status] = counts.get((account, status), 0) + number

    @invariant()
    def each_message_is_where_the_model_says(self) -> None:
        for message in self.messages:
            found = receipt_of(self.drive.picture(message.hint.id).operation)
            assert message.state == (found.status if found else None)

    @invariant()
    def accounts_count_messages(self) -> None:
        for account in ("acme", "other"):
            states = [message.state for message in self.messages if message.account == account]
            received = sum(state in ("received", "read") for state in states)
            expected = {
                "sent": states.count("sent") + received,
                "not_sent": states.count("not_sent"),
                "received": received,
                "read": states.count("read"),
            }
            assert expected == Hooks(self.client).of(account).counts

    def teardown(self) -> None:
        """What came early and was noted is told to receivers, once."""
        if not hasattr(self, "drive"):
            return
        self.collect()
        assert self.caught_up == self.counted
        for key in self.client.scan_iter(f"{names.STATE_ROOT.replace('{', '?').replace('}', '?')}:a:*:er"):
            assert self.client.pttl(key) > 0


def test_receipts_move_messages_forward_and_nothing_else(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """State and model agree after every step."""
    run(ReceiptMachine, server, monkeypatch, examples=30, steps=30)
