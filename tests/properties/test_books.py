"""Any sequence of what can happen to operations keeps the books: nothing lost, nothing twice, order kept, tokens grow."""

from itertools import count
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize

from paceline.operations import SendMessage
from paceline_sandbox.embedded import EmbeddedServer
from tests.conftest import ownerless_keys
from tests.properties.ledger import ACCOUNTS
from tests.properties.moves import (
    Delivering,
    Operating,
    Sending,
    accounts,
    policies,
    senders,
    targets,
    with_healthy_workers,
)
from tests.properties.places import ROOT
from tests.support.machines import run

# A turn moves the clock to what is due next; most of them are figures that are read every quarter of an hour.
MOST_TURNS = 1500


class Books(Sending, Delivering, Operating):
    """Accounts, senders, workers that die, hints that are lost or doubled, answers of every kind, and a clock that moves."""

    @initialize(lanes=st.lists(st.tuples(accounts, senders, targets, policies), min_size=2, max_size=8))
    def begin_with_a_backlog(self, lanes: list[tuple[str, str, str, Any]]) -> None:
        for account, sender, to, policy in lanes:
            message = SendMessage(account=account, sender=sender, to=to, text="Hi", on_unknown=policy, max_attempts=4)
            self.offer(message)

    def teardown(self) -> None:
        """Whatever happened: with healthy workers everything reaches its outcome, and no key is left without an owner."""
        self.drive.accept_all()
        for name in ACCOUNTS:
            self.accounts.resume(name)
        for turn in count():
            with_healthy_workers(self.drive, turn)
            if not self.has_work():
                break
            due = self.drive.next_due_us()
            assert due is not None, "work waits, and nothing is due"
            assert turn < MOST_TURNS, "work does not come to an end"
            self.drive.set_time(max(self.drive.now_us, due))
        self.every_operation_is_in_one_place()
        self.an_operation_settles_once()
        self.the_books_balance()
        self.nothing_is_left()

    def has_work(self) -> bool:
        books = [self.drive.balance(name) for name in ACCOUNTS]
        return any(book.inbox or book.waiting or book.in_flight for book in books)

    def nothing_is_left(self) -> None:
        """An account without held operations can be removed, and takes its keys with it."""
        for name in ACCOUNTS:
            if not self.drive.balance(name).outcomes["held"]:
                self.accounts.remove(name)
        self.client.delete(self.drive.clock_key)
        assert [] == ownerless_keys(self.client)
        assert [] == list(self.client.scan_iter(f"{ROOT}:f:*".replace("{", "?").replace("}", "?")))


def test_the_books_balance_whatever_happens(server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """received = refused + inbox + waiting + in flight + outcomes, at every step, and everything ends in an outcome."""
    run(Books, server, monkeypatch, examples=60, steps=40)
