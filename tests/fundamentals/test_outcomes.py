"""How a service learns what became of its messages."""

import threading

import pytest

from paceline import Outbox, SendMessage
from paceline.errors import InvalidOperation
from tests.fundamentals.conftest import Command

pytestmark = [pytest.mark.system]

SENDER, ANA, REJECTED = "+15550100001", "+15550700061", "+15559990422"


def hello(account: str, to: str = ANA, **fields: object) -> SendMessage:
    return SendMessage.model_validate({"account": account, "sender": SENDER, "to": to, "text": "Hello"} | fields)


def test_every_outcome_is_an_entry_of_a_stream(outbox: Outbox, account: str) -> None:
    """The entry carries the caller's own values, so that a service needs no table of ids."""
    sent = outbox.send(hello(account, metadata={"order": "17"}, idempotency_key="order-17"))
    refused = outbox.send(hello(account, REJECTED))
    sent.wait_settled(20)
    refused.wait_settled(20)
    entries = {entry.id: entry for entry in outbox.outcomes() if entry.account == account}
    assert {sent.id: "accepted", refused.id: "rejected"} == {op_id: entry.outcome for op_id, entry in entries.items()}
    accepted = entries[sent.id]
    assert ({"order": "17"}, "order-17", ANA) == (accepted.metadata, accepted.idempotency_key, accepted.to)
    assert "422" == entries[refused.id].code


def test_a_reader_continues_after_the_last_entry_it_handled(outbox: Outbox, account: str) -> None:
    """A cursor is the id of an entry; entries come in the order in which they became known."""
    tickets = []
    for _ in range(3):
        tickets.append(outbox.send(hello(account)))
        tickets[-1].wait_settled(20)
    first, *others = [entry for entry in outbox.outcomes() if entry.account == account]
    assert [entry.id for entry in others] == [
        entry.id for entry in outbox.outcomes(after=first.entry_id) if entry.account == account
    ]
    assert [ticket.id for ticket in tickets] == [first.id, *(entry.id for entry in others)]


def test_a_reader_follows(outbox: Outbox, account: str) -> None:
    """`follow=True` waits for new entries until the reader stops."""
    heard: list[str] = []
    arrived = threading.Event()

    def listen() -> None:
        for entry in outbox.outcomes(after=start, follow=True):
            if entry.account == account:
                heard.append(entry.id)
                arrived.set()
                return

    outbox.send(hello("acme")).wait_settled(20)
    *_, last = outbox.outcomes()
    start = last.entry_id
    listener = threading.Thread(target=listen)
    listener.start()
    ticket = outbox.send(hello(account))
    assert arrived.wait(20)
    listener.join(20)
    assert [ticket.id] == heard


def test_the_outcomes_of_a_campaign_are_a_table(outbox: Outbox, account: str, paceline: Command) -> None:
    """One row for each recipient, with the key of the caller's list."""
    rows = [{"to": f"+1555077{n:04d}", "key": f"c-{n}"} for n in range(3)]
    campaign = outbox.start_campaign(f"told-{account}", account=account, sender=SENDER, template="Hi", recipients=rows)
    list(outbox.outcomes(campaign.name, follow=True))  # ends with the campaign
    header, *lines = paceline("outcomes", "--campaign", campaign.name, "--format", "csv", "--show-numbers").splitlines()
    assert header.startswith("to,outcome,code,words,")
    assert {(row["to"], "accepted", row["key"]) for row in rows} == {
        (line.split(",")[0], line.split(",")[1], line.split(",")[-1]) for line in lines
    }


def test_a_cursor_that_is_none_is_refused(outbox: Outbox) -> None:
    """The message shows the form of one."""
    with pytest.raises(InvalidOperation, match="after: is not the id of an entry, such as"):
        list(outbox.outcomes(after="yesterday"))
