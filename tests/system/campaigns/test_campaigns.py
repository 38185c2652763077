"""Campaigns in command, with real workers, judged from what arrives at the provider."""

import base64
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any

import pytest

from paceline import Campaign, CampaignOptions, names
from paceline.inbox import hints
from paceline.state import StateClient
from tests.support.stack import Stack
from tests.support.wait import wait_until

pytestmark = [pytest.mark.system]

PATIENCE = timedelta(seconds=150)
INBOX = f"{names.STATE_ROOT}:inbox"
SENDER = "+15550100001"


def upload(stack: Stack, name: str, number: int, first: int = 0, to: str | None = None, **options: Any) -> Campaign:
    """So many messages, to a recipient each or all to one, accepted by a worker."""
    people = ({"to": to or f"+4915{first + i:09d}", "key": str(i), "name": f"{name} {i}"} for i in range(number))
    campaign = stack.outbox.start_campaign(
        f"{stack.name}-{name}", account=stack.name, sender=SENDER, template="Hi {name}", recipients=people, **options
    )
    wait_until(lambda: campaign.progress().in_inbox == 0, PATIENCE, "accepted")
    return campaign


def texts(stack: Stack) -> list[str]:
    return [str(arrival["body"]["text"]) for arrival in stack.arrivals() if arrival["accepted"]]


def until_arrived(stack: Stack, number: int) -> None:
    wait_until(lambda: len(texts(stack)) >= number, PATIENCE, f"{number} arrivals")


