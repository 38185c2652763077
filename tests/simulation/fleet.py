"""A fleet on paper: grants, late and lost workers, answers and look-ups, decided by the pure modules of the worker."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Final

from paceline.operations import SendMessage
from paceline.operations.requests import Work
from paceline_sandbox.accounts.limits import Algorithm
from paceline_worker.pacing.bucket import Bucket, Pacing, pace_of
from paceline_worker.state.sleep import may_leave
from paceline_worker.verdict.breaker import Breaker
from paceline_worker.verdict.meaning import Answer, Meaning
from paceline_worker.verdict.policy import Situation, Verdict, decide, health_of
from paceline_worker.verdict.reconcile import CANARY, FIRST, LAST, PROOF, found_out
from tests.simulation.provider import SECOND_US, Message, Provider

START_US: Final = 1_769_860_800_000_000
DEADLINE_US: Final = 2 * SECOND_US
LEASE_US: Final = DEADLINE_US + 5 * SECOND_US
GRANT_LEASE_US: Final = 5 * SECOND_US
GRACE_US: Final = 3 * SECOND_US
LEAD_US: Final = 250_000
FENCE_S: Final = 4.0
STALE_LOOKS: Final = 4
# After so long nothing may be left without an outcome.
LONGEST_US: Final = 6 * 3600 * SECOND_US
_ANSWERS: Final = {
    "accepted": Answer(Meaning.ACCEPTED, "202"),
    "late": Answer(Meaning.UNKNOWN, "timeout"),
    "lost after": Answer(Meaning.UNKNOWN, "lost"),
    "lost before": Answer(Meaning.UNKNOWN, "lost"),
    "503": Answer(Meaning.OVERLOADED, "503"),
    "429": Answer(Meaning.THROTTLED, "429"),
    "486": Answer(Meaning.SENDER_BUSY, "486"),
    "422": Answer(Meaning.REJECTED, "422"),
}


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds the promises together; each can be taken away.

    Args:
        token: a worker whose grant is over may not speak.
        fence: a worker that is late asks before it sends.
        grace: a look-up waits until the call is over.
        variation: slots leave room for lateness.
    """

    token: bool = True
    fence: bool = True
    grace: bool = True
    variation: bool = True


@dataclass(slots=True)
class Operation:
    """One message on its way; `effects` is how often it took effect."""

    number: int
    sender: str
    recipient: str
    policy: str
    work: Work
    state: str = "w"
    due_us: int = 0
    token: int = 0
    attempts: int = 0
    outcome: str = ""
    phase: str = ""
    sent_us: int = 0
    looks: int = 0
    unknowns: int = 0


