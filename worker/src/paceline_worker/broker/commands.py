"""What a control message may be: a command that this worker knows, with small arguments and an honest reply address. Pure."""

import re
from collections.abc import Container
from typing import Any, Final

_NAMES: Final = {"method", "arguments", "destination", "pattern", "matcher", "ticket", "reply_to"}
_MOST_ARGUMENTS: Final = 8
_LONGEST: Final = 256
_MOST_NODES: Final = 1000
_MOST_VALUES: Final = 100
_WORD: Final = re.compile(r"[a-z_]{1,64}")
# What `celery inspect` and `celery control` ask with: the id of a queue that only the one who asks reads.
_ADDRESS: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def objection(body: Any, *, known: Container[str], reply_exchange: str) -> str:
    """Why a control message is not obeyed.

    Args:
        body: decoded.
        known: the commands that there are.
        reply_exchange: where answers go.

    Returns:
        A word for the reason; '' for a command.
    """
    if not isinstance(body, dict) or not body.keys() <= _NAMES:
        return "control"
    method = body.get("method")
    if not isinstance(method, str) or not _WORD.fullmatch(method) or method not in known:
        return "command"
    if not _is_for(body) or not _are_arguments(body.get("arguments")):
        return "control"
    return "" if _is_address(body.get("reply_to"), body.get("ticket"), reply_exchange) else "reply"


def _is_for(body: dict[str, Any]) -> bool:
    """Nodes by name or by a pattern of the shell's kind; a regular expression of a stranger may take for ever."""
    nodes, pattern = body.get("destination"), body.get("pattern")
    if nodes is not None and not (isinstance(nodes, list) and len(nodes) <= _MOST_NODES and all(map(_is_text, nodes))):
        return False
    return (pattern is None or _is_text(pattern)) and body.get("matcher") in (None, "glob")


def _are_arguments(arguments: Any) -> bool:
    if arguments is None:
        return True
    if not isinstance(arguments, dict) or len(arguments) > _MOST_ARGUMENTS:
        return False
    return all(_is_value(value) for value in arguments.values())


def _is_value(value: Any) -> bool:
    if isinstance(value, list):
        return len(value) <= _MOST_VALUES and all(map(_is_text, value))
    return value is None or isinstance(value, int | float) or _is_text(value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= _LONGEST


def _is_address(reply_to: Any, ticket: Any, exchange: str) -> bool:
    if ticket is not None and not _is_text(ticket):
        return False
    if reply_to is None:
        return True
    if not isinstance(reply_to, dict) or reply_to.keys() != {"exchange", "routing_key"}:
        return False
    key = reply_to["routing_key"]
    return reply_to["exchange"] == exchange and isinstance(key, str) and _ADDRESS.fullmatch(key) is not None
