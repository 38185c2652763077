"""What an answer of the provider means. Pure: from status, headers and body to a class (design: the table of answers)."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any, Final

from paceline_worker.verdict.words import LONGEST_UUID, WORDS_KEPT, clean, words_of

_LONGEST_RETRY_AFTER_S: Final = 3600.0


class Meaning(StrEnum):
    """Classes of answers; each has its own consequence in `policy.decide`."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    THROTTLED = "throttled"
    SENDER_BUSY = "sender_busy"
    OVERLOADED = "overloaded"
    NOT_SENT = "not_sent"
    UNKNOWN = "unknown"
    BAD_KEY = "bad_key"
    UNPAID = "unpaid"


@dataclass(frozen=True, slots=True)
class Answer:
    """One call's result.

    Args:
        meaning: its class.
        code: the status code as text, or a word such as ``timeout``.
        words: the provider's words, cut and without control characters.
        uuid: the provider's handle of an accepted message or a group that was made.
        retry_after_s: how long the provider asks to wait, clamped to an hour; None when it did not say.
        value: the object in the body of an accepted call.
        date: the provider's clock, from the response's ``Date``; None when it did not say.
    """

    meaning: Meaning
    code: str
    words: str = ""
    uuid: str = ""
    retry_after_s: float | None = None
    value: Mapping[str, Any] | None = None
    date: datetime | None = None


_SENDER_BUSY: Final = frozenset({409, 410, 486})  # 486 is borrowed from SIP: http.HTTPStatus does not know it
_BAD_KEY: Final = frozenset({401, 403})


def read_answer(
    status: int, headers: Mapping[str, str], body: bytes, redact: Callable[[str], str] = lambda words: words
) -> Answer:
    """Classify an HTTP response.

    Args:
        status: the status code.
        headers: case-insensitive, or with lower-case names.
        body: as received.
        redact: takes out of the provider's words what must not be quoted.

    Returns:
        Its meaning.
    """
    value = _object(body)
    code = str(status)
    if 200 <= status < 300:
        if value is None:
            return Answer(Meaning.ACCEPTED, code, "accepted, but the answer could not be read")
        if value.get("success") is not False and value.get("error") is not True:
            return Answer(Meaning.ACCEPTED, code, uuid=_uuid(value), value=value, date=_date(headers))

    # Before they are cut: half a key at the end would not be found.
    words = clean(redact(words_of(value) if value is not None else body[: 2 * WORDS_KEPT].decode("utf-8", "replace")))
    if 200 <= status < 300:
        return Answer(Meaning.REJECTED, code, words)
    if status == 429:
        return Answer(Meaning.THROTTLED, code, words, retry_after_s=retry_after(headers))
    if status in _SENDER_BUSY:
        return Answer(Meaning.SENDER_BUSY, code, words)
    if status == 503:
        return Answer(Meaning.OVERLOADED, code, words)
    if status in _BAD_KEY:
        return Answer(Meaning.BAD_KEY, code, words)
    if status == 402:
        return Answer(Meaning.UNPAID, code, words)
    if status >= 500:
        return Answer(Meaning.UNKNOWN, code, words)

    return Answer(Meaning.REJECTED, code, words or f"unexpected answer {status}")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds the provider asks to wait (RFC 9110, section 10.2.3).

    Args:
        headers: of the response; a date is taken relative to the response's own ``Date``, not to our clock.

    Returns:
        0 to 3600 seconds, or None: absent, past or unreadable.
    """
    text = headers.get("retry-after", "").strip()
    if re.fullmatch("[0-9]+", text):
        return min(float(text), _LONGEST_RETRY_AFTER_S) or None
    try:
        wait = (parsedate_to_datetime(text) - parsedate_to_datetime(headers.get("date", ""))).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(wait, _LONGEST_RETRY_AFTER_S) if wait > 0 else None


def _date(headers: Mapping[str, str]) -> datetime | None:
    try:
        found = parsedate_to_datetime(headers.get("date", ""))
    except (ValueError, TypeError, OverflowError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _uuid(value: Mapping[str, Any]) -> str:
    group = value.get("group")
    made = group.get("uuid") if isinstance(group, dict) else None
    for found in (value.get("message_uuid"), value.get("message_id"), made):
        if found and isinstance(found, str | int) and not isinstance(found, bool):
            return clean(str(found))[:LONGEST_UUID]
    return ""
