"""Whether what begin.lua hands out is what was accepted; remembers the campaigns that this process has seen begin."""

import hmac
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final

from paceline_worker.integrity.seals import Seals

_MOST_CAMPAIGNS: Final = 10_000
# Reason -> what the outcome says.
WORDS: Final[Mapping[str, str]] = {
    "missing": "it has no seal, or its outcome took the seal away",
    "content": "id, account, sender, kind, target, payload or campaign differ",
    "campaign": "account, kind or template of its campaign differ",
}


class Tampering:
    """Judges operations before their call. For one event loop.

    Args:
        seals: of the state; may be given later, before the first operation.
    """

    def __init__(self, seals: Seals) -> None:
        self.seals = seals
        # Campaign -> the seal that it had when this process began something of it: a change after that shows, whatever state says.
        self._campaigns: OrderedDict[str, str] = OrderedDict()
        self._latest: tuple[tuple[str | None, ...], str] = ((), "")

    def objection(self, op_id: str, answer: dict[str, Any]) -> str | None:
        """Why an operation must not be sent, or None.

        Args:
            op_id: its id.
            answer: begin.lua's.

        Returns:
            A reason of `seals.REASONS`.
        """
        try:
            return self.seals.objection(op_id, answer) or self._objection_to_campaign(answer)
        except (KeyError, TypeError, AttributeError, UnicodeError):
            return "content"

    def campaign_to_seal(self, answer: dict[str, Any]) -> str | None:
        """The seal that is to be written for a campaign that begins, or None: it has one."""
        return self._campaigns.get(answer["campaign"]) if answer.get("unsealed") else None

    def _objection_to_campaign(self, answer: dict[str, Any]) -> str | None:
        name = answer.get("campaign")
        if not name:
            return None
        expected = self._expected(name, answer)
        stored = answer.get("campaign_seal")
        known = self._campaigns.get(name)
        genuine = hmac.compare_digest(expected, stored) if stored else answer.get("unsealed") == "1"
        if not genuine or (known is not None and known != expected):
            return "campaign"
        if known is None:
            self._campaigns[name] = expected
            if len(self._campaigns) > _MOST_CAMPAIGNS:
                self._campaigns.popitem(last=False)
        return None

    def _expected(self, name: str, answer: dict[str, Any]) -> str:
        """Mostly the next operation is of the same campaign as the last."""
        content = (name, answer["account"], answer["kind"], answer.get("template"))
        if content != self._latest[0]:
            self._latest = content, self.seals.campaign_of(answer)
        return self._latest[1]
