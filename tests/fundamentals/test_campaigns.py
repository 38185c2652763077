"""How to steer a campaign, in the order in which one learns it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from paceline import Campaign, CampaignOptions, Outbox, SendMessage
from paceline.errors import CampaignConflict, InvalidOperation, NotFound
from paceline.testing import RecordingOutbox
from tests.support.stack import Stack

pytestmark = [pytest.mark.system]

SENDER = "+15550100001"


def people(number: int) -> list[dict[str, str]]:
    return [{"to": f"+1555060{n:04d}", "name": f"Customer {n}"} for n in range(number)]


def start(outbox: Outbox, name: str, number: int = 10, **options: Any) -> Campaign:
    return outbox.start_campaign(
        name, account="acme", sender=SENDER, template="Hi {name}", recipients=people(number), **options
    )


def until_complete(stack: Stack, campaign: Campaign) -> None:
    stack.wait_for(lambda _: campaign.progress().completed_at is not None, "it is complete")


def test_a_plan_says_what_would_happen_and_writes_nothing(outbox: Outbox) -> None:
    """Recipients, duplicates, requests, and when it would end; the campaign is not there afterwards."""
    plan = outbox.plan_campaign(
        "plan", account="acme", sender=SENDER, template="Hi {name}", recipients=people(10) + people(2)
    )
    assert (10, 2, 0, 10) == (plan.recipients, plan.duplicates, plan.invalid, plan.requests)
    assert plan.ends_at is not None
    with pytest.raises(NotFound):
        outbox.find_campaign("plan")


def test_a_campaign_may_be_uploaded_first_and_released_later(outbox: Outbox, stack: Stack) -> None:
    """`paused=True` lets nothing leave before `resume`."""
    campaign = start(outbox, "later", paused=True)
    stack.wait_for(lambda _: campaign.progress().in_inbox == 0, "accepted")
    assert ("paused", 10) == (campaign.progress().state, campaign.progress().remaining)
    campaign.resume()
    until_complete(stack, campaign)
    assert 10 == campaign.progress().outcomes["accepted"]


def test_a_forecast_says_when_it_ends_and_why_not_earlier(outbox: Outbox, stack: Stack) -> None:
    """As things stand; None while nothing may leave."""
    campaign = start(outbox, "foreseen", rate="1/minute")
    stack.wait_for(lambda _: campaign.progress().in_inbox == 0, "accepted")
    forecast = campaign.forecast()
    assert forecast.ends_at is not None
    assert forecast.ends_at > datetime.now(UTC) + timedelta(minutes=7)
    assert "one every 60 s by the campaign's own rate of 1/minute" == forecast.why
    campaign.pause("lunch")
    paused = campaign.forecast()
    assert (None, True) == (paused.ends_at, paused.why.endswith("lunch"))
    campaign.cancel()


def test_what_holds_for_a_campaign_can_be_changed_while_it_runs(outbox: Outbox, stack: Stack) -> None:
    """Weight, rate, window, validity: for all that has not begun. '' takes a rate or window away."""
    campaign = start(outbox, "changed", rate="1/minute")
    campaign.change(CampaignOptions(rate="", weight=3))
    until_complete(stack, campaign)
    assert "complete" == campaign.progress().state


def test_a_cancelled_campaign_is_over_for_good(outbox: Outbox, stack: Stack) -> None:
    """Waiting operations are counted as cancelled; its name takes no more rows."""
    campaign = start(outbox, "wrong", paused=True)
    campaign.cancel("the wrong list")
    until_complete(stack, campaign)
    progress = campaign.progress()
    assert ("cancelled", 10) == (progress.state, progress.outcomes["cancelled"] + progress.refused)
    with pytest.raises(CampaignConflict, match="final"):
        campaign.resume()
    with pytest.raises(CampaignConflict, match="another name"):
        start(outbox, "wrong")


def test_what_became_of_each_recipient_is_a_stream(outbox: Outbox, stack: Stack) -> None:
    """One entry per outcome, and a last one that says that the numbers are final."""
    campaign = start(outbox, "told")
    until_complete(stack, campaign)
    *entries, final = outbox.outcomes("told")
    assert {one["to"] for one in people(10)} == {entry.to for entry in entries}
    assert ("campaign", "complete", 10) == (final.kind, final.outcome, final.count)


def test_a_message_may_have_hours(outbox: Outbox) -> None:
    """Local hours with a zone; outside of them it waits, and its status says until when."""
    opens = datetime.now(UTC) + timedelta(hours=2)
    window = f"{opens:%H:00}-{opens + timedelta(hours=1):%H:00} UTC"
    ticket = outbox.send(SendMessage(account="acme", sender=SENDER, to="+15550600001", text="Hi", window=window))
    ticket.wait(10)
    status = outbox.status(ticket.id)
    assert opens.replace(minute=0, second=0, microsecond=0) == status.expected_at
    assert "outside its window until" in status.why


@pytest.mark.parametrize(
    "options",
    [{"weight": 0}, {"weight": 1001}, {"rate": "fast"}, {"window": "9-5"}, {"auto_pause": 101}],
)
def test_options_are_checked_before_anything_is_written(options: dict[str, Any]) -> None:
    """The message names the option."""
    with pytest.raises(InvalidOperation, match=f"^{next(iter(options))}: "):
        start(RecordingOutbox(), "bad", **options)
