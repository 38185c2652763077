"""What the provider's receipts tell of a message after it was accepted: hints from outside, that change no outcome."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, get_args

from paceline.state.snapshots import OperationSnapshot
from paceline.times import instant

ReceiptStatus = Literal["sent", "not_sent", "received", "read"]
# Later ones win, whatever order they came in: what somebody received was sent.
RECEIPT_STATUSES: Final[tuple[ReceiptStatus, ...]] = get_args(ReceiptStatus)


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


def receipt_of(operation: OperationSnapshot) -> DeliveryReceipt | None:
    """What the receipts of an operation tell; None when none came.

    Args:
        operation: any.
    """
    times_us = (operation.sent_at_us, operation.not_sent_at_us, operation.received_at_us, operation.read_at_us)
    at = [None if us is None else instant(us) for us in times_us]
    status = next((status for status, when in zip(reversed(RECEIPT_STATUSES), reversed(at), strict=True) if when), None)
    return None if status is None else DeliveryReceipt(status, *at)
