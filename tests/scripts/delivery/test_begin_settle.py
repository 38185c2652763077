"""begin.lua and settle.lua on a moved clock: fencing, replays, pauses, outcomes."""

from dataclasses import replace
from typing import Any

import pytest

from paceline.names import STATE_ROOT
from paceline_worker.accounts.accounts import Accounts
from paceline_worker.verdict.policy import Verdict
from tests.conftest import add_account
from tests.support.drive import (
    ACCEPTED,
    BAD_KEY,
    LEASE_US,
    NOT_MADE,
    OVERLOADED,
    REJECTED,
    THROTTLED,
    UNKNOWN,
    Drive,
)


def test_begin_hands_out_the_payload_once(drive: Drive) -> None:
    """Two workers with the same hint: the first sends, the second is told the grant is stale."""
    drive.send(text="Hello")
    hint = drive.grant_next()
    assert ("go", '{"text":"Hello"}') == tuple(drive.begin_at_slot(hint, "worker-1")[k] for k in ("s", "payload"))
    assert {"s": "no", "why": "stale"} == drive.begin([hint], "worker-2")[0]


def test_begin_may_be_replayed_by_its_owner(drive: Drive) -> None:
    """A lost reply is asked for again and says the same."""
    drive.send()
    hint = drive.grant_next()
    assert drive.begin_at_slot(hint) == drive.begin([hint])[0]


def test_an_older_grant_cannot_begin(drive: Drive) -> None:
    """After the lease went back and a new grant was made, the old token is stale."""
    drive.send()
    old = drive.grant_next()
    drive.set_time(old.slot_us + 5_000_001)
    drive.grant()
    new = drive.grant_next()
    assert "stale" == drive.begin_at_slot(old)["why"]
    assert "go" == drive.begin_at_slot(new)["s"]


def test_begin_moves_what_is_late_for_its_slot(drive: Drive) -> None:
    """Later than half of J after the slot: the same worker sends it, at another slot and without an attempt."""
    op = drive.send()
    hint = drive.grant_next()
    drive.set_time(hint.slot_us + 50_001)
    answer = drive.begin([hint])[0]
    assert ("go", str(drive.now_us), "1") == (answer["s"], answer["slot"], answer["moved"])
    assert ("s", "0") == (drive.operation(op)["s"], drive.operation(op).get("at", "0"))


def test_settle_may_be_replayed(drive: Drive) -> None:
    """The second time the same verdict changes nothing."""
    drive.send()
    hint = drive.grant_next()
    drive.begin_at_slot(hint)
    assert ["accepted", "stale"] == [drive.settle(hint, ACCEPTED), drive.settle(hint, ACCEPTED)]
    assert (1, 0) == (drive.balance().outcomes["accepted"], drive.balance().unaccounted)


def test_a_lease_that_ends_after_begin_is_unknown_and_held(drive: Drive) -> None:
    """The worker died in the middle of the call: never sent again by itself, visible as held."""
    op = drive.send(on_unknown="hold")
    hint = drive.grant_next()
    drive.begin_at_slot(hint)
    drive.advance(LEASE_US / 1e6 + 0.001)
    assert [("acme", "message.to_number", "held", 1)] == list(drive.grant().settled)
    assert ("d", "held") == (drive.operation(op)["s"], drive.operation(op)["oc"])


def test_the_late_answer_of_a_held_operation_settles_it(drive: Drive) -> None:
    """A worker that was only slow knows better than its lease: held becomes accepted, counted once."""
    op = drive.send(on_unknown="hold")
    hint = drive.grant_next()
    drive.begin_at_slot(hint)
    drive.advance(LEASE_US / 1e6 + 0.001)
    drive.grant()
    assert "accepted" == drive.settle(hint, ACCEPTED)
    assert "accepted" == drive.operation(op)["oc"]
    books = drive.balance()
    assert (1, 0, 0) == (books.outcomes["accepted"], books.outcomes["held"], books.unaccounted)


