"""The moves of test_books.py: what services, workers, the provider and operators may do, in any order."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from paceline.flows.steps import run
from paceline.operations import AddParticipants, CheckNumber, CreateGroup, DeleteMessage, Operation, SendMessage
from paceline.suppression.lists import EVERY_ACCOUNT, adding, removing
from paceline_worker.accounts.info import Info
from paceline_worker.review.dead import DeadLetters, Match
from paceline_worker.review.held import Held
from paceline_worker.state.values import Hint
from paceline_worker.verdict.policy import Verdict
from tests.properties.campaign_ledger import CampaignLedger
from tests.properties.ledger import ACCOUNTS, SENDERS, TARGETS, Call, Ledger, Sent
from tests.properties.places import ROOT
from tests.support.drive import (
    ABSENT,
    ABSENT_GROUP,
    ACCEPTED,
    BAD_KEY,
    DEAD,
    LEASE_US,
    LOOK_UP_FAILED,
    NEW_GROUP,
    NOT_MADE,
    OVERLOADED,
    REJECTED,
    SENDER_BUSY,
    THROTTLED,
    UNKNOWN,
    UNPAID,
    UNSENDABLE,
)

PEOPLE = [f"+1555030{i:04d}" for i in range(12)]
STEP = Verdict("step", code="200", words="answered", reason="step")
REFUSED_LOOK_UP = Verdict("finish", "held", code="400", words="the look-up was refused")
FOUND = Verdict("looked", code="200", words="not found", reason="lookup")
ANSWERS = (
    UNKNOWN, OVERLOADED, ACCEPTED, STEP, THROTTLED, SENDER_BUSY, UNKNOWN, NOT_MADE, NEW_GROUP, OVERLOADED, ACCEPTED, REJECTED,
    UNKNOWN, OVERLOADED, DEAD, UNSENDABLE, THROTTLED, ACCEPTED, UNPAID, BAD_KEY,
)  # fmt: skip
LOOK_UPS = (
    ABSENT, FOUND, THROTTLED, LOOK_UP_FAILED, ABSENT_GROUP, SENDER_BUSY, NOT_MADE, REFUSED_LOOK_UP, FOUND, ABSENT, BAD_KEY,
)  # fmt: skip
ILL = (OVERLOADED, UNKNOWN, DEAD, LOOK_UP_FAILED)
NOT_CALLED = (NOT_MADE, UNSENDABLE)

accounts, senders, targets = st.sampled_from(ACCOUNTS), st.sampled_from(SENDERS), st.sampled_from(TARGETS)
policies = st.sampled_from(["reconcile", "reconcile", "resend", "hold"])
priorities = st.sampled_from(["transactional", "bulk"])


def with_health(verdict: Verdict) -> Verdict:
    """As the worker says it: every call that was made speaks of the provider's health."""
    if verdict in NOT_CALLED:
        return verdict
    return verdict.of_health("bad" if verdict in ILL else "good")


