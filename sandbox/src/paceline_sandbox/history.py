"""The messages that took effect, as the provider's history shows them: newest first, in pages, perhaps late."""

import mimetypes
import uuid
from bisect import bisect_right
from dataclasses import dataclass
from typing import Final

from paceline_sandbox.answers import JsonObject
from paceline_sandbox.clock import as_timestamp
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


@dataclass(frozen=True, slots=True)
class Message:
    """A message that took effect at `created_us`, microseconds since the epoch."""

    message_uuid: str
    created_us: int
    request: SendRequest

    def shown(self) -> JsonObject:
        """The Message object of the reference, section 2.1.2."""
        request = self.request
        content: JsonObject = {"text": request.text}
        if request.url:
            content["media"] = _media(request.url)
        if request.pin:
            content["pin"] = dict(request.pin)
        shown: JsonObject = {
            "id": self.message_uuid,
            "uuid": self.message_uuid,
            "session_key": _session_key(request),
            "message": content,
            "created_at": as_timestamp(self.created_us),
            "remote_phone_number": None if request.to_group else request.target,
            "sent_by": "api",
            "is_from_flow_run": False,
            "is_from_api": True,
            "is_from_chatter": False,
            "is_from_agent": False,
            "wa_msg_id": "3EB0" + self.message_uuid[-12:].upper(),
            "wa_msg_ack": 1,
            "sent": True,
            "received": False,
            "read": False,
            "processed": True,
        }
        if request.to_group:
            shown["participant"] = request.from_number
        return shown


def _session_key(request: SendRequest) -> str:
    channel = stable_id("WPN", request.from_number)
    if request.to_group:
        return f"WW-{channel}-{request.target}@g.us"
    return f"WW-{channel}-{request.target.removeprefix('+').removesuffix('@lid')}@c.us"


def _media(url: str) -> JsonObject:
    mime_type = mimetypes.guess_type(url)[0] or "application/octet-stream"
    kind = mime_type.split("/", maxsplit=1)[0]
    return {"url": url, "type": kind if kind in {"image", "audio", "video"} else "document", "mime_type": mime_type}


class History:
    """All messages, found by sender, by conversation and by group.

    A key's history is not its own: real keys are rotated and the account's messages stay, so numbers alone decide.
    """

    def __init__(self) -> None:
        self._lines: dict[tuple[str, str], list[Message]] = {}

    def add(self, message: Message) -> None:
        """Records a message that took effect; the order of calls is the order in time."""
        request = message.request
        if request.to_group:
            self._lines.setdefault(("group", request.target), []).append(message)
        else:
            self._lines.setdefault((request.from_number, ""), []).append(message)
            self._lines.setdefault((request.from_number, request.target), []).append(message)

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
