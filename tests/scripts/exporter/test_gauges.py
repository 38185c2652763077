"""What the exporter reads, against the state as it is."""

from datetime import timedelta

import pytest
import redis

from paceline import names
from paceline.state.scripts import Script
from paceline.status.audit import balance_of
from paceline_worker.exporter import readings
from paceline_worker.exporter.readings import AccountReading, CampaignReading, FleetReading, Reader, WorkerReading
from paceline_worker.state.values import Beat
from tests.conftest import SENDER, add_account
from tests.properties.uploads import Uploads, capped, openings
from tests.support.drive import ACCEPTED, BAD_KEY, DEAD, OVERLOADED, REJECTED, THROTTLED, UNKNOWN, Drive

OTHER = "+15550100009"
ROOT = names.STATE_ROOT


@pytest.fixture
def uploads(drive: Drive) -> Uploads:
    return Uploads(drive)


def read(drive: Drive, account: str = "acme") -> AccountReading:
    return next(one for one in Reader(drive.client).accounts() if one.name == account)


def fleet(drive: Drive) -> FleetReading:
    return Reader(drive.client).fleet()


def only_campaign(drive: Drive) -> CampaignReading:
    (one,) = read(drive).campaigns
    return one


def rate(drive: Drive) -> float:
    """Calls a second that may be made now, at calls of 100 ms."""
    demand = read(drive).demand
    return demand.rate(0.1) if demand else 0.0


def test_the_books_are_those_of_the_audit(drive: Drive, uploads: Uploads) -> None:
    """Whatever happened to operations, the waiting and the settled ones add up in both, to the same."""
    uploads.start("c1", 5)
    for number, verdict in enumerate([ACCEPTED, REJECTED, OVERLOADED, DEAD, UNKNOWN]):
        drive.send(sender=f"+1555010001{number}")
        drive.deliver(verdict)
    drive.send(accept=False)
    drive.grant_next()
    found = drive.state.account("acme")
    assert found is not None
    books, reading = balance_of(found), read(drive)
    assert 0 == books.unaccounted == reading.unaccounted
    assert books.waiting == reading.backlog + reading.scheduled
    assert found.held == reading.held
    assert 1 == books.in_flight == fleet(drive).in_flight
    assert 1 == books.inbox == fleet(drive).inbox


def test_a_lost_operation_shows(drive: Drive) -> None:
    """What is in no list is missing."""
    drive.send()
    assert 1 == drive.client.delete(f"{ROOT}:l:acme:{SENDER}:b:-") + drive.client.delete(f"{ROOT}:l:acme:{SENDER}:t")
    assert 1 == read(drive).unaccounted


def test_a_backlog_is_told_by_priority_and_by_age(drive: Drive, uploads: Uploads) -> None:
    """Single and campaign operations, transactional ones, and since when the oldest waits."""
    drive.send(priority="bulk")
    drive.advance(90)
    drive.send(priority="transactional", sender=OTHER)
    uploads.start("c1", 7)
    reading = read(drive)
    assert (1, 8, 0) == (reading.transactional, reading.bulk, reading.scheduled)
    assert 90 == reading.oldest_age_s


def test_what_waits_for_a_time_is_scheduled(drive: Drive, uploads: Uploads) -> None:
    """Not before, a back-off and waiting operations behind it, and rows of a campaign; none of them is old."""
    drive.send(not_before=drive.now + timedelta(hours=1))
    add_account(drive.client, "fast", "600/minute")
    drive.send("fast")
    drive.send("fast")
    drive.deliver(OVERLOADED)
    drive.advance(1)
    assert [] == drive.grant().hints
    uploads.open("c1")
    uploads.write("c1", [{"to": "+15550000001", "not_before": (drive.now + timedelta(hours=2)).isoformat()}])
    reading = read(drive)
    assert [2, 2] == [reading.scheduled, read(drive, "fast").scheduled]
    assert [0, 0] == [reading.backlog, read(drive, "fast").backlog]
    assert [0, 0] == [reading.oldest_age_s, read(drive, "fast").oldest_age_s]
    assert 1 == only_campaign(drive).scheduled


