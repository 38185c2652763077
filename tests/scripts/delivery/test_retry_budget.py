"""Retries are a tenth of first attempts, and ten at once: each one beyond that waits for the longest back-off."""

from dataclasses import replace

from tests.conftest import add_account
from tests.support.drive import ACCEPTED, OVERLOADED, Drive

RETRY = replace(OVERLOADED, delay_s=2.0)


def back_off_s(drive: Drive, number: int) -> float:
    """One call fails; how long its operation waits then."""
    op = drive.send("fast", sender=f"+155502{number:05d}")
    hint = drive.grant_next()
    drive.begin_at_slot(hint)
    drive.set_time(hint.slot_us)
    drive.settle(hint, RETRY)
    due_us = drive.client.zscore("paceline:{0}:a:fast:tm", f"o:0:{op}")
    drive.client.zrem("paceline:{0}:a:fast:tm", f"o:0:{op}")  # only first attempts are of interest here
    return (int(due_us or 0) - drive.now_us) / 1e6


def test_a_tenth_of_first_attempts_may_be_repeated_soon(drive: Drive) -> None:
    """Ten at once; then ten first attempts buy one more."""
    add_account(drive.client, "fast", "3000/minute")
    waits = [back_off_s(drive, number) for number in range(14)]
    assert [2.0] * 10 == [round(wait, 3) for wait in waits[:10]]
    assert all(30 <= wait <= 60 for wait in waits[10:])
    for number in range(20):
        drive.send("fast", sender=f"+155503{number:05d}")
        drive.deliver(ACCEPTED)
    assert [True, True, False] == [back_off_s(drive, 100 + number) < 3 for number in range(3)]
