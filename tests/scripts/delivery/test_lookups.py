"""Calls of unknown outcome are looked up at the provider before anything is sent again."""

import json
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from paceline.operations import CreateGroup
from paceline_worker.accounts.accounts import Accounts
from paceline_worker.state.values import Hint
from paceline_worker.verdict.policy import Verdict
from tests.conftest import SENDER
from tests.support.drive import (
    ABSENT,
    ABSENT_GROUP,
    ACCEPTED,
    BAD_KEY,
    GRACE_US,
    LEASE_US,
    LOOK_UP_FAILED,
    NEW_GROUP,
    NOT_MADE,
    REJECTED,
    SENDER_BUSY,
    THROTTLED,
    UNKNOWN,
    Drive,
)

GROUP = "WAG11111111-2222-4333-8444-555555555555"
HELD = Verdict("finish", "held", code="400", words="the look-up was refused")
PEOPLE = tuple(f"+1555030{i:04d}" for i in range(12))


def found(*uuids: str) -> Verdict:
    return replace(ABSENT, uuids=uuids)


def call(drive: Drive, verdict: Verdict) -> tuple[str, str | None, int]:
    """One call: its operation, the phase that its worker is told, and its slot."""
    hint = drive.grant_next()
    begun = drive.begin_at_slot(hint)
    drive.set_time(hint.slot_us)
    drive.settle(hint, verdict)
    return hint.id, begun.get("phase"), hint.slot_us


def phase(drive: Drive, op: str) -> str | None:
    told: str | None = drive.operation(op).get("ph")
    return told


def create(drive: Drive, sender: str = SENDER) -> str:
    return drive.submit(CreateGroup(account="acme", sender=sender, name="Team", participants=PEOPLE))


def test_what_is_absent_twice_is_sent_again(drive: Drive) -> None:
    """Looked up after the grace and again after twice as long; then one more call, which is an attempt."""
    op = drive.send()
    calls = [call(drive, verdict) for verdict in (UNKNOWN, ABSENT, ABSENT, ACCEPTED)]
    assert [(op, None), (op, "l1"), (op, "l2"), (op, None)] == [(who, what) for who, what, _ in calls]
    first, second, third, _ = (slot for _, _, slot in calls)
    assert second - first >= GRACE_US
    assert third - second >= 2 * GRACE_US
    assert ("accepted", "1") == (drive.operation(op)["oc"], drive.operation(op)["at"])


FRESH = replace(ABSENT, outcome="fresh")
STALE = replace(ABSENT, outcome="stale")


def test_a_fresh_history_without_it_is_read_once_more_and_then_it_is_sent_again(drive: Drive) -> None:
    """The canary was seen before the conversation was read for the last time: that order makes it proof."""
    op = drive.send()
    calls = [call(drive, verdict) for verdict in (UNKNOWN, ABSENT, FRESH, ABSENT, ACCEPTED)]
    assert [None, "l1", "l2", "l3", None] == [what for _, what, _ in calls]
    assert ("accepted", "1") == (drive.operation(op)["oc"], drive.operation(op)["at"])


def test_a_stale_history_is_looked_at_less_and_less_often_and_proves_nothing(drive: Drive) -> None:
    """Four times, then the conversation once more: it is not there, so a person decides. Nothing was sent again."""
    op = drive.send()
    held = replace(ABSENT, outcome="held")
    calls = [call(drive, verdict) for verdict in (UNKNOWN, ABSENT, STALE, STALE, STALE, STALE, held)]
    assert [None, "l1", "l2", "l2", "l2", "l2", "l4"] == [what for _, what, _ in calls]
    slots = [slot for _, _, slot in calls]
    pauses = [later - earlier for earlier, later in pairwise(slots[1:])]
    assert all(pause >= 2 * GRACE_US * 2**number for number, pause in enumerate(pauses[:4]))
    assert "held" == drive.operation(op)["oc"]
    assert 0 == drive.balance().unaccounted


def test_a_history_that_becomes_fresh_in_time_is_believed(drive: Drive) -> None:
    """Another message of the sender appears meanwhile; then this one does, too."""
    op = drive.send()
    calls = [call(drive, verdict) for verdict in (UNKNOWN, ABSENT, STALE, FRESH, found("MSG7"))]
    assert [None, "l1", "l2", "l2", "l3"] == [what for _, what, _ in calls]
    assert ("accepted", "MSG7") == (drive.operation(op)["oc"], drive.operation(op)["u"])


@pytest.mark.parametrize("absent_before", [0, 1])
def test_what_is_found_is_accepted_and_not_sent_again(drive: Drive, absent_before: int) -> None:
    """The first look or the second."""
    op = drive.send()
    for verdict in (UNKNOWN, *[ABSENT] * absent_before, found("MSG7")):
        drive.deliver(verdict)
    assert ("accepted", "MSG7", None) == tuple(drive.operation(op).get(name) for name in ("oc", "u", "ph"))
    assert drive.due_us() is None


