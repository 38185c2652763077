"""What becomes of dead letters that a person replays."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from paceline.errors import InvalidOperation
from paceline.operations import AddParticipants, CreateGroup, SendMessage
from paceline_worker.accounts.accounts import Accounts
from paceline_worker.review.dead import DeadLetters, Match, NotReplayed, Replayed
from paceline_worker.state.values import Hint
from paceline_worker.verdict.policy import Verdict
from tests.conftest import SENDER
from tests.scripts.review.letters import (
    GROUP,
    PEOPLE,
    RETENTION,
    ROOT,
    books,
    die,
    everything,
    ids,
    replay,
    replay_all,
    status,
    story,
    upload,
)
from tests.support.drive import ABSENT, ACCEPTED, DEAD, OVERLOADED, REJECTED, UNKNOWN, UNSENDABLE, Drive

# -- what a replay does ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("verdict", "before"), [(REJECTED, (0, 1, 0, 0)), (DEAD, (0, 0, 1, 0))])
def test_what_is_replayed_is_sent_again(
    drive: Drive, dead: DeadLetters, verdict: Verdict, before: tuple[int, int, int, int]
) -> None:
    """It waits, leaves at its account's next slot, ends with the answer of its second call, and keeps its past."""
    op = die(drive, verdict)
    assert before == books(drive)
    assert Replayed(1) == replay(dead, op)
    assert (1, 0, 0, 0) == books(drive)
    assert ("waiting", None, None) == (status(drive, op).state, status(drive, op).settled_at, status(drive, op).code)
    assert op == drive.deliver(ACCEPTED)
    assert (0, 0, 0, 0) == books(drive)
    assert 1 == drive.balance().outcomes["accepted"]
    assert ["enqueued", verdict.outcome, "replayed", "sent", "accepted"] == story(drive, op)


def test_its_story_tells_how_it_died(drive: Drive, dead: DeadLetters) -> None:
    """Code, words and time of the outcome that it left."""
    op = die(drive)
    died = status(drive, op).settled_at
    drive.advance(600)
    replay(dead, op)
    _, buried, replayed = status(drive, op).history
    assert ("rejected", "422", "no such number", died) == (buried.what, buried.code, buried.words, buried.at)
    assert ("replayed", drive.now) == (replayed.what, replayed.at)


def test_what_is_replayed_is_no_dead_letter_and_does_not_expire(drive: Drive, dead: DeadLetters) -> None:
    """A dispatcher is told when to look; the retention time begins again when it dies again."""
    op = die(drive)
    assert drive.due_us() is None
    replay(dead, op)
    assert drive.due_us() is not None
    assert ([], -1) == (ids(dead), drive.client.pttl(f"{ROOT}:o:{op}"))
    drive.deliver(DEAD)
    assert 0 < int(drive.client.pttl(f"{ROOT}:o:{op}")) <= RETENTION / timedelta(milliseconds=1)
    assert ([op], (0, 0, 1, 0)) == (ids(dead), books(drive))


def test_its_key_is_still_taken(drive: Drive, dead: DeadLetters) -> None:
    """The same message offered again with the same key is the one that waits."""
    op = die(drive, idempotency_key="order-17")
    replay(dead, op)
    assert op == drive.send(idempotency_key="order-17")
    assert (1, 0, 0, 0) == books(drive)


def test_what_is_replayed_has_all_its_attempts(drive: Drive, dead: DeadLetters) -> None:
    """A person starts again."""
    op = drive.send(max_attempts=2)
    drive.deliver(OVERLOADED)
    drive.deliver(DEAD)
    assert 1 == status(drive, op).attempts
    replay(dead, op)
    assert 0 == status(drive, op).attempts
    hint = drive.grant_next()
    assert "0" == drive.begin_at_slot(hint)["attempts"]


@pytest.mark.parametrize("priority", ["transactional", "bulk"])
def test_what_is_replayed_goes_behind_what_waits(drive: Drive, dead: DeadLetters, priority: str) -> None:
    """Whoever waits is not delayed by a thousand replays; several keep the order they were named in."""
    ops = [die(drive, priority=priority) for _ in range(3)]
    waiting = [drive.send(priority=priority) for _ in range(2)]
    replay(dead, *ops)
    assert [*waiting, *ops] == [drive.deliver(ACCEPTED) for _ in range(5)]


