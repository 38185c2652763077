"""Operations of several calls: each answer is kept, and the next call is a grant of its own."""

import json
from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest

from paceline.operations import AddParticipants, CreateGroup
from paceline_worker.delivery.begun import read_begun
from paceline_worker.state.values import Hint
from paceline_worker.verdict.meaning import read_answer
from paceline_worker.verdict.policy import Verdict
from tests.conftest import SENDER
from tests.support.drive import ACCEPTED, LEASE_US, NEW_GROUP, OVERLOADED, UNKNOWN, Drive

INTERVAL_US = 6_100_000
GROUP = "WAG11111111-2222-4333-8444-555555555555"
PEOPLE = [f"+1555030{i:04d}" for i in range(37)]
CREATION = CreateGroup(account="acme", sender=SENDER, name="Team", participants=PEOPLE)
STEP = Verdict("step", code="200", words="ten of ten numbers accepted", result='{"calls":1}', reason="step")


def answered(drive: Drive, *, lost: bool = False) -> tuple[Hint, str]:
    """One call as a worker makes it; returns its grant and how many participants it was about."""
    hint = drive.grant_next()
    begun = read_begun(drive.begin_at_slot(hint))
    body = begun.request.body or {}
    people = (body.get("group") or body)["participants"]
    drive.set_time(hint.slot_us)
    if not lost:
        value: dict[str, object] = {number: {"statusCode": 200} for number in people}
        if begun.request.step == "create":
            value = {"success": True, "group": {"uuid": GROUP, "participants": value}}
        answer = read_answer(200, {}, json.dumps(value).encode())
        drive.settle(hint, begun.verdict(answer, drive.now_us, Random(1)))
    return hint, f"{begun.request.step} {len(people)}"


def test_a_group_of_37_is_four_grants_each_at_a_slot_of_its_own(drive: Drive) -> None:
    """One creation with ten and three additions; nothing else of the sender leaves in between."""
    op = drive.submit(CREATION)
    after = drive.send()
    calls = [answered(drive) for _ in range(4)]
    assert ["create 10", "participants 10", "participants 10", "participants 7"] == [what for _, what in calls]
    assert [INTERVAL_US] * 3 == [b.slot_us - a.slot_us for (a, _), (b, _) in pairwise(calls)]
    assert [op] * 4 == [hint.id for hint, _ in calls]
    found = drive.operation(op)
    assert ("accepted", GROUP, 37) == (found["oc"], found["u"], len(json.loads(found["rs"])["numbers"]))
    assert after == drive.deliver(ACCEPTED)


def test_a_worker_lost_in_the_third_call_repeats_that_call_only(drive: Drive) -> None:
    """The group is made once, the first twenty are added once; the ten of the lost call are asked for again."""
    op = drive.submit(CREATION)
    calls = [answered(drive)[1], answered(drive)[1], answered(drive, lost=True)[1]]
    drive.advance(LEASE_US / 1e6 + 1)
    drive.grant(most=0)
    calls += [answered(drive)[1] for _ in range(2)]
    assert ["create 10", *["participants 10"] * 3, "participants 7"] == calls
    assert ("accepted", 37) == (drive.operation(op)["oc"], len(json.loads(drive.operation(op)["rs"])["numbers"]))
    assert 0 == drive.balance().unaccounted


def test_a_step_spends_no_attempt_and_starts_them_anew(drive: Drive) -> None:
    """Attempts count in a row: an answered call ends the row."""
    op = drive.submit(CREATION)
    drive.deliver(OVERLOADED)
    assert "1" == drive.operation(op)["at"]
    drive.deliver(replace(STEP, result=json.dumps({"calls": 1, "group_uuid": GROUP})))
    assert ("w", None) == (drive.operation(op)["s"], drive.operation(op).get("at"))


def test_a_step_may_be_replayed(drive: Drive) -> None:
    """The second time it changes nothing, also after the next call was granted."""
    op = drive.submit(CREATION)
    hint = drive.grant_next()
    drive.begin_at_slot(hint)
    verdict = replace(STEP, result=json.dumps({"calls": 1, "group_uuid": GROUP}))
    assert ["step", "stale"] == [drive.settle(hint, verdict) for _ in range(2)]
    following = drive.grant_next()
    assert ("stale", op) == (drive.settle(hint, verdict), following.id)
    assert 0 == drive.balance().unaccounted


def test_the_late_answer_of_a_call_among_several_is_not_asked_for_again(drive: Drive) -> None:
    """Its lease ran out and the addition would be repeated; then its own answer comes after all."""
    op = drive.submit(AddParticipants(account="acme", sender=SENDER, group=GROUP, participants=PEOPLE))
    hint = drive.grant_next()
    drive.begin_at_slot(hint)
    drive.advance(LEASE_US / 1e6 + 1)
    drive.grant(most=0)
    assert ("w", "1") == (drive.operation(op)["s"], drive.operation(op)["at"])
    assert ["step", "stale"] == [drive.settle(hint, STEP) for _ in range(2)]
    assert ('{"calls":1}', None) == (drive.operation(op)["rs"], drive.operation(op).get("at"))
    assert (1, 0) == (drive.balance().waiting, drive.balance().unaccounted)


def test_what_waits_for_something_that_passes_spends_no_attempt(drive: Drive) -> None:
    """A new group does not show yet: set aside for its delay, as often as it takes."""
    op = drive.send()
    for _ in range(10):
        drive.deliver(NEW_GROUP)
    settled = drive.now_us
    assert ("w", None) == (drive.operation(op)["s"], drive.operation(op).get("at"))
    assert drive.grant_next().slot_us >= settled + 10_000_000


def test_what_follows_to_the_same_recipient_waits_with_it(drive: Drive) -> None:
    """Order survives `wait` as it survives a retry; other recipients go on meanwhile."""
    first, second, other = drive.send(), drive.send(), drive.send(to="+15550100009")
    assert first == drive.deliver(replace(NEW_GROUP, delay_s=30.0))
    assert [other, first, second] == [drive.deliver(ACCEPTED) for _ in range(3)]


def test_the_first_call_of_unknown_outcome_is_looked_up_and_later_ones_are_repeated(drive: Drive) -> None:
    """Adding the same ten again does no harm; making a second group does."""
    op = drive.submit(CREATION)
    drive.deliver(UNKNOWN)
    assert "l1" == drive.operation(op)["ph"]
    other = drive.submit(CREATION.model_copy(update={"sender": "+15550100009"}))
    drive.deliver(replace(STEP, result=json.dumps({"calls": 1, "group_uuid": GROUP})))
    drive.deliver(UNKNOWN)
    assert ("w", "1", None) == tuple(drive.operation(other).get(name) for name in ("s", "at", "ph"))


def test_a_story_of_words_that_are_not_ascii_can_be_read(drive: Drive) -> None:
    """Words are cut between characters, never within one."""
    op = drive.send()
    for length in range(150, 170):
        drive.deliver(replace(NEW_GROUP, words="." * (length % 4) + "ü€😀" * length))
    assert drive.operation(op)["ev"].endswith("€")


@pytest.mark.parametrize("outcome", ["rejected", "dead"])
def test_what_earlier_calls_brought_stays_in_the_outcome(drive: Drive, outcome: str) -> None:
    """The group exists, though its last participants could not be added."""
    op = drive.submit(CREATION)
    result = json.dumps({"calls": 1, "group_uuid": GROUP})
    drive.deliver(replace(STEP, result=result))
    drive.deliver(Verdict("finish", outcome, code="422"))
    assert (outcome, result) == (drive.operation(op)["oc"], drive.operation(op)["rs"])