def test_a_message_that_another_operation_sent_is_not_taken(drive: Drive) -> None:
    """Two identical texts, one in the conversation: it is the other's, and this one is absent."""
    other = drive.send()
    drive.deliver(replace(ACCEPTED, uuid="MSG7"))
    op = drive.send()
    drive.deliver(UNKNOWN)
    drive.deliver(found("MSG7"))
    assert (other, "l2") == (drive.client.get("paceline:{0}:u:MSG7"), phase(drive, op))
    drive.deliver(found("MSG7", "MSG8"))
    assert "MSG8" == drive.operation(op)["u"]


def test_of_two_lost_messages_each_takes_one(drive: Drive) -> None:
    """Both calls were lost, one message is there: one is accepted, the other is sent again."""
    first, second = drive.send(), drive.send(priority="bulk")
    for _ in range(2):
        drive.deliver(UNKNOWN)
    drive.deliver(found("MSG7"))
    drive.deliver(found("MSG7"))
    drive.deliver(found("MSG7"))
    assert ("accepted", "w") == (drive.operation(first)["oc"], drive.operation(second)["s"])
    assert (second, None) == call(drive, ACCEPTED)[:2]


def test_what_follows_to_the_same_recipient_waits_for_the_look_up(drive: Drive) -> None:
    """Order is kept, also when it takes a minute; other recipients go on."""
    first, second, other = drive.send(), drive.send(), drive.send(to="+15550100009")
    assert first == drive.deliver(UNKNOWN)
    assert other == drive.deliver(ACCEPTED)
    assert [first, second] == [drive.deliver(found("MSG7")), drive.deliver(ACCEPTED)]


@pytest.mark.parametrize("verdict", [THROTTLED, SENDER_BUSY, NOT_MADE, BAD_KEY, LOOK_UP_FAILED], ids=lambda v: v.code)
def test_a_look_up_that_said_nothing_is_made_again_whatever_is_delivered_twice(drive: Drive, verdict: Verdict) -> None:
    """Its verdict replayed is not the late answer of the lost call: the message must not be sent unseen."""
    op = drive.send()
    drive.deliver(UNKNOWN)
    hint = drive.grant_next()
    drive.begin_at_slot(hint)
    drive.set_time(hint.slot_us)
    drive.settle(hint, verdict)
    assert ["stale"] * 2 == [drive.settle(hint, verdict) for _ in range(2)]
    assert "l1" == phase(drive, op)
    Accounts(drive.client).resume("acme")
    assert (op, "l1") == call(drive, found("MSG7"))[:2]
    assert 0 == drive.balance().unaccounted


def test_a_worker_lost_while_it_looks_up_leaves_nothing_unknown(drive: Drive) -> None:
    """Reading may be repeated."""
    op = drive.send()
    drive.deliver(UNKNOWN)
    drive.begin_at_slot(drive.grant_next())
    drive.advance(LEASE_US / 1e6 + 1)
    drive.grant(most=0)
    assert (op, "l1") == call(drive, found("MSG7"))[:2]


def test_a_look_up_that_never_works_ends_held(drive: Drive) -> None:
    """After twenty of them a person decides; also when each of them takes its worker with it."""
    op = drive.send(), drive.send(sender="+15550100009")
    for _ in op:
        drive.deliver(UNKNOWN)
    for _ in range(60):
        hint = drive.grant_next()
        drive.begin_at_slot(hint)
        if hint.id == op[0]:
            drive.settle(hint, LOOK_UP_FAILED)
        drive.advance(LEASE_US / 1e6 + 1)
        drive.grant(most=0)
        if drive.balance().outcomes["held"] == len(op):
            break
    assert ["held"] * 2 == [drive.operation(one)["oc"] for one in op]
    assert (None, 0) == (drive.due_us(), drive.balance().unaccounted)


def test_a_look_up_that_is_refused_holds_the_operation_once(drive: Drive) -> None:
    """Delivered twice it is told once."""
    op = drive.send()
    drive.deliver(UNKNOWN)
    hint = drive.grant_next()
    drive.begin_at_slot(hint)
    assert ["held", "stale"] == [drive.settle(hint, HELD) for _ in range(2)]
    assert 1 == drive.client.xlen("paceline:{0}:outcomes")
    assert ("held", 1) == (drive.operation(op)["oc"], drive.balance().outcomes["held"])


@pytest.mark.parametrize(("verdict", "state"), [(ACCEPTED, "accepted"), (REJECTED, "rejected"), (SENDER_BUSY, None)])
def test_the_late_answer_of_the_lost_call_makes_the_look_up_needless(
    drive: Drive, verdict: Verdict, state: str | None
) -> None:
    """Until a look-up was granted; it knows better than any history."""
    op = drive.send()
    hint = lost(drive)
    drive.settle(hint, verdict)
    assert (state, None) == (drive.operation(op).get("oc"), phase(drive, op))
    assert ["stale"] * 2 == [drive.settle(hint, verdict) for _ in range(2)]
    assert 0 == drive.balance().unaccounted


