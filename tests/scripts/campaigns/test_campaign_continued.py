"""An upload of a campaign that is continued later."""

from datetime import UTC, datetime, timedelta

import pytest

from paceline.campaigns.draft import draft
from paceline.campaigns.upload import open_campaign, upload
from paceline.errors import CampaignConflict
from paceline.ids import new_id
from tests.support.drive import ACCEPTED, Drive

SENDER = "+15550100001"


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
