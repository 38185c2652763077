"""J that is measured: how far the slot after a call is from it."""

from dataclasses import replace
from datetime import timedelta

import pytest
import redis

from paceline_worker.accounts.accounts import Accounts
from paceline_worker.accounts.secrets import ApiKey, KeyRing
from paceline_worker.pacing.bucket import HEARD, Pacing, Variation
from tests.conftest import SECRET
from tests.support.drive import ACCEPTED, THROTTLED, UNKNOWN, Drive

ANSWERED = replace(ACCEPTED, health="good")
INTERVAL_US = 750_000
QUICK_US = 20_000


def add(client: redis.Redis, *, variation: Variation = "auto", pacing: Pacing = "spacing", reserve: int = 0) -> None:
    Accounts(client).add(
        "fast",
        ApiKey("KEY-fast"),
        ring=KeyRing(SECRET),
        rates="80/minute",
        pacing=pacing,
        variation=variation,
        reserve=reserve,
        info_every=timedelta(0),
    )


def call(drive: Drive, elapsed_us: int = QUICK_US, sender: str = "+15550100001") -> int:
    """Send one message; returns its slot."""
    drive.send("fast", sender=sender)
    hint = drive.grant_next()
    assert drive.begin_at_slot(hint)["s"] == "go"
    drive.set_time(hint.slot_us + elapsed_us)
    drive.settle(hint, ANSWERED, elapsed_us=elapsed_us)
    return hint.slot_us


def settled(drive: Drive, elapsed_us: int = QUICK_US) -> int:
    """As many calls as it takes until J is believed, and one; the slot of the last."""
    return [call(drive, elapsed_us) for _ in range(HEARD + 1)][-1]


def test_a_steady_way_costs_five_milliseconds(drive: Drive) -> None:
    """Two arrivals can differ by no more; the first calls keep 100 ms."""
    add(drive.client)
    first = call(drive)
    assert INTERVAL_US + 100_000 == call(drive) - first
    last = settled(drive)
    assert INTERVAL_US + 5_000 == call(drive) - last
    account = drive.state.account("fast")
    assert account
    assert INTERVAL_US + 6_000 > account.account.interval_now_us


def test_a_call_that_took_longer_widens_the_next_distance_at_once(drive: Drive) -> None:
    """It may have arrived 60 ms later than a quick one."""
    add(drive.client)
    settled(drive)
    slow = call(drive, QUICK_US + 60_000)
    # To its own excess comes a quarter of the usual one, here of an eighth of 60 ms.
    assert INTERVAL_US + 60_000 + 60_000 // 8 // 4 + 5_000 == call(drive) - slow


def test_a_distant_provider_may_come_nearer_by_a_quarter(drive: Drive) -> None:
    """A way that becomes shorter lets the next call arrive earlier."""
    add(drive.client)
    last = settled(drive, 80_000)
    assert INTERVAL_US + 20_000 == call(drive, 80_000) - last


def test_a_call_without_an_answer_keeps_its_distance(drive: Drive) -> None:
    """Nobody knows when it arrived."""
    add(drive.client)
    settled(drive)
    drive.send("fast", on_unknown="hold")
    hint = drive.grant_next()
    assert drive.begin_at_slot(hint)["s"] == "go"
    drive.set_time(hint.slot_us + 300_000)
    drive.settle(hint, UNKNOWN, elapsed_us=300_000)
    assert hint.slot_us + 300_000 + INTERVAL_US == call(drive)


def test_a_call_under_way_is_waited_for(drive: Drive) -> None:
    """The answer can bring another sender's operation a nearer slot than a call of unknown lateness would."""
    add(drive.client)
    settled(drive)
    ahead = [drive.send("fast", sender=sender) for sender in ("+15550100001", "+15550100003")]
    hint = drive.grant_next()
    assert ahead[0] == hint.id
    assert drive.begin_at_slot(hint)["s"] == "go"
    drive.set_time(hint.slot_us + 600_000)
    assert not drive.grant().hints
    drive.settle(hint, ANSWERED, elapsed_us=QUICK_US)
    assert [hint.slot_us + INTERVAL_US + 5_000] == [later.slot_us for later in drive.grant().hints]


def test_a_lost_answer_stops_nothing(drive: Drive) -> None:
    """Its worker was killed: the next operation keeps 100 ms from it."""
    add(drive.client)
    settled(drive)
    drive.send("fast")
    drive.send("fast", sender="+15550100003")
    lost = drive.grant_next()
    assert INTERVAL_US + 100_000 == drive.grant_next().slot_us - lost.slot_us


def test_after_a_429_nothing_is_measured(drive: Drive) -> None:
    """Until clean hours have brought the spacing back."""
    add(drive.client)
    settled(drive)
    drive.send("fast")
    hint = drive.grant_next()
    drive.begin_at_slot(hint)
    drive.settle(hint, THROTTLED, elapsed_us=QUICK_US)
    probe = drive.grant_next()
    drive.begin_at_slot(probe)
    drive.settle(probe, ANSWERED, elapsed_us=QUICK_US)
    # 1.25 times 850 ms.
    assert 1_062_500 == call(drive) - probe.slot_us


def test_j_is_measured_again_when_the_spacing_has_recovered(drive: Drive) -> None:
    """Five clean hours after a 429 the account has its whole rate again, and its measured distance."""
    add(drive.client)
    settled(drive)
    drive.send("fast")
    hint = drive.grant_next()
    drive.begin_at_slot(hint)
    drive.settle(hint, THROTTLED, elapsed_us=QUICK_US)
    drive.advance(6 * 3600)
    last = settled(drive)
    assert INTERVAL_US + 5_000 == call(drive) - last


@pytest.mark.parametrize(
    ("variation", "pacing", "distance_us"),
    [
        ("auto", "window", 751_250),
        (timedelta(milliseconds=100), "spacing", 850_000),
        (timedelta(0), "spacing", 770_000),
    ],
)
def test_what_is_set_is_kept(drive: Drive, variation: Variation, pacing: Pacing, distance_us: int) -> None:
    """A fixed J is not measured, though a call longer than J pushes by the excess; with `window` it would gain next to nothing."""
    add(drive.client, variation=variation, pacing=pacing)
    last = settled(drive)
    assert distance_us == call(drive) - last


def test_a_reserve_grows_less_too(drive: Drive) -> None:
    """Bulk work keeps its share of what the account may send."""
    add(drive.client, reserve=50)
    last = settled(drive)
    drive.send("fast", priority="bulk")
    assert 2 * (INTERVAL_US + 5_000) == drive.grant_next().slot_us - last


def test_change_to_auto_and_back(drive: Drive) -> None:
    """What was measured is not used while J is fixed."""
    add(drive.client)
    settled(drive)
    accounts = Accounts(drive.client)
    accounts.change("fast", variation=timedelta(milliseconds=50))
    last = settled(drive)
    assert INTERVAL_US + 50_000 == call(drive) - last
    accounts.change("fast", variation="auto")
    last = call(drive)
    assert INTERVAL_US + 5_000 == call(drive) - last