def test_a_single_message_does_not_wait_until_a_campaign_is_taken_in(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its hint comes after all hints of the campaign; it is accepted before most of the campaign. The server tells the order."""
    stack.add_account()
    other = stack.another()
    other.add_account()
    monkeypatch.setattr(hints, "_LARGEST", 25)  # several hints for each thread of the worker that takes any
    people = ({"to": f"+4915{number:09d}"} for number in range(50_000))
    stack.outbox.start_campaign("spring", account=stack.name, sender=SENDER, template="Hi", recipients=people)
    records = stack.client.zcard(INBOX)
    wait_until(lambda: named(stack) == records, PATIENCE, "hints of all records")
    other.send()
    wait_until(lambda: named(stack) == records + 1, PATIENCE, "its hint")
    single, bulk = (f"{names.STATE_ROOT}:a:{index}" for index in (f"{other.name}:in", f"{stack.name}:c:in"))
    with removals(stack.client, single, bulk) as removed:
        worker = stack.start_worker()
        before = sum(1 for _ in takewhile(lambda key: key != single, removed))
        worker.kill()
    # The sweep of a worker that starts takes a share of them on a busy machine; behind the campaign it would be the last.
    assert before < records * 3 / 4


@contextmanager
def removals(client: StateClient, *keys: str) -> Iterator[Iterator[str]]:
    """The names of these sorted sets, one for each removal from them and in the order in which the server removes."""
    before = client.config_get("notify-keyspace-events")["notify-keyspace-events"]
    client.config_set("notify-keyspace-events", "Kz")
    channel = "__keyspace@0__:"
    try:
        with client.pubsub() as subscribed:  # type: ignore[no-untyped-call]
            subscribed.subscribe(*(channel + key for key in keys))
            messages = iter(lambda: subscribed.get_message(timeout=PATIENCE.total_seconds()), None)
            yield (str(message["channel"]).removeprefix(channel) for message in messages if message["data"] == "zrem")
    finally:
        client.config_set("notify-keyspace-events", before or "")


def named(stack: Stack) -> int:
    """How many records are named in hints that nobody has taken yet."""
    messages = [json.loads(str(text)) for text in stack.client.lrange(names.ACCEPT_QUEUE, 0, -1)]
    return sum(len(json.loads(base64.b64decode(message["body"]))[0][0]) for message in messages)


def test_a_paused_campaign_stands_still_and_goes_on_where_it_was(served: Stack) -> None:
    """After the pause returns nothing of it begins; after the resume each recipient has had the message once."""
    served.add_account("600/minute")
    campaign = upload(served, "spring", 60)
    until_arrived(served, 10)
    campaign.pause("a typo")
    wait_until(lambda: served.balance().in_flight == 0, PATIENCE, "what had begun is over")
    at_rest = len(texts(served))
    other = upload(served, "summer", 20, first=1000)
    wait_until(lambda: other.progress().completed_at, PATIENCE, "the other one is complete")
    assert at_rest + 20 == len(texts(served))
    assert ("paused", "a typo") == (campaign.progress().state, campaign.progress().why)
    campaign.resume()
    wait_until(lambda: campaign.progress().completed_at, PATIENCE, "it is complete")
    assert {1} == set(Counter(texts(served)).values())
    assert 80 == len(texts(served))


def test_nothing_of_a_cancelled_campaign_begins_and_its_memory_comes_back(served: Stack) -> None:
    """What had left is counted as it ended, all the rest as cancelled, and no operation of it is kept for nothing."""
    served.add_account("600/minute")
    campaign = upload(served, "spring", 3000)
    until_arrived(served, 10)
    campaign.cancel("the wrong list")
    wait_until(lambda: campaign.progress().completed_at, PATIENCE, "it is cancelled")
    left = len(texts(served))
    progress = campaign.progress()
    assert (3000 - left, left) == (progress.outcomes["cancelled"], progress.outcomes["accepted"])
    assert ("cancelled", 0) == (progress.state, served.balance().unaccounted)
    pattern = "paceline:?0?:o:*"
    assert left + 10 >= sum(1 for _ in served.client.scan_iter(pattern, count=1000))


def test_a_campaign_does_not_leave_outside_its_window_nor_faster_than_its_rate(served: Stack) -> None:
    """One that is closed now sends nothing while another, capped, keeps its own pace on a fast account."""
    served.add_account("6000/minute")
    now = datetime.now(UTC)
    closed = upload(
        served, "closed", 10, window=f"{now + timedelta(hours=3):%H:00}-{now + timedelta(hours=5):%H:00} UTC"
    )
    capped = upload(served, "capped", 12, first=1000, rate="120/minute")
    wait_until(lambda: capped.progress().completed_at, PATIENCE, "it is complete")
    arrivals = [int(arrival["at_us"]) for arrival in served.arrivals()]
    assert 12 == len(arrivals)
    # 0.5 s apart on the average; a lateness of ours may be made up for, as far as grants run ahead: a second at most.
    assert arrivals[-1] - arrivals[0] >= 11 * 500_000 - 1_050_000
    assert "opens at" in closed.forecast().why
    closed.change(CampaignOptions(window=""))
    wait_until(lambda: closed.progress().completed_at, PATIENCE, "without a window it leaves")
    assert 22 == len(texts(served))


def test_a_campaign_that_is_rejected_pauses_by_itself(served: Stack) -> None:
    """The provider rejects every message: after 21 of them it says why it stands still."""
    served.add_account("6000/minute")
    campaign = upload(served, "bad", 60, to="+15559990422")  # the sandbox's number that is always answered 422
    wait_until(lambda: campaign.progress().hold, PATIENCE, "it pauses")
    wait_until(lambda: served.balance().in_flight == 0, PATIENCE, "what had begun is over")
    progress = campaign.progress()
    assert 21 <= progress.outcomes["rejected"] <= 22
    assert "21 of its last 21 answers were rejections" == progress.why


def test_the_forecast_comes_true(served: Stack) -> None:
    """The end foreseen when 100 messages were left is the end at the provider, to within two slots and their lateness."""
    served.add_account("600/minute")
    campaign = upload(served, "spring", 110)
    until_arrived(served, 10)
    foreseen = campaign.forecast()
    assert foreseen.ends_at is not None
    wait_until(lambda: campaign.progress().completed_at, PATIENCE, "it is complete")
    slots = sorted(int(arrival["at_us"]) for arrival in served.arrivals())
    # Under load slots are missed, and it ends later; never earlier.
    assert slots[-1] / 1e6 >= foreseen.ends_at.timestamp() - 0.25
