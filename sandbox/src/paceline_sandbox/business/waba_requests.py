"""What a message over the official API must say (docs/provider.md, 2.4)."""

from dataclasses import dataclass
from typing import Final

from paceline_sandbox.answers import invalid_field, refusal
from paceline_sandbox.bodies import (
    Body,
    Refused,
    as_address,
    json_object,
    mistyped,
    needed_list,
    needed_number,
    needed_object,
    needed_text,
    text,
)
from paceline_sandbox.calls import Asked, Moment, Request

_TYPES: Final = ("cta_url", "button", "list")
_MOST_BUTTONS: Final = 3
_MOST_ROWS: Final = 10


@dataclass(frozen=True, slots=True)
class WabaMessage:
    """A valid message: a template with its parameters, or words and a file for an open conversation."""

    template_uuid: str = ""
    variables: int = 0
    text: str = ""
    url: str = ""


def parse_waba(asked: Asked, _: Moment) -> Request[WabaMessage]:
    """Understands a message over the official API; arguments and refusals as in `Service.parse`."""
    body = json_object(asked.raw_body)
    sender, target = needed_number(body, "from_number"), needed_number(body, "to_number")
    template_uuid, words, url = (text(body, name) for name in ("template_uuid", "text", "url"))
    kinds = [bool(template_uuid), bool(words or url), body.get("payload") is not None]
    if sum(kinds) > 1:
        raise Refused(refusal(400, "template_uuid, text or url, and payload cannot be used together"))
    if not any(kinds):
        raise Refused(refusal(400, "One of template_uuid, text, url or payload is required"))

    if template_uuid:
        message = WabaMessage(template_uuid, _variables(needed_object(body, "params")))
        name = "waba.template"
    elif words or url:
        message = WabaMessage(text=words, url=as_address(url, "url") if url else "")
        name = "waba.session_media" if url else "waba.session_text"
    else:
        message = WabaMessage(text=_interactive(needed_object(body, "payload")))
        name = "waba.interactive"

    return Request(name, message, sender, target, (target,))


def _variables(params: Body) -> int:
    """How many variables of the body the parameters fill."""
    values = params.get("body")
    if values is None:
        return 0
    if not isinstance(values, list):
        raise mistyped("params.body", "list")
    return len(values)


def _interactive(payload: Body) -> str:
    """The words of an interactive message."""
    within = "payload.interactive."
    interactive = needed_object(payload, "interactive", "payload.")
    kind = needed_text(interactive, "type", within)
    if kind not in _TYPES:
        raise Refused(invalid_field(f"{within}type", f"value is not one of {', '.join(_TYPES)}", "type_error.enum"))
    words = needed_text(needed_object(interactive, "body", within), "text", f"{within}body.")
    action = needed_object(interactive, "action", within)
    if kind == "button":
        _at_most(_MOST_BUTTONS, "buttons", len(needed_list(action, "buttons", f"{within}action.")))
    elif kind == "list":
        _check_sections(action, f"{within}action.")
    else:
        parameters = needed_object(action, "parameters", f"{within}action.")
        as_address(needed_text(parameters, "url", f"{within}action.parameters."), "url")
        needed_text(parameters, "display_text", f"{within}action.parameters.")
    return words


def _check_sections(action: Body, within: str) -> None:
    sections = needed_list(action, "sections", within)
    rows = 0
    for section in sections:
        if not isinstance(section, dict):
            raise mistyped(f"{within}sections", "dict")
        rows += len(needed_list(section, "rows", f"{within}sections."))
        if len(sections) > 1:
            needed_text(section, "title", f"{within}sections.")
    _at_most(_MOST_ROWS, "rows", rows)


def _at_most(most: int, what: str, count: int) -> None:
    if count > most:
        raise Refused(refusal(422, f"An interactive message has at most {most} {what}"))