@pytest.mark.parametrize(
    ("policy", "expected"), [("hold", "held"), ("reconcile", "lookup"), ("resend", "retry")], ids=str
)
def test_unknown_follows_the_operations_policy(drive: Drive, policy: str, expected: str) -> None:
    """resend tries again, hold keeps it, reconcile looks it up."""
    drive.send(on_unknown=policy)
    hint = drive.grant_next()
    drive.begin_at_slot(hint)
    assert expected == drive.settle(hint, UNKNOWN)


def test_resend_ends_when_the_attempts_are_used_up(drive: Drive) -> None:
    """An operation whose calls always end unknown (or that kills its workers) is dead, and the lane goes on."""
    poison = drive.send(on_unknown="resend", max_attempts=3)
    after = drive.send(to="+15550100003")
    assert [poison, poison, poison, after] == [drive.deliver(v) for v in (UNKNOWN, UNKNOWN, UNKNOWN, ACCEPTED)]
    assert "dead" == drive.operation(poison)["oc"]


def test_429_silences_the_whole_account_then_sends_one_probe(drive: Drive) -> None:
    """After the pause exactly one call goes out; the rest waits for its answer."""
    ids = [drive.send(sender=f"+1555010000{i}") for i in range(3)]
    assert ids[0] == drive.deliver(THROTTLED)
    pause_ends = drive.now_us + 60_000_000
    probe = drive.grant_next()
    assert probe.slot_us >= pause_ends
    drive.begin_at_slot(probe)
    drive.set_time(probe.slot_us + 10_000_000)
    assert [] == drive.grant().hints
    drive.settle(probe, ACCEPTED)
    drive.advance(10)
    assert 1 == len(drive.grant().hints)


def test_429s_of_calls_in_flight_are_one_incident(drive: Drive) -> None:
    """The pause doubles per incident, not per call that was under way."""
    first, second = drive.send(sender="+15550100001"), drive.send(sender="+15550100002")
    hints = [drive.grant_next()]
    drive.begin_at_slot(hints[0])
    hints.append(drive.grant_next())
    drive.begin_at_slot(hints[1])
    assert {first, second} == {hint.id for hint in hints}
    for hint in hints:
        assert "deferred" == drive.settle(hint, THROTTLED)
    assert "1" == drive.client.hget("paceline:{0}:a:acme", "throttled")


def test_begin_honours_a_pause_that_came_after_the_grant(drive: Drive) -> None:
    """What was granted ahead of a 429 goes back to its lane."""
    drive.send(sender="+15550100001")
    drive.send(sender="+15550100002")
    first = drive.grant_next()
    drive.begin_at_slot(first)
    drive.set_time(first.slot_us + 6_000_000)
    second = drive.grant_next()
    drive.settle(first, THROTTLED)
    assert "paused" == drive.begin_at_slot(second)["why"]


def test_401_suspends_the_account_and_keeps_its_backlog(drive: Drive) -> None:
    """Nothing is granted until a person resumes; then everything leaves, the refused one first."""
    first, second = drive.send(), drive.send()
    assert first == drive.deliver(BAD_KEY)
    drive.advance(3600)
    assert [] == drive.grant().hints
    assert drive.due_us() is None
    Accounts(drive.client).resume("acme")
    assert [first, second] == [drive.deliver(ACCEPTED), drive.deliver(ACCEPTED)]


def test_begin_honours_a_suspension_that_came_after_the_grant(drive: Drive) -> None:
    """A suspension by hand stops what has not begun."""
    op = drive.send()
    hint = drive.grant_next()
    Accounts(drive.client).suspend("acme")
    assert "suspended" == drive.begin_at_slot(hint)["why"]
    assert "w" == drive.operation(op)["s"]


