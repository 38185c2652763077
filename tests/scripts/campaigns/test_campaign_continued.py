"""An upload of a campaign that is continued later."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from paceline import CampaignOptions, Outbox
from paceline.campaigns.draft import draft
from paceline.campaigns.recipients import VALID_UNTIL
from paceline.campaigns.upload import open_campaign, upload
from paceline.errors import CampaignConflict
from paceline.ids import new_id
from paceline.recipients.rows import bad_row
from paceline.times import instant
from paceline_sandbox.embedded import EmbeddedServer
from tests.support.drive import ACCEPTED, Drive

SENDER = "+15550100001"
ADA, BOB = {"to": "+15550200001", "name": "Ada"}, {"to": "+15550200002", "name": "Bob"}


@pytest.fixture
def outbox(server: EmbeddedServer, drive: Drive) -> Iterator[Outbox]:
    """What a service uploads with."""
    with Outbox(broker_url=server.url) as made:
        yield made
    drive.client.flushall()


def _upload(drive: Drive, numbers: list[str], *, valid_until: datetime, template: str = "Hi") -> None:
    described = draft(
        "spring", account="acme", sender=SENDER, template=template, valid_until=valid_until, on_unknown="hold"
    )
    written: list[str] = []

    def submit(campaign: str, account: str, sender: str, count: int, body: str) -> None:
        written.append(new_id())
        drive.state.submit(written[-1], account, sender, count, body, campaign=campaign)

    open_campaign(drive.state, described)
    rows = [{"to": number} for number in numbers]
    upload(described, rows, state=drive.state, submit=submit, on_invalid=None, on_progress=None)
    drive.worker.accept(written)


def _start(outbox: Outbox, rows: Sequence[Mapping[str, object]], **options: Any) -> None:
    given = {"account": "acme", "sender": SENDER, "template": "Hi {name}"} | options
    outbox.start_campaign("spring", recipients=rows, on_invalid=lambda *_: None, **given)


def test_rows_of_a_continued_upload_keep_the_validity_they_were_given(drive: Drive) -> None:
    """Continued the next day with a later `valid_until`: used, or refused as different; not expired in silence."""
    now = datetime.fromtimestamp(drive.now_us / 1e6, UTC)
    _upload(drive, ["+15550200001"], valid_until=now + timedelta(hours=24))
    drive.advance(23 * 3600)
    _upload(drive, ["+15550200001", "+15550200002"], valid_until=now + timedelta(hours=72))
    for _ in range(3):
        drive.grant()
        if (due := drive.due_us()) is not None:
            drive.set_time(max(drive.now_us, due))
    assert 0 == drive.balance().outcomes["expired"]


def test_a_continued_upload_cannot_change_its_content(drive: Drive) -> None:
    """Half of the recipients would have one text and half the other."""
    later = datetime.fromtimestamp(drive.now_us / 1e6, UTC) + timedelta(days=9)
    _upload(drive, ["+15550200001"], valid_until=later)
    with pytest.raises(CampaignConflict, match="exists with another"):
        _upload(drive, ["+15550200002"], valid_until=later, template="Ho")


def test_an_upload_is_not_continued_when_it_cannot_be_told_who_had_the_message(drive: Drive) -> None:
    """Outcomes are kept for an hour here: after that, the same rows would be sent to everybody again."""
    later = datetime.fromtimestamp(drive.now_us / 1e6, UTC) + timedelta(days=9)
    _upload(drive, ["+15550200001"], valid_until=later)
    drive.deliver(ACCEPTED)
    drive.advance(3599)
    _upload(drive, ["+15550200001", "+15550200002"], valid_until=later)
    drive.advance(2)
    with pytest.raises(CampaignConflict, match="retention time"):
        _upload(drive, ["+15550200001"], valid_until=later)


@pytest.mark.parametrize(
    "unfit",
    [
        bad_row(3, "has a quote that is never closed", '"Cy'),
        {"to": "555", "name": "Cy"},
        {"to": "+15550200003", "name": None},
    ],
    ids=["unreadable", "without a number", "without a value"],
)
@pytest.mark.parametrize("keyed_first", [True, False])
def test_a_bad_row_says_nothing_of_keys(outbox: Outbox, keyed_first: bool, unfit: dict[str, object]) -> None:
    """It is left out, whether it has a key or none: the other rows and those of the next upload still conflict."""
    plain: list[Mapping[str, object]] = [ADA, BOB]
    keyed: list[Mapping[str, object]] = [{**row, "key": row["name"]} for row in plain]
    first, second = ([*keyed, unfit], plain) if keyed_first else ([*plain, unfit | {"key": "c"}], keyed)
    _start(outbox, first)
    with pytest.raises(CampaignConflict, match="recipients would get the message twice"):
        _start(outbox, second)
    plan = outbox.plan_campaign("spring", account="acme", sender=SENDER, template="Hi {name}", recipients=second)
    assert "recipients would get the message twice" in plan.problems[0]


def test_an_upload_of_bad_rows_alone_does_not_say_whether_rows_have_keys(outbox: Outbox) -> None:
    """The corrected rows say it."""
    _start(outbox, [{"to": "555", "name": "Ada"}])
    _start(outbox, [ADA | {"key": "a"}, {"to": "555", "name": "Bob"}])
    campaign = outbox.state.campaign("spring")
    assert campaign
    assert "all" == campaign.keys


def _ends(outbox: Outbox) -> datetime:
    campaign = outbox.state.campaign("spring")
    assert campaign
    return instant(campaign.valid_until_us)


@pytest.mark.parametrize("how", ["uploaded", "changed"])
def test_a_continued_upload_without_a_validity_keeps_that_of_the_campaign(outbox: Outbox, how: str) -> None:
    """Corrected rows do not shorten it to the default, nor do they get an end of their own; a plan says the same."""
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(days=30)
    _start(outbox, [ADA], **({"valid_until": end} if how == "uploaded" else {}))
    if how == "changed":
        outbox.find_campaign("spring").change(CampaignOptions(valid_until=end))

    later = [BOB | {"not_before": (end - timedelta(days=9)).isoformat()}]
    planned = outbox.plan_campaign("spring", account="acme", sender=SENDER, template="Hi {name}", recipients=later)
    _start(outbox, later)
    assert (end, end, 1) == (_ends(outbox), planned.valid_until, planned.in_time)
    bodies = [outbox.state.client.hget(key, "body") for key in outbox.state.client.scan_iter("*:in:*")]
    assert 2 == len(bodies)
    assert not any(VALID_UNTIL in row for body in bodies for row in json.loads(str(body))["rows"])


def test_a_continued_upload_is_valid_for_a_day_at_least(outbox: Outbox) -> None:
    """The default holds where the end of the campaign is nearer."""
    now = datetime.now(UTC)
    _start(outbox, [ADA], valid_until=now + timedelta(hours=1))
    _start(outbox, [BOB])
    assert timedelta(0) <= _ends(outbox) - (now + timedelta(days=1)) < timedelta(minutes=5)


def test_a_name_that_is_free_again_brings_no_validity(outbox: Outbox) -> None:
    """An upload without one good row leaves its name to another campaign, which begins with the default."""
    now = datetime.now(UTC)
    _start(outbox, [{"to": "555", "name": "Ada"}], valid_until=now + timedelta(days=30))
    _start(outbox, [ADA], template="Hello {name}")
    assert timedelta(0) <= _ends(outbox) - (now + timedelta(days=1)) < timedelta(minutes=5)