@pytest.mark.parametrize("verb", ["pause", "cancel"])
def test_a_campaign_on_hold_is_neither_old_nor_late_nor_a_demand(drive: Drive, uploads: Uploads, verb: str) -> None:
    """Nothing of it may leave, so nobody has to do anything about it, however many wait."""
    uploads.start("c1", 300, valid_until=drive.now + timedelta(minutes=10))
    drive.advance(60)
    before = read(drive)
    assert before.demand is not None
    # 10 a minute with J of 100 ms: one in 6.1 s, 89 in the nine minutes that are left.
    assert (60, 300 - 89) == (before.oldest_age_s, before.late)
    uploads.control(verb, "c1")
    after = read(drive)
    assert (0, 0, None) == (after.oldest_age_s, after.late, after.demand)
    assert 300 == after.bulk


def test_a_closed_window_is_neither_old_nor_a_demand(drive: Drive, uploads: Uploads) -> None:
    """Once it opens, its operations are as old as the opening; what does not fit into it is late."""
    uploads.start("c1", 50, options=openings(drive.now, (100, 200)), valid_until=drive.now + timedelta(hours=1))
    drive.advance(60)
    closed = read(drive)
    assert (0, None) == (closed.oldest_age_s, closed.demand)
    assert 50 - 17 == closed.late
    drive.advance(60)
    opened = read(drive)
    assert 20 == opened.oldest_age_s
    assert opened.demand is not None
    drive.advance(100)
    assert read(drive).demand is None


def test_only_what_may_leave_now_is_a_demand(drive: Drive) -> None:
    """Nothing waits: none. Something does: the account's rate, as its senders can keep it up. Suspended: none."""
    add_account(drive.client, "fast", "6000/minute", pacing="window", variation_ms=0)
    assert read(drive, "fast").demand is None
    for number in range(3):
        drive.send("fast", sender=f"+1555010001{number}")
    demand = read(drive, "fast").demand
    assert demand is not None
    assert 3 == demand.senders
    assert pytest.approx(100) == demand.slots_per_s
    assert 30 == pytest.approx(demand.rate(0.1))
    Script("paceline_worker", "account").run(drive.client, "suspend", "fast", "by hand")
    assert read(drive, "fast").demand is None


@pytest.mark.parametrize("verdict", [THROTTLED, BAD_KEY])
def test_an_account_that_the_provider_turned_away_is_no_demand(drive: Drive, verdict: object) -> None:
    """Neither while it pauses, nor while its probe is awaited, nor suspended."""
    for number in range(5):
        drive.send(sender=f"+1555010001{number}")
    assert 0 < rate(drive)
    drive.call(verdict)  # type: ignore[arg-type]
    reading = read(drive)
    assert reading.demand is None
    assert (verdict is THROTTLED, verdict is BAD_KEY) == (reading.paused, bool(reading.suspended))
    drive.advance(3600)
    assert read(drive).demand is None
    assert not read(drive).paused


def test_a_campaign_of_its_own_rate_demands_no_more(drive: Drive, uploads: Uploads) -> None:
    """One in a minute, although the account could do ten."""
    uploads.start("c1", 1000, options=capped(60_000_000))
    assert 1 / 60 == pytest.approx(rate(drive))
    drive.send(priority="bulk")
    assert 1 / 6.1 == pytest.approx(rate(drive))


def test_a_used_up_quota_is_no_demand(drive: Drive) -> None:
    """Two a day: after the second nothing leaves before tomorrow."""
    add_account(drive.client, "scarce", "60/minute; 2/day", variation_ms=0)
    for number in range(4):
        drive.send("scarce", sender=f"+1555010001{number}")
    assert read(drive, "scarce").demand is not None
    drive.deliver(ACCEPTED)
    drive.deliver(ACCEPTED)
    drive.advance(5)
    assert read(drive, "scarce").demand is None
    drive.advance(86_400)
    assert read(drive, "scarce").demand is not None


def test_slots_are_counted_when_taken_and_when_given_back(drive: Drive) -> None:
    """An operation takes one; not sent, its slot goes back."""
    assert 0 == read(drive).taken
    drive.send()
    drive.deliver(ACCEPTED)
    assert 1 == read(drive).taken
    drive.send()
    hint = drive.grant_next()
    assert 2 == read(drive).taken
    drive.worker.give_back([hint], "not needed")
    assert 1 == read(drive).taken
    Script("paceline_worker", "take").run(drive.client, "acme", 3, 60_000_000, "take")
    assert 4 == read(drive).taken


def test_the_rate_is_the_one_in_force_and_the_plain_one_beside_it(drive: Drive) -> None:
    """10 a minute with J of 100 ms is a slot in 6.1 s; after a 429 a quarter longer."""
    assert pytest.approx(1 / 6.1) == read(drive).slots_per_s
    assert pytest.approx(1 / 6) == read(drive).plain_per_s
    drive.deliver_sent(THROTTLED)
    assert pytest.approx(1 / 7.625) == read(drive).slots_per_s
    assert pytest.approx(1 / 6) == read(drive).plain_per_s


