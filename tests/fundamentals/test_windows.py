"""How to send in the recipients' hours only."""

from datetime import UTC, datetime, timedelta

import pytest

from paceline import CampaignOptions, Outbox, SendMessage
from paceline.errors import InvalidOperation
from tests.support.stack import PATIENCE
from tests.support.wait import wait_until

pytestmark = [pytest.mark.system]

SENDER, ANA = "+15550100001", "+15550700051"


def hello(window: str, **fields: object) -> SendMessage:
    values = {"account": "acme", "sender": SENDER, "to": ANA, "text": "Hello", "window": window}
    return SendMessage.model_validate(values | fields)


def closed_now() -> tuple[str, datetime]:
    """A window of one hour that opens in two hours, and the time of its opening."""
    opens = (datetime.now(UTC) + timedelta(hours=2)).replace(minute=0, second=0, microsecond=0)
    return f"{opens:%H:00}-{opens + timedelta(hours=1):%H:00} UTC", opens


def test_inside_its_window_a_message_leaves_at_once(outbox: Outbox) -> None:
    """Hours have a zone; without days they hold every day."""
    assert "accepted" == outbox.send(hello("00:00-24:00 Europe/Berlin")).wait_settled(20).state


def test_outside_its_window_a_message_waits(outbox: Outbox) -> None:
    """The status says when the window opens; nothing else of the sender waits for the message."""
    window, opens = closed_now()
    waiting = outbox.send(hello(window))
    assert "accepted" == outbox.send(hello("00:00-24:00 UTC")).wait_settled(20).state
    status = outbox.status(waiting.id)
    assert ("waiting", opens) == (status.state, status.expected_at)
    assert "is outside its window until" in status.why
    outbox.cancel(waiting.id)


def test_a_campaign_may_have_hours_that_change(outbox: Outbox) -> None:
    """A new window holds for all that has not begun."""
    window, _ = closed_now()
    rows = [{"to": f"+1555075{n:04d}"} for n in range(3)]
    campaign = outbox.start_campaign(
        "office-hours", account="acme", sender=SENDER, template="Hi", recipients=rows, window=window
    )
    assert "opens at" in campaign.forecast().why
    campaign.change(CampaignOptions(window=""))
    wait_until(lambda: campaign.progress().outcomes["accepted"] == 3, PATIENCE, "the campaign has left")


@pytest.mark.parametrize("window", ["9-5", "09:00-18:00", "Mon-Fry 09:00-18:00 UTC", "09:00-18:00 Europe/Atlantis"])
def test_a_window_that_cannot_be_read_is_refused(outbox: Outbox, window: str) -> None:
    """The message says what is wrong, with an example."""
    with pytest.raises(InvalidOperation, match=r"^window: .*Mon-Fri 09:00-18:00"):
        outbox.send(hello(window))


def test_a_window_must_open_while_the_message_is_valid(outbox: Outbox) -> None:
    """Otherwise the message could never leave."""
    window, opens = closed_now()
    with pytest.raises(InvalidOperation, match="window: does not open before"):
        outbox.send(hello(window, valid_until=opens - timedelta(minutes=30)))
