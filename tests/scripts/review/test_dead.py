"""Dead letters: which there are, which of them a filter chooses, and which are refused."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from paceline.errors import InvalidOperation, NotFound, UnknownAccount
from paceline_worker.accounts.accounts import Accounts
from paceline_worker.review.dead import LOOKED_AT, DeadLetters, Match, NotReplayed, Replayed
from paceline_worker.verdict.policy import Verdict
from tests.conftest import SENDER, add_account
from tests.scripts.review.letters import (
    ROOT,
    books,
    cemetery,
    die,
    everything,
    ids,
    reason,
    replay,
    replay_all,
    upload,
)
from tests.support.drive import ACCEPTED, DEAD, REJECTED, Drive

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
    assert [f"it is {state}, not a dead letter" for state in states] == reasons
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
    assert ["it is waiting, not a dead letter"] * 2 == [one.reason for one in replay(dead, *ops, *ops).refused]
    assert Replayed() == replay_all(dead)
    assert before == everything(drive)


def test_a_dry_run_tells_and_changes_nothing(drive: Drive, dead: DeadLetters) -> None:
    """What would be replayed, and what would not."""
    ops = [die(drive) for _ in range(3)]
    waiting = drive.send()
    before = everything(drive)
    assert Replayed(3, (NotReplayed(waiting, "it is waiting, not a dead letter"),)) == replay(
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
    with pytest.raises(
        (UnknownAccount, NotFound),
        match=r"^no (account named 'nobody': see `paceline accounts list`|campaign named 'nobody': see `paceline campaign list`)$",
    ):
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
