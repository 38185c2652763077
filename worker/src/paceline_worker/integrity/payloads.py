"""Payloads at rest: recipients and contents of operations, encrypted under keys derived from the key of the seals. Pure."""

import base64
import hmac
import json
import os
import re
from collections import OrderedDict
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from paceline.inbox.record import compact
from paceline.lua.fields import OPERATION
from paceline.state.envelopes import ENVELOPE, NUMBER, PUBLIC_KEY, opened_with
from paceline.state.questions import record_of, template_of

# The form of a target, as shared/record.lua asks for it; there an encrypted one always has it.
_TARGET: Final = re.compile(r"[A-Za-z0-9+@._-]+")
# What an encrypted payload begins with: no JSON does.
CLOSED: Final = "~"
_ENVELOPE: Final = ENVELOPE.encode()
_NONCE_BYTES: Final = 12
_MOST_TEMPLATES: Final = 1_000
_PAYLOAD, _DIGEST = map(OPERATION.code, ("payload", "content_digest"))
# What calls brought that tells of people; scripts need the rest.
_PERSONAL: Final = ("numbers", "check", "recipient")
# Digests that are keyed have this in front, so that accept.lua never compares them with others.
_KEYED: Final = "k"


class Unreadable(Exception):
    """It was not encrypted under the key of this state, or was changed since."""