def test_what_is_replayed_waits_while_its_sender_is_busy(drive: Drive, dead: DeadLetters) -> None:
    """One call in flight per sender, also then."""
    op = die(drive)
    drive.send()
    hint = drive.grant_next()
    drive.begin_at_slot(hint)
    replay(dead, op)
    drive.advance(10)
    assert [] == drive.grant().hints
    drive.settle(hint, ACCEPTED)
    assert op == drive.deliver(ACCEPTED)


def test_what_is_replayed_waits_behind_a_back_off_of_its_recipient(drive: Drive, dead: DeadLetters) -> None:
    """Nothing is lost of either."""
    op = die(drive)
    other = drive.send()
    assert other == drive.deliver(replace(OVERLOADED, delay_s=60.0))
    replay(dead, op)
    assert [other, op] == [drive.deliver(ACCEPTED) for _ in range(2)]
    assert (0, 0, 0, 0) == books(drive)


def test_one_that_died_in_a_look_up_is_called_and_not_looked_up(drive: Drive, dead: DeadLetters) -> None:
    """Absent twice and out of attempts: the next call is a call, and its worker knows that an earlier one may have arrived."""
    op = drive.send(max_attempts=1)
    for verdict in (UNKNOWN, ABSENT, ABSENT):
        drive.deliver(verdict)
    assert ("dead", "unknown") == (status(drive, op).state, status(drive, op).code)
    replay(dead, op)
    hint = drive.grant_next()
    begun = drive.begin_at_slot(hint)
    assert (op, None, "1") == (hint.id, begun.get("phase"), begun["was_unknown"])
    drive.settle(hint, UNKNOWN)
    assert "l1" == drive.operation(op)["ph"]
    assert (1, 0, 0, 0) == books(drive)


@pytest.mark.parametrize("verdict", [ACCEPTED, REJECTED, OVERLOADED], ids=lambda v: v.code)
def test_a_late_answer_after_a_replay_is_stale(drive: Drive, dead: DeadLetters, verdict: Verdict) -> None:
    """The answer that killed it, or another of the same call, says nothing of the next one."""
    drive.send()
    hint = drive.call(REJECTED)
    replay(dead, hint.id)
    assert "stale" == drive.settle(hint, verdict)
    assert (1, 0, 0, 0) == books(drive)


def test_a_validity_that_lasts_is_kept(drive: Drive, dead: DeadLetters) -> None:
    """Nobody asked for another."""
    op = die(drive, valid_until=drive.now + timedelta(hours=2))
    before = drive.operation(op)["vu"]
    replay(dead, op)
    assert before == drive.operation(op)["vu"]


def test_a_validity_that_has_passed_is_a_day_from_now(drive: Drive, dead: DeadLetters) -> None:
    """Else it would expire at once."""
    op = die(drive, valid_until=drive.now + timedelta(minutes=1))
    drive.advance(600)
    replay(dead, op)
    assert drive.now_us + 86_400_000_000 == int(drive.operation(op)["vu"])
    assert op == drive.deliver(ACCEPTED)


def test_a_new_validity_is_taken_and_ends(drive: Drive, dead: DeadLetters) -> None:
    """Until a time that was given; after it, it expires like any other."""
    op = die(drive)
    accounts = Accounts(drive.client)
    accounts.suspend("acme")
    replay(dead, op, valid_until=drive.now + timedelta(seconds=30))
    drive.advance(60)
    accounts.resume("acme")
    assert [] == drive.grant().hints
    assert ("expired", 0) == (drive.operation(op)["oc"], drive.balance().unaccounted)


def test_a_new_validity_that_has_passed_changes_nothing(drive: Drive, dead: DeadLetters) -> None:
    """It is a mistake, not a way to let them expire; in a dry run too."""
    op = die(drive)
    before = everything(drive)
    for dry_run in (True, False):
        with pytest.raises(InvalidOperation, match=r"^valid_until: has passed$"):
            replay(dead, op, valid_until=drive.now, dry_run=dry_run)
        with pytest.raises(InvalidOperation, match=r"^valid_until: needs a time zone"):
            replay(dead, op, valid_until=drive.now.replace(tzinfo=None), dry_run=dry_run)
    assert before == everything(drive)


