"""Which receipts a message causes, in which order, to whom and with which words: decided, not delivered."""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, Protocol, get_args

from paceline_sandbox.answers import JsonObject
from paceline_sandbox.clock import as_timestamp
from paceline_sandbox.console.tables import ReceiptRules
from paceline_sandbox.faults.courses import Course, Courses, Lot, Step
from paceline_sandbox.faults.scenario import Scenario
from paceline_sandbox.messages.history import Message
from paceline_sandbox.webhooks.subscriptions import Subscriptions

_STEPS: Final[tuple[Step, ...]] = get_args(Step)
# Where the names of events begin, by the channel of the message. For SMS no event is documented.
_FAMILIES: Final[Mapping[str, str]] = {"WPN": "whatsapp.message", "WAN": "whatsapp.waba.message"}


@dataclass(frozen=True, slots=True)
class Notice:
    """One receipt to deliver: `happened_us` is the instant it tells, `due_us` when it goes out."""

    step: Step
    message_uuid: str
    happened_us: int
    due_us: int
    early: bool = False
    duplicate: bool = False
    reordered: bool = False
    forged: bool = False


def notices(rules: ReceiptRules, lot: Lot, course: Course, message_uuid: str, accepted_us: int) -> list[Notice]:
    """The receipts of a message in the order of delivery; those that are lost are not among them.

    Args:
        rules: the shares of what goes wrong.
        lot: the message's chances.
        course: its fate.
        message_uuid: its id.
        accepted_us: when it was accepted, in microseconds since the epoch.
    """
    ordered: list[Notice] = []
    for step, after_us in reversed(course.steps):
        if lot.happens(rules.lose, f"lose {step}"):
            continue
        at_us = accepted_us + after_us
        notice = Notice(step, message_uuid, at_us, at_us, early=course.early and step == "sent")
        if ordered and not notice.early and lot.happens(rules.reorder, f"reorder {step}"):
            # Behind the next receipt, however late that receipt is itself.
            ordered.insert(1, replace(notice, due_us=ordered[0].due_us, reordered=True))
        else:
            ordered.insert(0, notice)
    return _with_forgeries(rules, lot, list(_with_copies(rules, lot, ordered)), accepted_us)


def _with_copies(rules: ReceiptRules, lot: Lot, ordered: list[Notice]) -> Iterator[Notice]:
    for notice in ordered:
        yield notice
        if lot.happens(rules.duplicate, f"duplicate {notice.step}"):
            yield replace(notice, duplicate=True, early=False)


def _with_forgeries(rules: ReceiptRules, lot: Lot, ordered: list[Notice], accepted_us: int) -> list[Notice]:
    whole, fraction = divmod(rules.forge, 1)
    first = 1 if ordered and ordered[0].early else 0  # nothing may come before what overtakes the answer
    for number in range(int(whole) + lot.happens(fraction, "forge")):
        place = first + int(lot.drawn(f"place {number}") * (len(ordered) - first + 1))
        step = _STEPS[int(lot.drawn(f"step {number}") * len(_STEPS))]
        at_us = ordered[place - 1].due_us if place else accepted_us
        ordered.insert(place, Notice(step, lot.foreign_id(number), at_us, at_us, forged=True))
    return ordered


@dataclass(frozen=True, slots=True)
class Errand:
    """One HTTP POST: where it goes, which event it tells of, and its body."""

    url: str
    event: str
    body: JsonObject


@dataclass(frozen=True, slots=True)
class Parcel:
    """What goes out about one message: its notices, to be taken from the left one after another.

    `errands` is asked when a notice is due, so whoever unsubscribed in the meantime hears nothing.
    """

    message_uuid: str
    notices: deque[Notice]
    errands: Callable[[Notice], list[Errand]]
    timeout_ms: float
    attempts: int


