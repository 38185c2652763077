"""A 429 makes the spacing longer; clean hours take it back."""

from itertools import pairwise

import pytest

from paceline_worker.accounts.accounts import Accounts
from tests.support.drive import ACCEPTED, THROTTLED, Drive

INTERVAL_US = 6_100_000


def spacing(drive: Drive) -> float:
    """The distance between the next two slots, in spacings of a clean account."""
    drive.send()
    drive.send()
    slots = [drive.call(ACCEPTED).slot_us for _ in range(3 - 1)]
    drive.send()
    slots.append(drive.call(ACCEPTED).slot_us)
    return (slots[2] - slots[1]) / INTERVAL_US


def throttle(drive: Drive, times: int) -> None:
    for _ in range(times):
        drive.send()
        drive.deliver(THROTTLED)
        drive.deliver(ACCEPTED)


@pytest.mark.parametrize(
    ("times", "expected"), [(0, 1.0), (1, 1.25), (2, 1.562), (3, 1.952), (4, 2.0), (6, 2.0)], ids=str
)
def test_each_429_makes_the_spacing_a_quarter_longer_and_at_most_twice_as_long(
    drive: Drive, times: int, expected: float
) -> None:
    """Whatever the reason was: the provider found too many."""
    throttle(drive, times)
    assert expected == pytest.approx(spacing(drive), abs=1e-6)


@pytest.mark.parametrize(
    ("hours", "expected"), [(0.5, 1.25), (1.1, 1.2), (2.1, 1.15), (4.1, 1.05), (5.1, 1.0), (50, 1.0)], ids=str
)
def test_each_clean_hour_takes_a_twentieth_back(drive: Drive, hours: float, expected: float) -> None:
    """After five hours the account has its whole rate again."""
    throttle(drive, 1)
    drive.advance(hours * 3600)
    assert expected == pytest.approx(spacing(drive), abs=1e-6)


def test_several_429s_of_one_moment_count_once(drive: Drive) -> None:
    """Calls that were under way together are one incident."""
    hints = []
    for number in range(3):
        drive.send(sender=f"+1555010000{number}")
        hints.append(drive.grant_next())
        drive.begin_at_slot(hints[-1])
    for hint in hints:
        drive.settle(hint, THROTTLED)
    assert "1250" == drive.client.hget("paceline:{0}:a:acme", "slow")


def test_a_429_of_info_counts_too(drive: Drive) -> None:
    """It uses the same limit; and it does not shorten a pause that is longer."""
    drive.send()
    drive.deliver(THROTTLED)
    until = drive.client.hget("paceline:{0}:a:acme", "paused_until")
    drive.info_throttled(5)
    assert (until, "1250") == tuple(drive.client.hmget("paceline:{0}:a:acme", "paused_until", "slow"))
    drive.advance(120)
    drive.info_throttled(5)
    assert "1562" == drive.client.hget("paceline:{0}:a:acme", "slow")


def test_a_slot_from_before_the_limit_was_halved_does_not_take_a_later_one_with_it(drive: Drive) -> None:
    """Two slots granted, the spacing doubled by hand: the first is given back, and the second keeps its distance."""
    Accounts(drive.client).change("acme", rates="600/minute")
    drive.advance(10)
    drive.send()
    drive.send(sender="+15550100009")
    first, second = drive.grant().hints
    assert second.slot_us - first.slot_us == 200_000
    drive.client.hset("paceline:{0}:a:acme", "interval", 400_000)
    drive.worker.give_back([first], "not sent")
    again = drive.grant_next()
    assert again.slot_us - second.slot_us >= 200_000


def test_slots_keep_the_longer_distance_through_a_whole_backlog(drive: Drive) -> None:
    """At 1.25 every slot of the next minutes is 7.625 s from the one before."""
    throttle(drive, 1)
    for _ in range(10):
        drive.send()
    slots = [drive.call(ACCEPTED).slot_us for _ in range(10)]
    assert {1.25} == {(later - earlier) / INTERVAL_US for earlier, later in pairwise(slots)}