class Sending(Ledger):
    """Services offer operations."""

    def offer(self, operation: Operation, *, at_once: bool = True) -> None:
        timed = operation.not_before is not None or operation.window is not None
        in_order = not timed and (at_once or operation.idempotency_key is None)
        if operation.idempotency_key is None:  # ids that are the same in every run
            operation = operation.model_copy(update={"idempotency_key": f"own-{self.offered}"})
        if in_order:
            self.drive.accept_all()  # keeps the order of acceptance equal to the order of enqueueing
        op = self.drive.submit(operation, accept=at_once)
        self.drive.advance(0.000001)
        self.offered += 1
        if op in self.sent:
            return
        account, sender, kind = operation.account, operation.sender, operation.kind
        self.sent[op] = Sent(op, account, sender, kind, operation.follows)
        if in_order:
            self.drive.accept_all()
            pair = (account, sender, operation.target or op, operation.priority)
            self.pair_of[op] = pair
            self.enqueued[pair].append(op)

    @rule(
        account=accounts,
        sender=senders,
        to=targets,
        priority=priorities,
        policy=policies,
        key=st.sampled_from([None, None, "k1", "k2"]),
        at_once=st.booleans(),
        exempt=st.sampled_from([None, None, "a code was asked for"]),
    )
    def send(
        self,
        account: str,
        sender: str,
        to: str,
        priority: Any,
        policy: Any,
        key: str | None,
        at_once: bool,
        exempt: str | None,
    ) -> None:
        message = SendMessage(
            account=account,
            sender=sender,
            to=to,
            text="Hello",
            priority=priority,
            on_unknown=policy,
            idempotency_key=key,
            max_attempts=4,
            exempt=exempt if priority == "transactional" else None,
        )
        self.offer(message, at_once=at_once)

    @rule(account=accounts, sender=senders, to=targets, later=st.sampled_from([1, 60]), valid=st.sampled_from([1, 20]))
    def schedule(self, account: str, sender: str, to: str, later: int, valid: int) -> None:
        """Not before a time, and valid for a short while only."""
        start = self.drive.now + timedelta(seconds=later)
        ends = start + timedelta(seconds=valid)
        self.offer(
            SendMessage(
                account=account, sender=sender, to=to, text="Hello", not_before=start, valid_until=ends, max_attempts=4
            )
        )

    @rule(account=accounts, sender=senders, size=st.sampled_from([2, 12]), policy=policies)
    def create_group(self, account: str, sender: str, size: int, policy: Any) -> None:
        self.offer(
            CreateGroup(
                account=account, sender=sender, name="G", participants=PEOPLE[:size], on_unknown=policy, max_attempts=4
            )
        )

    @rule(account=accounts, sender=senders, number=targets)
    def check_number(self, account: str, sender: str, number: str) -> None:
        self.offer(CheckNumber(account=account, sender=sender, number=number, max_attempts=4))

    @rule(data=st.data(), account=accounts, sender=senders, policy=policies, short=st.booleans())
    @precondition(lambda self: self.sent)
    def follow(self, data: st.DataObject, account: str, sender: str, policy: Any, short: bool) -> None:
        """Anything may follow anything: the other may be waiting, settled, held, another account's, or a follower itself."""
        other = data.draw(st.sampled_from(list(self.sent)))
        if data.draw(st.integers(0, 3)):
            account = self.sent[other].account
        valid = self.drive.now + timedelta(seconds=30) if short else None
        options: dict[str, Any] = {
            "account": account,
            "sender": sender,
            "on_unknown": policy,
            "valid_until": valid,
            "max_attempts": 4,
        }
        kind = data.draw(st.sampled_from(["message", "delete", "add"]))
        if kind == "message":
            self.offer(SendMessage(group=other, text="Hi", **options))
        elif kind == "delete":
            self.offer(DeleteMessage(message=other, **options))
        else:
            self.offer(AddParticipants(group=other, participants=PEOPLE[:2], **options))

    @rule()
    def accept(self) -> None:
        self.drive.accept_all()