class Fleet:
    """One simulation.

    Args:
        seed: decides everything.
        rules: what holds.

    Attributes:
        operations: all of them.
        provider: where they arrive.
        wrong: what was not as promised, noticed on the way.
    """

    def __init__(self, seed: int, rules: Rules | None = None) -> None:
        self.rules = rules or Rules()
        self.random = Random(seed)
        draw = self.random
        self.variation_us = draw.choice([20_000, 100_000, 400_000])
        algorithm = draw.choice(list(Algorithm))
        pacing: Pacing = "window" if algorithm in (Algorithm.SLIDING_LOG, Algorithm.FIXED_WINDOW) else "spacing"
        if draw.random() < 0.3:
            pacing = "spacing"
        count, window_s = draw.choice([(1, 1), (10, 60), (5, 1), (20, 10), (80, 60)])
        shares = {kind: draw.choice([0.0, 0.0, 0.03, 0.1]) for kind in _ANSWERS if kind != "accepted"}
        self.provider = Provider(
            draw, count, window_s * SECOND_US, algorithm, shares,
            lag_us=draw.choice([0, SECOND_US, 6 * SECOND_US]), latency_us=draw.choice([20_000, 300_000]),
        )  # fmt: skip
        self.late = draw.choice([0.0, 0.05, 0.2])
        self.lost = draw.choice([0.0, 0.02, 0.1])
        variation = timedelta(microseconds=self.variation_us if self.rules.variation else 0)
        self.plan = pace_of(f"{count} per {window_s} seconds", pacing, variation)
        self.now_us = START_US
        self.bucket = Bucket.empty(self.plan, START_US)
        self.breaker = Breaker()
        self.paused_until_us = 0
        self.throttled = 0
        self.probes = False
        self.in_flight: dict[tuple[int, int], bool] = {}
        self.senders_until: dict[str, int] = {}
        self.wrong: list[str] = []
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._ordinal = 0
        self.operations = [self._operation(number) for number in range(draw.randrange(5, 40))]
        self._left = list(self.operations)

    def run(self) -> "Fleet":
        """Until nothing happens any more."""
        self._at(START_US, self._dispatch)
        while self._events:
            self.now_us, _, happen = heapq.heappop(self._events)
            if self.now_us > START_US + LONGEST_US:
                self.wrong.append("some have no outcome after six hours")
                return self
            happen()
        return self

    def effects(self, operation: Operation) -> int:
        """How often it took effect."""
        return sum(one.number == operation.number for one in self.provider.taken)

    def _operation(self, number: int) -> Operation:
        sender = f"+155501000{self.random.randrange(3):02d}"
        recipient = f"+1555020{number:04d}"
        message = SendMessage(account="acme", sender=sender, to=recipient, text=f"message {number}")
        work = Work(message.kind, sender, recipient, message.payload())
        due_us = START_US + self.random.randrange(60 * SECOND_US)
        policy = self.random.choice(["reconcile", "reconcile", "hold", "resend"])
        return Operation(number, sender, recipient, policy, work, due_us=due_us)

    def _at(self, at_us: int, happen: Callable[[], None]) -> None:
        self._ordinal += 1
        heapq.heappush(self._events, (max(at_us, self.now_us), self._ordinal, happen))

    # -- the dispatcher ------------------------------------------------------------------------------------------------

    def _dispatch(self) -> None:
        """Grant what is due, one slot after the other, as long as slots are near."""
        while True:
            if self.now_us < self._quiet_until():
                return self._at(self._quiet_until(), self._dispatch)
            alone = self.probes or self.breaker.state == "open"
            if alone and self.in_flight:
                return None
            ready = self._ready()
            if not ready:
                return self._sleep()
            slot_us = self.bucket.peek(self.now_us + 20_000)
            if slot_us - self.now_us > LEAD_US:
                return self._at(slot_us - LEAD_US, self._dispatch)
            self.bucket.take(slot_us)
            self._grant(min(ready, key=lambda one: (one.due_us, one.number)), slot_us)

    def _quiet_until(self) -> int:
        return max(self.paused_until_us, self.breaker.paused_until_us if self.breaker.state == "open" else 0)

    def _ready(self) -> list[Operation]:
        """Those that may be granted now."""
        return [one for one in self._waiting() if self._free_us(one) <= self.now_us]

    def _waiting(self) -> list[Operation]:
        """Those that wait, of senders that are free; what is settled is looked at no more."""
        self._left = [one for one in self._left if one.state != "d"]
        busy = {one.sender for one in self._left if one.state in "gs"}
        return [one for one in self._left if one.state == "w" and one.sender not in busy]

    def _free_us(self, operation: Operation) -> int:
        return max(operation.due_us, self.senders_until.get(operation.sender, 0))

    def _sleep(self) -> None:
        """Until the next one is due; what is under way wakes the dispatcher when it ends."""
        soonest = min((self._free_us(one) for one in self._waiting()), default=0)
        if self.now_us < soonest:
            self._at(soonest, self._dispatch)

    def _grant(self, operation: Operation, slot_us: int) -> None:
        operation.token += 1
        operation.state = "g"
        token = operation.token
        self.in_flight[operation.number, token] = True
        self._at(slot_us + self._lateness_us(), lambda: self._leave(operation, token, slot_us))
        self._at(slot_us + GRANT_LEASE_US, lambda: self._given_back(operation, token))

    def _given_back(self, operation: Operation, token: int) -> None:
        """Nobody began it in time."""
        if operation.state == "g" and operation.token == token:
            self._wait(operation, 0.0)
            self._over(operation, token)

    # -- a worker ------------------------------------------------------------------------------------------------------

    def _lateness_us(self) -> int:
        """Mostly within half of J; sometimes a worker stands still, for longer than a lease even."""
        if self.random.random() < self.late:
            return self.random.choice([self.variation_us, SECOND_US, 2 * LEASE_US])
        return self.random.randrange(self.variation_us // 2)

    def _leave(self, operation: Operation, token: int, slot_us: int) -> None:
        """The worker is ready: it asks once more when it is late, and sends."""
        if operation.state == "g" and (operation.token == token or not self.rules.token):
            operation.state = "s"
            self._at(self.now_us + LEASE_US, lambda: self._swept(operation, token))
            if self.random.random() < self.late:  # it stands still between its question and the call
                stood_us = self.random.choice([SECOND_US, 2 * LEASE_US])
                return self._at(self.now_us + stood_us, lambda: self._call(operation, token, slot_us, stood_us))
        return self._call(operation, token, slot_us, 0)

    def _call(self, operation: Operation, token: int, slot_us: int, held_us: int) -> None:
        in_time = may_leave(
            lateness_s=(self.now_us - slot_us) / SECOND_US,
            tolerance_s=self.variation_us / 2 / SECOND_US,
            held_s=held_us / SECOND_US,
            slept_s=0.0,
            fence_s=FENCE_S,
        )
        if self.rules.fence and not in_time:
            if not self._is_ours(operation, token):
                return self._over(operation, token)
            later_us = self.bucket.move(slot_us, self.now_us)
            lateness_us = self.random.randrange(self.variation_us // 2)
            return self._at(later_us + lateness_us, lambda: self._call(operation, token, later_us, 0))
        operation.sent_us = operation.sent_us if operation.phase else slot_us
        if self.random.random() < self.lost / 2:
            return None  # the worker is gone before it has sent
        looks_up, phase = bool(operation.phase), operation.phase
        transit_us = self.random.randrange(self.variation_us // 2)
        return self._at(self.now_us + transit_us, lambda: self._arrive(operation, token, slot_us, looks_up, phase))

    def _is_ours(self, operation: Operation, token: int) -> bool:
        return operation.state == "s" and (operation.token == token or not self.rules.token)

    def _arrive(self, operation: Operation, token: int, slot_us: int, looks_up: bool, phase: str) -> None:
        text = f"message {operation.number}"
        message = None if looks_up else Message(operation.number, operation.sender, operation.recipient, text, 0)
        kind, latency_us = self.provider.arrive(self.now_us, message)
        answer = _ANSWERS[kind]
        if looks_up and kind == "accepted":
            recipient = None if phase == CANARY else operation.recipient
            answer = self.provider.history(self.now_us, operation.sender, recipient)
        if self.random.random() < self.lost:
            return  # the worker is gone before it could tell
        if kind == "late":
            latency_us = DEADLINE_US
        self._at(self.now_us + latency_us, lambda: self._answered(operation, token, slot_us, answer, phase))

    def _answered(self, operation: Operation, token: int, slot_us: int, answer: Answer, phase: str) -> None:
        health = health_of(answer.meaning)
        if health:
            self.breaker.note(self.now_us, good=health == "good")
        self.bucket.push(slot_us, self.now_us - slot_us)
        verdict = None
        if phase:
            longest = timedelta(microseconds=DEADLINE_US)
            verdict = found_out(operation.work, answer, operation.sent_us, self.now_us, self.random, phase, longest)
        window_s = self.plan.window_us / SECOND_US
        situation = Situation(operation.attempts, 8, self.throttled, window_s)
        self._settle(operation, token, verdict or decide(answer, situation, self.random))
        if answer.meaning is not Meaning.THROTTLED and self.now_us >= self.paused_until_us:
            self.probes, self.throttled = False, 0
        self._over(operation, token)

    # -- state ---------------------------------------------------------------------------------------------------------

    def _swept(self, operation: Operation, token: int) -> None:
        """A lease ran out: a look-up is made again, anything else is of unknown outcome."""
        if operation.state == "s" and operation.token == token:
            if operation.phase:
                operation.state, operation.due_us = "w", self.now_us
            else:
                self._unknown(operation)
        self._over(operation, token)

    def _over(self, operation: Operation, token: int) -> None:
        self.in_flight.pop((operation.number, token), None)
        self._at(self.now_us, self._dispatch)

    def _settle(self, operation: Operation, token: int, verdict: Verdict) -> None:
        if operation.token != token and self.rules.token:
            return
        if operation.state != "s":  # the lease ran out: only an outcome may still be told
            if verdict.verb == "finish" and operation.outcome in ("", "held") and operation.state in "wd":
                self._finish(operation, verdict.outcome)
            return
        match verdict.verb:
            case "finish":
                self._finish(operation, verdict.outcome)
            case "retry":
                operation.attempts += 1
                self._wait(operation, verdict.delay_s)
            case "wait":
                self._wait(operation, verdict.delay_s)
            case "unknown":
                self._unknown(operation)
            case "looked":
                self._looked(operation, verdict)
            case _:
                self._defer(operation, verdict)

    def _finish(self, operation: Operation, outcome: str) -> None:
        if operation.outcome not in ("", "held"):
            self.wrong.append(f"{operation.outcome} became {outcome}")
        operation.state, operation.outcome = "d", outcome

    def _wait(self, operation: Operation, delay_s: float) -> None:
        operation.state, operation.due_us = "w", self.now_us + int(delay_s * SECOND_US)

    def _defer(self, operation: Operation, verdict: Verdict) -> None:
        until_us = self.now_us + int(verdict.delay_s * SECOND_US)
        if verdict.scope == "account":
            self.throttled += self.paused_until_us <= self.now_us
            self.paused_until_us, self.probes = max(self.paused_until_us, until_us), True
        elif verdict.scope == "sender":
            self.senders_until[operation.sender] = until_us
        self._wait(operation, 0.0)

    def _unknown(self, operation: Operation) -> None:
        operation.unknowns += 1
        if operation.policy == "hold":
            self._finish(operation, "held")
        elif operation.policy == "reconcile":
            operation.phase = FIRST
            self._wait(operation, GRACE_US / SECOND_US if self.rules.grace else 0.0)
        elif operation.attempts + 1 >= 8:
            self._finish(operation, "dead")
        else:
            operation.attempts += 1
            self._wait(operation, 2.0)

    def _looked(self, operation: Operation, verdict: Verdict) -> None:
        grace_s = GRACE_US / SECOND_US if self.rules.grace else 0.0
        if verdict.uuids:
            self._finish(operation, "accepted")
        elif operation.phase == FIRST:
            operation.phase = CANARY if self.rules.grace else PROOF
            self._wait(operation, 2 * grace_s)
        elif verdict.outcome in ("fresh", "stale"):
            operation.looks += verdict.outcome == "stale"
            again = verdict.outcome == "stale" and operation.looks < STALE_LOOKS
            operation.phase = CANARY if again else PROOF if verdict.outcome == "fresh" else LAST
            self._wait(operation, 2 * grace_s * 2**operation.looks if again else 0.0)
        elif verdict.outcome == "held":
            self._finish(operation, "held")
        elif operation.attempts + 1 >= 8:
            self._finish(operation, "dead")
        else:
            operation.attempts, operation.phase = operation.attempts + 1, ""
            self._wait(operation, 0.0)
