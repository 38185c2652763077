"""Seals: keyed digests (HMAC-SHA256) of what must not change once a worker has accepted an operation. Pure."""

import base64
import hmac
import json
import re
from typing import Any, Final

from paceline.lua.fields import OPERATION
from paceline_worker.integrity.payloads import Payloads, derived

KEY_BYTES: Final = 32
# 120 bits, which are 20 characters without padding.
_BYTES: Final = 15
LENGTH: Final = 20
_VERSION: Final = re.compile("[0-9]{1,18}")
# In place of the seals of a record that cannot be read: accept.lua refuses the record.
UNREADABLE: Final = "-"
# Likewise, of a record in an envelope that this state cannot open.
FOREIGN: Final = "x"
_KIND, _PAYLOAD, _FOLLOWS = map(OPERATION.code, ("kind", "payload", "follows"))


class Seals:
    """Makes and checks seals with one key.

    Args:
        key: `KEY_BYTES` random bytes; each purpose has a key of its own, derived from them.

    Attributes:
        payloads: encrypts what must not be read in state.
    """

    __slots__ = ("_campaigns", "_floors", "_operations", "payloads")

    def __init__(self, key: bytes) -> None:
        self.payloads = Payloads(key)
        self._operations = _keyed(derived(key, b"paceline: seal of an operation"))
        self._campaigns = _keyed(derived(key, b"paceline: seal of a campaign"))
        self._floors = _keyed(derived(key, b"paceline: seal of the version of an API key"))

    def __repr__(self) -> str:
        return "Seals(redacted)"

    def operation(self, *parts: str) -> str:
        """The seal of an operation.

        Args:
            parts: its id, account, sender (E.164), kind ('' when the kind is its campaign's), target, payload (JSON, as state
                holds it), the operation that it follows or '', its campaign or ''.
        """
        return _sealed(self._operations, *parts)

    def campaign(self, name: str, account: str, kind: str, template: str) -> str:
        """The seal of what a campaign's operations share.

        Args:
            name: the campaign.
            account: the account that sends; each operation's own seal tells the sender.
            kind: of its operations.
            template: as state holds it.
        """
        return _sealed(self._campaigns, name, account, kind, template)

    def floor(self, account: str, version: int) -> str:
        """The statement that an account had an API key of this version: ``version|seal``."""
        return f"{version}|{_sealed(self._floors, account, str(version))}"

    def floor_of(self, account: str, text: str) -> int:
        """The version that a statement tells; 0 for one that nobody with this key made."""
        version, _, _ = text.partition("|")
        genuine = _VERSION.fullmatch(version) and hmac.compare_digest(self.floor(account, int(version)), text)
        return int(version) if genuine else 0

    def of_record(self, account: str, campaign: str, body: bytes) -> str:
        """The seals of all rows of an inbox record, in order.

        Args:
            account: the account that the record was written under.
            campaign: its campaign, or ''.
            body: the record, JSON.

        Returns:
            `LENGTH` characters per row, or `UNREADABLE`. What a record may hold is for accept.lua to judge.
        """
        try:
            record = json.loads(body.decode())
            sender: str = record["sender"]
            kind: str = "" if campaign else record["common"][_KIND]
            return "".join(
                self.operation(
                    row["id"], account, sender, kind, row["to"], row[_PAYLOAD], row.get(_FOLLOWS, ""), campaign
                )
                for row in record["rows"]
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return UNREADABLE

    def objection(self, op_id: str, answer: dict[str, Any]) -> str | None:
        """Why an operation that begin.lua handed out is not what a worker accepted, or None.

        Args:
            op_id: its id.
            answer: begin.lua's.

        Returns:
            A reason of `REASONS`, or None.
        """
        campaign = answer.get("campaign") or ""
        seal = answer.get("seal")
        if not seal:
            return "missing"
        kind = "" if campaign else answer["kind"]
        sender = answer.get("sealed_sender") or answer["sender"]
        shared = (answer["account"], sender, kind, answer["to"], answer["payload"])
        expected = self.operation(op_id, *shared, answer.get("follows") or "", campaign)
        return None if hmac.compare_digest(expected, seal) else "content"

    def campaign_of(self, answer: dict[str, Any]) -> str:
        """The seal that the campaign of an answer of begin.lua should have."""
        shared = (answer["account"], answer["kind"], answer.get("template") or "")
        return self.campaign(answer["campaign"], *shared)


# Why something is refused: the label of a metric.
REASONS: Final = ("missing", "content", "campaign", "key")


def _keyed(key: bytes) -> hmac.HMAC:
    # `hmac.digest` hands the interpreter to another thread for each row, and waits to have it back.
    return hmac.new(key, digestmod="sha256")


def _sealed(keyed: hmac.HMAC, *parts: str) -> str:
    # The length before each part keeps ("ab", "c") and ("a", "bc") apart.
    text = "".join([f"{len(part)}:{part}" for part in parts])
    own = keyed.copy()
    own.update(text.encode())
    return base64.urlsafe_b64encode(own.digest()[:_BYTES]).decode()
