"""Receipts as people see them: on an operation and in a campaign's numbers."""

from typing import Any

import pytest

from paceline.campaigns.campaign import progress_of
from paceline.state.campaigns import CampaignSnapshot
from paceline.status.receipt import DeliveryReceipt, receipt_of
from paceline.status.view import status_of
from tests.unit.samples import NOON, NOON_US
from tests.unit.status.test_view import found

AT = str(NOON_US)


@pytest.mark.parametrize(
    ("expected", "fields"),
    [
        (None, {}),
        (DeliveryReceipt("sent", sent_at=NOON), {"xs": AT}),
        (DeliveryReceipt("not_sent", sent_at=NOON, not_sent_at=NOON), {"xn": AT, "xs": AT}),
        (DeliveryReceipt("received", not_sent_at=NOON, received_at=NOON), {"xn": AT, "xd": AT}),
        (DeliveryReceipt("read", read_at=NOON), {"xr": AT}),
        (DeliveryReceipt("read", NOON, None, NOON, NOON), {"xs": AT, "xd": AT, "xr": AT}),
    ],
)
def test_the_last_one_told_is_the_status(expected: DeliveryReceipt | None, fields: dict[str, str]) -> None:
    """In the order of a message's way; some may be missing."""
    assert expected == receipt_of(found(fields).operation)


def test_a_status_has_the_receipt() -> None:
    """Beside the outcome, which it does not touch; plain values in JSON."""
    settled: dict[str, Any] = {"s": "d", "oc": "accepted", "te": AT}
    assert status_of(found(settled)).receipt is None
    assert status_of(found(settled)).as_json()["receipt"] is None
    status = status_of(found(settled | {"xr": AT}))
    assert "accepted" == status.state
    iso = "2026-01-31T12:00:00+00:00"
    expected = {"status": "read", "sent_at": None, "not_sent_at": None, "received_at": None, "read_at": iso}
    assert expected == status.as_json()["receipt"]


def test_a_campaign_has_the_counts() -> None:
    """Zero where no receipts come; what is read is delivered, too."""
    none = progress_of("spring", CampaignSnapshot())
    assert (0, 0, 0, 0) == (none.sent, none.not_sent, none.delivered, none.read)
    fields = {"receipt_sent": "5", "receipt_not_sent": "1", "receipt_received": "4", "receipt_read": "2"}
    some = progress_of("spring", CampaignSnapshot.read(fields))
    assert (5, 1, 4, 2) == (some.sent, some.not_sent, some.delivered, some.read)
