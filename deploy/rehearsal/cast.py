"""Accounts and campaigns of the rehearsal: four companies."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

# Values of the dashboards' variables.
ACCOUNT: Final = "globex"
CAMPAIGN: Final = "spring"

# Sender of two campaigns: they share its turns.
SENDER: Final = "+15550100010"

_REJECTED: Final = "+15559990422"  # the sandbox's own: always answered 422


@dataclass(frozen=True, slots=True)
class Account:
    """One key, and the messages that go with it beside campaigns.

    Args:
        name: of the account.
        sender: the number of its services.
        per_minute: what its key allows.
        every_s: seconds between two messages of services.
        credit: calls that are paid for.
        days: until it expires.
        pacing: how its limit is read.
        receipts: whether it hears what becomes of its messages.
    """

    name: str
    sender: str
    per_minute: int
    every_s: float
    credit: int
    days: int
    pacing: str = "window"
    receipts: bool = False

    @property
    def key(self) -> str:
        """The API key: it opens nothing but the sandbox."""
        return f"key-of-{self.name}"


ACCOUNTS: Final = (
    Account("acme", "+15550100051", 10, 20, 4_200, 6, "spacing"),
    Account("globex", "+15550100052", 600, 1.5, 250_000, 190, receipts=True),
    Account("initech", "+15550100053", 60, 9, 9_000, 25),
    Account("umbrella", "+15550100054", 120, 6, 31_000, 61, receipts=True),
)


@dataclass(frozen=True, slots=True)
class Campaign:
    """What one company wants to say to many.

    Args:
        name: of the campaign.
        account: whose key.
        sender: its number.
        recipients: how many.
        weight: its share of its sender's turns.
        rejected: which of its recipients, by their place, the provider does not take.
    """

    name: str
    account: str
    sender: str
    recipients: int
    weight: int = 1
    rejected: tuple[int, ...] = ()

    def rows(self) -> Iterator[dict[str, str]]:
        """Its recipients."""
        number = 300 + sum(map(ord, self.name)) % 100
        for place in range(self.recipients):
            to = _REJECTED if place in self.rejected else f"+1555{number:03d}{place:04d}"
            yield {"to": to, "key": str(place), "name": f"Customer {place}"}


CAMPAIGNS: Final = (
    Campaign("spring", "globex", SENDER, 2_400, 3, (40, 90, *range(300, 340, 4), 700, 820)),
    Campaign("autumn", "globex", SENDER, 900),
    Campaign("newsletter", "acme", "+15550100020", 120),
    Campaign("reminders", "initech", "+15550100030", 400),
    Campaign("notices", "umbrella", "+15550100040", 700),
)
