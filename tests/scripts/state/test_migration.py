"""State that the previous release wrote: refused by a worker, converted by `paceline state migrate`, and then delivered."""

from typing import Any

import pytest

from paceline.errors import ConfigurationError
from paceline_worker.state.migration import Form, Migration, MigrationRefused, check_schema
from paceline_worker.state.values import Beat
from tests.conftest import add_account
from tests.support.drive import ACCEPTED, SENDER_BUSY, Drive
from tests.support.stored import stored_account

ROOT = "paceline:{0}"
_BULK = 4e15  # account.lua


def as_schema_2(drive: Drive) -> None:
    """Lay the keys out as an earlier development version did: one hash of all fields of an account, two sets of ready lanes."""
    client = drive.client
    for name in drive.state.accounts():
        account = f"{ROOT}:a:{name}"
        client.hset(account, mapping=stored_account(client, name) | {"quotas": "", "reserve": "0"})  # type: ignore[arg-type]
        client.hdel(account, "due", "aside")
        ready: Any = client.zrange(f"{account}:r", 0, -1, withscores=True)
        for sender, since in ready:
            client.zadd(f"{account}:{'rt' if since < _BULK else 'rb'}", {sender: since % _BULK})
        client.delete(*(f"{ROOT}:{part}:{name}" for part in ("about", "secret", "hook")), f"{account}:r")
    for op in client.scan_iter(f"{ROOT.replace('{', '[{]').replace('}', '[}]')}:o:*"):
        client.hdel(op, "hd")
    client.hset(f"{ROOT}:meta", "schema", "2")


def as_schema_1(drive: Drive) -> None:
    """Lay the keys out as release 0.1.0 did: leases by account, their number in meta, one index for everything."""
    as_schema_2(drive)
    client = drive.client
    flying: Any = client.zrange(f"{ROOT}:fl", 0, -1, withscores=True)
    for op, lease in flying:
        client.zadd(f"{ROOT}:a:{drive.operation(op)['a']}:fl", {op: lease})
    client.hset(f"{ROOT}:meta", "inflight", len(flying))
    for name in drive.state.accounts():
        indexes = [f"{ROOT}:a:{name}:{timers}" for timers in ("fl", "tm", "sp")]
        firsts: list[Any] = [client.zrange(index, 0, 0, withscores=True) for index in indexes]
        due = client.zscore(f"{ROOT}:due", name)
        scores = [score for first in firsts for _, score in first] + ([float(due)] if due else [])
        if scores:
            client.zadd(f"{ROOT}:due", {name: min(scores)})
    client.delete(f"{ROOT}:fl", f"{ROOT}:timers")
    client.hdel(f"{ROOT}:meta", "schema")


LAYOUTS = {"1": as_schema_1, "2": as_schema_2}


@pytest.fixture(params=sorted(LAYOUTS))
def schema(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def old(drive: Drive, schema: str) -> list[str]:
    """A backlog of every kind: waiting, scheduled, of a paused sender, granted, and in the middle of a call."""
    add_account(drive.client, "fast", "600/minute", "window")
    ops = [drive.send("fast", sender=f"+1555010000{number}") for number in range(4)]
    drive.advance(2)
    hints = list(drive.grant().hints)
    while len(hints) < 3:
        drive.advance(0.05)
        hints += drive.grant().hints
    drive.begin(hints[:2], owner="of the old release")
    drive.settle(hints[0], SENDER_BUSY)
    ops += [drive.send(), drive.send(not_before=drive.now.replace(year=drive.now.year + 1))]
    LAYOUTS[schema](drive)
    return ops


def test_a_worker_refuses_it_with_a_sentence(drive: Drive, old: list[str], schema: str) -> None:
    """It says what to do, and changes nothing."""
    assert old
    assert Form(schema, "3", 2, 0) == Migration(drive.client).form()
    with pytest.raises(ConfigurationError, match="stop all workers and run `paceline state migrate`"):
        check_schema(drive.client)
    assert Form(schema, "3", 2, 0) == Migration(drive.client).form()


def test_all_of_it_is_delivered_after_the_conversion(drive: Drive, old: list[str]) -> None:
    """Books as before, leases kept, every operation with one outcome."""
    books = [drive.state.account(name) for name in ("acme", "fast")]
    converted = Migration(drive.client).convert()
    check_schema(drive.client)
    assert [0, 0] == [book.unaccounted for book in converted]
    assert [book.counts["received"] for book in books if book] == [2, 4]
    assert 0 == drive.client.exists(f"{ROOT}:a:fast:fl", f"{ROOT}:a:acme:fl")
    assert 2 == drive.client.zcard(f"{ROOT}:fl")
    for _ in range(200):
        for hint in drive.grant().hints:
            if drive.begin_at_slot(hint)["s"] == "go":
                drive.settle(hint, ACCEPTED)
        if (due := drive.next_due_us()) is None:
            break
        drive.set_time(max(drive.now_us, due))
    outcomes = [drive.operation(op).get("oc") for op in old]
    assert {"accepted"} == set(outcomes) - {None, "expired"}
    assert 0 == sum(drive.balance(name).waiting + drive.balance(name).in_flight for name in ("acme", "fast"))


def test_it_is_refused_while_a_worker_is_alive(drive: Drive, old: list[str]) -> None:
    """One of the old release would go on with what is not there any more."""
    assert old
    drive.worker.heartbeat("old", Beat(200, 200), 5.0)
    with pytest.raises(MigrationRefused, match=r"^1 workers are alive: stop them all"):
        Migration(drive.client).convert()
    drive.advance(6)
    Migration(drive.client).convert()


def test_a_conversion_that_was_interrupted_goes_on(drive: Drive, old: list[str], schema: str) -> None:
    """Killed after a page: the rest is converted by the next run, and a third one finds nothing to do."""
    assert old

    class Killed(Exception):
        pass

    def die(_: int) -> None:
        raise Killed

    with pytest.raises(Killed):
        Migration(drive.client).convert(die)
    assert schema == Migration(drive.client).form().schema
    first = Migration(drive.client).convert()
    assert first == Migration(drive.client).convert()
    assert 2 == drive.client.zcard(f"{ROOT}:fl")


def test_state_of_a_later_release_is_refused(drive: Drive) -> None:
    """With the numbers, so that somebody can find that release."""
    drive.client.hset(f"{ROOT}:meta", "schema", "7")
    with pytest.raises(ConfigurationError, match=r"\(schema 7, this one reads 3\)"):
        check_schema(drive.client)
    with pytest.raises(MigrationRefused, match="the state has schema 7; this release converts 1 and 2"):
        Migration(drive.client).convert()


def test_books_that_do_not_balance_are_not_converted(drive: Drive, old: list[str]) -> None:
    """Something is wrong that a conversion would hide."""
    assert old
    drive.client.hincrby(f"{ROOT}:a:acme:n", "received", 1)
    with pytest.raises(MigrationRefused, match=r"^the books of acme do not balance before the conversion"):
        Migration(drive.client).convert()


def test_empty_state_gets_the_form_of_this_release(drive: Drive) -> None:
    """By the first worker, or by the first account."""
    drive.client.flushall()
    drive.set_time(drive.now_us)
    assert "" == Migration(drive.client).form().schema
    check_schema(drive.client)
    assert "3" == Migration(drive.client).form().schema
    drive.client.delete(f"{ROOT}:meta")
    add_account(drive.client, "first")
    assert "3" == Migration(drive.client).form().schema
