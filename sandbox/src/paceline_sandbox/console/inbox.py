"""Messages as they were sent, read from the end of the arrival log: what the inbox at ``/`` shows."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from paceline_sandbox.console.journal import Arrival, Journal

# Arrivals of one page: beyond them the log itself is the better tool.
LOOKED_AT: Final = 400
_TO: Final = ("to_number", "to_group_uuid", "to_remote_id", "to", "group_uuid")
_TEXT: Final = ("text", "content", "caption", "description", "wa_group_name")
_FAMILIES: Final = ("message.", "status.", "group.", "waba.", "sms.", "profile.")


@dataclass(frozen=True, slots=True)
class Message:
    """One call that sends something.

    Args:
        index: of its arrival.
        at_us: when it arrived, microseconds since the epoch.
        kind: such as ``message.to_number``.
        sender: the number that sends, or ''.
        to: number, group, or '' for what has none.
        text: its words, or ''.
        url: its attachment, or ''.
        status: answered with; None: not yet, or the connection was cut.
        accepted: whether it took effect.
        fault: the fault it met, or None.
    """

    index: int
    at_us: int
    kind: str
    sender: str
    to: str
    text: str
    url: str
    status: int | None
    accepted: bool
    fault: str | None


@dataclass(frozen=True, slots=True)
class Thread:
    """All that went to one number or group.

    Args:
        to: the number or group.
        last: the newest message.
        number: how many there are among those looked at.
    """

    to: str
    last: Message
    number: int


def newest(journal: Journal, to: str = "") -> list[Message]:
    """The newest messages, the last one first.

    Args:
        journal: the arrival log.
        to: only those to this number or group; '' all.
    """
    first = max(0, len(journal) - LOOKED_AT)
    found = [message for arrival in journal.since(first) if (message := message_of(arrival)) is not None]
    return [message for message in reversed(found) if not to or message.to == to]


def threads(messages: Iterable[Message]) -> list[Thread]:
    """Messages by whom they went to, those with the newest message first.

    Args:
        messages: the newest first.
    """
    last: dict[str, Message] = {}
    number: dict[str, int] = {}
    for message in messages:
        last.setdefault(message.to, message)
        number[message.to] = number.get(message.to, 0) + 1
    return [Thread(to, message, number[to]) for to, message in last.items()]


def message_of(arrival: Arrival) -> Message | None:
    """An arrival as a message; None for one that only asks.

    Args:
        arrival: of the log.
    """
    if arrival.method == "GET" or not arrival.operation.startswith(_FAMILIES):
        return None
    try:
        body = json.loads(arrival.raw_body or b"{}")
    except (ValueError, RecursionError):
        body = {}
    fields: Mapping[str, Any] = body if isinstance(body, dict) else {}
    return Message(
        index=arrival.index,
        at_us=arrival.at_us,
        kind=arrival.operation,
        sender=_first(fields, ("from_number",)),
        to=_first(fields, _TO),
        text=_first(fields, _TEXT),
        url=_first(fields, ("url",)),
        status=arrival.status,
        accepted=arrival.accepted,
        fault=arrival.fault,
    )


def _first(fields: Mapping[str, Any], names: Iterable[str]) -> str:
    return next((str(fields[name]) for name in names if isinstance(fields.get(name), str)), "")
