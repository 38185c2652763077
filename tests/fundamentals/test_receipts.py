"""How to learn whether a message was delivered and read."""

import sys
from collections.abc import Iterator

import pytest

from paceline import Outbox, SendMessage, Status, Ticket
from tests.fundamentals.conftest import Command
from tests.support.processes import free_port, spawn
from tests.support.stack import PATIENCE, Stack
from tests.support.wait import wait_until

pytestmark = [pytest.mark.system]

ANA = "+15550700031"
NEVER_RECEIVED = "+15559994002"  # the emulated provider sends the message, and no device receives it


@pytest.fixture(scope="module")
def receiver(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`python -m paceline_worker.receipts` takes the provider's webhooks. The fixture is the receiver's address."""
    port = free_port()
    command = [sys.executable, "-m", "paceline_worker.receipts", "--port", str(port)]
    log = tmp_path_factory.mktemp("receiver") / "log"
    with spawn(command, {"PACELINE_BROKER_URL": stack.server.url}, log) as process:
        process.wait_for_line("/receipts")
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def subscribed(receiver: str, account: str, paceline: Command) -> str:
    """`paceline receipts subscribe` asks the provider to post there. The fixture is the account's name."""
    paceline("receipts", "subscribe", account, "--base-url", receiver, "--sender", sender_of(account))
    return account


def sender_of(account: str) -> str:
    """A number of its own for each account: the provider takes one webhook for an event of a number."""
    return f"+1555011{int(account[-8:], 16) % 10_000:04d}"


def hello(account: str, to: str = ANA) -> SendMessage:
    return SendMessage(account=account, sender=sender_of(account), to=to, text="Hello")


def until(outbox: Outbox, ticket: Ticket, status: str) -> Status:
    """Wait until receipts report this status."""
    ticket.wait_settled(20)

    def check() -> Status | None:
        shown = outbox.status(ticket.id)
        return shown if shown.receipt and shown.receipt.status == status else None

    return wait_until(check, PATIENCE, status)


def test_a_message_is_sent_received_and_read(outbox: Outbox, subscribed: str) -> None:
    """Each step has its time; the outcome stays `accepted`."""
    shown = until(outbox, outbox.send(hello(subscribed)), "read")
    assert shown.receipt is not None
    assert None not in (shown.receipt.sent_at, shown.receipt.received_at, shown.receipt.read_at)
    assert "accepted" == shown.state


def test_a_message_that_no_device_received_stays_sent(outbox: Outbox, subscribed: str) -> None:
    """Receipts say how far a message came."""
    undelivered = outbox.send(hello(subscribed, NEVER_RECEIVED))
    until(outbox, outbox.send(hello(subscribed)), "read")
    assert None is getattr(until(outbox, undelivered, "sent").receipt, "received_at", "no receipt")


def test_a_campaign_counts_its_receipts(outbox: Outbox, subscribed: str) -> None:
    """Sent, delivered and read are numbers of its progress."""
    rows = [{"to": f"+1555073{n:04d}"} for n in range(5)]
    campaign = outbox.start_campaign(
        f"read-{subscribed}", account=subscribed, sender=sender_of(subscribed), template="Hi", recipients=rows
    )
    wait_until(lambda: campaign.progress().read == 5, PATIENCE, "all messages are read")
    assert (5, 5) == (campaign.progress().sent, campaign.progress().delivered)


def test_an_account_shows_its_receipts_and_never_the_address(
    outbox: Outbox, subscribed: str, receiver: str, paceline: Command
) -> None:
    """`receipts off` closes the address."""
    until(outbox, outbox.send(hello(subscribed)), "read")
    shown = paceline("receipts", "show", subscribed, "--json")
    assert (True, 1) == (shown["open"], shown["messages"]["read"])
    assert receiver not in str(shown)
    paceline("receipts", "off", subscribed)
    assert not paceline("receipts", "show", subscribed, "--json")["open"]
