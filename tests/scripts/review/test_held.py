"""A person decides about operations of unknown outcome: send it again, or leave it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from paceline.errors import InvalidOperation, NotFound, UnknownAccount
from paceline.ids import derived_id, new_id
from paceline.inbox.record import chunk, common_fields
from paceline.operations import SendMessage
from paceline.status.view import Status, status_of
from paceline_worker.accounts.accounts import Accounts
from paceline_worker.review.held import CampaignCancelled, Held, NotHeld
from paceline_worker.verdict.policy import Verdict
from tests.conftest import SENDER, add_account
from tests.support.drive import ABSENT, ACCEPTED, LEASE_US, OVERLOADED, REJECTED, UNKNOWN, Drive

HELD_BY_LOOK_UP = Verdict("finish", "held", code="400", words="the look-up was refused")
RETENTION = timedelta(hours=1)


@pytest.fixture
def held(drive: Drive) -> Held:
    return Held(drive.client, retention=RETENTION)


def hold(drive: Drive, **fields: Any) -> str:
    """Send one message whose call ends without an answer; nothing else may wait. Returns its id."""
    op = drive.send(on_unknown="hold", **fields)
    assert op == drive.deliver(UNKNOWN)
    return op


def status(drive: Drive, op: str) -> Status:
    found = drive.state.operation(op)
    assert found is not None
    return status_of(found)


def story(drive: Drive, op: str) -> list[str]:
    return [event.what for event in status(drive, op).history]


def books(drive: Drive) -> tuple[int, int, int, int]:
    """Waiting, held, cancelled, missing."""
    balance = drive.balance()
    return balance.waiting, balance.outcomes["held"], balance.outcomes["cancelled"], balance.unaccounted


def ids(held: Held, account: str = "", limit: int = 100) -> list[str]:
    return [operation.id for operation in held.list(account, limit=limit).operations]


def test_what_is_released_is_sent_again(drive: Drive, held: Held) -> None:
    """It waits, leaves at its account's next slot, and ends with the answer of its second call."""
    op = hold(drive)
    assert (0, 1, 0, 0) == books(drive)
    held.release(op)
    assert (1, 0, 0, 0) == books(drive)
    assert ("waiting", None) == (status(drive, op).state, status(drive, op).settled_at)
    assert op == drive.deliver(ACCEPTED)
    assert (0, 0, 0, 0) == books(drive)
    assert 1 == drive.balance().outcomes["accepted"]
    assert ["enqueued", "unknown", "held", "released", "sent", "accepted"] == story(drive, op)


def test_what_is_released_is_looked_at_when_its_slot_comes(drive: Drive, held: Held) -> None:
    """A dispatcher is told when; nobody polls."""
    op = hold(drive)
    assert drive.due_us() is None
    held.release(op)
    assert drive.due_us() is not None
    assert -1 == drive.client.pttl(f"paceline:{{0}}:o:{op}")


def test_what_is_released_has_all_its_attempts_and_a_past(drive: Drive, held: Held) -> None:
    """A person starts again; the worker is told that an earlier call may have taken effect."""
    op = drive.send(on_unknown="hold", max_attempts=2)
    drive.deliver(OVERLOADED)
    drive.deliver(UNKNOWN)
    held.release(op)
    assert 0 == status(drive, op).attempts
    hint = drive.grant_next()
    begun = drive.begin_at_slot(hint)
    assert ("0", "1", None) == (begun["attempts"], begun["was_unknown"], begun.get("phase"))
    drive.settle(hint, OVERLOADED)
    assert ("w", "1") == (drive.operation(op)["s"], drive.operation(op)["at"])


def test_what_is_released_goes_before_what_waits_to_the_same_recipient(drive: Drive, held: Held) -> None:
    """It had its turn: those that still wait behind it leave after it, in their order."""
    op = hold(drive)
    later = [drive.send() for _ in range(3)]
    held.release(op)
    assert [op, *later] == [drive.deliver(ACCEPTED) for _ in range(4)]


def test_several_that_are_released_stand_where_they_were_put(drive: Drive, held: Held) -> None:
    """Each at the head: the last one released leaves first."""
    first, second = hold(drive), hold(drive)
    for op in (second, first):
        held.release(op)
    assert [first, second] == [drive.deliver(ACCEPTED) for _ in range(2)]


