"""The provider without HTTP: what each call is answered, when, and what takes effect. It never waits."""

from collections.abc import Callable
from random import Random
from typing import Any

from paceline_sandbox.accounts.accounts import Account
from paceline_sandbox.accounts.phones import normalized
from paceline_sandbox.accounts.senders import Senders
from paceline_sandbox.answers import Answer, in_family, no_key, refusal, retry_after_header
from paceline_sandbox.bodies import Refused
from paceline_sandbox.calls import Asked, Call, Moment, Reply, Request, Route, fingerprint
from paceline_sandbox.clock import Clock
from paceline_sandbox.console.journal import Journal
from paceline_sandbox.faults.injection import FaultsInForce, instead, spoilt, strikes_first
from paceline_sandbox.faults.scenario import Scenario, microseconds
from paceline_sandbox.messages.operations import NOT_ALLOWED, Operation
from paceline_sandbox.subjects import Subjects
from paceline_sandbox.validation import SendRequest
from paceline_sandbox.webhooks.inbound import Inbound
from paceline_sandbox.webhooks.receipts import Carrier, Receipts
from paceline_sandbox.webhooks.subscriptions import Subscriptions


class Provider:
    """The state of the emulated provider.

    A call goes through `arrive`, `read`, `reply` and `finish`, in this order; in between the caller may wait.

    Args:
        scenario: how to behave.
        clock: microseconds since the epoch.
        new_id: makes a fresh id in the provider's form from a prefix as ``MSG``.
        random: decides the jitter of latency and transit.
        seed: decides about faults with a probability.
        journal: where arrivals are recorded.
        carrier: delivers receipts.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        clock: Clock,
        new_id: Callable[[str], str],
        random: Random,
        seed: int,
        journal: Journal,
        carrier: Carrier,
    ) -> None:
        self.clock = clock
        self.seed = seed
        self.journal = journal
        self.subscriptions = Subscriptions()
        self.receipts = Receipts(scenario, seed, self.subscriptions, carrier)
        self._inbound = Inbound(self.subscriptions, carrier)
        self.accounts: dict[str, Account] = {}
        self.scenario = scenario
        self.subjects = Subjects(self.subscriptions, self.receipts.message_accepted)
        self._new_id = new_id
        self._random = random
        self._enforce_scenario()

    def use(self, scenario: Scenario) -> None:
        """Puts a scenario into force; log, messages, groups and unchanged limits stay, its own counts start from zero.

        Args:
            scenario: the new one.
        """
        self.scenario = scenario
        self._enforce_scenario()

    def reset(self) -> None:
        """Forgets log, messages, groups, numbers, keys and counts; the scenario stays and starts again."""
        self.journal.clear()
        self.subscriptions.clear()
        self.receipts.reset()
        self.accounts = {}
        self.subjects = Subjects(self.subscriptions, self.receipts.message_accepted)
        self._enforce_scenario()

    def _enforce_scenario(self) -> None:
        scenario = self.scenario
        self._began_us = self.clock()
        self._declared = scenario.declared_keys()
        self._faults = FaultsInForce(scenario, self.seed)
        self._senders = Senders(scenario)
        self.receipts.use(scenario)
        self._latency_us = _jittered(scenario.latency_ms, scenario.latency_jitter_ms)
        self._transit_us = _jittered(scenario.transit_ms, scenario.transit_jitter_ms)
        for key, account in self.accounts.items():
            known = scenario.accept_unknown_keys or key in self._declared
            account.adopt(self._declared.get(key, scenario.defaults), known=known)

    def receive(self, body: Any) -> tuple[str, int]:
        """Somebody writes to a connected number.

        Args:
            body: see `Inbound.take`.

        Returns:
            The message's id, and to how many webhooks it goes.

        Raises:
            BadInbound: it is no message.
        """
        message_uuid = self._new_id("MSG")
        return message_uuid, self._inbound.take(body, self.scenario.receipts, message_uuid, self.clock())

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
        operation = route.operation
        arrival = self.journal.open(at_us, key, method, path, operation.shown, query=route.query)
        if not key:
            return Call(arrival, route, None, refused=no_key(self.scenario.missing_key_status))
        account = self._account(key, at_us)
        ordinal, ordinal_any = account.arrive(operation.kind, at_us)
        call = Call(arrival, route, account, ordinal, ordinal_any)
        if not account.known:
            call.refused = refusal(401)
        elif operation.kind != "info" or self.scenario.count_info:
            call.refused = self._too_early(call, account)
        return call

    def _account(self, key: str, now_us: int) -> Account:
        account = self.accounts.get(key)
        if account is None:
            settings = self._declared.get(key)
            known = settings is not None or self.scenario.accept_unknown_keys
            account = Account(key, settings or self.scenario.defaults, known=known, created_us=now_us)
            self.accounts[key] = account
        return account

    def _too_early(self, call: Call, account: Account) -> Answer | None:
        scenario, arrival = self.scenario, call.arrival
        how = {"enforce": scenario.enforce, "count_refused": scenario.count_refused}
        verdict = account.judge(arrival.at_us, **how)
        if verdict.admitted and call.route.operation.kind == "check":
            number = normalized(call.route.path["number"]) or ""
            verdict = account.judge_check(number, arrival.at_us, **how)
        arrival.violation = not verdict.admitted
        if verdict.admitted or not scenario.enforce:
            return None
        return refusal(429, None, retry_after_header(scenario.retry_after, verdict.retry_after_us, arrival.at_us))

    def read(self, call: Call, raw_body: bytes) -> int:
        """Takes the body of a call, understands it and decides which fault it meets.

        Args:
            call: the call.
            raw_body: the body as received.

        Returns:
            Microseconds to wait before asking for the reply.
        """
        call.arrival.raw_body = raw_body
        account = call.account
        if account is None:
            return 0

        call.request = self._understood(call, account, raw_body)
        if isinstance(call.request, Request):
            call.arrival.operation = call.request.operation

        ordinal = account.count_operation(call.arrival.operation)
        if call.refused is not None:
            return 0

        call.fault = fault = self._faults.choose(call, account.key, ordinal, self.clock() - self._began_us)
        if fault is None:
            return 0

        call.arrival.injected = True
        call.arrival.fault = fault.kind
        return microseconds(fault.seconds or 0, "seconds") if fault.before else 0

    def _understood(self, call: Call, account: Account, raw_body: bytes) -> Request[Any] | Answer:
        operation = call.route.operation
        service = self.subjects.services.get(operation.name)
        if service is None:
            if operation is NOT_ALLOWED:
                return Answer(405, {"detail": "Method Not Allowed"})
            return Answer(404, {"detail": "Not Found"})
        try:
            return service.parse(Asked(call.route.path, call.route.query, raw_body), self._moment(account))
        except Refused as refused:
            return refused.answer

    def _moment(self, account: Account) -> Moment:
        return Moment(self.clock(), self._began_us, self.scenario, self._senders, account, self._new_id)

    def reply(self, call: Call) -> Reply:
        """Decides what a call is answered; what is accepted takes effect here, before its answer goes out.

        Args:
            call: the call, its body read.
        """
        reply = self._decided(call)
        if reply.answer is None:
            return reply
        return Reply(in_family(reply.answer, call.route.operation.kind), reply.wait_us)

    def _decided(self, call: Call) -> Reply:
        account, fault = call.account, call.fault
        if call.refused is not None or account is None:
            return Reply(call.refused)

        moment = self._moment(account)
        if fault is not None and strikes_first(fault):
            return Reply(instead(fault, call.route.operation, moment))

        if call.route.operation.kind != "info":
            turned_away = account.standing(moment.now_us)
            if turned_away is not None:
                return Reply(turned_away)
            account.credits_used += call.request.cost if isinstance(call.request, Request) else 1

        if not isinstance(call.request, Request):
            return Reply(call.request)

        latency_us = self._drawn(self._latency_us)
        answer = self._operate(call, call.request, moment, moment.now_us + latency_us)
        if not answer.good:
            return Reply(answer)

        return spoilt(answer, fault, latency_us, moment.now_us)

    def _operate(self, call: Call, request: Request[Any], moment: Moment, free_us: int) -> Answer:
        """Lets a well-formed request take effect, if its sender can work on it."""
        operation, account, sender = call.route.operation, moment.account, request.sender
        if sender is not None:
            turned_away = self._turned_away(operation, sender, moment)
            if turned_away is not None:
                return turned_away

        try:
            answer = self.subjects.services[operation.name].perform(request, moment)
        except Refused as refused:
            answer = refused.answer

        if not answer.good or not operation.takes_effect:
            return answer
        if sender is not None and operation.occupies:
            self._senders.occupy(sender, free_us)

        arrival = call.arrival
        arrival.accepted = True
        arrival.message_uuid = _message_id(answer)
        sent = isinstance(request.content, SendRequest) and operation.kind == "send"
        content = hash(request.content) if sent else fingerprint(arrival.method, arrival.path, arrival.raw_body)
        account.accept(arrival.operation, content, arrival.at_us)

        return answer

    def _turned_away(self, operation: Operation, sender: str, moment: Moment) -> Answer | None:
        """The refusal that a sender meets: it is not connected, in trouble, or busy."""
        numbers = self.subjects.numbers
        if not numbers.connected(sender, moment.scenario):
            return refusal(404, "The number is not connected to this account")
        if operation.web:
            numbers.meet(sender, moment.now_us)
        if not operation.takes_effect or operation.kind == "check":
            return None
        elapsed_us = moment.now_us - self._began_us
        return self._senders.turn_away(sender, moment.now_us, elapsed_us, by_phone=operation.occupies)

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


def _message_id(answer: Answer) -> str | None:
    for name in ("message_uuid", "message_id"):
        value = answer.body.get(name)
        if isinstance(value, str):
            return value
    return None