def test_a_retry_waits_for_its_delay_and_counts_an_attempt(drive: Drive) -> None:
    """503: the operation is due again after its back-off, and not before."""
    op = drive.send()
    drive.deliver(replace(OVERLOADED, delay_s=40.0))
    settled = drive.now_us
    assert "1" == drive.operation(op)["at"]
    hint = drive.grant_next()
    assert hint.slot_us >= settled + 40_000_000


@pytest.mark.parametrize(
    "verdict", [ACCEPTED, REJECTED, Verdict("finish", "dead", code="503")], ids=lambda v: v.outcome
)
def test_an_outcome_is_written_to_the_stream_and_expires(drive: Drive, verdict: Verdict) -> None:
    """One stream entry per outcome; the operation is deleted after the retention time."""
    op = drive.deliver_sent(verdict)
    entries: Any = drive.client.xrange("paceline:{0}:outcomes")
    assert [(op, verdict.outcome, verdict.code)] == [(e["id"], e["outcome"], e["code"]) for _, e in entries]
    assert 0 < drive.client.pttl(f"paceline:{{0}}:o:{op}") <= 3_600_000


def test_held_operations_do_not_expire(drive: Drive) -> None:
    """An operation that waits for a person waits for ever."""
    op = drive.send(on_unknown="hold")
    drive.deliver(UNKNOWN)
    assert -1 == drive.client.pttl(f"paceline:{{0}}:o:{op}")


def test_order_is_kept_when_a_held_operation_was_in_back_off(drive: Drive) -> None:
    """What waited behind it to the same recipient goes on once it has its outcome."""
    first, second = drive.send(on_unknown="hold"), drive.send()
    assert [first, first, second] == [drive.deliver(v) for v in (OVERLOADED, UNKNOWN, ACCEPTED)]


def test_a_record_no_worker_can_read_is_refused_with_a_reason(drive: Drive) -> None:
    """Another version, or garbage: refused, counted, never retried; the books still balance."""
    for rid, body in [("r1", "not json"), ("r2", '{"v":99}'), ("r3", '{"v":1,"sender":"+1","rows":[{"to":"x"}]}')]:
        drive.state.submit(rid, "acme", "+15550100001", 1, body)
    drive.accept_all()
    reasons = [drive.state.record(rid, "none").refused for rid in ("r1", "r2", "r3")]
    assert ["the record is not of a version this worker reads"] * 2 + ["the record is incomplete"] == reasons
    assert (3, 0) == (drive.balance().refused, drive.balance().unaccounted)


def test_the_same_idempotency_key_is_one_operation(drive: Drive) -> None:
    """Sent three times, once also after it was delivered: one operation, two duplicates."""
    first = drive.send(idempotency_key="order-7")
    assert first == drive.send(idempotency_key="order-7")
    assert first == drive.deliver(ACCEPTED)
    assert first == drive.send(idempotency_key="order-7")
    books = drive.balance()
    assert (3, 2, 1, 0) == (books.received, books.refused, books.outcomes["accepted"], books.unaccounted)


def test_a_missed_probe_is_followed_by_another_probe(drive: Drive) -> None:
    """A probe that was not sent says nothing about the limit."""
    drive.send(sender="+15550100001")
    drive.send(sender="+15550100002")
    drive.deliver(THROTTLED)
    drive.deliver(NOT_MADE)
    drive.grant_next()
    drive.advance(4)
    assert [] == drive.grant().hints


def test_a_question_that_is_asked_again_after_its_account_was_removed_is_stale(drive: Drive) -> None:
    """The answers for the others of the batch are worth having."""
    add_account(drive.client, "other")
    ops = drive.send(), drive.send("other")
    drive.advance(7)
    hints = sorted(drive.grant().hints, key=lambda hint: ops.index(hint.id))
    assert ["go", "go"] == [answer["s"] for answer in drive.begin(hints)]
    drive.client.delete(f"{STATE_ROOT}:a:acme")
    assert ["no", "go"] == [answer["s"] for answer in drive.begin(hints)]
