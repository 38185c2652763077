"""What is wrong with a send-message body, by the provider's own table (docs/provider.md, 2.1.1). Written by hand for speed."""

import json
from dataclasses import dataclass
from typing import Final

from paceline_sandbox.accounts.phones import is_group, is_remote_id, normalized
from paceline_sandbox.answers import Answer, invalid_field, refusal

_TARGETS: Final = ("to_number", "to_group_uuid", "to_remote_id")
_TEXTS: Final = ("from_number", *_TARGETS, "text", "url")
Pin = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class SendRequest:
    """A valid message: who sends what to whom. `target` is a number, a remote id or a group id."""

    from_number: str
    target: str
    to_group: bool
    text: str
    url: str
    pin: Pin


class _Refused(Exception):
    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def parse_send(raw: bytes) -> SendRequest | Answer:
    """Checks the body of a send-message request.

    Args:
        raw: the body as received.

    Returns:
        The message, or the answer that refuses it: 400 when the JSON or the combination of fields is wrong, 422 when
        a field is missing, has the wrong type or is not a number or group. Unknown fields are ignored.
    """
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        return refusal(400, "The request body is not valid JSON")
    if not isinstance(body, dict):
        return refusal(400, "The request body must be a JSON object")
    try:
        return _checked(body)
    except _Refused as refused:
        return refused.answer


def _checked(body: dict[str, object]) -> SendRequest:
    texts = {name: _text(body, name) for name in _TEXTS}
    sender = _sender(texts["from_number"])
    target = _target({name: texts[name] for name in _TARGETS if texts[name]})
    pin = _pin(body.get("pin"))
    url, text = texts["url"], texts["text"]
    if url and not url.startswith(("http://", "https://")):
        raise _Refused(refusal(422, "url is not a public http or https address"))
    if not (text or url or pin):
        raise _Refused(refusal(400, "At least one of text, url or pin is required"))
    return SendRequest(sender, target, bool(texts["to_group_uuid"]), text, url, pin)


def _text(body: dict[str, object], name: str) -> str:
    """A text field, empty when it is missing or null."""
    value = body.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _Refused(invalid_field(name, "str type expected", "type_error.str"))
    return value


def _missing(name: str) -> _Refused:
    return _Refused(invalid_field(name, "field required", "value_error.missing"))


def _sender(text: str) -> str:
    if not text:
        raise _missing("from_number")
    number = normalized(text)
    if number is None:
        raise _Refused(refusal(422, "from_number is not a phone number in E.164 format"))
    return number


def _target(given: dict[str, str]) -> str:
    if not given:
        raise _missing("to_number")
    if len(given) > 1:
        raise _Refused(refusal(400, f"{' and '.join(given)} cannot be used together"))

    ((name, value),) = given.items()
    if name == "to_group_uuid":
        if not is_group(value):
            raise _Refused(refusal(422, "to_group_uuid is not a group id"))
        return value

    if name == "to_remote_id":
        if not is_remote_id(value):
            raise _Refused(refusal(422, "to_remote_id is not of the form <digits>@lid"))
        return value

    number = normalized(value)
    if number is None:
        raise _Refused(refusal(422, "to_number is not a phone number in E.164 format"))

    return number


def _pin(value: object) -> Pin:
    if value is None:
        return ()
    if not isinstance(value, dict):
        raise _Refused(invalid_field("pin", "value is not a valid dict", "type_error.dict"))
    parts = {name: _degrees(value.get(name), name, bound) for name, bound in (("latitude", 90), ("longitude", 180))}
    for name in ("name", "address", "url"):
        part = value.get(name)
        if part is not None and not isinstance(part, str):
            raise _Refused(invalid_field(f"pin.{name}", "str type expected", "type_error.str"))
        if part:
            parts[name] = part
    return tuple(parts.items())


def _degrees(value: object, name: str, bound: int) -> str:
    """An angle as text; samples send text, numbers are tolerated."""
    if value is None:
        raise _missing(f"pin.{name}")
    try:
        within = not isinstance(value, bool) and isinstance(value, str | int | float) and abs(float(value)) <= bound
    except (ValueError, OverflowError):
        within = False
    if not within:
        raise _Refused(refusal(422, f"pin {name} is not a number from -{bound} to {bound}"))
    return str(value)
