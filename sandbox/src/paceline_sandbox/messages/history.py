"""The messages that took effect, as the provider's history shows them: newest first, in pages, perhaps late."""

import mimetypes
import uuid
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from paceline_sandbox.answers import JsonObject
from paceline_sandbox.clock import as_timestamp
from paceline_sandbox.faults.courses import SENT_AT_ONCE, Course
from paceline_sandbox.validation import SendRequest

CONVERSATION_PAGE: Final = 100
GROUP_PAGE: Final = 50
# Any fixed value will do: ids of channels and accounts must only be the same in every run.
_NAMESPACE: Final = uuid.UUID("6f0e2c1a-0b51-4f5c-9d43-0a1c5a4e7b10")


def stable_id(prefix: str, name: str) -> str:
    """An id in the provider's form that depends on a name alone.

    Args:
        prefix: as ``WPN`` or ``ACC``.
        name: what the id stands for.
    """
    return f"{prefix}{uuid.uuid5(_NAMESPACE, prefix + name)}"


def wa_group_id(group_uuid: str) -> str:
    """WhatsApp's own id of a group, ``...@g.us``, the same for the same group.

    Args:
        group_uuid: the provider's id.
    """
    return f"1203630{uuid.UUID(stable_id('', group_uuid)).int % 10**11:011d}@g.us"


@dataclass(slots=True)
class Message:
    """A message that took effect at `created_us`, microseconds since the epoch.

    `channel` is the prefix of the channel's id: ``WPN`` for WhatsApp Web, ``WAN`` for the official API.
    `course` is its fate, set when it takes effect.
    """

    message_uuid: str
    created_us: int
    request: SendRequest
    channel: str = "WPN"
    course: Course = SENT_AT_ONCE

    @property
    def session_key(self) -> str:
        """The conversation it belongs to (docs/provider.md, 2)."""
        request = self.request
        channel = stable_id(self.channel, request.from_number)
        if request.to_group:
            return f"WW-{channel}-{wa_group_id(request.target)}"
        if request.target.endswith("@lid"):
            return f"WW-{channel}-{request.target}"
        digits = request.target.removeprefix("+")
        return f"WA-{channel}-{digits}" if self.channel == "WAN" else f"WW-{channel}-{digits}@c.us"

    @property
    def wa_msg_id(self) -> str:
        """The id that WhatsApp itself gives it."""
        return "3EB0" + self.message_uuid[-12:].upper()

    def shown(self, now_us: int) -> JsonObject:
        """The Message object of docs/provider.md, 2.1.2.

        Args:
            now_us: the instant whose state it tells, in microseconds since the epoch.
        """
        request = self.request
        content: JsonObject = {"text": request.text}
        if request.url:
            content["media"] = _media(request.url)
        if request.pin:
            content["pin"] = dict(request.pin)
        shown: JsonObject = {
            "id": self.message_uuid,
            "uuid": self.message_uuid,
            "session_key": self.session_key,
            "message": content,
            "created_at": as_timestamp(self.created_us),
            "remote_phone_number": None if request.to_group else request.target,
            "sent_by": "api",
            "is_from_flow_run": False,
            "is_from_api": True,
            "is_from_chatter": False,
            "is_from_agent": False,
            "wa_msg_id": self.wa_msg_id,
            **self.course.state(now_us - self.created_us),
            "processed": True,
        }
        if request.to_group:
            shown["participant"] = request.from_number
        return shown


def _media(url: str) -> JsonObject:
    mime_type = mimetypes.guess_type(url)[0] or "application/octet-stream"
    kind = mime_type.split("/", maxsplit=1)[0]
    return {"url": url, "type": kind if kind in {"image", "audio", "video"} else "document", "mime_type": mime_type}


def _lines(message: Message) -> list[tuple[str, str]]:
    """The lists that show a message. The reference knows none for the official API."""
    request = message.request
    if message.channel != "WPN":
        return []
    if request.to_group:
        return [("group", request.target)]
    return [(request.from_number, ""), (request.from_number, request.target)]


class History:
    """All messages, found by their id, by sender, by conversation and by group.

    A key's history is not its own: real keys are rotated and the account's messages stay, so numbers alone decide.

    Args:
        on_message: is told of each message when it takes effect, and sets its course.
    """

    def __init__(self, on_message: Callable[[Message], None] = lambda _: None) -> None:
        self._on_message = on_message
        self._lines: dict[tuple[str, str], list[Message]] = {}
        self._by_id: dict[str, Message] = {}

    def add(self, message: Message) -> None:
        """Records a message that took effect; the order of calls is the order in time."""
        self._by_id[message.message_uuid] = message
        for line in _lines(message):
            self._lines.setdefault(line, []).append(message)
        self._on_message(message)

    def find(self, message_uuid: str) -> Message | None:
        """The message of that id, or None when there is none or it was deleted."""
        return self._by_id.get(message_uuid)

    def remove(self, message: Message) -> None:
        """Forgets a message that is there."""
        del self._by_id[message.message_uuid]
        for line in _lines(message):
            self._lines[line].remove(message)

    def conversation(self, number: str, remote: str | None, page: int, until_us: int) -> list[Message]:
        """One page of a number's messages, newest first.

        Args:
            number: the connected number.
            remote: the other side, or None for all conversations.
            page: counted from zero, 100 messages each.
            until_us: younger messages do not show yet; microseconds since the epoch.
        """
        return self._page((number, remote or ""), page, CONVERSATION_PAGE, until_us)

    def group(self, group_uuid: str, page: int, until_us: int) -> list[Message]:
        """One page of a group's messages, newest first, 50 each; arguments as for a conversation."""
        return self._page(("group", group_uuid), page, GROUP_PAGE, until_us)

    def _page(self, line: tuple[str, str], page: int, size: int, until_us: int) -> list[Message]:
        messages = self._lines.get(line, [])
        visible = bisect_right(messages, until_us, key=lambda message: message.created_us)
        end = max(0, visible - page * size)
        return messages[max(0, end - size) : end][::-1]
