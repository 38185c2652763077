"""Dead letters: which there are, and what becomes of those that a person replays."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from paceline.errors import InvalidOperation, NotFound, UnknownAccount
from paceline.ids import derived_id, new_id
from paceline.inbox.record import chunk, common_fields
from paceline.operations import AddParticipants, CreateGroup, SendMessage
from paceline.status.view import Status, status_of
from paceline_worker.accounts.accounts import Accounts
from paceline_worker.review.dead import LOOKED_AT, DeadLetters, Match, NotReplayed, Replayed
from paceline_worker.state.values import Hint
from paceline_worker.verdict.policy import Verdict
from tests.conftest import SENDER, add_account
from tests.support.drive import ABSENT, ACCEPTED, DEAD, OVERLOADED, REJECTED, UNKNOWN, UNSENDABLE, Drive

ROOT = "paceline:{0}"
GROUP = "WAG11111111-2222-4333-8444-555555555555"
PEOPLE = tuple(f"+1555030{i:04d}" for i in range(12))
RETENTION = timedelta(hours=1)


@pytest.fixture
def dead(drive: Drive) -> DeadLetters:
    return DeadLetters(drive.client, retention=RETENTION)


def die(drive: Drive, verdict: Verdict = REJECTED, **fields: Any) -> str:
    """Send one message that ends so; nothing else may wait. Returns its id."""
    op = drive.send(**fields)
    assert op == drive.deliver(verdict)
    return op


def replay(dead: DeadLetters, *ops: str, **options: Any) -> Replayed:
    return sum(dead.replay(ops, **options), Replayed())


def replay_all(dead: DeadLetters, match: Match = Match(), **options: Any) -> Replayed:  # noqa: B008
    return sum(dead.replay_selected(dead.select(match), **options), Replayed())


def reason(dead: DeadLetters, op: str) -> str:
    """Why one operation is not replayed."""
    [refused] = replay(dead, op).refused
    assert op == refused.id
    return refused.reason


def status(drive: Drive, op: str) -> Status:
    found = drive.state.operation(op)
    assert found is not None
    return status_of(found)


def story(drive: Drive, op: str) -> list[str]:
    return [event.what for event in status(drive, op).history]


def books(drive: Drive) -> tuple[int, int, int, int]:
    """Waiting, rejected, dead, missing."""
    balance = drive.balance()
    return balance.waiting, balance.outcomes["rejected"], balance.outcomes["dead"], balance.unaccounted


def ids(dead: DeadLetters, limit: int = 100, **match: Any) -> list[str]:
    return [letter.id for letter in dead.list(Match(**match), limit=limit).letters]


def everything(drive: Drive) -> dict[str, Any]:
    """All keys of state that hold data, as they are."""
    reads = {"hash": "hgetall", "set": "smembers", "list": "lrange", "zset": "zrange", "string": "get"}
    found: dict[str, Any] = {}
    for name in map(str, drive.client.keys("paceline:?0?:*")):
        kind = str(drive.client.type(name))
        bounds: tuple[Any, ...] = (0, -1) if kind in {"list", "zset"} else ()
        value: Any = drive.client.xlen(name) if kind == "stream" else getattr(drive.client, reads[kind])(name, *bounds)
        found[name] = (sorted(value) if kind == "set" else value, drive.client.pttl(name) == -1)
    return found


def upload(
    drive: Drive, size: int, name: str = "spring", options: dict[str, str] | None = None, **more: Any
) -> list[str]:
    """A campaign of so many recipients, accepted and sealed; its ids."""
    common = common_fields(
        account="acme", sender=SENDER, priority="bulk", kind="message.to_number", max_attempts=8,
        on_unknown="hold", valid_until=more.get("valid_until", drive.now + timedelta(days=3)), now=drive.now,
    ) | {"p": '{"text":"hi"}'}  # fmt: skip
    drive.state.open_campaign(name, common, "digest", options)
    targets = [f"+1555020{number:04}" for number in range(size)]
    rows = [{"id": derived_id("campaign", name, to), "to": to, "p": "{}"} for to in targets]
    rid = new_id()
    body = chunk(campaign=name, account="acme", sender=SENDER, priority="bulk", rows=rows)
    drive.state.submit(rid, "acme", SENDER, len(rows), body, campaign=name)
    drive.worker.accept([rid])
    drive.state.seal_campaign(name, size, 0)
    return [row["id"] for row in rows]


def cemetery(drive: Drive, number: int, *, step_us: int = 0, code: str = "422") -> list[str]:
    """So many dead letters, written straight into state; all of one instant unless told otherwise. Their ids, in order."""
    ops = [f"x{i:025d}" for i in range(number)]
    fields: Any = {
        "s": "d", "oc": "rejected", "cd": code, "le": "no", "a": "acme", "f": SENDER, "to": "+15550100002", "pr": "b",
        "k": "message.to_number", "p": "{}", "t": str(drive.now_us), "vu": str(drive.now_us + 10**12), "mx": "8",
        "unk": "hold", "ur": "h", "n": "1",
    }  # fmt: skip
    with drive.client.pipeline() as pipe:
        for place, op in enumerate(ops):
            since = drive.now_us - (number - place) * step_us - 1
            pipe.hset(f"{ROOT}:o:{op}", mapping=fields | {"te": str(since)})
            pipe.pexpire(f"{ROOT}:o:{op}", RETENTION)
            pipe.zadd(f"{ROOT}:a:acme:dead", {op: since})
        pipe.sadd(f"{ROOT}:a:acme:ln", SENDER)
        for name in ("received", "written", "rejected"):
            pipe.hincrby(f"{ROOT}:a:acme:n", name, number)
        pipe.execute()
    return ops


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


# -- what is refused -------------------------------------------------------------------------------------------------


def test_only_dead_letters_can_be_replayed(drive: Drive, dead: DeadLetters) -> None:
    """Waiting, granted, sending, accepted, held, cancelled, unknown: each is told."""
    drive.send()
    op = drive.send()
    reasons = [reason(dead, op)]
    hint = drive.grant_next()
    reasons.append(reason(dead, hint.id))
    drive.begin_at_slot(hint)
    reasons.append(reason(dead, hint.id))
    drive.settle(hint, ACCEPTED)
    reasons.append(reason(dead, hint.id))
    drive.deliver(Verdict("finish", "held", code="400", words="refused"))
    reasons.append(reason(dead, op))
    states = ["waiting", "granted", "sending", "accepted", "held"]
    assert [f"it is {state}, and no dead letter" for state in states] == reasons
    assert "the operation was never accepted, or was deleted after its retention time" == reason(dead, "x")


def test_what_is_of_a_removed_account_is_refused(drive: Drive, dead: DeadLetters) -> None:
    """Also when another account was added under its name, whose books know nothing of it."""
    op = die(drive)
    Accounts(drive.client).remove("acme")
    assert "its account 'acme' was removed" == reason(dead, op)
    drive.advance(1)
    add_account(drive.client, "acme")
    assert "its account 'acme' was removed" == reason(dead, op)
    assert ((0, 0, 0, 0), []) == (books(drive), ids(dead))


def test_a_second_replay_changes_nothing(drive: Drive, dead: DeadLetters) -> None:
    """Whether its reply was lost or somebody asks twice."""
    ops = [die(drive), *upload(drive, 1)]
    drive.deliver(DEAD)
    replay(dead, *ops)
    before = everything(drive)
    assert ["it is waiting, and no dead letter"] * 2 == [one.reason for one in replay(dead, *ops, *ops).refused]
    assert Replayed() == replay_all(dead)
    assert before == everything(drive)


def test_a_dry_run_tells_and_changes_nothing(drive: Drive, dead: DeadLetters) -> None:
    """What would be replayed, and what would not."""
    ops = [die(drive) for _ in range(3)]
    waiting = drive.send()
    before = everything(drive)
    assert Replayed(3, (NotReplayed(waiting, "it is waiting, and no dead letter"),)) == replay(
        dead, *ops, waiting, dry_run=True
    )
    drive.advance(1)
    assert Replayed(3) == replay_all(dead, dry_run=True)
    assert before | {drive.clock_key: None} == everything(drive) | {drive.clock_key: None}


# -- by filter -------------------------------------------------------------------------------------------------------


def test_what_dies_again_is_not_replayed_again(drive: Drive, dead: DeadLetters) -> None:
    """Nor what dies after the beginning: else a replay of what is always rejected would never end."""
    first, second = die(drive), die(drive)
    drive.advance(1)
    chosen = dead.select(Match())
    replay(dead, first)
    assert first == drive.deliver(REJECTED)
    later = die(drive)
    assert Replayed(1) == sum(dead.replay_selected(chosen), Replayed())
    assert second == drive.deliver(REJECTED)
    assert [first, later, second] == ids(dead)


def test_what_dies_again_between_look_and_replay_is_left_alone(drive: Drive, dead: DeadLetters) -> None:
    """The script looks once more; it is told, and stays."""
    ops = cemetery(drive, 101, step_us=1)
    parts = dead.replay_selected(dead.select(Match()))
    assert Replayed(100) == next(parts)
    replay(dead, ops[-1])
    drive.advance(1)
    for name, value in {"s": "d", "oc": "dead", "te": str(drive.now_us)}.items():
        drive.client.hset(f"{ROOT}:o:{ops[-1]}", name, value)
    [last] = parts
    assert [NotReplayed(ops[-1], "it was replayed and died again meanwhile")] == list(last.refused)


def test_many_are_replayed_in_parts(drive: Drive, dead: DeadLetters) -> None:
    """At most 100 in one script; the books hold after each of them, and the lane has them oldest first."""
    ops = cemetery(drive, 250)
    seen, parts = 0, []
    for part in dead.replay_selected(dead.select(Match())):
        parts.append(part.seen)
        seen += part.replayed
        assert (seen, 250 - seen, 0, 0) == books(drive)
    assert [100, 100, 50] == parts
    assert ops == drive.client.lrange(f"{ROOT}:l:acme:{SENDER}:b:-", 0, -1)


def test_filters_choose(drive: Drive, dead: DeadLetters) -> None:
    """By account, campaign, code and age, listed and replayed alike; several must all match."""
    add_account(drive.client, "other")
    mine = die(drive)
    drive.advance(1200)
    other = die(drive, REJECTED, account="other")
    [of_campaign] = upload(drive, 1)
    drive.deliver(replace(DEAD, code="unknown"))
    drive.advance(600)
    young = die(drive)
    drive.advance(60)
    all_of_them = [mine, other, of_campaign, young]
    span = timedelta(minutes=20)
    cases: Sequence[tuple[dict[str, Any], list[str]]] = [
        ({}, all_of_them),
        ({"account": "acme"}, [mine, of_campaign, young]),
        ({"campaign": "spring"}, [of_campaign]),
        ({"account": "other", "campaign": "spring"}, []),
        ({"account": "acme", "campaign": "spring", "code": "422"}, []),
        ({"code": "422"}, [mine, other, young]),
        ({"code": "unknown"}, [of_campaign]),
        ({"older_than": span}, [mine]),
        ({"newer_than": span}, [other, of_campaign, young]),
        ({"newer_than": span, "older_than": span / 4, "code": "422"}, [other]),
    ]
    assert [expected for _, expected in cases] == [ids(dead, **match) for match, _ in cases]
    for match, expected in cases:
        assert len(expected) == replay_all(dead, Match(**match), dry_run=True).replayed
    assert 3 == replay_all(dead, Match(code="422")).replayed
    assert [of_campaign] == ids(dead)


@pytest.mark.parametrize("match", [Match(account="nobody"), Match(campaign="nobody")])
def test_a_filter_of_what_is_not_there_is_refused(dead: DeadLetters, match: Match) -> None:
    """Named, not empty."""
    with pytest.raises((UnknownAccount, NotFound), match=r"^no (account|campaign) named 'nobody'$"):
        dead.list(match)


def test_no_time_is_as_old_and_as_young(dead: DeadLetters) -> None:
    """A mistake, not an empty list."""
    with pytest.raises(InvalidOperation, match=r"^older_than: must be less than newer_than"):
        dead.select(Match(older_than=timedelta(hours=2), newer_than=timedelta(hours=2)))


# -- the list --------------------------------------------------------------------------------------------------------


def test_the_list_is_the_oldest_first_of_all_accounts(drive: Drive, dead: DeadLetters) -> None:
    """Cut where it was told to be; by time alone it also tells how many there are."""
    for name in ("other", "idle"):
        add_account(drive.client, name)
    ops = [die(drive, account=name) for name in ("acme", "other", "other", "acme", "acme", "other")]
    drive.advance(1)
    assert ops == ids(dead)
    assert [ops[:most] for most in range(1, 6)] == [ids(dead, most) for most in range(1, 6)]
    cut, whole, by_code = dead.list(limit=2), dead.list(limit=6), dead.list(Match(code="422"), limit=2)
    assert [(6, True), (6, False), (None, True)] == [(one.total, one.more) for one in (cut, whole, by_code)]
    assert [] == ids(dead, account="idle")


def test_the_list_tells_what_happened(drive: Drive, dead: DeadLetters) -> None:
    """And neither who was written to nor what."""
    op = upload(drive, 1)[0]
    drive.deliver(DEAD)
    at = drive.now
    drive.advance(90)
    found = dead.list()
    expected = {
        "id": op,
        "account": "acme",
        "campaign": "spring",
        "kind": "message.to_number",
        "outcome": "dead",
        "since": at.isoformat(),
        "code": "503",
        "words": "busy",
    }
    assert ([expected], drive.now) == ([letter.as_json() for letter in found.letters], found.now)


@pytest.mark.parametrize("step_us", [0, 1])
def test_a_long_list_is_read_in_pages(drive: Drive, dead: DeadLetters, step_us: int) -> None:
    """Each once and none left out, also of one instant; no script looks at more than 500."""
    ops = cemetery(drive, 1203, step_us=step_us)
    dead.list()
    assert ops == ids(dead, 2000)
    for match, expected in (({}, ops), ({"code": "999"}, [])):
        drive.client.config_resetstat()
        assert expected == ids(dead, 2000, **match)
        looked, pages = calls(drive, "hmget"), calls(drive, "evalsha") - 2
        assert (1203, 3) == (looked - 5, pages)  # each of the five calls reads what all accounts share
        assert calls(drive, "zrange") <= 3 * 12
    assert LOOKED_AT == 500


def test_a_short_list_costs_what_it_shows(drive: Drive, dead: DeadLetters) -> None:
    """Ten of 5,000 take as few commands as ten of eleven."""
    costs = []
    for number in (11, 5000):
        cemetery(drive, number, step_us=1)
        ids(dead, 10)
        drive.client.config_resetstat()
        assert 10 == len(ids(dead, 10))
        costs.append(sum(calls(drive, name) for name in ("hmget", "zrange", "zcount", "zrangebyscore", "evalsha")))
    assert 0 < costs[1] <= costs[0] + 2 * 10


def calls(drive: Drive, command: str) -> int:
    stats: dict[str, Any] = drive.client.info("commandstats")
    return int(stats.get(f"cmdstat_{command}", {"calls": 0})["calls"])


def test_what_was_deleted_is_gone(drive: Drive, dead: DeadLetters) -> None:
    """After its retention time nothing is left of it, in the list and behind it; the page it stood on is not cut short."""
    ops = cemetery(drive, 600, step_us=1)
    drive.client.delete(*(f"{ROOT}:o:{op}" for op in ops[:599]))
    assert ops[599:] == ids(dead, 5)
    assert 1 == drive.client.zcard(f"{ROOT}:a:acme:dead")


def test_what_is_deleted_between_look_and_replay_is_gone(drive: Drive, dead: DeadLetters) -> None:
    """No failure: it is counted apart."""
    ops = cemetery(drive, 101, step_us=1)
    parts = dead.replay_selected(dead.select(Match()))
    next(parts)
    drive.client.delete(f"{ROOT}:o:{ops[-1]}")
    assert [Replayed(gone=1)] == list(parts)


def test_a_list_without_bound_is_refused(dead: DeadLetters) -> None:
    """Named, not empty."""
    for limit in (0, -1, 100_001):
        with pytest.raises(InvalidOperation, match="limit: must be 1 to 100000"):
            dead.list(limit=limit)
