"""What the provider's receipts tell of a message after it was accepted: hints from outside, that change no outcome."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from paceline.inbox.record import instant

ReceiptStatus = Literal["sent", "not_sent", "received", "read"]
# Later ones win, whatever order they came in: what somebody received was sent. With the fields of o:<id> (receipt.lua).
RECEIPT_STATUSES: Final[Mapping[ReceiptStatus, str]] = {"sent": "xs", "not_sent": "xn", "received": "xd", "read": "xr"}


@dataclass(frozen=True, slots=True)
class DeliveryReceipt:
    """How far a message has come.

    Args:
        status: ``sent`` (handed to the network), ``not_sent`` (it failed), ``received`` (on the recipient's device) or ``read``.
        sent_at: when it was told to be sent; None when it was not told.
        not_sent_at: when it was told to have failed.
        received_at: when it was told to be received.
        read_at: when it was told to be read.
    """

    status: ReceiptStatus
    sent_at: datetime | None = None
    not_sent_at: datetime | None = None
    received_at: datetime | None = None
    read_at: datetime | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain values, times in ISO 8601."""
        return {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name in self.__slots__
            for value in (getattr(self, name),)
        }


def receipt_of(operation: Mapping[str, str]) -> DeliveryReceipt | None:
    """Read an operation's receipts.

    Args:
        operation: its fields.

    Returns:
        What they tell; None when none came.
    """
    at = {status: instant(operation[field]) for status, field in RECEIPT_STATUSES.items() if operation.get(field)}
    if not at:
        return None
    return DeliveryReceipt(
        status=list(at)[-1],
        sent_at=at.get("sent"),
        not_sent_at=at.get("not_sent"),
        received_at=at.get("received"),
        read_at=at.get("read"),
    )