# -- operations of several calls -------------------------------------------------------------------------------------


def begun_result(drive: Drive) -> tuple[Hint, Any]:
    """The next operation begins; what it is told that its earlier calls brought."""
    hint = drive.grant_next()
    return hint, json.loads(drive.begin_at_slot(hint).get("result") or "{}")


def test_calls_that_were_all_refused_are_made_again(drive: Drive, dead: DeadLetters) -> None:
    """Nothing took effect, so it starts with the first."""
    op = drive.submit(AddParticipants(account="acme", sender=SENDER, group=GROUP, participants=PEOPLE))
    drive.deliver(Verdict("step", result=json.dumps({"calls": 1, "refused": 1, "numbers": {}}), code="422"))
    drive.deliver(replace(REJECTED, result=json.dumps({"calls": 2, "refused": 2, "numbers": {}})))
    replay(dead, op)
    hint, result = begun_result(drive)
    assert (op, {}) == (hint.id, result)


def test_calls_of_a_dead_one_that_were_refused_are_not_made_again(drive: Drive, dead: DeadLetters) -> None:
    """They had their answer; the one that had none is made."""
    drive.submit(AddParticipants(account="acme", sender=SENDER, group=GROUP, participants=PEOPLE))
    refused = {"calls": 1, "refused": 1, "numbers": {}}
    drive.deliver(Verdict("step", result=json.dumps(refused), code="422"))
    replay(dead, drive.deliver(DEAD))
    assert refused == begun_result(drive)[1]


@pytest.mark.parametrize("verdict", [DEAD, UNSENDABLE], ids=lambda v: v.outcome)
def test_calls_that_took_effect_are_not_made_again(drive: Drive, dead: DeadLetters, verdict: Verdict) -> None:
    """A group that was made is not made twice: what is left of the operation goes on."""
    op = drive.submit(CreateGroup(account="acme", sender=SENDER, name="Team", participants=PEOPLE))
    made = {"calls": 1, "group_uuid": GROUP}
    drive.deliver(Verdict("step", result=json.dumps(made), code="201"))
    drive.deliver(replace(verdict, uuid=GROUP))
    replay(dead, op)
    hint, result = begun_result(drive)
    assert (op, made) == (hint.id, result)
    drive.settle(hint, ACCEPTED)
    assert (0, 0, 0, 0) == books(drive)


def test_a_group_that_it_made_stays_its_own(drive: Drive, dead: DeadLetters) -> None:
    """Its claim lasts a retention time from the replay on, so that no look-up of another creation takes it meanwhile."""
    op = drive.submit(CreateGroup(account="acme", sender=SENDER, name="Team", participants=PEOPLE))
    drive.deliver(Verdict("step", result=json.dumps({"calls": 1, "group_uuid": GROUP}), code="201"))
    drive.deliver(replace(DEAD, uuid=GROUP))
    drive.client.pexpire(f"{ROOT}:u:{GROUP}", 1000)
    replay(dead, op)
    assert (op, True) == (
        drive.client.get(f"{ROOT}:u:{GROUP}"),
        int(drive.client.pttl(f"{ROOT}:u:{GROUP}")) > 3_000_000,
    )


# -- operations that follow others -----------------------------------------------------------------------------------


def follow(drive: Drive, other: str, **fields: Any) -> str:
    return drive.submit(SendMessage(account="acme", sender=SENDER, group=other, text="Hi", **fields))


def test_what_followed_it_stays_rejected_until_it_is_replayed_too(drive: Drive, dead: DeadLetters) -> None:
    """Its turn had come; `--code follows` finds it when the other one is accepted."""
    other = drive.submit(CreateGroup(account="acme", sender=SENDER, name="Team", participants=PEOPLE[:1]))
    op = follow(drive, other)
    drive.deliver(REJECTED)
    drive.advance(20)
    drive.grant()
    assert ("rejected", "follows") == (status(drive, op).state, status(drive, op).code)
    replay(dead, other)
    assert "rejected" == status(drive, op).state
    assert other == drive.deliver(replace(ACCEPTED, uuid=GROUP))
    assert 1 == replay_all(dead, Match(code="follows")).replayed
    assert op == drive.deliver(ACCEPTED)
    assert (0, 0, 0, 0) == books(drive)


