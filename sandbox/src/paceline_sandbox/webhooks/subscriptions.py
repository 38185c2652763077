"""Webhook subscriptions: who wants to hear of which event of which number (docs/provider.md, 3)."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from paceline_sandbox.accounts.phones import is_web_address
from paceline_sandbox.answers import Answer, JsonObject, invalid_field, refusal
from paceline_sandbox.bodies import Body, Refused, as_group, json_object, needed_number, needed_text, text
from paceline_sandbox.calls import Asked, Moment, Request, Service
from paceline_sandbox.clock import as_timestamp
from paceline_sandbox.messages.history import stable_id

# Every event that any source names; most of them never happen here.
_WHATSAPP: Final = frozenset(
    f"whatsapp.{name}"
    for name in (
        *(f"message.{part}" for part in ("new", "received", "sent", "reaction", "edited")),
        *(f"message.receipt.{part}" for part in ("sent", "received", "read", "not-sent")),
        *(f"group.{part}" for part in ("message.received", "message.reaction", "join", "leave", "remove")),
        *("conversation.new", "order.received", "audio.transcribed", "call.received", "call.made", "number.status"),
    )
)
_WABA: Final = frozenset(
    f"whatsapp.waba.{name}"
    for name in (
        *("message.sent", "message.received", "template.status.updated"),
        *(f"message.receipt.{part}" for part in ("sent", "received", "read", "not-sent")),
    )
)
_PHONE: Final = frozenset(
    {"call.status.update", "call.incoming.completed", "call.outbound.completed", "call.outgoing.completed"}
)
_TIME_PERIODS: Final = frozenset({"all-time", "hour", "day", "week", "month", "year"})


@dataclass(frozen=True, slots=True)
class Wish:
    """A checked request to subscribe. `subject` is the number, or the channel for phone calls."""

    event: str
    subject: str
    channel_uuid: str
    hook_url: str
    params: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Subscription:
    """One webhook: what was wished for, under an id."""

    uuid: str
    wish: Wish
    created_us: int

    def shown(self) -> JsonObject:
        """The webhook object of docs/provider.md, 3.1."""
        return {
            "uuid": self.uuid,
            "event_name": self.wish.event,
            "channel_uuid": self.wish.channel_uuid,
            "hook_url": self.wish.hook_url,
            "hook_params": dict(self.wish.params),
            "created_at": as_timestamp(self.created_us),
        }


class Subscriptions:
    """All webhooks. Like the history they belong to the number, so they survive a rotated key."""

    def __init__(self) -> None:
        self._by_uuid: dict[str, Subscription] = {}
        # By subject and then by event: a message asks for every event of its number.
        self._by_subject: defaultdict[str, defaultdict[str, list[Subscription]]] = defaultdict(
            lambda: defaultdict(list)
        )

    def clear(self) -> None:
        """Forgets all webhooks."""
        self._by_uuid.clear()
        self._by_subject.clear()

    def interested(self, number: str) -> bool:
        """Whether anybody wants to hear anything of a number.

        Args:
            number: the connected number.
        """
        return number in self._by_subject

    def hooks(self, number: str, event: str) -> list[str]:
        """Where an event of a number goes to, in the order of subscription.

        Args:
            number: the connected number.
            event: its full name.
        """
        events = self._by_subject.get(number)
        return [each.wish.hook_url for each in events.get(event, ())] if events else []

    def services(self) -> dict[str, Service[Any]]:
        """How each operation about webhooks is served, by its name."""
        return {
            "webhook.subscribe": Service(_parse_wish, self._subscribe),
            "webhook.list": Service(_parse_list, self._list),
            "webhook.channel_list": Service(_parse_list, self._list),
            "webhook.delete": Service(_parse_delete, self._delete),
        }

    def _subscribe(self, request: Request[Wish], moment: Moment) -> Answer:
        wish = request.content
        others = self._by_subject[wish.subject][wish.event]
        if others and moment.scenario.receipts.repeated_subscription == "conflict":
            return refusal(409, "There is a webhook for this event and number already")
        made = Subscription(moment.new_id("WHK"), wish, moment.now_us)
        self._by_uuid[made.uuid] = made
        others.append(made)
        return Answer(200, {"success": True, "data": made.shown()})

    def _list(self, request: Request[str], _: Moment) -> Answer:
        channel = request.content
        wanted = [each for each in self._by_uuid.values() if channel in {"", each.wish.channel_uuid}]
        return Answer(200, {"success": True, "webhooks": [each.shown() for each in wanted]})

    def _delete(self, request: Request[str], _: Moment) -> Answer:
        gone = self._by_uuid.pop(request.content, None)
        if gone is None:
            return refusal(404, "The webhook was not found")
        events = self._by_subject[gone.wish.subject]
        events[gone.wish.event].remove(gone)
        if not any(events.values()):
            del self._by_subject[gone.wish.subject]
        return Answer(200, {"success": True})


def _parse_list(asked: Asked, _: Moment) -> Request[str]:
    return Request("other", asked.path.get("channel_uuid", ""))


def _parse_delete(asked: Asked, _: Moment) -> Request[str]:
    return Request("other", asked.path["uuid"])


def _parse_wish(asked: Asked, _: Moment) -> Request[Wish]:
    event = asked.path["event"]
    if event not in _WHATSAPP | _WABA | _PHONE:
        words = "value is not the name of an event"
        raise Refused(invalid_field("event_name", words, "value_error.const", inside="path"))

    body = json_object(asked.raw_body)
    hook_url = needed_text(body, "hook_url")
    if not is_web_address(hook_url):
        raise Refused(invalid_field("hook_url", "value is not an http or https address", "value_error.url"))

    if event in _PHONE:
        channel_uuid = needed_text(body, "channel_uuid")
        return Request("other", Wish(event, channel_uuid, channel_uuid, hook_url, _options(body)))

    number = needed_number(body, "on_number")
    prefix, name = ("WAN", "waba_uuid") if event in _WABA else ("WPN", "waweb_uuid")
    channel_uuid = stable_id(prefix, number)
    wish = Wish(event, number, channel_uuid, hook_url, {name: channel_uuid, **_options(body)})

    return Request("other", wish, sender=number)


def _options(body: Body) -> dict[str, str]:
    options = {name: text(body, name) for name in ("to_group_uuid", "time_period")}
    if options["to_group_uuid"]:
        as_group(options["to_group_uuid"])
    if options["time_period"] not in {"", *_TIME_PERIODS}:
        raise Refused(invalid_field("time_period", "unexpected value", "value_error.const"))
    return {name: value for name, value in options.items() if value}