class Delivering(CampaignLedger):
    """Workers get hints, lose them, double them, die, and answer late or twice."""

    @rule(seconds=st.sampled_from([0.01, 0.1, 1.0, 6.1, 30.0, 700.0]))
    def wait(self, seconds: float) -> None:
        self.drive.advance(seconds)

    @rule()
    def wait_until_due(self) -> None:
        due = self.drive.next_due_us()
        if due is not None and due > self.drive.now_us:
            self.drive.set_time(due)

    @rule(capacity=st.integers(0, 4))
    def grant(self, capacity: int) -> None:
        opened = self.open_breakers()
        grants = self.drive.grant(capacity=capacity)
        for hint in grants.hints:
            assert int(hint.token) > self.tokens[hint.id]
            self.tokens[hint.id] = int(hint.token)
            self.hints.append(hint)
            self.check_granted(hint)
            for scope in opened & {"", self.sent[hint.id].account}:
                self.probes[scope].add((hint.id, hint.token))
        self.turns += grants.infos
        self.note_what_leases_left()

    def note_what_leases_left(self) -> None:
        """Calls of workers that died are of unknown outcome, if the operation is to be looked up."""
        for call in self.calls.values():
            fields = self.drive.operation(call.hint.id)
            if not call.phase and not call.heard and fields.get("ph") == "l1" and fields["n"] == call.hint.token:
                self.uncertain[call.hint.id] = call.hint.token

    @rule(data=st.data())
    @precondition(lambda self: self.hints)
    def begin(self, data: st.DataObject) -> None:
        """A hint arrives, perhaps late, perhaps for the second time."""
        hint = data.draw(st.sampled_from(self.hints[-12:]))
        if data.draw(st.integers(0, 3)):
            self.drive.set_time(max(self.drive.now_us, hint.slot_us - 30_000))
        owner = data.draw(st.sampled_from(["w1", "w2"]))
        notice_us = data.draw(st.sampled_from([0, 0, 30_000, 1_500_000]))
        self.note_begun(hint, self.drive.begin([hint], owner=owner, notice_us=notice_us)[0], owner)

    def note_begun(self, hint: Hint, reply: dict[str, Any], owner: str, questions: int = 1) -> None:
        call = self.calls.get((hint.id, hint.token))
        if reply["s"] != "go":
            return
        if call and call.questions >= questions:
            assert (owner, str(call.slot_us)) == (call.owner, reply["slot"]), (
                "a question asked again has the same answer"
            )
            return
        phase = reply.get("phase") or ""
        self.check_begun(hint, phase)
        assert phase or not self.is_suppressed(hint.id), "begun although its recipient is on a list"
        self.check_granted(hint, int(reply["slot"]))
        assert phase or hint.id not in self.uncertain, "made again before anybody looked"
        slot_us = int(reply["slot"])
        self.calls[hint.id, hint.token] = Call(hint, phase, "result" not in reply, slot_us, owner, questions)
        if hint.id in self.pair_of:
            seen = self.first_begin[self.pair_of[hint.id]]
            if hint.id not in seen:
                seen.append(hint.id)

    def is_suppressed(self, op: str) -> bool:
        fields = self.operation_fields(op)
        lists = self.suppressed[self.sent[op].account] | self.suppressed[EVERY_ACCOUNT]
        return fields["to"] in lists and "ex" not in fields and self.sent[op].kind != "number.check"

    @rule(data=st.data(), late=st.sampled_from([0.0, 0.06, 1.0]), notice_us=st.sampled_from([0, 30_000]))
    @precondition(lambda self: any(call.verdict is None for call in self.calls.values()))
    def ask_again(self, data: st.DataObject, late: float, notice_us: int) -> None:
        """A worker finds itself late after begin: it has not sent, and asks once more. Its earlier questions arrive again, too."""
        call = data.draw(st.sampled_from([call for call in self.calls.values() if call.verdict is None]))
        self.drive.set_time(max(self.drive.now_us, call.slot_us + round(late * 1e6)))
        questions = call.questions + 1
        reply = self.drive.begin([call.hint], owner=call.owner, question=questions, notice_us=notice_us)[0]
        before = self.operation_fields(call.hint.id)
        for question in range(1, questions):
            self.drive.begin([call.hint], owner=call.owner, question=question, notice_us=notice_us)
        if reply["s"] == "go":
            assert before == self.operation_fields(call.hint.id)
            self.note_begun(call.hint, reply, call.owner, questions)
        else:
            self.calls.pop((call.hint.id, call.hint.token))

    def operation_fields(self, op: str) -> dict[str, str]:
        fields: Any = self.client.hgetall(f"{ROOT}:o:{op}")
        return {str(name): str(value) for name, value in fields.items()}

    @rule(data=st.data())
    @precondition(lambda self: self.hints)
    def give_back(self, data: st.DataObject) -> None:
        """The worker stops before it begins; perhaps another one has begun."""
        self.drive.worker.give_back([data.draw(st.sampled_from(self.hints[-12:]))], "the worker stops")

    @rule(data=st.data(), slow=st.booleans())
    @precondition(lambda self: self.calls)
    def settle(self, data: st.DataObject, slow: bool) -> None:
        """An answer comes, perhaps late; it is delivered twice, and perhaps once more after other things happened."""
        self.answer(data, data.draw(st.sampled_from(list(self.calls.values())[-12:])), slow=slow)

    @rule(data=st.data(), turns=st.integers(3, 12))
    def work(self, data: st.DataObject, turns: int) -> None:
        """A worker without faults: what is due next is granted, begun at its slot and answered."""
        for name in ACCOUNTS:
            if "suspended" in self.account_fields(name):
                self.accounts.resume(name)
                self.probes.pop(name, None)
        for _ in range(turns):
            self.grant(capacity=1000)
            if self.hints and (self.hints[-1].id, self.hints[-1].token) not in self.calls:
                hint = self.hints[-1]
                self.drive.set_time(max(self.drive.now_us, hint.slot_us - 30_000))
                self.note_begun(hint, self.drive.begin([hint], owner="w1")[0], "w1")
                call = self.calls.get((hint.id, hint.token))
                if call:
                    self.answer(data, call, slow=False)
            else:
                self.wait_until_due()

    def answer(self, data: st.DataObject, call: Call, *, slow: bool) -> None:
        if call.verdict is None:
            call.verdict = data.draw(st.sampled_from(LOOK_UPS if call.phase else ANSWERS))
        verdict = with_health(self.filled(data, call, call.verdict))
        reply = self.drive.settle(call.hint, verdict, elapsed_us=3_000_000 if slow else 1)
        assert not call.heard or reply == "stale", (verdict, reply)
        if reply != "stale":
            call.heard = True
            self.note_settled(call, verdict, reply)
        assert "stale" == self.drive.settle(call.hint, verdict), verdict
        self.note_what_leases_left()

    def filled(self, data: st.DataObject, call: Call, verdict: Verdict) -> Verdict:
        """The verdict with handles and results that fit the operation."""
        is_group = self.sent[call.hint.id].kind == "group.create"
        fresh = self.new_uuid("WAG" if is_group else "MSG")
        if verdict is ACCEPTED:
            return replace(verdict, uuid=fresh)
        if verdict is STEP:
            return replace(verdict, result=json.dumps({"calls": 1} | ({"group_uuid": fresh} if is_group else {})))
        if verdict is FOUND:
            uuid = data.draw(st.sampled_from([fresh, *self.uuids]))
            if not is_group:
                return replace(verdict, uuids=(uuid,))
            result = json.dumps({"calls": 1, "group_uuid": uuid})
            more = data.draw(st.sampled_from(["", "1"]))
            return replace(verdict, outcome="held", uuids=(uuid,), results=(result,), more=more)
        return verdict

    def note_settled(self, call: Call, verdict: Verdict, reply: str) -> None:
        op = call.hint.id
        found = [verdict.uuid, *verdict.uuids, json.loads(verdict.result or "{}").get("group_uuid", "")]
        if verdict.verb == "looked" and verdict.uuids and reply in {"accepted", "step"}:
            assert self.uuids.get(verdict.uuids[0], op) == op, "took a message of another operation"
        if reply in {"accepted", "step"}:
            self.uuids |= {uuid: op for uuid in found if uuid}
        if reply == "lookup":
            self.uncertain.setdefault(op, call.hint.token)
        elif not call.phase or reply in {"accepted", "step", "retry", "held", "dead"}:
            self.uncertain.pop(op, None)

    def healthy_turn(self) -> None:
        """One turn of a fleet without faults: everything that is granted is answered well."""
        grants = self.drive.grant()
        for turn in grants.infos:
            self.drive.learn(Info(per_minute=600, checks_left=1000), turn.account)
        for hint in grants.hints:
            self.tokens[hint.id] = int(hint.token)
            self.hints.append(hint)
            self.check_granted(hint)
            self.drive.set_time(max(self.drive.now_us, hint.slot_us - 30_000))
            reply = self.drive.begin([hint], owner="last")[0]
            self.note_begun(hint, reply, "last")
            if reply["s"] == "go":
                uuid = f"MSG-{hint.id}-{hint.token}"
                verdict = replace(FOUND, uuids=(uuid,)) if reply.get("phase") else replace(ACCEPTED, uuid=uuid)
                if reply.get("phase") and reply["kind"] == "group.create":
                    verdict = replace(verdict, outcome="held", results=(json.dumps({"group_uuid": uuid}),))
                call = self.calls[hint.id, hint.token]
                call.verdict, call.heard = verdict, True
                self.note_settled(call, verdict, self.drive.settle(hint, verdict.of_health("good")))

    @rule(turns=st.integers(10, 25))
    def work_well(self, turns: int) -> None:
        """Nothing goes wrong for a while, so that things come to their end."""
        for _ in range(turns):
            self.healthy_turn()
            self.wait_until_due()

    @rule()
    def all_workers_die(self) -> None:
        """Leases run out: granted goes back, begun is unknown."""
        self.drive.advance(LEASE_US / 1e6 + 6)
        self.grant(capacity=0)


