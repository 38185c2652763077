"""Messages that people write to a connected number: checked, and delivered to whoever wants to hear of them."""

from collections import deque
from typing import Any, Final

from paceline_sandbox.accounts.phones import normalized
from paceline_sandbox.answers import JsonObject
from paceline_sandbox.clock import as_timestamp
from paceline_sandbox.console.tables import ReceiptRules
from paceline_sandbox.messages.history import stable_id
from paceline_sandbox.webhooks.receipts import Carrier, Errand, Notice, Parcel
from paceline_sandbox.webhooks.subscriptions import Subscriptions

_FIELDS: Final = frozenset({"from", "to", "text", "waba", "named"})
# By the channel: the prefixes of the channel and of its sessions, the family of events, and what stands behind a session's digits.
_CHANNELS: Final = {False: ("WPN", "WW", "whatsapp.message", "@c.us"), True: ("WAN", "WA", "whatsapp.waba.message", "")}


class BadInbound(ValueError):
    """What was posted is no message; says why."""


class Inbound:
    """What the provider does with a message that somebody writes (docs/provider.md, 3.3).

    Args:
        subscriptions: who wants to hear.
        carrier: delivers.
    """

    def __init__(self, subscriptions: Subscriptions, carrier: Carrier) -> None:
        self._subscriptions = subscriptions
        self._carrier = carrier

    def take(self, body: Any, rules: ReceiptRules, message_uuid: str, now_us: int) -> int:
        """Take a message, and have it delivered.

        Args:
            body: an object: ``from`` and ``to`` (numbers), ``text``; ``waba`` (to a number of the official API), ``named`` (false
                leaves out the name of the event, as the oldest form does).
            rules: how webhooks are delivered.
            message_uuid: the message's id.
            now_us: the present, microseconds since the epoch.

        Returns:
            To how many addresses it goes.

        Raises:
            BadInbound: it is no such object.
        """
        if not isinstance(body, dict) or (unknown := body.keys() - _FIELDS):
            raise BadInbound(f"unknown field {min(unknown)!r}" if isinstance(body, dict) else "not a JSON object")

        remote, number, text = _number(body.get("from")), _number(body.get("to")), body.get("text")
        if not isinstance(text, str):
            raise BadInbound("text must be a text")

        waba = bool(body.get("waba"))
        family = _CHANNELS[waba][2]
        events = (f"{family}.received", f"{family}.new")
        wanted = [(event, url) for event in events for url in self._hooks(number, event, rules)]
        message = _shown(remote, number, text, message_uuid, now_us, waba=waba)
        named = body.get("named", True) is not False
        errands = [Errand(url, event, message | ({"event": event} if named else {})) for event, url in wanted]

        if errands:
            notice = Notice("received", message_uuid, now_us, now_us)
            attempts = 1 + rules.retries
            self._carrier.carry(Parcel(message_uuid, deque([notice]), lambda _: errands, rules.timeout_ms, attempts))

        return len(errands)

    def _hooks(self, number: str, event: str, rules: ReceiptRules) -> list[str]:
        common = [rules.hook_url] if rules.hook_url and event.endswith(".received") else []
        return common + self._subscriptions.hooks(number, event)


def _number(value: Any) -> str:
    if not isinstance(value, str) or normalized(value) != value:
        raise BadInbound("from and to must be numbers such as +15550100001")
    return value


def _shown(remote: str, number: str, text: str, message_uuid: str, now_us: int, *, waba: bool) -> JsonObject:
    channel, session, _, suffix = _CHANNELS[waba]
    return {
        "id": message_uuid,
        "uuid": message_uuid,
        "session_key": f"{session}-{stable_id(channel, number)}-{remote.removeprefix('+')}{suffix}",
        "message": {"text": text},
        "created_at": as_timestamp(now_us),
        "remote_phone_number": remote,
        "channel_phone_number": number,
        "sent_by": "user",
    }