def test_what_is_released_waits_behind_a_back_off_of_its_recipient(drive: Drive, held: Held) -> None:
    """It has lost its place to the one that was sent meanwhile and is set aside; nothing is lost of either."""
    op = hold(drive)
    other = drive.send()
    assert other == drive.deliver(replace(OVERLOADED, delay_s=60.0))
    held.release(op)
    assert [other, op] == [drive.deliver(ACCEPTED) for _ in range(2)]
    assert (0, 0, 0, 0) == books(drive)


def test_what_is_released_waits_while_its_sender_is_busy(drive: Drive, held: Held) -> None:
    """One call in flight per sender, also then."""
    op = hold(drive)
    under_way = drive.send()
    hint = drive.grant_next()
    drive.begin_at_slot(hint)
    held.release(op)
    drive.advance(10)
    assert [] == drive.grant().hints
    drive.settle(hint, ACCEPTED)
    assert (under_way, op) == (hint.id, drive.deliver(ACCEPTED))


def test_a_validity_that_lasts_is_kept(drive: Drive, held: Held) -> None:
    """Nobody asked for another."""
    until = drive.now + timedelta(hours=2)
    op = hold(drive, valid_until=until)
    before = drive.operation(op)["vu"]
    held.release(op)
    assert before == drive.operation(op)["vu"]


def test_a_validity_that_has_passed_is_a_day_from_now(drive: Drive, held: Held) -> None:
    """Else it would expire at once."""
    op = hold(drive, valid_until=drive.now + timedelta(minutes=1))
    drive.advance(3600)
    held.release(op)
    assert drive.now_us + 86_400_000_000 == int(drive.operation(op)["vu"])
    assert op == drive.deliver(ACCEPTED)


def test_a_new_validity_is_taken_and_ends(drive: Drive, held: Held) -> None:
    """Until a time that was given; after it, it expires like any other."""
    op = hold(drive)
    accounts = Accounts(drive.client)
    accounts.suspend("acme")
    held.release(op, valid_until=drive.now + timedelta(seconds=30))
    assert drive.now_us + 30_000_000 == int(drive.operation(op)["vu"])
    drive.advance(60)
    accounts.resume("acme")
    assert [] == drive.grant().hints
    assert ("expired", 0) == (drive.operation(op)["oc"], drive.balance().unaccounted)


def test_a_new_validity_that_has_passed_changes_nothing(drive: Drive, held: Held) -> None:
    """It is a mistake, not a way to let it expire."""
    op = hold(drive)
    with pytest.raises(InvalidOperation, match=r"^valid_until: has passed$"):
        held.release(op, valid_until=drive.now)
    with pytest.raises(InvalidOperation, match=r"^valid_until: needs a time zone"):
        held.release(op, valid_until=drive.now.replace(tzinfo=None))
    assert (0, 1, 0, 0) == books(drive)


def test_what_is_dropped_is_cancelled(drive: Drive, held: Held) -> None:
    """Its outcome, its words, one entry more among the outcomes, and its retention time begins."""
    op = hold(drive)
    held.drop(op)
    assert (0, 0, 1, 0) == books(drive)
    seen = status(drive, op)
    assert ("cancelled", "dropped", "dropped by hand after an unknown outcome") == (seen.state, seen.code, seen.words)
    assert ["enqueued", "unknown", "held", "cancelled"] == story(drive, op)
    assert 2 == drive.client.xlen("paceline:{0}:outcomes")
    assert 0 < int(drive.client.pttl(f"paceline:{{0}}:o:{op}")) <= RETENTION / timedelta(milliseconds=1)
    assert drive.due_us() is None
    assert [] == ids(held)


def test_a_reason_stands_in_the_words(drive: Drive, held: Held) -> None:
    """On one line, and not a story."""
    op = hold(drive)
    with pytest.raises(InvalidOperation, match=r"^reason: has more than 160 characters$"):
        held.drop(op, reason="x" * 161)
    held.drop(op, reason=" the customer\nhas it ")
    assert "dropped by hand after an unknown outcome: the customer has it" == status(drive, op).words


def test_what_follows_a_dropped_operation_is_rejected(drive: Drive, held: Held) -> None:
    """Nobody knows what it would be about; it is not left waiting."""
    other = hold(drive)
    op = drive.submit(SendMessage(account="acme", sender=SENDER, group=other, text="Hi"))
    drive.advance(20)
    drive.grant()
    held.drop(other)
    drive.advance(20)
    drive.grant()
    found = drive.operation(op)
    assert ("rejected", "the operation that it follows ended as cancelled") == (found["oc"], found["le"])
    drive.go_to_next_due()  # the timer that it waited in was written down; it is gone
    drive.grant()
    assert (0, None) == (drive.balance().unaccounted, drive.due_us())


