"""A campaign in numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from paceline.literals import CampaignState, Outcome
from paceline.state.campaigns import CampaignSnapshot
from paceline.times import instant


@dataclass(frozen=True, slots=True)
class Progress:
    """A campaign in numbers, all counted by state in the same atomic steps that move operations.

    Args:
        name: the campaign.
        received: rows written by uploads, duplicates among them.
        duplicates: rows that were there already.
        refused: rows of records that no worker could read, or that came after it was cancelled.
        in_inbox: written and not yet in a lane.
        outcomes: outcome to number of operations.
        remaining: in a lane, waiting for a time, or in flight.
        uploaded: whether the upload was completed.
        hold: ``paused``, ``cancelled`` or None.
        why: why it is on hold, in words.
        approval: ``needed`` before anything leaves, ``given``, or None.
        approved_by: who gave the approval.
        approved_at: when.
        completed_at: when the last one had its outcome and these numbers became final.
        sent: messages that receipts told to be sent, and not to have failed.
        not_sent: accepted by the provider, and told to have failed after all.
        delivered: received on the recipient's device, by their receipts; those that were read among them.
        read: read by the recipient, as far as that is told. Receipts may go on to come when all outcomes are known.
    """

    name: str
    received: int
    duplicates: int
    refused: int
    in_inbox: int
    outcomes: Mapping[Outcome, int]
    remaining: int
    uploaded: bool
    hold: Literal["paused", "cancelled"] | None = None
    why: str | None = None
    completed_at: datetime | None = None
    approval: Literal["needed", "given"] | None = None
    approved_by: str | None = None
    approved_at: datetime | None = None
    sent: int = 0
    not_sent: int = 0
    delivered: int = 0
    read: int = 0

    @property
    def settled(self) -> int:
        """Operations that have their outcome."""
        return sum(self.outcomes.values())

    @property
    def total(self) -> int:
        """Distinct recipients."""
        return self.received - self.duplicates - self.refused

    @property
    def complete(self) -> bool:
        """Whether everything uploaded has its outcome."""
        return (self.uploaded or self.hold == "cancelled") and self.settled == self.total

    @property
    def state(self) -> CampaignState:
        """One word: uploading, running, paused, cancelling (workers delete waiting operations), cancelled or complete."""
        if self.hold == "cancelled":
            return "cancelled" if self.complete else "cancelling"
        if self.complete:
            return "complete"
        return self.hold or ("running" if self.uploaded else "uploading")


def progress_of(name: str, campaign: CampaignSnapshot) -> Progress:
    """The numbers of a campaign.

    Args:
        name: the campaign.
        campaign: as it was read.
    """
    return Progress(
        name=name,
        received=campaign.received,
        duplicates=campaign.duplicate,
        refused=campaign.refused,
        in_inbox=campaign.inbox,
        outcomes=campaign.outcomes,
        remaining=campaign.remaining,
        uploaded=campaign.sealed,
        hold=campaign.hold,
        why=campaign.hold_why,
        completed_at=None if campaign.completed_at_us is None else instant(campaign.completed_at_us),
        approval=campaign.approval,
        approved_by=campaign.approved_by,
        approved_at=None if campaign.approved_at_us is None else instant(campaign.approved_at_us),
        sent=campaign.receipt_sent,
        not_sent=campaign.receipt_not_sent,
        delivered=campaign.receipt_received,
        read=campaign.receipt_read,
    )
