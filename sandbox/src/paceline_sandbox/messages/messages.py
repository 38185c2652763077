"""Messages over WhatsApp Web: sending, looking up, deleting, and the histories (docs/provider.md, 2.1)."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from paceline_sandbox.accounts.phones import remote
from paceline_sandbox.answers import Answer, JsonObject, refusal
from paceline_sandbox.bodies import Refused, as_group, as_number, as_whole
from paceline_sandbox.calls import Asked, Moment, Request, Service
from paceline_sandbox.faults.scenario import microseconds
from paceline_sandbox.messages.history import History, Message
from paceline_sandbox.validation import SendRequest, parse_send

_SESSION_KEY: Final = re.compile(r"WW-WPN[^/]+@(?:c\.us|g\.us|lid)|WA-WAN[^/]+", re.ASCII)
_MESSAGE_ID: Final = re.compile(r"MSG[0-9A-Za-z-]+", re.ASCII)
_HOUR_S: Final = 3600


class Messages:
    """Serves everything about messages.

    Args:
        history: where messages are kept.
        check_group: raises `Refused` when a group cannot be written to or read at that moment.
    """

    def __init__(self, history: History, check_group: Callable[[str, Moment], None]) -> None:
        self._history = history
        self._check_group = check_group

    def services(self) -> Mapping[str, Service[Any]]:
        """Who serves what, by the operation's name."""
        return {
            "send": Service(self._parse_send, self._send),
            "message.get": Service(self._parse_one, self._show),
            "message.delete": Service(self._parse_delete, self._delete),
            "conversations": Service(_parse_conversation, self._conversation),
            "conversation": Service(_parse_conversation, self._conversation),
            "group_history": Service(_parse_group_history, self._group_history),
        }

    def _parse_send(self, asked: Asked, _: Moment) -> Request[SendRequest]:
        sent = parse_send(asked.raw_body)
        if isinstance(sent, Answer):
            raise Refused(sent)
        return Request(_name(sent), sent, sent.from_number, sent.target, (sent.target,))

    def _send(self, request: Request[SendRequest], moment: Moment) -> Answer:
        if request.content.to_group:
            self._check_group(request.content.target, moment)
        message = Message(moment.new_id("MSG"), moment.now_us, request.content)
        self._history.add(message)
        body: JsonObject = {"success": True, "message_uuid": message.message_uuid, "batched": True}
        return Answer(moment.scenario.send_status, body)

    def _parse_one(self, asked: Asked, _: Moment) -> Request[Message]:
        message = self._found(asked)
        return Request("lookup", message, to=message.request.target)

    def _show(self, request: Request[Message], moment: Moment) -> Answer:
        return Answer(200, {"success": True, "message": request.content.shown(moment.now_us)})

    def _parse_delete(self, asked: Asked, _: Moment) -> Request[Message]:
        message = self._found(asked)
        if message.channel != "WPN":
            raise Refused(refusal(406, "Messages of this channel cannot be deleted"))
        return Request("message.delete", message, message.request.from_number, message.request.target)

    def _delete(self, request: Request[Message], moment: Moment) -> Answer:
        message = request.content
        hours = moment.scenario.delete_window_hours
        if moment.now_us - message.created_us > microseconds(hours * _HOUR_S, "seconds"):
            # Not 403: that would be a matter of the whole account.
            return refusal(400, f"A message can only be deleted up to {hours:g} hours after it was sent")
        if self._history.find(message.message_uuid) is None:  # another call was quicker
            return refusal(404, "The message was not found")
        self._history.remove(message)
        body: JsonObject = {"success": True, "message_uuid": message.message_uuid}
        return Answer(200, {**body, "whatsapp_message_id": message.wa_msg_id})

    def _found(self, asked: Asked) -> Message:
        session_key, message_uuid = asked.path["session_key"], asked.path["message_uuid"]
        if not _SESSION_KEY.fullmatch(session_key):
            raise Refused(refusal(422, "This is not a session key"))
        if not _MESSAGE_ID.fullmatch(message_uuid):
            raise Refused(refusal(422, "This is not a message id"))
        message = self._history.find(message_uuid)
        if message is None or message.session_key != session_key:
            raise Refused(refusal(404, "The message was not found"))
        return message

    def _conversation(self, request: Request[tuple[str | None, int]], moment: Moment) -> Answer:
        other, page = request.content
        return _listing(
            page, self._history.conversation(request.sender or "", other, page, _shown_until(moment)), moment
        )

    def _group_history(self, request: Request[tuple[str, int]], moment: Moment) -> Answer:
        group_uuid, page = request.content
        self._check_group(group_uuid, moment)
        return _listing(page, self._history.group(group_uuid, page, _shown_until(moment)), moment)


def _name(sent: SendRequest) -> str:
    if sent.pin:
        return "message.pin"
    if sent.to_group:
        return "message.to_group"
    return "message.to_remote_id" if sent.target.endswith("@lid") else "message.to_number"


def _parse_conversation(asked: Asked, _: Moment) -> Request[tuple[str | None, int]]:
    page = as_whole(asked.query.get("page_number", "0"), "page_number")
    number = as_number(asked.path["number"], "The number")
    text = asked.path.get("remote")
    other = None if text is None else remote(text)
    if text is not None and other is None:
        raise Refused(refusal(422, "The number is not a phone number in E.164 format"))
    return Request("history", (other, page), number, other)


def _parse_group_history(asked: Asked, _: Moment) -> Request[tuple[str, int]]:
    page = as_whole(asked.query.get("page_number", "0"), "page_number")
    group_uuid = as_group(asked.path["group_uuid"])
    return Request("history", (group_uuid, page), to=group_uuid)


def _shown_until(moment: Moment) -> int:
    return moment.now_us - microseconds(moment.scenario.history_lag_seconds, "seconds")


def _listing(page: int, messages: list[Message], moment: Moment) -> Answer:
    shown = [message.shown(moment.now_us) for message in messages]
    return Answer(200, {"success": True, "page_number": page, "messages": shown})