def test_what_follows_a_released_operation_waits_for_its_outcome(drive: Drive, held: Held) -> None:
    """And leaves after it."""
    other = hold(drive)
    op = drive.submit(SendMessage(account="acme", sender=SENDER, group=other, text="Hi"))
    drive.advance(20)
    drive.grant()
    held.release(other)
    assert [other, op] == [drive.deliver(ACCEPTED) for _ in range(2)]
    assert (0, 0, 0, 0) == books(drive)


@pytest.mark.parametrize("decision", ["release", "drop"])
def test_a_second_decision_finds_nothing_held(drive: Drive, held: Held, decision: str) -> None:
    """A replay after a lost reply changes nothing, and says where the operation is."""
    op = hold(drive)
    getattr(held, decision)(op)
    before = drive.operation(op) | {"now": None}
    state = "waiting" if decision == "release" else "cancelled"
    for again in (held.release, held.drop):
        with pytest.raises(NotHeld, match=f"^operation '{op}' is not held: it is {state}$"):
            again(op)
    assert before == drive.operation(op) | {"now": None}
    assert 0 == drive.balance().unaccounted


def test_only_what_is_held_can_be_decided(drive: Drive, held: Held) -> None:
    """Waiting, granted, sending, accepted: the worker's business, and named."""
    op = drive.send()
    states = []

    def refused() -> None:
        with pytest.raises(NotHeld) as refusal:
            held.release(op)
        states.append(str(refusal.value).rpartition(" ")[2])

    refused()
    hint = drive.grant_next()
    refused()
    drive.begin_at_slot(hint)
    refused()
    drive.settle(hint, ACCEPTED)
    refused()
    assert ["waiting", "granted", "sending", "accepted"] == states
    with pytest.raises(NotFound, match="no operation 'x'"):
        held.drop("x")


@pytest.mark.parametrize("decision", ["release", "drop"])
@pytest.mark.parametrize("verdict", [ACCEPTED, REJECTED, OVERLOADED], ids=lambda v: v.code)
def test_a_late_answer_after_the_decision_is_stale(drive: Drive, held: Held, decision: str, verdict: Verdict) -> None:
    """The person's word counts, and there is one outcome."""
    drive.send(on_unknown="hold")
    hint = drive.grant_next()
    drive.begin_at_slot(hint)
    drive.advance(LEASE_US / 1e6 + 1)
    drive.grant(most=0)
    getattr(held, decision)(hint.id)
    assert "stale" == drive.settle(hint, verdict)
    assert (decision == "release", 0, decision == "drop", 0) == books(drive)


def test_a_verdict_that_held_it_does_not_hold_it_again(drive: Drive, held: Held) -> None:
    """Delivered once more after the release, it is stale; the next call is a call, not a look-up."""
    op = drive.send()
    drive.deliver(UNKNOWN)
    looking = drive.grant_next()
    drive.begin_at_slot(looking)
    assert "held" == drive.settle(looking, HELD_BY_LOOK_UP)
    held.release(op)
    assert "stale" == drive.settle(looking, HELD_BY_LOOK_UP)
    hint = drive.grant_next()
    assert (op, None) == (hint.id, drive.begin_at_slot(hint).get("phase"))
    drive.settle(hint, UNKNOWN)
    assert "l1" == drive.operation(op)["ph"]
    assert 0 == drive.balance().unaccounted
    drive.deliver(replace(ABSENT, uuids=("MSG7",)))
    assert "accepted" == drive.operation(op)["oc"]


def test_an_operation_of_a_campaign_takes_its_place_in_it(drive: Drive, held: Held) -> None:
    """The campaign's counts move with the account's; the operation's own new validity wins over the campaign's."""
    common = common_fields(
        account="acme", sender=SENDER, priority="bulk", kind="message.to_number", max_attempts=8,
        on_unknown="hold", valid_until=drive.now + timedelta(minutes=1), now=drive.now,
    ) | {"p": '{"text":"hi"}'}  # fmt: skip
    drive.state.open_campaign("spring", common, "digest")
    targets = [f"+1555020000{i}" for i in range(3)]
    rows = [{"id": derived_id("campaign", "spring", to), "to": to, "p": "{}"} for to in targets]
    rid = new_id()
    body = chunk(campaign="spring", account="acme", sender=SENDER, priority="bulk", rows=rows)
    drive.state.submit(rid, "acme", SENDER, len(rows), body, campaign="spring")
    drive.worker.accept([rid])
    first, second, third = (row["id"] for row in rows)
    assert [first, second] == [drive.deliver(UNKNOWN) for _ in range(2)]
    assert "message.to_number" == held.list().operations[0].kind
    held.release(first)
    held.drop(second)
    assert [first, third] == [drive.deliver(ACCEPTED) for _ in range(2)]
    counts = drive.campaign().outcomes
    assert (2, 1, 0) == (counts["accepted"], counts["cancelled"], counts["held"])
    assert (0, 0, 1, 0) == books(drive)


