"""The book-keeping identity: everything that came in is somewhere, at every moment."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from paceline.literals import OUTCOMES
from paceline.state.pictures import AccountPicture


@dataclass(frozen=True, slots=True)
class Balance:
    """One account's books, read in one atomic step.

    ``received = refused + inbox + waiting + in_flight + outcomes``. Waiting and in-flight operations are counted from the
    lists themselves, not from counters, so a lost operation shows.

    Args:
        account: account name.
        received: operations written by outboxes.
        refused: duplicates, and records no worker could read.
        inbox: written, not yet accepted.
        waiting: in lanes, behind a back-off, or waiting for a time.
        in_flight: under a lease.
        outcomes: outcome to number.
    """

    account: str
    received: int
    refused: int
    inbox: int
    waiting: int
    in_flight: int
    outcomes: Mapping[str, int]

    @property
    def unaccounted(self) -> int:
        """Operations that came in and are nowhere (positive), or are somewhere twice (negative)."""
        return self.received - self.refused - self.inbox - self.waiting - self.in_flight - sum(self.outcomes.values())

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {name: getattr(self, name) for name in self.__slots__} | {
            "outcomes": dict(self.outcomes),
            "unaccounted": self.unaccounted,
        }


def balance_of(picture: AccountPicture) -> Balance:
    """The books of an account.

    Args:
        picture: the account with all that waits on it.
    """
    counts = picture.counts
    in_lanes = sum(lane.transactional + lane.bulk + lane.parked for lane in picture.lanes)
    return Balance(
        account=picture.account.name,
        received=counts.get("received", 0),
        refused=counts.get("duplicate", 0) + counts.get("refused", 0),
        inbox=counts.get("inbox", 0),
        waiting=in_lanes + picture.timed,
        in_flight=picture.in_flight,
        outcomes={outcome: counts.get(outcome, 0) for outcome in OUTCOMES},
    )
