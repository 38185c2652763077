"""A number is forgotten: nothing of it is left in any key, and the books balance."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import redis

from paceline import CreateGroup
from paceline_worker.review.forgetting import Forgetting, NotForgotten
from tests.properties.uploads import Uploads
from tests.support.drive import ACCEPTED, REJECTED, UNKNOWN, Drive

R = "paceline:{0}"
NUMBER, LONGER, OTHER = "+491510000077", "+4915100000778", "+491510000078"
DIGITS = NUMBER[1:]
_WHOLE = re.compile(rb"(?<![0-9])" + DIGITS.encode() + rb"(?![0-9])")


def traces(client: redis.Redis) -> Iterator[str]:
    """Keys whose name or dump holds the number, deleted parts of streams included."""
    dumped: Any = client.execute_command
    client.config_set("rdbcompression", "no")
    for key in client.scan_iter(count=1000):
        if _WHOLE.search(str(key).encode()) or _WHOLE.search(dumped("DUMP", key, NEVER_DECODE=True) or b""):
            yield str(key)


def entries(drive: Drive, stream: str) -> list[Any]:
    found: Any = drive.client.xrange(f"{R}:{stream}")
    return list(found)


def forgetting(drive: Drive, number: str = NUMBER) -> Forgetting:
    return Forgetting(drive.client, number, timedelta(hours=1), sleep=lambda _: drive.advance(1))


def test_operations_in_every_state(drive: Drive) -> None:
    """Settled ones, dead letters, held ones, those that wait, are scheduled or in back-off; of others nothing is touched."""
    for verdict in (ACCEPTED, REJECTED):
        drive.send(to=NUMBER, idempotency_key=f"{NUMBER}-{verdict.outcome}", metadata={"phone": DIGITS})
        drive.deliver(verdict)
    drive.send(to=NUMBER, on_unknown="hold")
    drive.deliver(UNKNOWN)
    kept = [drive.send(to=OTHER), drive.send(to=LONGER)]
    drive.deliver(ACCEPTED)
    waiting = drive.send(to=NUMBER, text="Hi")
    scheduled = drive.send(to=NUMBER, not_before=drive.now + timedelta(hours=2))
    before = drive.balance()
    assert {"entries", "operations"} <= set(forgetting(drive).seen().as_json())
    assert 5 == forgetting(drive).seen().operations
    done = forgetting(drive).run(10)
    assert (2, 3) == (done.operations, done.cancelled)
    assert [] == list(traces(drive.client))
    assert drive.state.operation(waiting) is None
    assert drive.state.operation(scheduled) is None
    assert all(drive.state.operation(op) for op in kept)
    after = drive.balance()
    assert 0 == after.unaccounted
    assert before.received == after.received
    assert 3 == after.outcomes["cancelled"]
    assert 0 == forgetting(drive).seen().operations + forgetting(drive).seen().entries


def test_streams_keep_their_other_entries_and_their_ids(drive: Drive) -> None:
    """A reader goes on where it was; new entries come after the old ones."""
    for number in range(450):
        drive.client.xadd(f"{R}:outcomes", {"id": f"x{number}", "to": NUMBER if number % 9 == 0 else OTHER})
    kept = [entry for entry in entries(drive, "outcomes") if entry[1]["to"] == OTHER]
    assert 50 == forgetting(drive).run(0).entries
    assert kept == entries(drive, "outcomes")
    last = drive.client.xadd(f"{R}:outcomes", {"to": NUMBER})
    assert 1 == forgetting(drive).run(0).entries
    assert drive.client.xadd(f"{R}:outcomes", {"to": OTHER}) > last  # type: ignore[operator]
    drive.client.delete(f"{R}:outcomes")
    drive.client.xadd(f"{R}:outcomes", {"to": NUMBER})
    assert 1 == forgetting(drive).run(0).entries
    assert [] == drive.client.xrange(f"{R}:outcomes")
    assert [] == list(traces(drive.client))


def test_a_campaign_and_whom_its_cancellation_did_not_reach(drive: Drive) -> None:
    """An entry that tells of many recipients tells of the others still."""
    people = Uploads(drive)
    people.start("spring", 4)
    drive.accept_all()
    drive.client.xadd(
        f"{R}:c:spring:out",
        {"to": "", "recipients": json.dumps([["a", NUMBER, ""], ["b", OTHER, DIGITS], ["c", OTHER, ""]])},
    )
    assert 1 == forgetting(drive).run(0).entries
    [(_, entry)] = entries(drive, "c:spring:out")
    assert [["c", OTHER, ""]] == json.loads(entry["recipients"])
    assert -1 == drive.client.ttl(f"{R}:c:spring:out")


def test_what_is_under_way_is_waited_for(drive: Drive) -> None:
    """A call cannot be taken back; the same command later finishes."""
    drive.send(to=NUMBER)
    hint = drive.grant_next()
    assert drive.begin_at_slot(hint)["s"] == "go"
    with pytest.raises(NotForgotten, match="1 operations are under way"):
        forgetting(drive).run(0)
    drive.settle(hint, ACCEPTED)
    assert 1 == forgetting(drive).run(0).operations
    assert [] == list(traces(drive.client))


def test_work_for_others_that_names_the_number_is_told_of(drive: Drive) -> None:
    """A group of many is not given up for one of them; it is deleted after its outcome."""
    group = CreateGroup(account="acme", sender="+15550100001", name="Team", participants=[NUMBER, OTHER])
    op = drive.submit(group)
    with pytest.raises(NotForgotten, match="1 waiting operations name the number"):
        forgetting(drive).run(0)
    assert drive.state.operation(op)


def test_records_that_no_worker_took_are_told_of(drive: Drive) -> None:
    """They are accepted first."""
    drive.send(to=NUMBER, accept=False)
    with pytest.raises(NotForgotten, match="1 records wait for a worker"):
        forgetting(drive).run(0)
    drive.accept_all()
    assert 1 == forgetting(drive).run(0).cancelled
    assert [] == list(traces(drive.client))