def test_what_is_of_a_cancelled_campaign_is_not_released(drive: Drive, held: Held) -> None:
    """Nothing of it is sent again; it is told what can be done, and that works."""
    common = common_fields(
        account="acme", sender=SENDER, priority="bulk", kind="message.to_number", max_attempts=8,
        on_unknown="hold", valid_until=drive.now + timedelta(hours=1), now=drive.now,
    ) | {"p": '{"text":"hi"}'}  # fmt: skip
    drive.state.open_campaign("spring", common, "digest")
    rid, op = new_id(), derived_id("campaign", "spring", "+15550200000")
    rows = [{"id": op, "to": "+15550200000", "p": "{}"}]
    body = chunk(campaign="spring", account="acme", sender=SENDER, priority="bulk", rows=rows)
    drive.state.submit(rid, "acme", SENDER, 1, body, campaign="spring")
    drive.worker.accept([rid])
    assert op == drive.deliver(UNKNOWN)
    drive.state.control_campaign("cancel", "spring", "by hand")
    with pytest.raises(
        CampaignCancelled, match=f"^operation '{op}': its campaign 'spring' was cancelled; drop it instead$"
    ):
        held.release(op)
    assert (0, 1, 0, 0) == books(drive)
    held.drop(op)
    assert (0, 0, 1, 0) == books(drive)


def test_the_list_is_the_oldest_first_of_all_accounts(drive: Drive, held: Held) -> None:
    """Cut where it was told to be, with the number of all."""
    add_account(drive.client, "other")
    add_account(drive.client, "idle")
    ops = [hold(drive, account=name) for name in ("acme", "other", "other", "acme", "acme", "other")]
    assert ops == ids(held)
    assert [ops[:most] for most in range(1, 6)] == [ids(held, limit=most) for most in range(1, 6)]
    assert [ops[0], ops[3], ops[4]] == ids(held, "acme")
    assert [ops[1]] == ids(held, "other", 1)
    assert [] == ids(held, "idle")
    assert (6, 3) == (held.list(limit=2).total, held.list("other", limit=1).total)


def test_the_list_tells_kind_time_and_last_words(drive: Drive, held: Held) -> None:
    """And neither who was written to nor what."""
    op = hold(drive)
    at = drive.now
    drive.advance(90)
    found = held.list()
    [told] = found.operations
    expected = {
        "id": op,
        "account": "acme",
        "kind": "message.to_number",
        "since": at.isoformat(),
        "words": UNKNOWN.words,
    }
    assert (expected, drive.now) == (told.as_json(), found.now)


def test_the_list_costs_what_it_shows(drive: Drive, held: Held) -> None:
    """Ten of 5,000 take as few commands as ten of ten; held ones of which nothing is known any more do not break it."""
    crowd = {f"x{number:05d}": drive.now_us + number for number in range(5000)}
    calls = []
    for size in (10, 5000):
        drive.client.zadd("paceline:{0}:a:acme:held", dict(list(crowd.items())[:size]))
        held.list(limit=10)
        drive.client.config_resetstat()
        assert (10, size) == (len(held.list(limit=10).operations), held.list(limit=10).total)
        stats: dict[str, Any] = drive.client.info("commandstats")
        calls.append(sum(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("zrange", "hmget", "zcard")))
    drive.client.delete("paceline:{0}:a:acme:held")
    assert 0 < calls[1] <= calls[0] + 2


def test_a_list_of_an_unknown_account_or_without_bound_is_refused(held: Held) -> None:
    """Named, not empty."""
    with pytest.raises(UnknownAccount, match="no account named 'nobody'"):
        held.list("nobody")
    for limit in (0, -1, 1001):
        with pytest.raises(InvalidOperation, match="limit: must be 1 to 1000"):
            held.list(limit=limit)
