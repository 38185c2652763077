"""What the body of a webhook tells. Pure; nothing in it is trusted: it is a hint that may move a message forward."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from paceline.recipients.numbers import is_phone_number
from paceline.status.receipt import ReceiptStatus
from paceline.times import microseconds
from paceline_worker.verdict.words import handle

# Short names, and full ones of both channels (docs/provider.md, 3.2 and 3.3). `whatsapp.message.sent` is no receipt: it tells of
# a message that somebody wrote.
_EVENT: Final = re.compile(
    r"(?:message|whatsapp(?:\.waba)?\.message\.receipt)\.(sent|not[-_]sent|received|read)", re.ASCII
)
_STATUSES: Final[Mapping[str, ReceiptStatus]] = {
    "sent": "sent",
    "not-sent": "not_sent",
    "not_sent": "not_sent",
    "received": "received",
    "read": "read",
}
# What somebody wrote to us; a body of the oldest form has no event at all.
_INBOUND: Final = re.compile(r"(?:whatsapp(?:\.waba)?\.)?message\.(?:received|new)", re.ASCII)
_IDS: Final = ("message_uuid", "uuid", "id")
# A number is a time in seconds, milliseconds or microseconds since 1970: which of them, its size tells until the year 5138.
_UNITS: Final = ((10**11, 10**6), (10**14, 10**3), (10**17, 1))
_DIGITS: Final = re.compile(r"[0-9]{1,17}(?:\.[0-9]{1,9})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Told:
    """One receipt.

    Args:
        uuid: the provider's handle of the message.
        status: how far it has come.
        at_us: when, microseconds since 1970; None when that is missing or cannot be read.
    """

    uuid: str
    status: ReceiptStatus
    at_us: int | None = None


@dataclass(frozen=True, slots=True)
class Wrote:
    """A message that somebody wrote to a number of the account.

    Args:
        number: who wrote it, E.164.
        text: the whole message.
        at_us: as of `Told`.
    """

    number: str
    text: str
    at_us: int | None = None


class Unread(StrEnum):
    """Why a body tells nothing of a message."""

    IGNORED = "ignored"
    MALFORMED = "malformed"


def read_body(body: bytes) -> Told | Wrote | Unread:
    """Read what was posted.

    Args:
        body: as received.

    Returns:
        The receipt, or what somebody wrote; IGNORED for another event; MALFORMED for what is no JSON object, or a receipt
        without a usable id.
    """
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return Unread.MALFORMED
    if not isinstance(value, dict):
        return Unread.MALFORMED
    event = value.get("event")
    found = _EVENT.fullmatch(event) if isinstance(event, str) else None
    # Somebody wrote to us: the short name of that event, if it has one, is the same.
    if value.get("sent_by") == "user":
        return _written(value, event) or Unread.IGNORED
    if found is None:
        return Unread.IGNORED
    uuid = next((known for name in _IDS if (known := handle(value.get(name)))), "")
    if not uuid:
        return Unread.MALFORMED
    return Told(uuid, _STATUSES[found[1]], read_time(value.get("timestamp")))


def _written(value: Mapping[str, Any], event: Any) -> Wrote | None:
    """A text that one person wrote to a number; None for anything else, such as a message in a group."""
    if event is not None and not (isinstance(event, str) and _INBOUND.fullmatch(event)):
        return None
    message, remote = value.get("message"), value.get("remote_phone_number")
    text = message.get("text") if isinstance(message, dict) else None
    if not isinstance(text, str) or not isinstance(remote, str | int) or value.get("participant"):
        return None
    number = f"+{str(remote).strip().removeprefix('+')}"
    if not is_phone_number(number):
        return None
    return Wrote(number, text, read_time(value.get("created_at")) or read_time(value.get("timestamp")))


def read_time(value: Any) -> int | None:
    """A time in one of the forms the provider writes, or might.

    Args:
        value: ISO 8601, without a zone in UTC; or a number since 1970, also as text.

    Returns:
        Microseconds since 1970; None when it is no time after 1970.
    """
    if isinstance(value, str):
        text = value.strip()
        if not _DIGITS.fullmatch(text):
            return _from_iso(text)
        value = float(text)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return next((int(value * factor) for end, factor in _UNITS if 0 < value < end), None)


def _from_iso(text: str) -> int | None:
    try:
        at = datetime.fromisoformat(text)
        us = microseconds(at if at.tzinfo else at.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return None
    return us if us > 0 else None
