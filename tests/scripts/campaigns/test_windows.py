"""Windows: of campaigns, and of single operations with hours of their own."""

from datetime import timedelta

import pytest

from tests.conftest import add_account
from tests.properties.uploads import Uploads, capped, openings
from tests.support.drive import ACCEPTED, OVERLOADED, Drive

INTERVAL_US = 110_000
SECOND_US = 1_000_000
OTHER = "+15550100009"


@pytest.fixture
def uploads(drive: Drive) -> Uploads:
    """600 a minute with J of 10 ms: a slot every 110 ms."""
    add_account(drive.client, "fast", "600/minute", variation_ms=10)
    return Uploads(drive)


def slots(drive: Drive, count: int) -> list[int]:
    """The slots of the next operations, each of them answered at its slot."""
    return [drive.call(ACCEPTED).slot_us for _ in range(count)]


def test_nothing_leaves_after_the_window_has_closed(drive: Drive, uploads: Uploads) -> None:
    """Open for 1 s, and again after a minute: the slots of the account between them are not the campaign's."""
    begin, begin_us = drive.now, drive.now_us
    uploads.start("c1", 40, account="fast", options=openings(begin, (0, 1), (60, 61)))
    seconds = [(slot - begin_us) / 1e6 for slot in slots(drive, 15)]
    assert [] == [second for second in seconds if not (0 <= second < 1 or 60 <= second < 61)]


def test_a_window_opens_and_closes_to_the_slot(drive: Drive, uploads: Uploads) -> None:
    """The first slot is the opening itself, the last one less than a spacing before the end, and all between are used."""
    begin_us = drive.now_us
    uploads.start("c1", 40, account="fast", options=openings(drive.now, (100, 102), (200, 300)))
    used = slots(drive, 20)
    first = [slot - begin_us - 100 * SECOND_US for slot in used if slot < begin_us + 102 * SECOND_US]
    assert list(range(0, 2 * SECOND_US, INTERVAL_US)) == first
    assert 200 * SECOND_US == used[len(first)] - begin_us


def test_a_window_that_closed_while_no_dispatcher_ran_lets_nothing_out(drive: Drive, uploads: Uploads) -> None:
    """The operations were in turn when it closed; an hour later the first look at them is outside."""
    uploads.start("c1", 3, account="fast", options=openings(drive.now, (0, 10), (7200, 7300)))
    begin_us = drive.now_us
    drive.advance(3600)
    assert [] == drive.grant().hints
    assert 7200 * SECOND_US == slots(drive, 1)[0] - begin_us


def test_without_a_further_opening_the_rest_expires(drive: Drive, uploads: Uploads) -> None:
    """It says so, takes no slots for it, and the campaign has its end."""
    uploads.start("c1", 40, account="fast", options=openings(drive.now, (0, 1)))
    while (due := drive.next_due_us()) is not None:
        drive.set_time(max(drive.now_us, due))
        for hint in drive.grant().hints:
            drive.begin_at_slot(hint)
            drive.settle(hint, ACCEPTED)
    assert (9, 31) == (uploads.counted("c1", "accepted"), uploads.counted("c1", "expired"))
    assert uploads.completed("c1") is not None


def test_a_changed_window_holds_from_the_next_turn_on(drive: Drive, uploads: Uploads) -> None:
    """Closed, widened to now, and taken away."""
    uploads.start("c1", 40, account="fast", options=openings(drive.now, (3600, 7200)))
    begin_us = drive.now_us
    drive.grant()
    drive.advance(10)
    uploads.change("c1", openings(drive.now, (0, 1), (100, 200)))
    assert slots(drive, 1)[0] - begin_us < 10.2 * SECOND_US
    drive.advance(30)
    drive.grant()
    uploads.change("c1", {"window": "", "openings": ""})
    assert slots(drive, 1)[0] < drive.now_us + SECOND_US
    uploads.change("c1", openings(drive.now, (500, 600)))
    expected = drive.now_us + 500 * SECOND_US
    assert expected == slots(drive, 1)[0]


def test_a_cap_that_ends_after_the_closing_waits_for_the_next_opening(drive: Drive, uploads: Uploads) -> None:
    """One in 10 s, and a window of 5: the second one leaves at the next opening, not between."""
    begin_us = drive.now_us
    options = openings(drive.now, (0, 5), (60, 65)) | capped(10 * SECOND_US)
    uploads.start("c1", 3, account="fast", options=options)
    first, second = slots(drive, 2)
    assert first - begin_us < 5 * SECOND_US
    assert 60 * SECOND_US == second - begin_us


def test_a_retry_waits_for_the_window_too(drive: Drive, uploads: Uploads) -> None:
    """Its back-off ends when the window is closed."""
    begin_us = drive.now_us
    uploads.start("c1", 1, account="fast", options=openings(drive.now, (0, 2), (60, 62)))
    drive.call(OVERLOADED)
    assert 60 * SECOND_US == slots(drive, 1)[0] - begin_us


def hours(drive: Drive, begins: int, ends: int) -> str:
    """Hours from so many minutes after now until so many."""
    begin, end = (drive.now + timedelta(minutes=minutes) for minutes in (begins, ends))
    return f"{begin:%H:%M}-{end:%H:%M} UTC"


def until(drive: Drive, minutes: int) -> int:
    """The microseconds until the beginning of the minute so many minutes after now."""
    return minutes * 60 * SECOND_US - drive.now_us % (60 * SECOND_US)


@pytest.mark.usefixtures("uploads")
def test_a_single_operation_waits_for_its_own_hours(drive: Drive) -> None:
    """It takes no slot before; others of its sender leave meanwhile, also to the same recipient."""
    opens_us = drive.now_us + until(drive, 5)
    op = drive.send("fast", window=hours(drive, 5, 7))
    others = [drive.send("fast") for _ in range(3)]
    assert others == [drive.deliver(ACCEPTED) for _ in range(3)]
    hint = drive.call(ACCEPTED)
    assert op == hint.id
    assert 0 <= hint.slot_us - opens_us <= 2 * INTERVAL_US
    assert 0 == drive.balance("fast").unaccounted


def test_a_single_operation_whose_hours_end_in_the_queue_waits_for_the_next_day(drive: Drive) -> None:
    """It had not had its turn when they ended."""
    busy = drive.send()
    op = drive.send(window=hours(drive, 0, 1), valid_until=drive.now + timedelta(days=3))
    opened_us = drive.now_us + until(drive, 0)
    hint = drive.grant_next()
    assert busy == hint.id
    drive.advance(120)
    drive.grant()
    drive.worker.give_back([hint], "late")
    hints = [drive.call(ACCEPTED) for _ in range(2)]
    assert [busy, op] == [hint.id for hint in hints]
    assert hints[1].slot_us == opened_us + 86400 * SECOND_US


def test_one_without_hours_does_not_wait_for_the_hours_of_another(drive: Drive) -> None:
    """A code to log in, behind a note that may only be sent by day: not held up until the morning."""
    busy = drive.send(to="+15550200009")
    note = drive.send(window=hours(drive, 0, 1), valid_until=drive.now + timedelta(days=3))
    assert busy == drive.deliver(ACCEPTED)
    drive.advance(120)
    drive.grant()  # the note has missed its hours
    code = drive.send()
    assert code == drive.deliver(ACCEPTED)
    assert note == drive.deliver(ACCEPTED)