class Carrier(Protocol):
    """Delivers parcels and keeps nobody waiting."""

    def carry(self, parcel: Parcel) -> None:
        """Takes a parcel with at least one notice."""

    def clear(self) -> None:
        """Forgets all parcels, those under way too."""


class Receipts:
    """What the provider knows of receipts.

    Args:
        scenario: how to behave.
        seed: decides about everything that has a share.
        subscriptions: who wants to hear.
        carrier: delivers.
    """

    def __init__(self, scenario: Scenario, seed: int, subscriptions: Subscriptions, carrier: Carrier) -> None:
        self._seed = seed
        self._subscriptions = subscriptions
        self._carrier = carrier
        self._counts: Counter[str] = Counter()
        self.use(scenario)

    def use(self, scenario: Scenario) -> None:
        """Puts a scenario into force for messages from now on; the ordinals of numbers start again.

        Args:
            scenario: the new one.
        """
        self._rules = scenario.receipts
        self._courses = Courses(scenario)
        self._ordinals: Counter[str] = Counter()

    def reset(self) -> None:
        """Forgets counts and all deliveries, those under way too."""
        self._counts.clear()
        self._carrier.clear()

    def counts(self) -> dict[str, int]:
        """How many messages were never sent, and how many receipts were lost on purpose."""
        return {name: self._counts[name] for name in ("not_sent", "lost")}

    def message_accepted(self, message: Message) -> None:
        """Decides what becomes of a message and has its receipts delivered; called once, when it takes effect.

        Args:
            message: the message; its course is set here.
        """
        number, rules = message.request.from_number, self._rules
        self._ordinals[number] += 1
        lot = Lot(self._seed, number, self._ordinals[number])
        message.course = course = self._courses.of(lot, message.request.target)
        self._counts["not_sent"] += course is self._courses.failed
        family = _FAMILIES.get(message.channel)
        if family is None or not (rules.hook_url or self._subscriptions.interested(number)):
            return
        ordered = notices(rules, lot, course, message.message_uuid, message.created_us)
        heard = {notice.step for notice in ordered if not notice.forged}
        self._counts["lost"] += len(course.steps) - len(heard)
        if ordered:

            def errands(notice: Notice) -> list[Errand]:
                return list(self._errands(rules, family, message, notice))

            attempts = 1 + rules.retries
            self._carrier.carry(Parcel(message.message_uuid, deque(ordered), errands, rules.timeout_ms, attempts))

    def _errands(self, rules: ReceiptRules, family: str, message: Message, notice: Notice) -> Iterator[Errand]:
        """To whom a notice goes: everybody who wants the receipt, and the message itself once it is sent."""
        number = message.request.from_number
        name = f"{family}.receipt.{notice.step}"
        # The official API is documented to write full names and the Message object (docs/provider.md, 3.3).
        official = message.channel == "WAN"
        event = name if rules.full_names or official else f"message.{notice.step}"
        body = _whole(message, notice, event) if rules.body == "message" or official else _flat(notice, event)
        for url in ([rules.hook_url] if rules.hook_url else []) + self._subscriptions.hooks(number, name):
            yield Errand(url, event, body)
        if notice.step == "sent" and not notice.forged:
            for event in (f"{family}.sent", f"{family}.new"):
                for url in self._subscriptions.hooks(number, event):
                    yield Errand(url, event, _whole(message, notice, event))


def _flat(notice: Notice, event: str) -> JsonObject:
    """The body that a production receiver knows (docs/provider.md, 3.3)."""
    return {"event": event, "message_uuid": notice.message_uuid, "timestamp": as_timestamp(notice.happened_us)}


def _whole(message: Message, notice: Notice, event: str) -> JsonObject:
    """A body as message events have it: the Message object as it was at that instant, and the event."""
    return {
        **message.shown(notice.happened_us),
        "id": notice.message_uuid,
        "uuid": notice.message_uuid,
        "channel_phone_number": message.request.from_number,
        "event": event,
        "timestamp": as_timestamp(notice.happened_us),
    }
