"""The versioned inbox record: what an Outbox writes and accept.lua reads.

Version 1 is a JSON object::

    v         1
    account   account name
    sender    E.164
    priority  "t" | "b"
    campaign  campaign name, absent for a single send
    common    fields that all rows share (absent for a campaign: they stand in the campaign)
    rows      one object per operation

Fields of ``common`` and ``rows`` are texts, named as in the operation's hash: ``a`` account, ``f`` sender, ``pr`` priority,
``k`` kind, ``mx`` max_attempts, ``unk`` on_unknown, ``ur`` what that means for the kind (`kinds.unknown_letter`), ``vu``
valid until and ``nb`` not before (us since the epoch), ``to`` target, ``rf`` the operation it follows, ``p`` payload
(JSON), ``m`` metadata (JSON), ``id``.
"""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from paceline import names
from paceline.ids import derived_id, new_id
from paceline.kinds import unknown_letter
from paceline.operations import DEFAULT_VALIDITY, OnUnknown, Operation, Priority

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# Made once: `json.dumps` makes an encoder for every call that has options.
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def microseconds(instant: datetime) -> int:
    """Microseconds since the epoch, exactly."""
    return (instant - _EPOCH) // _MICROSECOND


def instant(us: float | str) -> datetime:
    """The time of so many microseconds since the epoch, UTC."""
    return _EPOCH + timedelta(microseconds=int(float(us)))


def compact(value: Any) -> str:
    """JSON without spaces."""
    return _JSON.encode(value)


def common_fields(
    *,
    account: str,
    sender: str,
    priority: Priority,
    kind: str,
    max_attempts: int,
    on_unknown: OnUnknown,
    valid_until: datetime | None,
    now: datetime,
) -> dict[str, str]:
    """Options as texts, the way the operation's hash holds them.

    Args:
        account: account name.
        sender: E.164.
        priority: class in the lane.
        kind: operation kind.
        max_attempts: calls before dead.
        on_unknown: policy.
        valid_until: None means `DEFAULT_VALIDITY` from now.
        now: the caller's clock.

    Returns:
        Field name to text.
    """
    return {
        "a": account,
        "f": sender,
        "pr": priority[0],
        "k": kind,
        "mx": str(max_attempts),
        "unk": on_unknown,
        "ur": unknown_letter(kind, on_unknown),
        "vu": str(microseconds(valid_until or now + DEFAULT_VALIDITY)),
    }


def operation_id(operation: Operation) -> str:
    """The id of an operation: derived from its idempotency key, or new."""
    if operation.idempotency_key is None:
        return new_id()
    return derived_id("key", operation.account, operation.idempotency_key)


def single(operation: Operation, op_id: str, now: datetime) -> str:
    """The record of one operation.

    Args:
        operation: what to send.
        op_id: from `operation_id`.
        now: the caller's clock; a default validity begins there, or at ``not_before``.

    Returns:
        JSON text.
    """
    row = {"id": op_id, "to": operation.target or op_id, "p": compact(operation.payload())}
    if operation.follows:
        row["rf"] = operation.follows
    if operation.not_before:
        row["nb"] = str(microseconds(operation.not_before))
    if operation.metadata:
        row["m"] = compact(operation.metadata)
    return compact(
        {
            "v": names.INBOX_VERSION,
            "account": operation.account,
            "sender": operation.sender,
            "priority": operation.priority[0],
            "common": common_fields(
                account=operation.account,
                sender=operation.sender,
                priority=operation.priority,
                kind=operation.kind,
                max_attempts=operation.max_attempts,
                on_unknown=operation.on_unknown,
                valid_until=operation.valid_until,
                now=max(now, operation.not_before) if operation.not_before else now,
            ),
            "rows": [row],
        }
    )


def chunk(*, campaign: str, account: str, sender: str, priority: Priority, rows: Iterable[dict[str, str]]) -> str:
    """The record of up to `names.CHUNK_ROWS` rows of a campaign."""
    return compact(
        {
            "v": names.INBOX_VERSION,
            "account": account,
            "sender": sender,
            "priority": priority[0],
            "campaign": campaign,
            "rows": list(rows),
        }
    )
