"""The provider without HTTP: what each call is answered, when, and what takes effect. It never waits."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Final

from paceline_sandbox.accounts import Account
from paceline_sandbox.answers import Answer, JsonObject, invalid_field, no_key, refusal, retry_after_header
from paceline_sandbox.clock import Clock
from paceline_sandbox.faults import FaultPlan, Target, injected_answer, success_false
from paceline_sandbox.history import History, Message
from paceline_sandbox.journal import Arrival, Journal
from paceline_sandbox.phones import is_group, normalized, remote
from paceline_sandbox.scenario import CallKind, Fault, Scenario, microseconds
from paceline_sandbox.senders import Senders
from paceline_sandbox.validation import SendRequest, parse_send

_AFTER_ACCEPTING: Final = frozenset({"answer_after_accepting", "drop_after_accepting", "delay"})


@dataclass(frozen=True, slots=True)
class Route:
    """Which operation a request asks for, with the parameters found in its path and query."""

    kind: CallKind
    operation: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    page_number: str = "0"


@dataclass(frozen=True, slots=True)
class Reply:
    """What to do about a call: wait, then answer, or drop the connection when there is no answer."""

    answer: Answer | None
    wait_us: int = 0


@dataclass(slots=True)
class Call:
    """A request between its arrival and its answer.

    `refused` is set when the door already turned it away: no key, wrong key, or too early.
    """

    arrival: Arrival
    route: Route
    account: Account | None
    ordinal: int = 0
    ordinal_any: int = 0
    refused: Answer | None = None
    request: SendRequest | Answer | None = None
    fault: Fault | None = None


class Provider:
    """The state of the emulated provider.

    A call goes through `arrive`, `read`, `reply` and `finish`, in this order; in between the caller may wait.

    Args:
        scenario: how to behave.
        clock: microseconds since the epoch.
        new_id: makes a fresh message id.
        random: decides the jitter of latency and transit.
        seed: decides about faults with a probability.
        journal: where arrivals are recorded.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        clock: Clock,
        new_id: Callable[[], str],
        random: Random,
        seed: int,
        journal: Journal,
    ) -> None:
        self.clock = clock
        self.seed = seed
        self.journal = journal
        self.accounts: dict[str, Account] = {}
        self.scenario = scenario
        self._history = History()
        self._new_id = new_id
        self._random = random
        self._enforce_scenario()

    def use(self, scenario: Scenario) -> None:
        """Puts a scenario into force; log, messages and unchanged limits stay, its own counts start from zero.

        Args:
            scenario: the new one.
        """
        self.scenario = scenario
        self._enforce_scenario()

    def reset(self) -> None:
        """Forgets log, messages, keys and counts; the scenario stays and starts anew."""
        self.journal.clear()
        self.accounts = {}
        self._history = History()
        self._enforce_scenario()

    def _enforce_scenario(self) -> None:
        scenario = self.scenario
        self._began_us = self.clock()
        self._declared = scenario.declared_keys()
        self._plan = FaultPlan(scenario, self.seed)
        self._senders = Senders(scenario)
        self._lag_us = microseconds(scenario.history_lag_seconds, "seconds")
        self._latency_us = _jittered(scenario.latency_ms, scenario.latency_jitter_ms)
        self._transit_us = _jittered(scenario.transit_ms, scenario.transit_jitter_ms)
        for key, account in self.accounts.items():
            known = scenario.accept_unknown_keys or key in self._declared
            account.adopt(self._declared.get(key, scenario.defaults), known=known)

    def transit_us(self) -> int:
        """How long the next request is under way before it counts as arrived, in microseconds."""
        return self._drawn(self._transit_us)

    def arrive(self, key: str | None, method: str, path: str, route: Route) -> Call:
        """Stamps and records a request and lets it through the door, or not.

        Args:
            key: the API key it carries, if any.
            method: the HTTP method.
            path: the path, decoded.
            route: what it asks for.
        """
        at_us = self.clock()
        arrival = self.journal.open(at_us, key, method, path)
        if not key:
            return Call(arrival, route, None, refused=no_key(self.scenario.missing_key_status))
        account = self._account(key, at_us)
        ordinal, ordinal_any = account.arrive(route.kind, at_us)
        call = Call(arrival, route, account, ordinal, ordinal_any)
        if not account.known:
            call.refused = refusal(401)
        elif route.kind != "info" or self.scenario.count_info:
            call.refused = self._too_early(account, arrival)
        return call

    def _account(self, key: str, now_us: int) -> Account:
        account = self.accounts.get(key)
        if account is None:
            settings = self._declared.get(key)
            known = settings is not None or self.scenario.accept_unknown_keys
            account = Account(key, settings or self.scenario.defaults, known=known, created_us=now_us)
            self.accounts[key] = account
        return account

    def _too_early(self, account: Account, arrival: Arrival) -> Answer | None:
        scenario = self.scenario
        verdict = account.judge(arrival.at_us, enforce=scenario.enforce, count_refused=scenario.count_refused)
        arrival.violation = not verdict.admitted
        if verdict.admitted or not scenario.enforce:
            return None
        return refusal(429, None, retry_after_header(scenario.retry_after, verdict.retry_after_us, arrival.at_us))

    def read(self, call: Call, raw_body: bytes) -> int:
        """Takes the body of a call and decides which fault it meets.

        Args:
            call: the call.
            raw_body: the body as received.

        Returns:
            Microseconds to wait before asking for the reply.
        """
        call.arrival.raw_body = raw_body
        if call.refused is not None or call.account is None:
            return 0
        if call.route.kind == "send":
            call.request = parse_send(raw_body)
        if not self.scenario.faults:
            return 0
        sent = call.request if isinstance(call.request, SendRequest) else None
        target = Target(
            key=call.account.key,
            kind=call.route.kind,
            ordinal=call.ordinal,
            ordinal_any=call.ordinal_any,
            elapsed_us=self.clock() - self._began_us,
            from_number=sent.from_number if sent else None,
            to=sent.target if sent else None,
        )
        call.fault = fault = self._plan.choose(target)
        if fault is None:
            return 0
        call.arrival.injected = True
        call.arrival.fault = fault.kind
        return microseconds(fault.seconds or 0, "seconds") if fault.before else 0

    def reply(self, call: Call) -> Reply:
        """Decides what a call is answered; an accepted message takes effect here, before its answer goes out.

        Args:
            call: the call, its body read.
        """
        account, fault = call.account, call.fault
        if call.refused is not None or account is None:
            return Reply(call.refused)
        if fault is not None and not fault.before and fault.kind not in _AFTER_ACCEPTING:
            return Reply(self._instead(fault))
        now_us = self.clock()
        if call.route.kind != "info":
            turned_away = account.standing(now_us)
            if turned_away is not None:
                return Reply(turned_away)
            account.credits_used += 1
        latency_us = self._drawn(self._latency_us)
        answer = self._operate(call, account, now_us, now_us + latency_us)
        if not answer.good:
            return Reply(answer)
        return self._spoilt(answer, fault, latency_us, now_us)

    def _instead(self, fault: Fault) -> Answer | None:
        """The answer of a fault that strikes before anything takes effect; None drops the connection."""
        if fault.kind == "answer":
            return injected_answer(fault, self.clock())
        return success_false(fault, self.scenario.send_status) if fault.kind == "success_false" else None

    @staticmethod
    def _spoilt(answer: Answer, fault: Fault | None, latency_us: int, now_us: int) -> Reply:
        """The reply to a call that took effect, changed by the fault it met."""
        if fault is None or fault.before:
            return Reply(answer, latency_us)
        if fault.kind == "answer_after_accepting":
            return Reply(injected_answer(fault, now_us), latency_us)
        if fault.kind == "drop_after_accepting":
            return Reply(None, latency_us)
        return Reply(answer, latency_us + microseconds(fault.seconds or 0, "seconds"))

    def _operate(self, call: Call, account: Account, now_us: int, free_us: int) -> Answer:
        route = call.route
        match route.operation:
            case "send":
                return self._send(call, account, now_us, free_us)
            case "info":
                return Answer(200, account.info())
            case "conversation":
                return self._conversation(route, now_us)
            case "group_history":
                return self._group_history(route, now_us)
            case "method_not_allowed":
                return Answer(405, {"detail": "Method Not Allowed"})
        return Answer(404, {"detail": "Not Found"})

    def _send(self, call: Call, account: Account, now_us: int, free_us: int) -> Answer:
        request = call.request
        if not isinstance(request, SendRequest):
            return request or refusal(400)
        turned_away = self._senders.turn_away(request.from_number, now_us, now_us - self._began_us)
        if turned_away is not None:
            return turned_away
        self._senders.occupy(request.from_number, free_us)
        message = Message(self._new_id(), now_us, request)
        self._history.add(message)
        account.accept(request, call.arrival.at_us)
        call.arrival.accepted = True
        call.arrival.message_uuid = message.message_uuid
        body: JsonObject = {"success": True, "message_uuid": message.message_uuid, "batched": True}
        return Answer(self.scenario.send_status, body)

    def _conversation(self, route: Route, now_us: int) -> Answer:
        page = _page(route)
        number = normalized(route.parameters["number"])
        asked = route.parameters.get("remote")
        other = None if asked is None else remote(asked)
        if isinstance(page, Answer):
            return page
        if number is None or (asked is not None and other is None):
            return refusal(422, "The number is not a phone number in E.164 format")
        return _listing(page, self._history.conversation(number, other, page, now_us - self._lag_us))

    def _group_history(self, route: Route, now_us: int) -> Answer:
        page = _page(route)
        group_uuid = route.parameters["group_uuid"]
        if isinstance(page, Answer):
            return page
        if not is_group(group_uuid):
            return refusal(422, "This is not a group id")
        return _listing(page, self._history.group(group_uuid, page, now_us - self._lag_us))

    def finish(self, call: Call, status: int | None) -> None:
        """Records how a call ended.

        Args:
            call: the call.
            status: the status answered, None when the connection was dropped or lost.
        """
        call.arrival.status = status
        if call.account is not None:
            call.account.answers["dropped" if status is None else str(status)] += 1
        self.journal.close(call.arrival, self.clock())

    def _drawn(self, stretch: tuple[int, int]) -> int:
        base_us, jitter_us = stretch
        return base_us + (self._random.randint(0, jitter_us) if jitter_us else 0)


def _jittered(base_ms: float, jitter_ms: float) -> tuple[int, int]:
    return microseconds(base_ms, "milliseconds"), microseconds(jitter_ms, "milliseconds")


def _page(route: Route) -> int | Answer:
    text = route.page_number
    if text.isascii() and text.isdecimal() and len(text) <= 9:
        return int(text)
    return invalid_field("page_number", "value is not a valid integer", "type_error.integer", inside="query")


def _listing(page: int, messages: list[Message]) -> Answer:
    return Answer(200, {"success": True, "page_number": page, "messages": [message.shown() for message in messages]})
