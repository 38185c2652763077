"""What a test sees of the campaigns it recorded."""

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from paceline.errors import PacelineError


class CampaignMessage(NamedTuple):
    """What one recipient of a campaign would get.

    Args:
        to: the number.
        text: the template filled with the recipient's columns.
    """

    to: str
    text: str


@dataclass(slots=True)
class RecordedCampaign:
    """A campaign as it was uploaded.

    Args:
        name: its name.
        account: account name.
        sender: E.164.
        template: the text with its placeholders.
        url: attachment for all, or None.
        messages: one per distinct recipient, in the order of the upload.
    """

    name: str
    account: str
    sender: str
    template: str
    url: str | None
    messages: list[CampaignMessage] = field(default_factory=list)


class Recorder(Protocol):
    """What the memory asks of the outbox that records."""

    fail_with: PacelineError | None
    unknown_accounts: set[str]
    campaigns: dict[str, RecordedCampaign]
