"""What bulk work leaves to transactional work: a share of the pace, and of the quotas."""

from datetime import timedelta

from paceline import names
from tests.conftest import add_account
from tests.support.drive import ACCEPTED, Drive

OTHER = "+15550100009"


def reserve(drive: Drive, account: str, percent: int) -> None:
    drive.client.hset(f"{names.STATE_ROOT}:a:{account}", "reserve", percent)


def slots(drive: Drive, number: int) -> list[int]:
    """The slots of the next operations, each of them answered at once."""
    found = []
    for _ in range(number):
        hint = drive.grant_next()
        drive.set_time(hint.slot_us)
        drive.begin([hint])
        drive.settle(hint, ACCEPTED)
        found.append(hint.slot_us)
    return found


def test_bulk_keeps_more_distance(drive: Drive) -> None:
    """With a reserve of half, bulk leaves at half the rate of 10 a minute with J of 100 ms."""
    reserve(drive, "acme", 50)
    for _ in range(4):
        drive.send(priority="bulk")
    first, second, third, fourth = slots(drive, 4)
    assert [12_200_000] * 3 == [second - first, third - second, fourth - third]


def test_transactional_work_finds_the_slot_between(drive: Drive) -> None:
    """It takes the account's very next slot, one interval after a bulk one, and bulk goes on behind it."""
    reserve(drive, "acme", 50)
    for _ in range(3):
        drive.send(priority="bulk")
    (first,) = slots(drive, 1)
    urgent = drive.send(sender=OTHER)
    hint = drive.grant_next()
    assert (urgent, 6_100_000) == (hint.id, hint.slot_us - first)


def test_bulk_leaves_a_share_of_a_quota(drive: Drive) -> None:
    """Of 10 a day with a reserve of 30 % bulk may use 7; the other 3 are for transactional work, today."""
    add_account(drive.client, "daily", "600/minute; 10/day")
    reserve(drive, "daily", 30)
    for _ in range(9):
        drive.send("daily", priority="bulk", valid_until=drive.now + timedelta(days=2))
    bulk = slots(drive, 8)
    assert bulk[6] - bulk[0] < 60_000_000
    assert bulk[7] - bulk[0] >= 86_400_000_000


def test_the_reserve_of_a_quota_is_there_for_transactional_work(drive: Drive) -> None:
    """When bulk has used its share, a transactional message still leaves at once."""
    add_account(drive.client, "daily", "600/minute; 10/day")
    reserve(drive, "daily", 30)
    for _ in range(9):
        drive.send("daily", priority="bulk")
    bulk = slots(drive, 7)
    for _ in range(3):
        drive.send("daily", sender=OTHER)
    urgent = slots(drive, 3)
    assert urgent[-1] - bulk[-1] < 60_000_000


def test_a_slot_that_bulk_gives_back_is_there_for_bulk(drive: Drive) -> None:
    """Nothing was sent in that slot, so the next bulk message need not keep a distance from the slot."""
    reserve(drive, "acme", 50)
    for _ in range(3):
        drive.send(priority="bulk")
    (first,) = slots(drive, 1)
    unused = drive.grant_next()
    drive.worker.give_back([unused], "the worker stops")
    assert 12_200_000 == unused.slot_us - first
    assert 12_200_000 == drive.grant_next().slot_us - first
