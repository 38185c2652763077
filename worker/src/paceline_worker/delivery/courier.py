"""One operation on its way: begun just before its slot, called at its slot, settled after the answer."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from random import Random
from typing import Any, Final, TypeVar

import structlog
from redis.exceptions import RedisError

from paceline.errors import PacelineError
from paceline_worker.delivery.batcher import Batcher
from paceline_worker.delivery.begun import Begun, read_begun
from paceline_worker.delivery.keys import Keys
from paceline_worker.delivery.lateness import Way
from paceline_worker.delivery.sleepers import Sleepers
from paceline_worker.delivery.traces import Delivery, Traces
from paceline_worker.integrity.payloads import Unreadable
from paceline_worker.integrity.tampering import WORDS, Tampering
from paceline_worker.provider.client import Provider
from paceline_worker.state.clock import ServerClock
from paceline_worker.state.delivery import DeliveryState
from paceline_worker.state.outage import Outage
from paceline_worker.state.sleep import asleep_s, may_leave
from paceline_worker.state.values import LARGEST_BATCH, LEASE_MARGIN_S, Answered, Hint
from paceline_worker.telemetry.metrics import Metrics
from paceline_worker.telemetry.outcome_log import OutcomeLog
from paceline_worker.verdict.policy import Verdict, not_begun, not_made

log = structlog.get_logger(__name__)
_Q = TypeVar("_Q")
_A = TypeVar("_A")

# Behind a long way one call at a time would bound the throughput.
_MOST_CALLS: Final = 8
# A call of a script costs the state server as much as several operations in it, so those that can wait are asked together.
_CALL_GAP_S: Final = 0.005
_PATIENT_GAP_S: Final = 0.02
# A call that begins so long after its question still ends within its lease.
_FENCE_S: Final = LEASE_MARGIN_S - 1.0
_STATE_RETRY_S: Final = (0.05, 0.1, 0.2, 0.5, 1.0)


class Courier:
    """Takes each operation from its hint to its outcome. Lives on the engine's event loop.

    Args:
        state: begins and settles.
        provider: makes the call.
        keys: API keys of accounts.
        tampering: judges what is to be sent.
        clock: server time on the monotonic clock.
        metrics: counters.
        traces: spans.
        way: told how long each part of the way to a call takes.
        sleepers: sleeps until a slot.
        spawn: lets work go on beside the operation.
        on_due: told when something may be due (server us), after each settle.
        random: for jitter.
        outage: told when the state server does not answer.
    """

    def __init__(
        self,
        *,
        state: DeliveryState,
        provider: Provider,
        keys: Keys,
        tampering: Tampering,
        clock: ServerClock,
        metrics: Metrics,
        traces: Traces,
        way: Way,
        sleepers: Sleepers,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        on_due: Callable[[int | None], None],
        random: Random,
        outage: Outage,
    ) -> None:
        self._state = state
        self._provider = provider
        self._keys = keys
        self._tampering = tampering
        self._clock = clock
        self._metrics = metrics
        self._outcomes = OutcomeLog()
        self._traces = traces
        self._way = way
        self._sleepers = sleepers
        self._spawn = spawn
        self._on_due = on_due
        self._random = random
        self._outage = outage
        self._latest: Answered | None = None
        self._begins = _batcher(self._begin_all)
        self._settles = _batcher(self._settle_all)

    async def deliver(self, hint: Hint) -> None:
        """Bring one granted operation to its verdict.

        Args:
            hint: the grant.
        """
        asked = await self._ask_until_final(hint, hint.slot_us)
        if asked is None:
            return

        reply, questions = asked
        if why := self._tampering.objection(hint.id, reply.answer):
            await self._refuse(hint, reply.answer, why)
            return
        if seal := self._tampering.campaign_to_seal(reply.answer):
            self._spawn(self._seal_campaign(reply.answer["campaign"], seal))

        payloads = self._tampering.seals.payloads
        try:
            clear = payloads.opened(hint.id, reply.answer)
            if reply.answer.get("listed") and await self._ended_as_suppressed(hint, clear):
                return
            begun = read_begun(clear)
        except Unreadable:
            await self._refuse(hint, reply.answer, "content")
            return
        except (PacelineError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            words = f"the stored operation cannot be sent: {type(error).__name__}: {error}"
            broken = Verdict("finish", "rejected", code="unsendable", words=words)
            await self._settle(hint, broken, 0, reply.answer["account"], reply.answer["kind"])
            return

        with self._traces.delivery(hint.id, begun, reply.asked_s) as delivery:
            verdict, elapsed_us = await self._attempt(hint, begun, reply, questions, delivery)
            if verdict is None:
                return
            if clear is not reply.answer:
                verdict = verdict.closed(lambda result: payloads.closed_result(hint.id, result))
            done = await self._settle(hint, verdict, elapsed_us, begun.account, begun.kind, patient=not begun.hurried)
            delivery.settled(done, verdict.reason)

    async def _refuse(self, hint: Hint, answer: dict[str, Any], why: str) -> None:
        """What is stored is not what a worker accepted: it is not sent, and says so."""
        self._metrics.tampered(why)
        log.error("the stored operation is not what a worker accepted; it is not sent", operation=hint.id, reason=why)
        refused = Verdict("finish", "rejected", code="tampered", words=f"not what a worker accepted ({WORDS[why]})")
        await self._settle(hint, refused, 0, answer["account"], answer["kind"])

    async def _ended_as_suppressed(self, hint: Hint, clear: dict[str, Any]) -> bool:
        """Ask the suppression lists for a recipient that state has encrypted, and end its operation if one has it."""
        words: str = await self._insist(lambda: self._state.barred(clear["account"], clear["to"]))
        if not words:
            return False
        suppressed = Verdict("finish", "suppressed", code="listed", words=words)
        await self._settle(hint, suppressed, 0, clear["account"], clear["kind"])
        return True

    async def _seal_campaign(self, name: str, seal: str) -> None:
        try:
            await self._state.seal_campaign(name, seal)
        except (RedisError, OSError) as error:  # the next operation of it brings another chance
            self._outage.began(error)

    async def _ask_until_final(
        self, hint: Hint, slot_us: int, *, questions: int = 0, begun: bool = False
    ) -> tuple[Answered, int] | None:
        """Begin the operation just before its slot, or just before its new slot; None when it is not ours to send.

        Args:
            hint: the grant.
            slot_us: its slot; a passed slot asks at once.
            questions: how many were asked before.
            begun: whether the last answer let it leave.
        """
        while True:
            stops: tuple[str, str] | None = None
            ask_at_s = self._clock.monotonic_s(slot_us) - self._way.ahead_s - _PATIENT_GAP_S
            patient = time.monotonic() <= ask_at_s
            if await self._sleepers.stopped_before(ask_at_s):
                stops = "the worker stops", "shutdown"
            elif self._provider.way_out and not self._provider.way_out.is_open:
                stops = "this worker cannot reach the provider", "not_sent"
            if stops:
                await self._settle(hint, not_made(*stops) if begun else not_begun(*stops), 0)
                return None

            questions += 1
            reply = await self._ask((hint.id, hint.token, questions), patient=patient)
            answer = reply.answer
            if answer.get("moved"):
                self._metrics.moved()

            if reply.is_void and answer["s"] != "no":
                slot_us, begun = 0, answer["s"] == "go"
                continue
            if answer["s"] == "go":
                if questions == 1:
                    self._way.ready(time.monotonic() - self._clock.monotonic_s(hint.slot_us))
                return reply, questions
            if answer["s"] == "no":
                if answer.get("account"):
                    self._metrics.deferred(answer["account"], answer["why"])
                log.debug("not begun", operation=hint.id, reason=answer["why"])
                return None
            slot_us, begun = int(answer["slot"]), False

    async def _ask(self, question: tuple[str, str, int], *, patient: bool) -> Answered:
        asked_s = time.monotonic()
        reply: Answered = await self._insist(lambda: self._begins.ask(question, patient=patient))
        if reply is self._latest:  # one sample for each batch, of the operation that comes last
            now_s = time.monotonic()
            # The server read its clock between the question and the answer.
            read_s = min(max(self._clock.monotonic_s(reply.server_us), reply.asked_s), reply.heard_s)
            self._way.asked(now_s - asked_s, now_s - read_s)
        return reply

    async def _attempt(
        self, hint: Hint, begun: Begun, reply: Answered, questions: int, delivery: Delivery
    ) -> tuple[Verdict | None, int]:
        """One call at its slot, or the reason why it was not made; with the time from slot to answer in us."""
        try:
            key, version = await self._keys.get(begun.account, begun.key_version)
        except PacelineError as error:
            self._metrics.tampered("key")
            unusable = Verdict("defer", scope="suspend", words=f"bad_key: {error}", reason="bad_key")
            return unusable.of_key(begun.key_version), 0
        except (RedisError, OSError):
            return not_made("the state server cannot be reached", "state"), 0

        while True:
            slot_s = self._slot_s(begun.slot_us, reply)
            if await self._sleepers.stopped_before(slot_s):
                return not_made("the worker stops", "shutdown"), 0

            now_s = time.monotonic()
            lateness_s = now_s - slot_s
            if may_leave(
                lateness_s=lateness_s,
                tolerance_s=begun.tolerance_us / 1e6,
                held_s=now_s - reply.asked_s,
                slept_s=asleep_s() - reply.asleep_s,
                fence_s=_FENCE_S,
            ):
                break

            # Late, so it asks once more: the operation moves to another slot, unless it is another worker's by now. That fences a
            # worker that was stopped, or whose machine slept, and woke up after its lease, too.
            asked = await self._ask_until_final(hint, 0, questions=questions, begun=True)
            if asked is None:
                return None, 0
            reply, questions = asked
            begun = replace(begun, slot_us=int(reply.answer["slot"]), moved=True)

        waited_s = None if begun.looks_up else (begun.slot_us - begun.accepted_us) / 1e6
        self._metrics.sent(begun.priority, lateness_s, waited_s)

        sent_s = time.monotonic()
        # It ends within the lease that the answer gave, however long this process stands still from here on.
        until_s = reply.asked_s + reply.asleep_s + _FENCE_S + self._provider.deadline.total_seconds()
        answer = await self._provider.call(begun.request, key, until_s=until_s)
        answered_s = time.monotonic()

        delivery.called(begun.request, answer, sent_s, answered_s)
        self._metrics.answered(begun.account, begun.request.endpoint, answer.code, answered_s - sent_s)
        verdict = begun.verdict(answer, self._clock.server_us(answered_s), self._random, self._provider.deadline)
        return verdict.of_key(version), max(1, int((answered_s - slot_s) * 1e6))

    def _slot_s(self, slot_us: int, reply: Answered) -> float:
        """The monotonic time of a slot. The answer that told it bounds it, whatever happened to the server's clock since."""
        ahead_s = (slot_us - reply.server_us) / 1e6
        return min(max(self._clock.monotonic_s(slot_us), reply.asked_s + ahead_s), reply.heard_s + ahead_s)

    async def _begin_all(self, questions: Sequence[tuple[str, str, int]]) -> list[Answered]:
        answers = await self._state.begin(questions, self._way.notice_us)
        self._latest = answers[-1]
        return answers

    async def _settle(
        self, hint: Hint, verdict: Verdict, elapsed_us: int, account: str = "", kind: str = "", *, patient: bool = False
    ) -> str:
        wire = verdict.wire(hint.id, hint.token, elapsed_us)
        done: str = await self._insist(lambda: self._settles.ask(wire, patient=patient))
        if done == "malformed":
            log.error("the verdict could not be read; its lease will settle it", operation=hint.id, code=verdict.code)
        elif done == "stale":
            log.warning(
                "another grant owns the operation; this answer came too late", operation=hint.id, code=verdict.code
            )
        elif account:
            self._metrics.settled_as(account, kind, done, verdict.reason)
            self._outcomes.settled(hint.id, account, done, verdict.code)

        if verdict.scope == "suspend" and done == "deferred":
            # Not the provider's words: they may quote what we sent, and stand in state for those who may read them.
            log.error("account suspended", account=account, reason=verdict.reason, code=verdict.code)
        elif verdict.scope == "account" and done == "deferred":
            log.warning("provider throttles the account", account=account, pause_s=round(verdict.delay_s, 1))
        return done

    async def _settle_all(self, verdicts: Sequence[dict[str, Any]]) -> list[str]:
        done, due_us = await self._state.settle(verdicts)
        self._on_due(due_us)
        return done

    async def _insist(self, ask: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Ask the state server until it answers. begin and settle are replayable, so a lost reply is asked for again."""
        attempt = 0
        while True:
            try:
                answer = await ask()
            except (RedisError, OSError) as error:
                pause = _STATE_RETRY_S[min(attempt, len(_STATE_RETRY_S) - 1)]
                self._outage.began(error)
                attempt += 1
                await asyncio.sleep(pause)
            else:
                if attempt:
                    self._outage.ended()
                return answer


def _batcher(ask_all: Callable[[Sequence[_Q]], Coroutine[Any, Any, Sequence[_A]]]) -> Batcher[_Q, _A]:
    return Batcher(
        ask_all, largest=LARGEST_BATCH, most_calls=_MOST_CALLS, gap_s=_CALL_GAP_S, patient_gap_s=_PATIENT_GAP_S
    )