class Operating(Ledger):
    """Operators and the provider's figures."""

    @rule(account=accounts, suspended=st.booleans())
    def switch(self, account: str, suspended: bool) -> None:
        if suspended:
            self.accounts.suspend(account)
        else:
            self.accounts.resume(account)
            self.probes.pop(account, None)

    @rule(account=accounts, cap=st.sampled_from(["", "1/hour", "3/day"]), remember=st.sampled_from(["", "2h"]))
    def change_the_recipient_cap(self, account: str, cap: str, remember: str) -> None:
        """How many bulk messages one recipient gets; what was counted before stays counted while it is remembered."""
        self.accounts.change(account, recipient_cap=cap, remember=remember)

    @rule(name=st.sampled_from([*ACCOUNTS, EVERY_ACCOUNT]), to=targets, gone=st.booleans())
    def change_a_list(self, name: str, to: str, gone: bool) -> None:
        """Somebody does not want to be written to, or does so again."""
        if gone:
            run(removing(name, [to]), self.drive.state)
            self.suppressed[name].discard(to)
        else:
            run(adding(name, [to], "by hand"), self.drive.state)
            self.suppressed[name].add(to)

    @rule(account=accounts, drop=st.booleans())
    def decide_about_a_held_one(self, account: str, drop: bool) -> None:
        """A person says what nobody could find out."""
        held = Held(self.client, retention=timedelta(hours=1))
        for one in held.list(account, limit=1).operations:
            if drop:
                held.drop(one.id)
            else:
                held.release(one.id)

    @rule(account=accounts)
    def replay_a_dead_letter(self, account: str) -> None:
        """What was rejected, or ran out of attempts, waits again; also one of a campaign that was complete."""
        dead = DeadLetters(self.client, retention=timedelta(hours=1))
        list(dead.replay([letter.id for letter in dead.list(Match(account), limit=2).letters]))

    @rule(
        data=st.data(),
        answer=st.sampled_from(["figures", "figures", "throttled", "late", "none"]),
        per_minute=st.sampled_from([None, 5, 30, 600]),
        checks=st.sampled_from([None, 0, 2]),
    )
    @precondition(lambda self: self.turns)
    def answer_info(self, data: st.DataObject, answer: str, per_minute: int | None, checks: int | None) -> None:
        """The account's figures come, say less or more than before, or do not come."""
        turn = self.turns.pop(data.draw(st.integers(0, len(self.turns) - 1)))
        if answer == "figures":
            self.drive.learn(Info(per_minute=per_minute, checks_left=checks), turn.account)
        elif answer == "throttled":
            self.drive.info_throttled(60.0, turn.account)
        elif answer == "late":
            self.drive.info_later(turn.account)
