"""How to stop what has not left yet."""

from datetime import UTC, datetime, timedelta

import pytest

from paceline import Outbox, SendMessage
from paceline.errors import AlreadyBegun, CampaignConflict, NotFound
from tests.fundamentals.conftest import Command
from tests.support.stack import PATIENCE
from tests.support.wait import wait_until

pytestmark = [pytest.mark.system]

SENDER, ANA = "+15550100001", "+15550700081"


def hello(account: str, **fields: object) -> SendMessage:
    values = {"account": account, "sender": SENDER, "to": ANA, "text": "Hello"}
    return SendMessage.model_validate(values | fields)


def rows(number: int) -> list[dict[str, str]]:
    return [{"to": f"+1555079{n:04d}"} for n in range(number)]


def test_a_waiting_message_can_be_cancelled(outbox: Outbox) -> None:
    """Its outcome is `cancelled`, with the reason."""
    ticket = outbox.send(hello("acme", not_before=datetime.now(UTC) + timedelta(hours=1)))
    ticket.wait(10)
    outbox.cancel(ticket.id, why="called back")
    cancelled = ticket.wait_settled(10)
    assert ("cancelled", True) == (cancelled.state, "called back" in cancelled.why)


def test_a_message_that_has_left_cannot_be_cancelled(outbox: Outbox) -> None:
    """The error says what became of the message."""
    ticket = outbox.send(hello("acme"))
    ticket.wait_settled(20)
    with pytest.raises(AlreadyBegun, match="its outcome is accepted"):
        outbox.cancel(ticket.id)


def test_a_message_that_never_was_cannot_be_cancelled(outbox: Outbox) -> None:
    """An unknown id is an error, not a success."""
    with pytest.raises(NotFound):
        outbox.cancel("01k0zxw5d3v8m2c7r4q9n6t1ea")


def test_a_campaign_is_cancelled_at_once_and_for_good(outbox: Outbox, account: str, paceline: Command) -> None:
    """Waiting messages are counted as cancelled; the table of outcomes names their recipients."""
    campaign = outbox.start_campaign(
        f"stop-{account}", account=account, sender=SENDER, template="Hi", recipients=rows(4), rate="1/hour"
    )
    wait_until(lambda: campaign.progress().outcomes["accepted"] == 1, PATIENCE, "the first message has left")
    campaign.cancel("wrong price")
    wait_until(lambda: campaign.progress().completed_at is not None, PATIENCE, "the rest is cancelled")
    assert (1, 3) == (campaign.progress().outcomes["accepted"], campaign.progress().outcomes["cancelled"])
    table = paceline("outcomes", "--campaign", campaign.name, "--format", "csv", "--outcome", "cancelled")
    assert 3 == len(table.splitlines()) - 1
    with pytest.raises(CampaignConflict, match="final"):
        campaign.resume()


def test_a_campaign_of_which_nothing_left_can_be_deleted(outbox: Outbox, account: str) -> None:
    """Its name is free again."""
    name = f"draft-{account}"
    campaign = outbox.start_campaign(
        name, account=account, sender=SENDER, template="Hi", recipients=rows(3), paused=True
    )
    campaign.delete()

    def is_gone() -> bool:
        try:
            outbox.find_campaign(name)
        except NotFound:
            return True
        return False

    wait_until(is_gone, PATIENCE, "the campaign is deleted")
    outbox.start_campaign(name, account=account, sender=SENDER, template="Ho", recipients=rows(1), paused=True)
