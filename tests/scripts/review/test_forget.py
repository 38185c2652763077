"""A number is forgotten: nothing of it is left in any key, and the books balance."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import redis

from paceline import CreateGroup
from paceline.lua.fields import OPERATION
from paceline.state.scripts import Script
from paceline_worker.accounts.accounts import Accounts
from paceline_worker.hooks.hook import Hook
from paceline_worker.hooks.state import HookBook
from paceline_worker.integrity.seals import Seals
from paceline_worker.review.forgetting import Forgetting, NotForgotten
from tests.properties.uploads import Uploads
from tests.support.drive import ACCEPTED, REJECTED, UNKNOWN, Drive
from tests.support.stored import contents

R = "paceline:{0}"
NUMBER, LONGER, OTHER = "+491510000077", "+4915100000778", "+491510000078"
DIGITS = NUMBER[1:]
_WHOLE = re.compile(rb"(?<![0-9])" + DIGITS.encode() + rb"(?![0-9])")


def traces(client: redis.Redis) -> Iterator[str]:
    """Keys whose name, content or dump holds the number, deleted parts of streams included."""
    dumped: Any = client.execute_command
    client.config_set("rdbcompression", "no")
    for key, text in contents(client):
        places = (key.encode(), text.encode(), dumped("DUMP", key, NEVER_DECODE=True) or b"")
        if any(map(_WHOLE.search, places)):
            yield key


def entries(drive: Drive, stream: str) -> list[Any]:
    found: Any = drive.client.xrange(f"{R}:{stream}")
    return list(found)


def forgetting(drive: Drive, number: str = NUMBER, seals: Seals | None = None) -> Forgetting:
    payloads = seals.payloads if seals else None
    return Forgetting(drive.client, number, timedelta(hours=1), payloads, sleep=lambda _: drive.advance(1))


def team(*participants: str) -> CreateGroup:
    return CreateGroup(account="acme", sender="+15550100001", name="Team", participants=list(participants))


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


def test_consumer_groups_go_on_where_they_were(drive: Drive) -> None:
    """Entries that a consumer has not acknowledged stay with the consumer; the group reads the next ones."""
    stream: Any = f"{R}:outcomes"
    ids = [drive.client.xadd(stream, {"to": to}) for to in (OTHER, OTHER, NUMBER, OTHER)]
    for group, most in (("mine", 3), ("done", 9)):
        drive.client.xgroup_create(stream, group, "0")
        drive.client.xreadgroup(group, "reader", {stream: ">"}, count=most)
    drive.client.xack(stream, "mine", ids[0])
    drive.client.xclaim(stream, "mine", "other", 0, [ids[1]], retrycount=7)
    assert 1 == forgetting(drive).run(0).entries
    pending: Any = drive.client.xpending_range(stream, "mine", "-", "+", 9, "other")
    assert [(ids[1], 7)] == [(one["message_id"], one["times_delivered"]) for one in pending]
    latest = drive.client.xadd(stream, {"to": LONGER})
    for group, expected in (("mine", [ids[3], latest]), ("done", [latest])):
        reply: Any = drive.client.xreadgroup(group, "reader", {stream: ">"})
        assert expected == [entry_id for entry_id, _ in reply[0][1]]


def test_a_consumer_group_stays_when_no_entry_is_left(drive: Drive) -> None:
    """Its stream is empty then."""
    stream: Any = f"{R}:outcomes"
    drive.client.xadd(stream, {"to": NUMBER})
    drive.client.xgroup_create(stream, "mine", "$")
    assert 1 == forgetting(drive).run(0).entries
    latest = drive.client.xadd(stream, {"to": OTHER})
    assert [[stream, [(latest, {"to": OTHER})]]] == drive.client.xreadgroup("mine", "reader", {stream: ">"})


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
    op = drive.submit(team(NUMBER, OTHER))
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


def test_who_had_bulk_messages_lately_is_forgotten(drive: Drive) -> None:
    """Recipient caps and pools of senders remember numbers, those of removed accounts too; they go on remembering others."""
    Accounts(drive.client).change("acme", recipient_cap="5/week")
    for to in (NUMBER, OTHER):
        drive.send(to=to, priority="bulk")
        drive.deliver(ACCEPTED)
    shelf = f"{R}:a:gone:st:77"
    drive.client.hset(shelf, mapping={number[1:]: "15550100001" for number in (NUMBER, LONGER)})
    drive.client.expire(shelf, 60)
    assert {f"{R}:had:acme", shelf} < set(traces(drive.client))
    forgetting(drive).run(0)
    assert [] == list(traces(drive.client))
    assert [OTHER] == drive.client.hkeys(f"{R}:had:acme")
    assert [LONGER[1:]] == drive.client.hkeys(shelf)


def test_encrypted_contents_are_opened_and_searched(drive: Drive) -> None:
    """Participants of groups, texts to others and what calls brought: deleted after the outcome; nothing of others is."""
    seals = Seals(bytes(32))
    drive.worker.seals, drive.worker.encrypts = seals, True
    named = [
        drive.submit(team(NUMBER, OTHER)),
        drive.send(to=OTHER, text=f"Call {NUMBER}, please"),
        drive.send(to=NUMBER),
    ]
    others = [drive.submit(team(OTHER, LONGER)), drive.send(to=LONGER, text="Hi")]
    brought = drive.send(to=OTHER)
    for _ in range(6):
        drive.deliver(ACCEPTED)
    told = seals.payloads.closed_result(brought, json.dumps({"numbers": {NUMBER: "added"}}))
    drive.client.hset(f"{R}:o:{brought}", OPERATION.code("result"), told)
    assert 0 == forgetting(drive, "+491510000079", seals).seen().operations
    assert 4 == forgetting(drive, seals=seals).seen().operations
    assert 4 == forgetting(drive, seals=seals).run(0).operations
    assert all(drive.state.operation(op) is None for op in (*named, brought))
    assert all(drive.state.operation(op) for op in others)
    assert 0 == drive.balance().unaccounted


def test_an_encrypted_group_that_waits_is_told_of(drive: Drive) -> None:
    """As one in the clear is; and an operation to the number whose key names the number in the clear is cancelled all the same."""
    seals = Seals(bytes(32))
    drive.worker.seals, drive.worker.encrypts = seals, True
    group = drive.submit(team(NUMBER, OTHER))
    keyed = drive.send(to=NUMBER, idempotency_key=f"welcome-{NUMBER}")
    with pytest.raises(NotForgotten, match="1 waiting operations name the number"):
        forgetting(drive, seals=seals).run(0)
    assert drive.state.operation(group)
    assert drive.state.operation(keyed) is None


@pytest.fixture
def kept_meanwhile(drive: Drive) -> Iterator[Callable[[float], None]]:
    """Stands for the wait after streams were copied: a runner that read the entry before keeps its event in it, once."""
    HookBook(drive.client).add(
        "hook-1", Hook("https://shop.example.com/p", frozenset({"*"}), frozenset({"settled"})), "sealed"
    )
    waits: list[float] = []

    def wait(seconds: float) -> None:
        drive.advance(seconds)
        waits.append(seconds)
        if len(waits) == 1:
            body = json.dumps({"to": NUMBER})
            Script("paceline_worker", "hooks").run(drive.client, "queue", "hook-1", "evt_1", "order", body)

    yield wait
    HookBook(drive.client).remove("hook-1")


def test_an_event_that_a_runner_kept_meanwhile_is_told_of(
    drive: Drive, kept_meanwhile: Callable[[float], None]
) -> None:
    """The entry of the cancellation that the command makes is read at once."""
    drive.send(to=NUMBER)
    with pytest.raises(NotForgotten, match="1 events wait to be posted"):
        Forgetting(drive.client, NUMBER, timedelta(hours=1), sleep=kept_meanwhile).run(0)
    assert [f"{R}:wh:hook-1:body"] == list(traces(drive.client))


def test_an_event_that_was_given_up_meanwhile_is_deleted(drive: Drive, kept_meanwhile: Callable[[float], None]) -> None:
    """It is counted among the events."""
    drive.send(to=NUMBER)

    def give_up(seconds: float) -> None:
        kept_meanwhile(seconds)
        for part in ("all", "due", "line"):
            drive.client.delete(f"{R}:wh:hook-1:{part}")
        if drive.client.hexists(f"{R}:wh:hook-1:body", "evt_1"):
            drive.client.zadd(f"{R}:wh:hook-1:dead", {"evt_1": 1})

    assert 1 == Forgetting(drive.client, NUMBER, timedelta(hours=1), sleep=give_up).run(0).events
    assert [] == list(traces(drive.client))


def test_nobody_waits_for_runners_where_no_entry_names_the_number(drive: Drive) -> None:
    """Then no event can be on its way."""
    drive.send(to=OTHER)
    drive.deliver(ACCEPTED)
    waits: list[float] = []
    Forgetting(drive.client, NUMBER, timedelta(hours=1), sleep=waits.append).run(0)
    assert 1.0 not in waits


def copied(drive: Drive, who: str, begin: str, number: str = DIGITS, stream: str = "") -> Any:
    return Script("paceline_worker", "forget").run(drive.client, "copy", number, stream, begin, 5, who)


def swapped(drive: Drive, who: str, begin: str) -> Any:
    return Script("paceline_worker", "forget").run(drive.client, "swap", DIGITS, "", begin, who)


def test_one_command_copies_a_stream_at_a_time(drive: Drive) -> None:
    """Otherwise a second copy would bring back what the first left out, or put one stream in the place of another."""
    for number in range(8):
        drive.client.xadd(f"{R}:outcomes", {"to": OTHER, "id": str(number)})
    last, _ = copied(drive, "one", "-")
    assert "busy" == copied(drive, "two", "-", number=OTHER[1:])
    assert "busy" == copied(drive, "two", "-", stream="c1")
    last, _ = copied(drive, "one", f"({last}")
    assert "done" == swapped(drive, "one", f"({last}")
    assert [str(number) for number in range(8)] == [fields["id"] for _, fields in entries(drive, "outcomes")]
    assert "busy" != copied(drive, "two", "-")


def test_a_copy_that_was_given_up_is_begun_again(drive: Drive) -> None:
    """After a minute without a further part another command may copy; the first one begins again."""
    for number in range(8):
        drive.client.xadd(f"{R}:outcomes", {"to": OTHER, "id": str(number)})
    last, _ = copied(drive, "one", "-")
    drive.advance(61)
    assert "busy" == copied(drive, "one", f"({last}")
    assert "busy" == swapped(drive, "one", f"({last}")
    assert "busy" != copied(drive, "two", "-")
    assert "busy" == copied(drive, "one", "-")


def test_a_command_waits_for_another_and_says_when_that_takes_too_long(
    drive: Drive, monkeypatch: pytest.MonkeyPatch
) -> None:
    drive.send(to=NUMBER)
    drive.deliver(ACCEPTED)
    copied(drive, "another", "-")
    monkeypatch.setattr("paceline_worker.review.forgetting._BUSY_S", 0.0)
    with pytest.raises(NotForgotten, match="another command forgets a number"):
        forgetting(drive).run(10)
    monkeypatch.undo()
    assert 1 == forgetting(drive).run(10).entries


def test_an_operation_whose_campaign_is_gone_is_forgotten(drive: Drive) -> None:
    """An earlier release left such operations behind."""
    uploads = Uploads(drive)
    uploads.open("c1")
    uploads.write("c1", [{"to": NUMBER}])
    drive.client.delete(f"{R}:c:c1")
    assert 1 == forgetting(drive).run(10).operations
    assert [] == list(traces(drive.client))