def test_dead_letters_and_campaign_figures(drive: Drive, uploads: Uploads) -> None:
    """Rejected ones can be replayed; a campaign tells its last answers and what is left of it."""
    uploads.start("c1", 5)
    for verdict in (ACCEPTED, REJECTED):
        drive.deliver(verdict)
    one = only_campaign(drive)
    assert (3, 0, 0.5) == (one.remaining, one.scheduled, one.rejected_ratio)
    assert 1 == read(drive).dead


def test_every_account_is_read_once(drive: Drive, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many pages there are, and however many lanes an account has."""
    monkeypatch.setattr(readings, "_PAGE", 7)
    monkeypatch.setattr(readings, "_PAGE_LANES", 5)
    monkeypatch.setattr(readings, "_NAMES", 10)
    for number in range(200):
        add_account(drive.client, f"a{number}")
    for number in range(20):
        drive.send("a7", sender=f"+15550101{number:03}")
    found = [one.name for one in Reader(drive.client).accounts()]
    assert sorted(["acme", *(f"a{number}" for number in range(200))]) == sorted(found)
    assert 20 == read(drive, "a7").backlog


def contents(drive: Drive) -> dict[bytes, bytes | None]:
    """Every key with its value, as the server would write it to a file."""
    raw = redis.Redis.from_url(f"redis://127.0.0.1:{drive.client.get_connection_kwargs()['port']}/0")
    with raw:
        return {key: raw.dump(key) for key in sorted(raw.scan_iter())}


def test_reading_changes_nothing(drive: Drive, uploads: Uploads) -> None:
    """Every key is what it was."""
    uploads.start("c1", 3)
    drive.send(not_before=drive.now + timedelta(hours=1))
    drive.grant_next()
    drive.worker.heartbeat("w", Beat(5, 5), 5.0)
    before = contents(drive)
    Reader(drive.client).accounts()
    fleet(drive)
    assert before == contents(drive)


def test_keys_are_not_read(drive: Drive) -> None:
    """The exporter needs no secret, and never sees one."""
    encrypted = str(drive.client.hget(f"{ROOT}:secret:acme", "key"))
    reply = Script("paceline_worker", "gauges").run(drive.client, "accounts", 100, "acme")
    assert len(encrypted) > 40
    assert encrypted not in str(reply)


def test_an_account_that_cannot_be_understood_hides_no_other(drive: Drive) -> None:
    """It is left out."""
    add_account(drive.client, "broken")
    drive.client.hset(f"{ROOT}:about:broken", "credits_left", "many")
    assert ["acme"] == [one.name for one in Reader(drive.client).accounts()]


def test_workers_tell_what_a_call_costs(drive: Drive) -> None:
    """In their heartbeat; those of the previous release tell their capacity alone, and count all the same."""
    drive.client.hset(f"{ROOT}:workers", "old", f"30|{drive.now_us + 5_000_000}")
    told = drive.worker.heartbeat("new", Beat(200, 200, latency_s=0.25, cpu_s=0.0007), 5.0)
    assert (230, 2) == (told.capacity, told.workers)
    assert {WorkerReading(30), WorkerReading(200, 0.25, 0.0007, 200)} == set(fleet(drive).workers)
    looked = drive.state.fleet()
    assert (230, 2) == (looked.capacity, looked.workers)
    drive.advance(6)
    assert [] == list(fleet(drive).workers)
    assert 0 == drive.state.fleet().workers


def test_the_server_tells_its_memory_and_persistence(drive: Drive) -> None:
    """No limit was given, the append-only file is on."""
    found = fleet(drive)
    assert found.memory > 100_000
    assert (0, True, True) == (found.memory_limit, found.aof_enabled, found.aof_last_write_ok)
    drive.client.config_set("maxmemory", "512mb")
    try:
        assert 512 * 2**20 == fleet(drive).memory_limit
    finally:
        drive.client.config_set("maxmemory", "0")


def test_the_providers_breaker_shows_until_a_probe_was_answered(drive: Drive) -> None:
    """Also when its pause is over."""
    assert not fleet(drive).breaker_open
    drive.client.hset(f"{ROOT}:meta", "pb_until", "1")
    assert fleet(drive).breaker_open