def test_the_late_answer_after_a_look_up_was_granted_is_stale(drive: Drive) -> None:
    """The look-up's word counts, and there is one outcome."""
    op = drive.send()
    hint = lost(drive)
    looking = drive.grant_next()
    assert "stale" == drive.settle(hint, replace(ACCEPTED, uuid="MSG7"))
    drive.begin_at_slot(looking)
    drive.settle(looking, found("MSG7"))
    assert ("accepted", 1) == (drive.operation(op)["oc"], drive.client.xlen("paceline:{0}:outcomes"))


def lost(drive: Drive) -> Hint:
    hint = drive.grant_next()
    drive.begin_at_slot(hint)
    drive.advance(LEASE_US / 1e6 + 1)
    drive.grant(most=0)
    return hint


def test_a_look_up_goes_on_after_the_validity_has_passed(drive: Drive) -> None:
    """What may have been sent is found out; what was not is not sent any more."""
    first, second = (drive.send(sender=f"+1555010000{i}", valid_until=drive.now + timedelta(seconds=20)) for i in "12")
    for verdict in (UNKNOWN, UNKNOWN, found("MSG7"), ABSENT, ABSENT):
        drive.deliver(verdict)
    drive.advance(10)
    drive.grant()
    assert ["accepted", "expired"] == [drive.operation(op)["oc"] for op in (first, second)]


def test_a_group_that_does_not_show_is_held_and_never_made_twice(drive: Drive) -> None:
    """A new group shows late in its sender's list: it is looked for after minutes, twice, and then held."""
    op = create(drive)
    calls = [call(drive, verdict) for verdict in (UNKNOWN, ABSENT_GROUP, ABSENT_GROUP)]
    assert [None, "l1", "l2"] == [what for _, what, _ in calls]
    assert calls[1][2] - calls[0][2] >= 12 * GRACE_US
    assert calls[2][2] - calls[1][2] >= 24 * GRACE_US
    assert "held" == drive.operation(op)["oc"]


def test_a_group_that_is_found_goes_on_with_the_rest_of_its_participants(drive: Drive) -> None:
    """Twelve: ten came with the creation, two are added."""
    op = create(drive)
    drive.deliver(UNKNOWN)
    result = json.dumps({"calls": 1, "group_uuid": GROUP})
    drive.deliver(replace(ABSENT_GROUP, uuids=(GROUP,), results=(result,), more="1"))
    hint = drive.grant_next()
    begun = drive.begin_at_slot(hint)
    assert (op, None, result) == (hint.id, begun.get("phase"), begun["result"])


@pytest.mark.parametrize("looked_up", [True, False])
def test_two_groups_of_one_name_are_not_taken_for_each_other(drive: Drive, looked_up: bool) -> None:
    """The first is still adding participants, and its group is its own already."""
    first = create(drive)
    result = json.dumps({"calls": 1, "group_uuid": GROUP})
    if looked_up:
        drive.deliver(UNKNOWN)
        drive.deliver(replace(ABSENT_GROUP, uuids=(GROUP,), results=(result,), more="1"))
    else:
        drive.deliver(Verdict("step", code="200", result=result))
    drive.deliver(replace(NEW_GROUP, delay_s=3600.0))
    second = create(drive, "+15550100009")
    drive.deliver(UNKNOWN)
    drive.deliver(replace(ABSENT_GROUP, uuids=(GROUP,), results=(result,)))
    assert (first, "l2") == (drive.client.get(f"paceline:{{0}}:u:{GROUP}"), phase(drive, second))


def test_a_record_of_the_previous_release_is_treated_as_it_was(drive: Drive) -> None:
    """Without its kind's rule: `resend` sends again, anything else is held."""
    outcomes = []
    for policy in ("resend", "reconcile"):
        op = drive.send(on_unknown=policy, sender="+15550100009")
        drive.client.hdel(f"paceline:{{0}}:o:{op}", "ur")
        drive.deliver(UNKNOWN)
        outcomes.append(drive.operation(op).get("oc", drive.operation(op)["s"]))
        if policy == "resend":
            drive.deliver(ACCEPTED)
    assert ["w", "held"] == outcomes


def test_a_look_up_is_told_that_the_servers_clock_was_set_after_the_call(drive: Drive) -> None:
    """Not of a call that was made after that."""
    told = []
    for jumps in (True, False):
        op = drive.send()
        assert op == drive.deliver(UNKNOWN)
        if jumps:
            drive.worker.restart_buckets()
        hint = drive.grant_next()
        told.append(drive.begin_at_slot(hint).get("clock_set"))
        drive.set_time(hint.slot_us)
        drive.settle(hint, HELD)
    assert ["1", None] == told
