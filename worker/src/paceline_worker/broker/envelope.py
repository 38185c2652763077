"""The outer form of a message on a virtual broker (Redis): what kombu reads before Celery sees the message. Pure.

kombu trusts this form: a list in place of an object, a missing name or a foreign type ends the process that reads it.
"""

from typing import Any, Final

# A hint of 100 operations has 8 KB, and a control command less; base64 adds a third.
LARGEST_BODY: Final = 64 * 1024
# Celery writes two dozen headers; the longest is the representation of the arguments.
_MOST_HEADERS: Final = 64
_LONGEST_TEXT: Final = 4096
_LONGEST_LIST: Final = 16
_CLOCK_END: Final = 1 << 53


def objection(raw: Any) -> str:
    """Why a message cannot be handed to kombu.

    Args:
        raw: what the JSON of a queue or a channel says.

    Returns:
        A word for the reason; '' when the form is as Celery writes it.
    """
    if not isinstance(raw, dict):
        return "envelope"
    properties, headers, body = raw.get("properties"), raw.get("headers"), raw.get("body")
    if not isinstance(properties, dict) or not isinstance(headers, dict) or not isinstance(body, str):
        return "envelope"
    if len(body) > LARGEST_BODY:
        return "size"
    if not _are_properties(properties):
        return "envelope"
    if raw.get("content-type") != "application/json" or raw.get("content-encoding") != "utf-8":
        return "content"
    if "compression" in headers:
        return "compression"
    return "" if _are_headers(headers) else "headers"


def _are_properties(properties: dict[str, Any]) -> bool:
    way = properties.get("delivery_info")
    return (
        isinstance(way, dict)
        and all(_is_short(way.get(name)) for name in ("exchange", "routing_key"))
        and _is_short(properties.get("delivery_tag"))
        and properties.get("body_encoding") in ("base64", None)
        and len(properties) <= _MOST_HEADERS
    )


def _are_headers(headers: dict[str, Any]) -> bool:
    if len(headers) > _MOST_HEADERS:
        return False
    clock = headers.get("clock", 0)
    if not is_number(clock, _CLOCK_END):
        return False
    return all(value == {} or _is_plain(value) or _is_plain_list(value) for value in headers.values())


def _is_plain_list(values: Any) -> bool:
    return isinstance(values, list) and len(values) <= _LONGEST_LIST and all(map(_is_plain, values))


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, bool) or is_number(value, _CLOCK_END) or _is_short(value)


def _is_short(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= _LONGEST_TEXT


def is_number(value: Any, end: int) -> bool:
    """Whether a JSON value is a whole or broken number from 0 to before an end."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < end
