"""Operations that follow another one and wait for its outcome."""

import json
from datetime import timedelta
from typing import Any

import pytest

from paceline.ids import new_id
from paceline.operations import CreateGroup, DeleteMessage, SendMessage
from paceline_worker.accounts.accounts import AccountRefused, Accounts
from paceline_worker.verdict.policy import Verdict
from tests.conftest import SENDER, add_account
from tests.support.drive import ACCEPTED, LEASE_US, REJECTED, UNKNOWN, Drive

GROUP = "WAG11111111-2222-4333-8444-555555555555"
MADE = Verdict("finish", "accepted", code="200", uuid=GROUP, result=json.dumps({"group_uuid": GROUP}))


def create(drive: Drive, **options: Any) -> str:
    return drive.submit(
        CreateGroup(account="acme", sender=SENDER, name="Team", participants=("+15550300001",), **options)
    )


def follow(drive: Drive, other: str, **options: Any) -> str:
    return drive.submit(SendMessage(**{"account": "acme", "sender": SENDER, "group": other, "text": "Hi"} | options))


def timers(drive: Drive) -> list[str]:
    return [str(member) for member in drive.client.zrange("paceline:{0}:a:acme:tm", 0, -1)]


def test_a_follower_leaves_after_the_other_was_accepted_and_is_told_its_handle(drive: Drive) -> None:
    """A message to a group that is being made goes to the group's uuid."""
    other = create(drive)
    op = follow(drive, other, sender="+15550100009")
    assert other == drive.deliver(MADE)
    hint = drive.grant_next()
    begun = drive.begin_at_slot(hint)
    assert (op, GROUP) == (hint.id, begun["followed"]["uuid"])


def test_a_follower_takes_no_slot_while_it_waits(drive: Drive) -> None:
    """It stands in a timer; others of its sender leave, each at its slot."""
    other = create(drive, not_before=drive.now + timedelta(hours=1))
    op = follow(drive, other)
    others = [drive.send() for _ in range(3)]
    assert others == [drive.deliver(ACCEPTED) for _ in range(3)]
    assert f"v:{other}:{op}" in timers(drive)
    assert 0 == drive.balance().unaccounted


def test_followers_leave_in_their_order_and_before_what_came_later(drive: Drive) -> None:
    """They had their turn; it is kept for them."""
    other = create(drive)
    ops = [follow(drive, other, sender="+15550100009") for _ in range(4)]
    later = drive.send(sender="+15550100009")
    creation = drive.grant_next()
    drive.begin_at_slot(creation)
    early = drive.grant_next()
    drive.begin_at_slot(early)
    last = drive.send(sender="+15550100009")
    drive.settle(creation, MADE)
    drive.settle(early, ACCEPTED)
    assert later == early.id
    assert [*ops, last] == [drive.deliver(ACCEPTED) for _ in range(5)]


@pytest.mark.parametrize(("verdict", "outcome"), [(REJECTED, "rejected"), (Verdict("finish", "dead"), "dead")])
def test_a_follower_of_what_failed_is_rejected(drive: Drive, verdict: Verdict, outcome: str) -> None:
    """It says which outcome the other had, and takes no slot."""
    other = create(drive)
    op = follow(drive, other)
    drive.deliver(verdict)
    after = drive.send()
    assert after == drive.deliver(ACCEPTED)
    found = drive.operation(op)
    assert ("rejected", "follows", f"the operation that it follows ended as {outcome}") == (
        found["oc"],
        found["cd"],
        found["le"],
    )
    assert 0 == drive.balance().unaccounted


def test_a_follower_of_a_held_operation_waits_until_a_late_answer_decides(drive: Drive) -> None:
    """Held is not an outcome to follow: nobody knows whether the group exists."""
    other = create(drive, on_unknown="hold")
    op = follow(drive, other)
    hint = drive.grant_next()
    drive.begin_at_slot(hint)
    drive.advance(LEASE_US / 1e6 + 1)
    drive.grant()
    drive.advance(30)
    assert [] == drive.grant().hints
    assert f"v:{other}:{op}" in timers(drive)
    assert "accepted" == drive.settle(hint, MADE)
    assert op == drive.deliver(ACCEPTED)
    assert [] == timers(drive)


def test_a_follower_expires_when_its_own_validity_ends(drive: Drive) -> None:
    """A held operation may never be decided; what follows it does not wait for ever."""
    other = create(drive, on_unknown="hold")
    drive.deliver(UNKNOWN)
    op = follow(drive, other, valid_until=drive.now + timedelta(seconds=60))
    drive.advance(20)
    drive.grant()
    assert drive.now_us + 40_000_000 == drive.due_us()
    drive.go_to_next_due()
    drive.grant()
    assert "expired" == drive.operation(op)["oc"]
    assert 0 == drive.client.exists(f"paceline:{{0}}:f:{other}")
    assert (0, None) == (drive.balance().unaccounted, drive.due_us())


def test_a_chain_is_followed_link_by_link(drive: Drive) -> None:
    """A message to a new group, and the deletion of that message."""
    other = create(drive)
    message = follow(drive, other)
    deletion = drive.submit(DeleteMessage(account="acme", sender=SENDER, message=message))
    assert [other, message, deletion] == [drive.deliver(v) for v in (MADE, ACCEPTED, ACCEPTED)]


