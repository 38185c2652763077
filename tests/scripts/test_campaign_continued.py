"""An upload of a campaign that is continued later."""

from datetime import UTC, datetime, timedelta

import pytest

from paceline.campaign import open_campaign, upload
from paceline.errors import CampaignConflict
from paceline.ids import new_id
from paceline.operations import Priority
from tests.support.drive import ACCEPTED, Drive

SENDER = "+15550100001"


def _upload(drive: Drive, numbers: list[str], *, valid_until: datetime, priority: Priority = "bulk") -> None:
    opened = open_campaign(
        drive.state, "spring", account="acme", sender=SENDER, template="Hi", url=None, priority=priority,
        valid_until=valid_until, on_unknown="hold", max_attempts=None,
    )  # fmt: skip
    written: list[str] = []

    def submit(campaign: str, account: str, sender: str, count: int, body: str) -> None:
        written.append(new_id())
        drive.state.submit(written[-1], account, sender, count, body, campaign=campaign)

    upload(opened, [{"to": number} for number in numbers], submit=submit, on_invalid=None, on_progress=None)
    drive.worker.accept(written)


def test_rows_of_a_continued_upload_keep_the_validity_they_were_given(drive: Drive) -> None:
    """Continued the next day with a later `valid_until`: used, or refused as different; not expired in silence."""
    now = datetime.fromtimestamp(drive.now_us / 1e6, UTC)
    _upload(drive, ["+15550200001"], valid_until=now + timedelta(hours=24))
    drive.deliver(ACCEPTED)
    drive.advance(25 * 3600)
    _upload(drive, ["+15550200001", "+15550200002"], valid_until=now + timedelta(hours=72))
    for _ in range(3):
        drive.grant()
        if (due := drive.due_us()) is not None:
            drive.set_time(max(drive.now_us, due))
    assert 0 == drive.balance().outcomes["expired"]


def test_a_continued_upload_cannot_change_its_class(drive: Drive) -> None:
    """Bulk first, transactional later: a row would stand in one list and belong to another."""
    later = datetime.fromtimestamp(drive.now_us / 1e6, UTC) + timedelta(days=9)
    _upload(drive, ["+15550200001"], valid_until=later)
    drive.deliver(ACCEPTED)
    with pytest.raises(CampaignConflict):
        _upload(drive, ["+15550200002"], valid_until=later, priority="transactional")
