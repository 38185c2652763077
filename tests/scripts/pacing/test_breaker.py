"""Circuit breakers: one per account, one for the provider."""

from dataclasses import replace
from itertools import pairwise

import pytest

from paceline.state.scripts import Script
from paceline_worker.accounts.accounts import Accounts
from paceline_worker.state.values import Hint
from paceline_worker.verdict.breaker import PROVIDER_SHARE, RUN, SHARE
from paceline_worker.verdict.policy import Verdict
from tests.conftest import add_account
from tests.support.drive import ACCEPTED, LEASE_US, NOT_MADE, OVERLOADED, THROTTLED, UNSENDABLE, Drive

INTERVAL_US = 6_100_000
GOOD = ACCEPTED.of_health("good")
BAD = replace(OVERLOADED, delay_s=0.001).of_health("bad")
PROBE_PATIENCE_S = 30


def backlog(drive: Drive, count: int, account: str = "acme") -> None:
    """So many messages, each of a sender of its own."""
    for number in range(count):
        drive.send(account, sender=f"+155501{number:05d}", max_attempts=100)


def fail(drive: Drive, times: int) -> None:
    for _ in range(times):
        drive.deliver(BAD)


def breaker(drive: Drive, account: str = "acme") -> str | None:
    found = drive.client.hget(f"paceline:{{0}}:a:{account}", "breaker")
    return None if found is None else str(found)


def provider_is_open(drive: Drive) -> bool:
    return bool(drive.client.hexists("paceline:{0}:meta", "pb_until"))


def test_six_failures_in_a_row_open_it(drive: Drive) -> None:
    """Five do not."""
    backlog(drive, RUN + 2)
    fail(drive, RUN - 1)
    assert breaker(drive) is None
    fail(drive, 1)
    assert "open" == breaker(drive)


