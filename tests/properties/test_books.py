"""Any sequence of what can happen to operations keeps the books: nothing lost, nothing twice, order kept, tokens grow."""

from itertools import count
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize

from paceline.operations import SendMessage
from paceline_sandbox.embedded import EmbeddedServer
from tests.properties.campaign_ledger import CAMPAIGNS
from tests.properties.campaigns import CAPS_US, WINDOWS, Controlling, Uploading
from tests.properties.ledger import ACCOUNTS, TARGETS
from tests.properties.moves import (
    Operating,
    accounts,
    policies,
    senders,
    targets,
)
from tests.properties.places import ROOT, look
from tests.support.machines import run
from tests.support.ownership import ownerless_keys

# A turn moves the clock to what is due next; most of them are figures that are read every quarter of an hour.
MOST_TURNS = 1500
# So many of them with all that holds campaigns back as the moves left it.
TURNS_HELD_BACK = 12


class Books(Uploading, Controlling, Operating):
    """Accounts, senders, campaigns, workers that die, lost and doubled hints, answers of every kind, and a clock that moves."""

    @initialize(
        lanes=st.lists(st.tuples(accounts, senders, targets, policies), min_size=2, max_size=8),
        window=st.sampled_from([None, None, *WINDOWS]),
        cap_us=st.sampled_from([0, 0, *CAPS_US]),
    )
    def begin_with_a_backlog(self, lanes: list[tuple[str, str, str, Any]], window: Any, cap_us: int) -> None:
        for account, sender, to, policy in lanes:
            message = SendMessage(account=account, sender=sender, to=to, text="Hi", on_unknown=policy, max_attempts=4)
            self.offer(message)
        for size, name in enumerate(CAMPAIGNS):
            self.open_campaign(name, "resend", paused=False, seal=name != "c2")
            self.change_window(name, window if size else None)
            self.change_cap(name, cap_us if size else 0)
            self.upload(
                name,
                [(to, place, "") for to in TARGETS[:size] for place in range(3)] or [(TARGETS[0], 0, "")],
                at_once=True,
            )

    def teardown(self) -> None:
        """Whatever happened: with healthy workers everything reaches its outcome, and no key is left without an owner."""
        self.drive.accept_all()
        for name in ACCOUNTS:
            self.accounts.resume(name)
        for turn in count():
            self.healthy_turn()
            if turn == TURNS_HELD_BACK:
                self.no_cap_is_exceeded()
                self.let_go()
            if turn > TURNS_HELD_BACK and not self.has_work():
                break
            due = self.drive.next_due_us()
            if due is None and turn < TURNS_HELD_BACK:
                continue
            assert due is not None, "work waits, and nothing is due"
            assert turn < MOST_TURNS, "work does not come to an end"
            self.drive.set_time(max(self.drive.now_us, due))
        self.every_operation_is_in_one_place()
        self.an_operation_settles_once()
        self.the_books_balance()
        self.the_books_of_campaigns_balance()
        self.what_was_cancelled_is_gone()
        self.nothing_is_left()

    def has_work(self) -> bool:
        books = [self.drive.balance(name) for name in ACCOUNTS]
        return any(book.inbox or book.waiting or book.in_flight for book in books) or bool(look(self.client).open)

    def what_was_cancelled_is_gone(self) -> None:
        """Of a cancelled campaign only those are kept that have a story, or that another operation waited for."""
        for name, campaign in look(self.client).campaigns.items():
            for fields in look(self.client).of_campaign(name).values():
                assert fields["s"] == "d"
                if fields["oc"] == "cancelled":
                    assert "hold" in campaign or fields.get("cd") == "dropped"
                    assert fields.keys() & {"n", "fo", "le"}

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