def test_both_replayed_at_once_keep_their_order(drive: Drive, dead: DeadLetters) -> None:
    """Whichever is named first."""
    other = drive.submit(CreateGroup(account="acme", sender=SENDER, name="Team", participants=PEOPLE[:1]))
    op = follow(drive, other)
    drive.deliver(REJECTED)
    drive.advance(20)
    drive.grant()
    replay(dead, op, other)
    assert [other, op] == [drive.deliver(replace(ACCEPTED, uuid=uuid)) for uuid in (GROUP, "MSG2")]


def test_what_follows_it_and_had_no_turn_so_far_waits_for_it_again(drive: Drive, dead: DeadLetters) -> None:
    """It died, and was replayed before anybody asked."""
    other = drive.submit(CreateGroup(account="acme", sender=SENDER, name="Team", participants=PEOPLE[:1]))
    op = follow(drive, other)
    assert other == drive.deliver(REJECTED)
    replay(dead, other)
    assert [other, op] == [drive.deliver(replace(ACCEPTED, uuid=uuid)) for uuid in (GROUP, "MSG2")]
    assert (0, 0, 0, 0) == books(drive)


# -- operations of campaigns -----------------------------------------------------------------------------------------


def test_an_operation_of_a_campaign_takes_its_place_in_it(drive: Drive, dead: DeadLetters) -> None:
    """A complete campaign is open again until it has its outcome; its counts move with the account's."""
    first, second = upload(drive, 2, valid_until=drive.now + timedelta(minutes=1))
    for verdict in (REJECTED, DEAD):
        drive.deliver(verdict)
    drive.grant()
    assert drive.campaign().completed_at_us
    drive.advance(120)
    assert Replayed(2) == replay(dead, first, second)
    campaign = drive.campaign()
    assert (0, 0, 2, None) == (
        campaign.outcomes["rejected"],
        campaign.outcomes["dead"],
        campaign.left,
        campaign.completed_at_us,
    )
    assert -1 == drive.client.pttl(f"{ROOT}:c:spring:out")
    assert [first, second] == [drive.deliver(ACCEPTED) for _ in range(2)]
    drive.grant()
    campaign = drive.campaign()
    assert (2, 0, True) == (campaign.outcomes["accepted"], campaign.left, bool(campaign.completed_at_us))
    assert (0, 0, 0, 0) == books(drive)


def test_a_paused_campaign_keeps_what_is_replayed(drive: Drive, dead: DeadLetters) -> None:
    """Until it is resumed."""
    op, other = upload(drive, 2)
    drive.deliver(REJECTED)
    drive.state.control_campaign("pause", "spring", "by hand")
    replay(dead, op)
    drive.advance(60)
    assert [] == drive.grant().hints
    drive.state.control_campaign("resume", "spring")
    assert {op, other} == {drive.deliver(ACCEPTED) for _ in range(2)}
    assert (0, 0, 0, 0) == books(drive)


def test_what_is_replayed_into_a_complete_campaign_waits_for_its_window(drive: Drive, dead: DeadLetters) -> None:
    """Nobody attended to the campaign meanwhile: the opening that it knew is over."""
    now, hour = drive.now_us, 3_600_000_000
    openings = f"{now}-{now + hour} {now + 24 * hour}-{now + 25 * hour}"
    [op] = upload(drive, 1, options={"window": "00:00-01:00 UTC", "openings": openings})
    drive.deliver(REJECTED)
    drive.grant()
    drive.advance(2 * 3600)
    drive.client.persist(f"{ROOT}:o:{op}")  # as if it was kept for longer
    replay(dead, op)
    assert drive.grant_next().slot_us >= now + 24 * hour


def test_what_is_of_a_cancelled_campaign_is_refused(drive: Drive, dead: DeadLetters) -> None:
    """Others go on; it is counted, and not skipped in silence."""
    ops = upload(drive, 2)
    for _ in ops:
        drive.deliver(REJECTED)
    single = die(drive)
    drive.client.hset(f"{ROOT}:c:spring", "hold", "cancelled")
    done = replay_all(dead)
    assert (1, 0) == (done.replayed, done.gone)
    assert [NotReplayed(op, "its campaign 'spring' was cancelled") for op in ops] == list(done.refused)
    assert ops == ids(dead)
    assert single == drive.deliver(ACCEPTED)
