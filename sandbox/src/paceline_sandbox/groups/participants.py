"""Which numbers groups refuse, and in which words (docs/provider.md, 2.2). Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from paceline_sandbox.answers import JsonObject
from paceline_sandbox.faults.magic import refused_participant
from paceline_sandbox.faults.scenario import Scenario

ADDED: Final = 200
INVITE_ONLY: Final = 403
NOT_ON_WHATSAPP: Final = 404
ALREADY_THERE: Final = 409

_WORDS: Final[Mapping[int, str]] = {
    ADDED: "The participant was added to the group",
    INVITE_ONLY: "The participant's privacy settings allow an invitation only",
    NOT_ON_WHATSAPP: "The number is not on WhatsApp",
    408: "The participant left the group recently",
    ALREADY_THERE: "The participant is already in the group",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of one number: WhatsApp's own status code, and whether an invitation went out instead."""

    status_code: int
    invited: bool = False

    @property
    def accepted(self) -> bool:
        """Whether the number is in the group now."""
        return self.status_code == ADDED

    def shown(self) -> JsonObject:
        """The number's entry in the reply."""
        words = _WORDS.get(self.status_code, "The participant was refused")
        return {"statusCode": self.status_code, "message": words, "isInviteV4Sent": self.invited}


def refusal_of(number: str, scenario: Scenario) -> Verdict | None:
    """The refusal that the scenario or its own magic has for a number, or None.

    Args:
        number: with its plus.
        scenario: the first of its `participants` whose pattern fits counts.
    """
    for entry in scenario.participants:
        if fnmatchcase(number, entry.pattern):
            return Verdict(entry.status_code, entry.invited)
    status_code = refused_participant(number) if scenario.magic else None
    return None if status_code is None else Verdict(status_code, invited=status_code == INVITE_ONLY)
