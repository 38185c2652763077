"""What a hint may be: one of our two tasks, with ids and nothing else. Pure."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from paceline import names
from paceline_worker.broker.envelope import LARGEST_BODY

# An Outbox names 100 records at most, and a dispatcher grants 100 operations to a hint.
MOST_RECORDS: Final = 100
MOST_OPERATIONS: Final = 200
_LAST_SLOT_US: Final = 1 << 53
_ID: Final = re.compile(r"[0-9A-Za-z_-]{1,64}")
# A record of another shard than the first names its shard.
_RECORD: Final = re.compile(r"[0-9A-Za-z_-]{1,64}(?:@[0-9]{1,4})?", re.ASCII)
_TOKEN: Final = re.compile(r"[0-9A-Za-z:._-]{1,64}")
_TASK_ID: Final = re.compile(r"[0-9A-Za-z._:-]{1,128}")
_DOCUMENT: Final = {"lang": (str,), "origin": (str,), "argsrepr": (str,), "kwargsrepr": (str,)}

# Celery's own headers that a hint keeps; whatever else a message has is taken off before Celery looks at it.
_KEPT: Final = frozenset(
    {"lang", "task", "id", "root_id", "parent_id", "group", "origin", "argsrepr", "kwargsrepr", "ignore_result"}
    | {"retries", "redelivered", "clock", "sentry-trace", "baggage", "traceparent", "tracestate"}
    | {"timelimit", "eta", "expires", "paceline_granted_us", "paceline_shard", names.BULK_HEADER}
)
# A hint never waits inside Celery, and nothing follows it.
_ABSENT: Final = ("eta", "expires", "shadow", "stamped_headers", "stamps", "compression")


def objection(content_type: Any, content_encoding: Any, headers: Any, body: Any) -> str:
    """Why a message is no hint of ours.

    Args:
        content_type: as the message says.
        content_encoding: as the message says.
        headers: as the message says.
        body: as received, not decoded.

    Returns:
        A word for the reason; '' for a hint.
    """
    if content_type != "application/json" or content_encoding != "utf-8":
        return "content"
    if not isinstance(headers, Mapping) or not isinstance(headers.get("task"), str):
        return "envelope"
    if headers["task"] not in _SHAPES:
        return "task"
    if not _are_headers(headers):
        return "headers"
    if not isinstance(body, bytes | str) or len(body) > LARGEST_BODY:
        return "size"
    return _body_objection(headers["task"], body)


def kept(headers: Mapping[str, Any]) -> dict[str, Any]:
    """The headers of a hint that Celery is to see.

    Args:
        headers: of a message without an `objection`.
    """
    return {name: value for name, value in headers.items() if name in _KEPT}


def _are_headers(headers: Mapping[str, Any]) -> bool:
    if any(headers.get(name) for name in _ABSENT) or headers.get("retries", 0) not in (0, None):
        return False
    if headers.get("timelimit") not in (None, [None, None], (None, None)):
        return False
    for name in ("id", "root_id", "parent_id", "group"):
        value = headers.get(name)
        if value is not None and not (isinstance(value, str) and _TASK_ID.fullmatch(value)):
            return False
    if any(not isinstance(headers.get(name, ""), kinds) for name, kinds in _DOCUMENT.items()):
        return False
    return headers.get("id") is not None


def _body_objection(task: str, body: bytes | str) -> str:
    try:
        parts = json.loads(body)
    except (ValueError, RecursionError):
        return "body"
    if not isinstance(parts, list) or len(parts) != 3:
        return "body"
    arguments, named, embedded = parts
    # Callbacks would have this worker publish whatever a stranger asks for, with its own rights.
    if named != {} or not isinstance(embedded, dict) or any(embedded.values()):
        return "body"
    if not isinstance(arguments, list) or len(arguments) != 1 or not isinstance(arguments[0], list):
        return "arguments"
    return "" if _SHAPES[task](arguments[0]) else "arguments"


def _are_records(items: list[Any]) -> bool:
    return len(items) <= MOST_RECORDS and all(isinstance(item, str) and _RECORD.fullmatch(item) for item in items)


def _are_operations(items: list[Any]) -> bool:
    return len(items) <= MOST_OPERATIONS and all(map(_is_operation, items))


def _is_operation(item: Any) -> bool:
    if not isinstance(item, list) or len(item) != 3:
        return False
    op_id, token, slot = item
    return (
        isinstance(op_id, str)
        and _ID.fullmatch(op_id) is not None
        and isinstance(token, str)
        and _TOKEN.fullmatch(token) is not None
        and isinstance(slot, int)
        and not isinstance(slot, bool)
        and 0 <= slot < _LAST_SLOT_US
    )


_SHAPES: Final = {names.ACCEPT_TASK: _are_records, names.DELIVER_TASK: _are_operations}