class Payloads:
    """Encrypts and opens what must not be read in state, dumps and files of the server.

    A recipient is encrypted so that the same number gives the same text: order, caps and pools tell recipients apart by that.

    Args:
        key: the key of the seals.
    """

    __slots__ = ("_at_rest", "_digests", "_numbers", "_private", "_public", "_templates", "public")

    def __init__(self, key: bytes) -> None:
        self._private = derived(key, b"paceline: key of envelopes")
        publics = X25519PrivateKey.from_private_bytes(self._private).public_key()
        self._public = publics.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        self.public = PUBLIC_KEY + _coded(self._public)
        self._at_rest = AESGCM(derived(key, b"paceline: payloads at rest"))
        self._numbers = AESSIV(derived(key, b"paceline: numbers at rest", 64))
        self._digests = derived(key, b"paceline: digests of contents")
        self._templates: OrderedDict[tuple[str, str], str] = OrderedDict()

    def __repr__(self) -> str:
        return "Payloads(redacted)"

    def accepted(self, account: str, body: bytes) -> tuple[bytes, str]:
        """An inbox record as it is to be stored.

        Args:
            account: the account that the record was written under.
            body: JSON, or an envelope with it.

        Returns:
            JSON with recipients and payloads encrypted, and for each row its number as it was given, or nothing, each on a line. A
            recipient of no form that a target has is left out: accept.lua refuses the record for that, as one in the clear.

        Raises:
            Unreadable: the envelope was sealed to another key, or what it holds is no record.
        """
        try:
            record = json.loads(self.record(account, body))
            rows = record["rows"]
            # A deletion names the recipient as the outcome of its message did: encrypted already.
            numbers = [self.opened_number(row["to"]) if _is_personal(row["to"]) else "" for row in rows]
            for place, (row, number) in enumerate(zip(rows, numbers, strict=True)):
                if number and not _TARGET.fullmatch(number):
                    row["to"] = numbers[place] = ""
                self._close(row)
            return compact(record).encode(), "\n".join(numbers)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise Unreadable from None

    def record(self, account: str, body: bytes) -> str:
        """An inbox record in the clear, whether it was in an envelope or not.

        Raises:
            Unreadable: the envelope was sealed to another key.
        """
        try:
            text = body.decode()
            return self._opened(text, record_of(account)) if text.startswith(ENVELOPE) else text
        except ValueError:
            raise Unreadable from None

    def _close(self, row: dict[str, str]) -> None:
        row["to"] = self.number(row["to"])
        row[_PAYLOAD] = self._closed(row["id"], row[_PAYLOAD])
        if digest := row.get(_DIGEST):
            row[_DIGEST] = _KEYED + hmac.digest(self._digests, digest.encode(), "sha256").hex()[:24]

    def number(self, number: str) -> str:
        """A recipient as it stands in state; groups and operations stay as they are."""
        if not _is_personal(number) or number.startswith(NUMBER):
            return number
        return NUMBER + _coded(self._numbers.encrypt(number.encode(), None))

    def opened_number(self, text: str) -> str:
        """A recipient as it was given.

        Raises:
            Unreadable: it was encrypted under another key.
        """
        if not text.startswith(NUMBER):
            return text
        try:
            return self._numbers.decrypt(_decoded(text[len(NUMBER) :]), None).decode()
        except (InvalidTag, ValueError):
            raise Unreadable from None

    def opened(self, op_id: str, answer: dict[str, Any]) -> dict[str, Any]:
        """An answer of begin.lua in the clear; the same one when nothing of it is encrypted.

        Args:
            op_id: the operation.
            answer: after its seal was checked.

        Raises:
            Unreadable: something was encrypted under another key, or for something else.
        """
        if not answer["payload"].startswith(CLOSED):
            return answer
        clear = answer | {"to": self.opened_number(answer["to"]), "payload": self._at(op_id, answer["payload"])}
        if result := answer.get("result"):
            clear["result"] = self.opened_result(op_id, result)
        if template := answer.get("template"):
            clear["template"] = self.template(answer["campaign"], template)
        if followed := answer.get("followed"):
            result = self.opened_result(answer["follows"], followed["result"])
            clear["followed"] = followed | {"to": self.opened_number(followed["to"]), "result": result}
        return clear

    def template(self, campaign: str, text: str) -> str:
        """The template of a campaign; the last ones are remembered.

        Raises:
            Unreadable: it was sealed to another key, or for another campaign.
        """
        if not text.startswith(ENVELOPE):
            return text
        if known := self._templates.get((campaign, text)):
            return known
        try:
            opened = self._opened(text, template_of(campaign))
        except ValueError:
            raise Unreadable from None
        self._templates[campaign, text] = opened
        if len(self._templates) > _MOST_TEMPLATES:
            self._templates.popitem(last=False)
        return opened

    def closed_result(self, op_id: str, text: str) -> str:
        """What calls brought, with what it tells of people encrypted.

        Args:
            op_id: the operation.
            text: JSON, or ''.
        """
        result: dict[str, Any] = json.loads(text or "{}")
        personal = {name: result.pop(name) for name in _PERSONAL if name in result}
        return compact(result | {"closed": self._closed(op_id, compact(personal))}) if personal else text

    def opened_result(self, op_id: str, text: str) -> str:
        """The reverse of `closed_result`.

        Raises:
            Unreadable: it was encrypted under another key, or for another operation.
        """
        try:
            result: dict[str, Any] = json.loads(text)
            if not (closed := result.pop("closed", "")):
                return text
            return compact(result | json.loads(self._at(op_id, closed)))
        except (ValueError, TypeError, AttributeError):
            raise Unreadable from None

    def payload(self, op_id: str, text: str) -> str:
        """A payload in the clear, whether it was encrypted or not.

        Raises:
            Unreadable: it was encrypted under another key, or for another operation.
        """
        return self._at(op_id, text) if text.startswith(CLOSED) else text

    def _closed(self, op_id: str, text: str) -> str:
        nonce = os.urandom(_NONCE_BYTES)
        return CLOSED + _coded(nonce + self._at_rest.encrypt(nonce, text.encode(), op_id.encode()))

    def _at(self, op_id: str, text: str) -> str:
        try:
            raw = _decoded(text[len(CLOSED) :])
            return self._at_rest.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], op_id.encode()).decode()
        except (InvalidTag, ValueError):
            raise Unreadable from None

    def _opened(self, text: str, purpose: str) -> str:
        return opened_with(self._private, self._public, text, purpose)


def is_envelope(body: bytes) -> bool:
    """Whether an inbox record is for workers only."""
    return body.startswith(_ENVELOPE)


def derived(key: bytes, purpose: bytes, length: int = 32) -> bytes:
    """A key for one purpose.

    Args:
        key: random bytes.
        purpose: tells keys apart.
        length: bytes of the key.
    """
    return HKDF(SHA256(), length=length, salt=None, info=purpose).derive(key)


def _is_personal(target: str) -> bool:
    """Numbers and remote ids of chats, and neither groups nor operations."""
    return target.startswith("+") or "@" in target


def _coded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
