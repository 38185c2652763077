"""Reading a JSON body field by field; whatever is wrong is raised as the provider's refusal (docs/provider.md, 1.4)."""

import json
import re
from typing import Final

from paceline_sandbox.accounts.phones import is_group, normalized
from paceline_sandbox.answers import Answer, invalid_field, refusal

Body = dict[str, object]

_WHOLE: Final = re.compile(r"[0-9]{1,9}", re.ASCII)


class Refused(Exception):
    """The request is refused with `answer`."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def missing(name: str, *, inside: str = "body") -> Refused:
    """The refusal of a request that lacks a field.

    Args:
        name: the field.
        inside: where it is missing: ``body`` or ``query``.
    """
    return Refused(invalid_field(name, "field required", "value_error.missing", inside=inside))


def mistyped(name: str, wanted: str) -> Refused:
    """The refusal of a field of the wrong type.

    Args:
        name: the field.
        wanted: the type in the gateway's short form: ``str``, ``dict`` or ``list``.
    """
    words = "str type expected" if wanted == "str" else f"value is not a valid {wanted}"
    return Refused(invalid_field(name, words, f"type_error.{wanted}"))


def json_object(raw: bytes) -> Body:
    """The body as an object.

    Raises:
        Refused: it is no JSON, or no object: 400.
    """
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        raise Refused(refusal(400, "The request body is not valid JSON")) from None
    if not isinstance(body, dict):
        raise Refused(refusal(400, "The request body must be a JSON object"))
    return body


def text(body: Body, name: str, within: str = "") -> str:
    """A text field, empty when it is missing or null.

    Args:
        body: the object that has the field.
        name: the field.
        within: path of the object, as ``group.``, for the error.
    """
    value = body.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise mistyped(within + name, "str")
    return value


def needed_text(body: Body, name: str, within: str = "") -> str:
    """A required text field that is not empty; the arguments of `text`."""
    value = text(body, name, within)
    if not value:
        raise missing(within + name)
    return value


def needed_object(body: Body, name: str, within: str = "") -> Body:
    """A required object field, possibly empty; the arguments of `text`."""
    value = body.get(name)
    if value is None:
        raise missing(within + name)
    if not isinstance(value, dict):
        raise mistyped(within + name, "dict")
    return value


def needed_list(body: Body, name: str, within: str = "") -> list[object]:
    """A required list field that is not empty; the arguments of `text`."""
    value = body.get(name)
    if value is None:
        raise missing(within + name)
    if not isinstance(value, list):
        raise mistyped(within + name, "list")
    if not value:
        raise Refused(
            invalid_field(within + name, "ensure this value has at least 1 items", "value_error.list.min_items")
        )
    return value


def needed_number(body: Body, name: str) -> str:
    """A phone number that must be there, with its plus."""
    return as_number(needed_text(body, name), name)


def needed_address(body: Body, name: str) -> str:
    """A public web address that must be there."""
    return as_address(needed_text(body, name), name)


def as_number(value: str, name: str) -> str:
    """A phone number with its plus.

    Args:
        value: the text that should be one.
        name: what to call it in the refusal.
    """
    number = normalized(value)
    if number is None:
        raise Refused(refusal(422, f"{name} is not a phone number in E.164 format"))
    return number


def as_address(value: str, name: str) -> str:
    """A web address, unchanged; the arguments of `as_number`."""
    if not value.startswith(("http://", "https://")):
        raise Refused(refusal(422, f"{name} is not a public http or https address"))
    return value


def as_group(value: str) -> str:
    """A group id from a path as it is."""
    if not is_group(value):
        raise Refused(refusal(422, "This is not a group id"))
    return value


def as_whole(value: str, name: str, least: int = 0, most: int = 10**9) -> int:
    """A whole number from a query.

    Args:
        value: the text that should be one.
        name: the parameter.
        least: the smallest allowed.
        most: the largest allowed.
    """
    if not _WHOLE.fullmatch(value):
        raise Refused(invalid_field(name, "value is not a valid integer", "type_error.integer", inside="query"))
    if not least <= int(value) <= most:
        words = f"ensure this value is from {least} to {most}"
        raise Refused(invalid_field(name, words, "value_error.number", inside="query"))
    return int(value)
