"""The versioned inbox record: what an Outbox writes and accept.lua reads.

Version 1 is a JSON object::

    v         1
    account   account name
    sender    E.164
    priority  "t" | "b"
    campaign  campaign name, absent for a single send
    common    fields that all rows share (absent for a campaign: they stand in the campaign)
    rows      one object per operation

Fields of ``common`` and ``rows`` are texts under the codes of the operation's hash (lua/fields.lua); a row has its ``id`` besides.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from paceline import names
from paceline.defaults import DEFAULT_VALIDITY
from paceline.errors import InvalidOperation
from paceline.ids import derived_id, new_id
from paceline.kinds import unknown_letter
from paceline.lua.fields import OPERATION
from paceline.recipients.zones import zone_infos, zones_of_number
from paceline.times import microseconds
from paceline.window import Window, as_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from paceline.operations import OnUnknown, Operation, Priority

# So many openings of its window go with an operation, and so far ahead the first of them is looked for.
_MOST_OPENINGS = 60
_LONGEST_CLOSED = timedelta(days=8)
# Made once: `json.dumps` makes an encoder for every call that has options.
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


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
    return OPERATION.coded(
        account=account,
        sender=sender,
        priority=priority[0],
        kind=kind,
        max_attempts=str(max_attempts),
        on_unknown=on_unknown,
        unknown_letter=unknown_letter(kind, on_unknown),
        valid_until=str(microseconds(valid_until or now + DEFAULT_VALIDITY)),
    )


def operation_id(operation: Operation) -> str:
    """The id of an operation: derived from its idempotency key, or new."""
    if operation.idempotency_key is None:
        return new_id()
    return derived_id("key", operation.account, operation.idempotency_key)


def content_digest(operation: Operation) -> str:
    """What tells the content of operations with one idempotency key apart: who sends what to whom, and not when or how often.

    Args:
        operation: any.

    Returns:
        16 characters.
    """
    content = compact([operation.kind, operation.sender, operation.target, operation.follows, operation.payload()])
    return blake2b(content.encode(), digest_size=8).hexdigest()


def single(operation: Operation, op_id: str, now: datetime, traced: str = "") -> str:
    """The record of one operation.

    Args:
        operation: what to send.
        op_id: from `operation_id`.
        now: the caller's clock; a default validity begins there, or when it may first be sent.
        traced: from `spans.sending`.

    Returns:
        JSON text.

    Raises:
        InvalidOperation: its window does not open while it is valid.
    """
    row = {"to": operation.target or op_id, "payload": compact(operation.payload())}
    if operation.follows:
        row["follows"] = operation.follows
    if operation.not_before:
        row["not_before"] = str(microseconds(operation.not_before))

    starts = max(now, operation.not_before) if operation.not_before else now
    if operation.window:
        openings = openings_of(operation, starts)
        row["openings"] = as_text(openings)
        starts = max(starts, openings[0][0])

    if operation.metadata:
        row["metadata"] = compact(operation.metadata)
    if operation.idempotency_key is not None:
        row |= {"idempotency_key": operation.idempotency_key, "content_digest": content_digest(operation)}
    if operation.exempt:
        row["exempt"] = operation.exempt
    if traced:
        row["trace"] = traced

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
                now=starts,
            ),
            "rows": [{"id": op_id} | OPERATION.coded(**row)],
        }
    )


def openings_of(operation: Operation, begin: datetime) -> list[tuple[datetime, datetime]]:
    """When the window of an operation is open while it is valid.

    Args:
        operation: one with a window.
        begin: from when on.

    Returns:
        [open, close) in order; without a ``valid_until``, those that begin within a day of the first.

    Raises:
        InvalidOperation: there is none.
    """
    end = operation.valid_until or begin + _LONGEST_CLOSED
    window = Window.parse(operation.window or "")
    zones = zone_infos(zones_of_number(operation.target)) if window.is_recipients else []
    openings = window.openings_in(zones, begin, end, _MOST_OPENINGS)
    if not openings:
        raise InvalidOperation(f"window: does not open before {end.isoformat()}")
    if operation.valid_until:
        return openings
    last = max(begin, openings[0][0]) + DEFAULT_VALIDITY
    return [opening for opening in openings if opening[0] < last]


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