def test_a_failed_link_ends_the_whole_chain(drive: Drive) -> None:
    """What followed a follower is rejected too."""
    other = create(drive)
    message = follow(drive, other)
    deletion = drive.submit(DeleteMessage(account="acme", sender=SENDER, message=message))
    drive.deliver(REJECTED)
    drive.advance(30)
    drive.grant()
    drive.grant()
    assert ["rejected"] * 3 == [drive.operation(op)["oc"] for op in (other, message, deletion)]
    assert (None, 0) == (drive.due_us(), drive.balance().unaccounted)


def test_an_operation_that_follows_what_nobody_knows_is_refused(drive: Drive) -> None:
    """Also one that follows itself: at acceptance it is not known yet."""
    message = SendMessage(account="acme", sender=SENDER, group=new_id(), text="Hi")
    drive.submit(message)
    books = drive.balance()
    assert (1, 0, 0) == (books.refused, books.waiting, books.unaccounted)


def test_an_operation_of_another_account_cannot_be_followed(drive: Drive) -> None:
    """Its result belongs to another key."""
    add_account(drive.client, "other")
    other = drive.send("other")
    op = follow(drive, other)
    drive.advance(30)
    drive.grant()
    assert ("rejected", "follows") == (drive.operation(op)["oc"], drive.operation(op)["cd"])


def test_a_record_that_follows_for_ever_is_refused(drive: Drive) -> None:
    """Without a validity a follower could not wait; it must not break the grant of others."""
    other = create(drive)
    common = {"a": "acme", "f": SENDER, "pr": "t", "k": "message.to_group", "mx": "8", "unk": "hold"}
    row = {"id": "x1", "to": other, "rf": other, "p": "{}"}
    record = {"v": 1, "sender": SENDER, "priority": "t", "common": common, "rows": [row]}
    drive.state.submit("r1", "acme", SENDER, 1, json.dumps(record))
    drive.worker.accept(["r1"])
    assert "follows itself" in str(drive.state.record("r1", "none").refused)


def test_an_account_with_followers_cannot_be_removed(drive: Drive) -> None:
    """They wait; once they have their outcome nothing of the account is left."""
    other = create(drive)
    drive.deliver(MADE)
    op = follow(drive, other)
    with pytest.raises(AccountRefused, match="still has operations"):
        Accounts(drive.client).remove("acme")
    assert op == drive.deliver(ACCEPTED)
    Accounts(drive.client).remove("acme")


def test_a_follower_stands_in_one_list_however_often_it_waits(drive: Drive) -> None:
    """Held, released, held again: its entry in the other's list is not doubled."""
    other = create(drive, not_before=drive.now + timedelta(minutes=10))
    op = follow(drive, other)
    drive.advance(30)
    for _ in range(3):
        drive.grant()
    assert [op] == drive.client.lrange(f"paceline:{{0}}:f:{other}", 0, -1)


def test_an_operation_of_another_account_is_followed_by_nobody(drive: Drive) -> None:
    """Accepted or not, that operation is not the account's own: its handle stays with its owner."""
    add_account(drive.client, "other")
    theirs = drive.send("other")
    assert theirs == drive.deliver(ACCEPTED)
    op = follow(drive, theirs)
    while "oc" not in drive.operation(op):
        drive.go_to_next_due()
        assert not drive.grant().hints
    assert ("rejected", "follows") == (drive.operation(op)["oc"], drive.operation(op)["cd"])


def followed(drive: Drive, number: int) -> tuple[str, list[str]]:
    """A group that is made later, and so many messages whose turn came before: they wait for it."""
    add_account(drive.client, "fast", "600/minute", variation_ms=10)
    begins, people = drive.now + timedelta(hours=1), ("+15550300001",)
    other = drive.submit(
        CreateGroup(account="fast", sender=SENDER, name="Team", participants=people, not_before=begins)
    )
    ops = [follow(drive, other, account="fast") for _ in range(number)]
    for _ in range(20 * number):
        drive.grant()
        drive.advance(0.05)
        if drive.client.llen(f"paceline:{{0}}:f:{other}") == number:
            return other, ops
    raise AssertionError("some of them had no turn")


@pytest.mark.parametrize("number", [20, 21, 60, 130])
def test_many_followers_keep_their_order(drive: Drive, number: int) -> None:
    """They are released in parts, the last ones first, and the first one leaves when all of them are back."""
    other, ops = followed(drive, number)
    assert other == drive.deliver(MADE)
    last = follow(drive, other, account="fast")
    assert [*ops, last] == [drive.deliver(ACCEPTED) for _ in range(number + 1)]


def test_followers_that_nobody_releases_are_released_when_one_of_them_has_its_turn(drive: Drive) -> None:
    """The index of timers forgot them: nothing waits for ever."""
    other, ops = followed(drive, 30)
    assert other == drive.deliver(MADE)
    drive.client.zrem("paceline:{0}:timers", f">{other}")
    assert ops == [drive.deliver(ACCEPTED) for _ in ops]