def test_fifteen_failures_among_twenty_calls_open_it(drive: Drive) -> None:
    """Never six in a row, yet three calls of four fail."""
    backlog(drive, 25)
    for _ in range(SHARE // 5):
        drive.deliver(GOOD)
        assert breaker(drive) is None
        fail(drive, 5)
    assert "open" == breaker(drive)


def test_failures_of_long_ago_are_forgotten(drive: Drive) -> None:
    """After twenty good calls nothing is remembered, and nothing is kept."""
    backlog(drive, 30)
    fail(drive, 2)
    for _ in range(20):
        drive.deliver(GOOD)
    assert [None, None] == drive.client.hmget("paceline:{0}:a:acme", "bad_run", "bad_window")


def test_the_pauses_grow_from_five_seconds_to_a_minute(drive: Drive) -> None:
    """5, 10, 20, 40, 60, 60 s, each up to a fifth shorter; one probe after each."""
    backlog(drive, 8)
    fail(drive, RUN)
    pauses = []
    for _ in range(6):
        paused_until = int(drive.client.hget("paceline:{0}:a:acme", "paused_until") or 0)
        pauses.append((paused_until - drive.now_us) / 1e6)
        hint = drive.call(BAD)
        assert hint.slot_us >= paused_until
    for pause, longest in zip(pauses, [5, 10, 20, 40, 60, 60], strict=True):
        assert 0.8 * longest <= pause <= longest


def test_while_it_is_open_one_probe_is_under_way(drive: Drive) -> None:
    """The others wait for its answer, however long it takes."""
    backlog(drive, 8)
    fail(drive, RUN)
    probe = drive.grant_next()
    drive.begin_at_slot(probe)
    drive.set_time(probe.slot_us + 15_000_000)
    assert [] == drive.grant().hints
    drive.settle(probe, GOOD)
    drive.advance(30)
    assert 1 == len(drive.grant().hints)


def test_a_failure_of_before_does_not_bring_a_second_probe(drive: Drive) -> None:
    """A call of before it opened fails late, while the probe is under way: a new pause, and still one call at a time."""
    backlog(drive, 9)
    slow = drive.grant_next()
    drive.begin_at_slot(slow)
    fail(drive, RUN)
    probe = drive.grant_next()
    drive.begin_at_slot(probe)
    drive.settle(slow, BAD)
    drive.advance(12)
    assert [] == drive.grant().hints
    drive.settle(probe, GOOD)
    drive.advance(12)
    assert 1 == len(drive.grant().hints)


def test_what_was_granted_before_it_opened_stays(drive: Drive) -> None:
    """Granted 250 ms ahead, not begun: back to its lane, and its slot goes back."""
    backlog(drive, RUN + 1)
    fail(drive, RUN - 1)
    last = drive.grant_next()
    drive.begin_at_slot(last)
    drive.set_time(last.slot_us + INTERVAL_US - 200_000)
    granted = drive.grant().hints[0]
    drive.settle(last, BAD)
    assert "paused" == drive.begin([granted])[0]["why"]


def test_it_goes_on_with_a_quarter_a_half_and_the_whole_rate(drive: Drive) -> None:
    """Five calls each; the distances between slots are 4, 2 and 1 spacings."""
    backlog(drive, 20)
    fail(drive, RUN)
    slots = [drive.call(GOOD).slot_us for _ in range(14)]
    distances = [(later - earlier) / INTERVAL_US for earlier, later in pairwise(slots)]
    assert [1, 4, 4, 4, 4, 4, 2, 2, 2, 2, 2, 1, 1] == distances
    assert breaker(drive) is None


def test_the_same_share_decides_on_the_way_back(drive: Drive) -> None:
    """One failure is none too many; six in a row open it again, for longer."""
    backlog(drive, 20)
    fail(drive, RUN)
    drive.deliver(GOOD)
    fail(drive, RUN - 1)
    assert "ramp" == breaker(drive)
    drive.deliver(BAD)
    paused_s = (int(drive.client.hget("paceline:{0}:a:acme", "paused_until") or 0) - drive.now_us) / 1e6
    assert "open" == breaker(drive)
    assert 8 <= paused_s <= 10


@pytest.mark.parametrize("how", ["given back", "not made", "unsendable", "worker lost before", "worker lost after"])
def test_a_probe_that_nobody_answered_for_is_followed_by_another(drive: Drive, how: str) -> None:
    """However it was lost, the account does not stay silent, and still sends one at a time."""
    backlog(drive, 8)
    fail(drive, RUN)
    lose(drive, drive.grant_next(), how)
    probe = drive.grant_next()
    drive.begin_at_slot(probe)
    drive.set_time(probe.slot_us + 13_000_000)
    assert [] == drive.grant().hints
    assert 0 == drive.balance().unaccounted


def lose(drive: Drive, hint: Hint, how: str) -> None:
    if how == "given back":
        drive.worker.give_back([hint], "the worker stops")
    elif how == "worker lost before":
        drive.set_time(hint.slot_us + 5_000_001)
    else:
        drive.begin_at_slot(hint)
        if how == "worker lost after":
            drive.advance(LEASE_US / 1e6 + 1)
        else:
            drive.settle(hint, NOT_MADE if how == "not made" else UNSENDABLE)


def test_a_429_while_it_is_open_pauses_for_as_long_as_it_says(drive: Drive) -> None:
    """The probe is answered, so the provider lives; but the account has to wait, and then to probe."""
    backlog(drive, 8)
    fail(drive, RUN)
    throttled = drive.call(THROTTLED.of_health("good"))
    probe = drive.grant_next()
    assert probe.slot_us >= throttled.slot_us + 60_000_000
    drive.begin_at_slot(probe)
    drive.advance(10)
    assert [] == drive.grant().hints


def test_a_service_may_take_slots_when_nothing_is_left_to_probe_with(drive: Drive) -> None:
    """An account whose last operation failed does not refuse users of `limits` for ever; and the next operation is a probe."""
    take = Script("paceline_worker", "take")
    drive.send(max_attempts=100)
    fail(drive, RUN - 1)
    drive.deliver(Verdict("finish", "dead", code="503").of_health("bad"))
    assert "open" == breaker(drive)
    drive.advance(60)
    assert "1" == take.run(drive.client, "acme", 1, 0, "take")[0]
    backlog(drive, 2)
    drive.begin_at_slot(drive.grant_next())
    drive.advance(12)
    assert [] == drive.grant().hints


def test_resuming_by_hand_closes_it(drive: Drive) -> None:
    """A person knows better."""
    backlog(drive, 8)
    fail(drive, RUN)
    Accounts(drive.client).resume("acme")
    assert breaker(drive) is None
    drive.begin_at_slot(drive.grant_next())
    drive.advance(7)
    assert 1 == len(drive.grant().hints)


def open_provider(drive: Drive) -> None:
    """Every call of three accounts fails; `acme` is one of them."""
    for name in ("one", "two"):
        add_account(drive.client, name)
    for name in ("acme", "one", "two"):
        backlog(drive, 8, name)
    failed: set[str] = set()
    for _ in range(PROVIDER_SHARE):
        assert not provider_is_open(drive)
        failed.add(str(drive.operation(drive.deliver(BAD))["a"]))
    assert {"acme", "one", "two"} == failed
    assert provider_is_open(drive)
    for name in failed:  # their own breakers, opened by the same calls, are another matter
        Accounts(drive.client).resume(name)


def test_failures_of_three_accounts_stop_all(drive: Drive) -> None:
    """Then one probe in all accounts; it is answered, and everything goes on at once."""
    open_provider(drive)
    opened = drive.now_us
    probe = drive.grant_next()
    assert 4_000_000 <= probe.slot_us - opened <= INTERVAL_US
    drive.begin_at_slot(probe)
    drive.advance(10)
    assert [] == drive.grant().hints
    drive.settle(probe, GOOD)
    assert not provider_is_open(drive)
    assert 2 <= len(drive.grant().hints)


def test_failures_of_two_accounts_are_their_own_trouble(drive: Drive) -> None:
    """However many they are: their own breakers watch them."""
    add_account(drive.client, "one", "3000/minute")
    backlog(drive, 2 * PROVIDER_SHARE, "one")
    for _ in range(2 * PROVIDER_SHARE - 2):
        drive.deliver(BAD)
        Accounts(drive.client).resume("one")
    assert not provider_is_open(drive)


def test_a_few_good_calls_among_the_last_twenty_keep_the_provider_open_for_business(drive: Drive) -> None:
    """Three of twenty were answered: it is ill, and not down. Good calls before the first failure leave nothing behind."""
    for name in ("one", "two"):
        add_account(drive.client, name, "3000/minute")
    for name in ("acme", "one", "two"):
        backlog(drive, 30, name)
    drive.deliver(GOOD)
    assert [None, None] == drive.client.hmget("paceline:{0}:meta", "pb_window", "pb_bad")
    for _ in range(2):
        for verdict in (GOOD, *[BAD] * 5, GOOD, *[BAD] * 5, GOOD, *[BAD] * 5):
            drive.deliver(verdict)
            for name in ("acme", "one", "two"):
                Accounts(drive.client).resume(name)
    assert not provider_is_open(drive)


def test_the_providers_pauses_grow_too(drive: Drive) -> None:
    """Each failed probe doubles the pause, to a minute at most."""
    open_provider(drive)
    pauses = []
    for _ in range(5):
        until = int(drive.client.hget("paceline:{0}:meta", "pb_until") or 0)
        pauses.append((until - drive.now_us) / 1e6)
        drive.deliver(BAD)
    for pause, longest in zip(pauses, [5, 10, 20, 40, 60], strict=True):
        assert 0.8 * longest <= pause <= longest


def test_a_probe_of_the_provider_that_is_refused_keeps_nobody_asleep(drive: Drive) -> None:
    """Its account was suspended a moment ago: the next operation probes at once, not when patience with the first is over."""
    open_provider(drive)
    probe = drive.grant_next()
    Accounts(drive.client).suspend(str(drive.operation(probe.id)["a"]))
    assert "suspended" == drive.begin_at_slot(probe)["why"]
    refused_us = drive.now_us
    assert drive.grant_next().slot_us - refused_us <= INTERVAL_US


@pytest.mark.parametrize("how", ["given back", "not made", "unsendable", "worker lost before", "worker lost after"])
def test_a_lost_probe_of_the_provider_is_followed_by_another(drive: Drive, how: str) -> None:
    """Its operation settled by another path, or its worker died: half a minute later at most somebody probes."""
    open_provider(drive)
    lose(drive, drive.grant_next(), how)
    lost = drive.now_us
    probe = drive.grant_next()
    assert probe.slot_us - lost <= (PROBE_PATIENCE_S + 1) * 1_000_000
    drive.begin_at_slot(probe)
    drive.settle(probe, GOOD)
    assert not provider_is_open(drive)


def test_what_was_granted_before_the_provider_failed_stays(drive: Drive) -> None:
    """Nothing but a probe leaves, also not what was granted ahead."""
    for name in ("one", "two", "three", "late"):
        add_account(drive.client, name, "60/minute")
    for name in ("one", "two", "three"):
        backlog(drive, PROVIDER_SHARE // 3, name)
    hints: list[Hint] = []
    while len(hints) < PROVIDER_SHARE:
        hints.append(drive.grant_next())
        drive.begin_at_slot(hints[-1])
    drive.send("late")
    late = drive.grant_next()
    for hint in hints:
        drive.settle(hint, BAD)
    assert provider_is_open(drive)
    assert "paused" == drive.begin_at_slot(late)["why"]


def test_a_pause_of_the_provider_is_not_looked_at_again_and_again(drive: Drive) -> None:
    """A look before its end finds nothing to do, and says when there is: never now."""
    open_provider(drive)
    until = int(drive.client.hget("paceline:{0}:meta", "pb_until") or 0)
    for before_us in (3_000_000, 250_000, 100_000, 1):
        drive.set_time(until - before_us)
        assert [] == drive.grant().hints
        assert (drive.next_due_us() or 0) > drive.now_us
