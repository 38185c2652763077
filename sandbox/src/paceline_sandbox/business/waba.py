"""The official WhatsApp Business API channel: messages, templates, windows and numbers (docs/provider.md, 2.4)."""

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, Final

from paceline_sandbox.accounts.numbers import Numbers, channel_object, page_of
from paceline_sandbox.answers import Answer, JsonObject
from paceline_sandbox.bodies import Refused, as_number, as_whole, missing
from paceline_sandbox.business.waba_requests import WabaMessage, parse_waba
from paceline_sandbox.calls import Asked, Moment, Request, Service
from paceline_sandbox.clock import as_timestamp
from paceline_sandbox.console.tables import TemplateEntry
from paceline_sandbox.faults.scenario import Scenario
from paceline_sandbox.messages.history import History, Message, stable_id
from paceline_sandbox.validation import SendRequest

_VARIABLE: Final = re.compile(r"\{\{\s*([0-9]{1,3})\s*\}\}", re.ASCII)
_TEMPLATES_A_PAGE: Final = 50
# WhatsApp's own numbers for these; which ones the provider passes on is not documented.
_WINDOW_CLOSED, _VARIABLES_DIFFER, _NO_TEMPLATE, _NOT_APPROVED = "131047", "132000", "132001", "132015"


class Waba:
    """Serves everything about the official channel.

    Args:
        history: where messages are kept.
    """

    def __init__(self, history: History) -> None:
        self._history = history
        self.numbers = Numbers("WAN")

    def services(self) -> Mapping[str, Service[Any]]:
        """Who serves what, by the operation's name."""
        return {
            "waba": Service(parse_waba, self._send),
            "template.list": Service(_parse_templates, self._templates),
            "template.sync": Service(_parse_sync, self._sync),
            "window.get": Service(_parse_window, self._window),
            "waba_number.list": Service(_parse_numbers, self._list),
        }

    def _send(self, request: Request[WabaMessage], moment: Moment) -> Answer:
        message, sender, target = request.content, request.sender or "", request.to or ""
        self.numbers.meet(sender, moment.now_us)
        if message.template_uuid:
            words = _filled(message, moment.scenario)
        elif _closed(target, moment.scenario):
            return _coded("The customer's last message is older than 24 hours: send a template", _WINDOW_CLOSED)
        else:
            words = message.text
        sent = SendRequest(sender, target, to_group=False, text=words, url=message.url, pin=())
        message_uuid = moment.new_id("MSG")
        self._history.add(Message(message_uuid, moment.now_us, sent, "WAN"))
        return Answer(202, {"success": True, "message_uuid": message_uuid, "batched": True})

    def _templates(self, request: Request[tuple[int, int]], moment: Moment) -> Answer:
        page, limit = request.content
        number, entries = request.sender or "", moment.scenario.templates
        self.numbers.meet(number, moment.now_us)
        shown = [_template_object(entry, number, moment) for entry in entries[page * limit : (page + 1) * limit]]
        next_page = page + 1 if (page + 1) * limit < len(entries) else None
        return Answer(200, {"success": True, "templates": shown, "total": len(entries), "next_page": next_page})

    def _sync(self, request: Request[None], moment: Moment) -> Answer:
        self.numbers.meet(request.sender or "", moment.now_us)
        body: JsonObject = {"success": True, "is_syncing": True, "start_time_syncing": as_timestamp(moment.now_us)}
        return Answer(200, {**body, "message": "The templates are being synchronized"})

    def _window(self, request: Request[str], moment: Moment) -> Answer:
        self.numbers.meet(request.sender or "", moment.now_us)
        return Answer(200, {"success": True, "is_open": not _closed(request.content, moment.scenario)})

    def _list(self, request: Request[tuple[int, int]], moment: Moment) -> Answer:
        page, per_page = request.content
        known = list(self.numbers.known(moment).items())
        shown = [channel_object(number, since_us, moment, "WAN") for number, since_us in known]
        numbers = shown[page * per_page : (page + 1) * per_page]
        return Answer(200, {"success": True, "count": len(known), "page": page, "numbers": numbers})


def _coded(words: str, code: str, status: int = 400) -> Answer:
    return Answer(status, {"success": False, "error": True, "error_code": code, "error_message": words})


def _closed(number: str, scenario: Scenario) -> bool:
    return any(fnmatchcase(number, pattern) for pattern in scenario.closed_windows)


def _filled(message: WabaMessage, scenario: Scenario) -> str:
    """The words of a template that may be sent with as many variables as it was given."""
    entry = next((entry for entry in scenario.templates if entry.uuid == message.template_uuid), None)
    if entry is None:
        if scenario.accept_unknown_templates:
            return f"Template {message.template_uuid}"
        raise Refused(_coded("The template was not found", _NO_TEMPLATE, 404))
    if entry.status != "APPROVED":
        raise Refused(_coded(f"The template is {entry.status}, not APPROVED", _NOT_APPROVED))
    wanted = max((int(number) for number in _VARIABLE.findall(entry.content)), default=0)
    if wanted != message.variables:
        words = f"The template has {wanted} variables and the request {message.variables}"
        raise Refused(_coded(words, _VARIABLES_DIFFER))
    return entry.content


def _template_object(entry: TemplateEntry, number: str, moment: Moment) -> JsonObject:
    return {
        "uuid": entry.uuid,
        "name": entry.name,
        "status": entry.status,
        "category": entry.category,
        "template_content": entry.content,
        "description": "",
        "updated_at": as_timestamp(moment.began_us).removesuffix("Z"),
        "waba": {"uuid": stable_id("WAN", number), "phone_number": number},
    }


def _asking(asked: Asked) -> str:
    """The number of a query; a raw plus in it has become a blank, and many leave it out."""
    number = asked.query.get("phone_number", "").strip()
    if not number:
        raise missing("phone_number", inside="query")
    return as_number(number, "phone_number")


def _parse_templates(asked: Asked, _: Moment) -> Request[tuple[int, int]]:
    page = as_whole(asked.query.get("page", "0"), "page")
    limit = as_whole(asked.query.get("limit", str(_TEMPLATES_A_PAGE)), "limit", 10, 200)
    return Request("lookup", (page, limit), _asking(asked))


def _parse_sync(asked: Asked, _: Moment) -> Request[None]:
    return Request("lookup", None, _asking(asked))


def _parse_window(asked: Asked, _: Moment) -> Request[str]:
    sender, other = (as_number(asked.path[name], "The number") for name in ("number", "remote"))
    return Request("lookup", other, sender, other)


def _parse_numbers(asked: Asked, _: Moment) -> Request[tuple[int, int]]:
    return Request("lookup", page_of(asked.query))
