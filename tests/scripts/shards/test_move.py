"""An account moves to another shard: everything that belongs to it, once, and whatever interrupts the move."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import redis

from paceline.errors import InvalidOperation, StateUnavailable, UnknownAccount
from paceline.ids import derived_id, new_id
from paceline.inbox.record import chunk
from paceline.outcomes import Outcomes
from paceline.state import connect, questions
from paceline.state.scripts import root_of
from paceline.state.shards import at, fresh_layout
from paceline.status.audit import balance_of
from paceline_sandbox.embedded import EmbeddedServer
from paceline_worker.accounts.accounts import Accounts
from paceline_worker.state.moving import Move, NotMoved
from tests.conftest import SENDER
from tests.scripts.shards.fleet import PLACES, Shards, shards_on
from tests.scripts.shards.test_spread import open_campaign
from tests.support.roles import acl
from tests.support.wait import wait_until

TO = 4
FROM = PLACES["acme"]


@pytest.fixture
def fleet(client: redis.Redis, server: EmbeddedServer) -> Iterator[Shards]:
    with shards_on(client, server.url) as built:
        built.add("acme", "globex")
        yield built


class Interrupted(Exception):
    """As by a kill."""


class Interruptible(Move):
    """A move that ends before or after its so many-eth call."""

    calls = 0
    last = 1_000_000
    answered = False

    def _at(self, shard: int, verb: str, *arguments: Any) -> Any:
        self.calls += 1
        if self.calls > self.last and not self.answered:
            raise Interrupted
        reply = super()._at(shard, verb, *arguments)
        if self.calls > self.last:
            raise Interrupted
        return reply


def filled(fleet: Shards) -> list[str]:
    """Something of each kind: settled, dead, held, waiting, of a campaign; returns what waits."""
    fleet.send("globex")
    fleet.send("acme", to="+15550200001")
    fleet.deliver()
    fleet.send("acme", to="+15550200002")
    fleet.deliver(outcome="rejected", code="422", words="no")
    fleet.send("acme", to="+15550200003", on_unknown="hold")
    fleet.deliver(outcome="held", words="unknown")
    fleet.state.ask(questions.suppress("acme", "asked", ["+15550200009"]))
    assert "opened" == open_campaign(fleet, "spring", "acme")
    rows = [
        {"id": derived_id("campaign", "spring", f"+155503{n:05}"), "to": f"+155503{n:05}", "p": "{}"} for n in range(3)
    ]
    body = chunk(campaign="spring", account="acme", sender=SENDER, priority="bulk", rows=rows)
    assert "written" == fleet.state.submit(new_id(), "acme", SENDER, 3, body, campaign="spring")
    return [fleet.send("acme", to=f"+1555020010{number}") for number in range(4)]


def books(fleet: Shards) -> tuple[int, int, dict[str, int]]:
    picture = fleet.state.account("acme")
    assert picture is not None
    balance = balance_of(picture)
    assert 0 == balance.unaccounted
    return balance.received, balance.waiting, {key: number for key, number in balance.outcomes.items() if number}


def keys(fleet: Shards, shard: int) -> list[str]:
    """What is left of the account on a shard."""
    client = at(fleet.client, shard)
    return [key for key in client.scan_iter(f"{root_of(client).replace('{', '[{]')}:*") if "acme" in key]


def sent_after(fleet: Shards, waiting: list[str]) -> list[str]:
    """Deliver everything; returns the order of the transactional ones."""
    ids: list[str] = []

    def all_left() -> bool:
        ids.extend(fleet.deliver())
        return len(ids) >= 7

    wait_until(all_left, timedelta(seconds=20), lambda: f"sent: {ids}")
    assert 7 == len(ids) == len(set(ids))
    return [op for op in ids if op in waiting]


def test_everything_moves(fleet: Shards) -> None:
    waiting = filled(fleet)
    before = books(fleet)
    assert (10, 7, {"accepted": 1, "rejected": 1, "held": 1}) == before
    assert Move(fleet.client, "acme", TO).run(5) > 20
    assert ([TO], TO) == (fleet.on("acme"), fresh_layout(fleet.client).shard_of("acme"))
    assert [] == keys(fleet, FROM)
    assert before == books(fleet)
    picture = fleet.state.account("acme")
    assert picture is not None
    assert picture.account.suspended in (None, "")
    assert fleet.state.ask(questions.suppressed("acme", ["+15550200009"]))[0]
    assert ["spring"] == fleet.state.campaigns()

    assert waiting == sent_after(fleet, waiting)
    assert {"accepted": 8, "rejected": 1, "held": 1} == books(fleet)[2]
    campaign = fleet.state.campaign("spring")
    assert campaign is not None
    assert 3 == campaign.outcomes["accepted"]
    told = Counter(entry.id for entry in Outcomes(fleet.client).read(limit=100) if entry.account == "acme")
    assert 10 == len(told)
    assert [FROM] == fleet.on("globex")


@pytest.mark.parametrize("answered", [False, True], ids=["before", "after"])
def test_a_move_that_is_interrupted_goes_on(client: redis.Redis, server: EmbeddedServer, *, answered: bool) -> None:
    """Wherever it was, whether the last call was made or not."""
    number, ended = 0, False
    while not ended:
        client.flushall()
        with shards_on(client, server.url) as fleet:
            fresh_layout(client)
            fleet.add("acme", "globex")
            waiting = filled(fleet)
            before = books(fleet)
            move = Interruptible(client, "acme", TO)
            move.last, move.answered = number, answered
            try:
                move.run(5)
                ended = True
            except Interrupted:
                Move(client, "acme", TO).run(5)
            assert (before, [TO], []) == (books(fleet), fleet.on("acme"), keys(fleet, FROM))
            assert waiting == sent_after(fleet, waiting)
        number += 3
    assert number > 20


def test_there_and_back(fleet: Shards) -> None:
    waiting = filled(fleet)
    before = books(fleet)
    for shard in (TO, FROM):
        Move(fleet.client, "acme", shard).run(5)
    assert (before, [FROM]) == (books(fleet), fleet.on("acme"))
    assert waiting == sent_after(fleet, waiting)


def test_what_is_in_flight_stays(fleet: Shards) -> None:
    """The account waits, suspended, and moves when the command is repeated."""
    filled(fleet)
    [hint, *_] = fleet.workers[FROM].grant(most=1, fleet_capacity=10, budget_us=1_000_000).hints
    with pytest.raises(NotMoved, match=r"operations are in flight\. It stays suspended: repeat the command"):
        Move(fleet.client, "acme", TO, sleep=lambda _: None).run(0)
    fleet.workers[FROM].give_back([hint], "the worker stops")
    Move(fleet.client, "acme", TO).run(5)
    assert [TO] == fleet.on("acme")


def test_an_account_that_was_suspended_stays_so(fleet: Shards) -> None:
    Accounts(fleet.client).suspend("acme")
    Move(fleet.client, "acme", TO).run(5)
    picture = fleet.state.account("acme")
    assert picture is not None
    assert "by hand" == picture.account.suspended


def test_meanwhile_services_are_told_to_try_again(fleet: Shards) -> None:
    filled(fleet)
    move = Interruptible(fleet.client, "acme", TO)
    move.last = 8
    with pytest.raises(Interrupted):
        move.run(5)
    with pytest.raises(
        StateUnavailable, match=r"account 'acme' is being moved to another shard: try again in a minute"
    ):
        fleet.send("acme")
    with pytest.raises(StateUnavailable, match="being moved"):
        fleet.add("acme")
    with pytest.raises(InvalidOperation, match="is being moved to shard 4"):
        Move(fleet.client, "acme", 2).run(5)
    Move(fleet.client, "acme", TO).run(5)
    fleet.send("acme")


def test_what_changes_meanwhile_is_handed_over(fleet: Shards) -> None:
    """An operation that is cancelled between the copy of its record and the deletion."""
    waiting = filled(fleet)

    class Slow(Move):
        def _at(self, shard: int, verb: str, *arguments: Any) -> Any:
            if verb == "drop" and f"o:{waiting[0]}".encode() in arguments:
                fleet.state.ask(questions.cancel(waiting[0], "late"))
            return super()._at(shard, verb, *arguments)

    Slow(fleet.client, "acme", TO).run(5)
    picture = fleet.state.operation(waiting[0])
    assert picture is not None
    assert "late" == picture.operation.cancelled_because or "cancelled" == picture.operation.outcome


def test_bad_input_changes_nothing(fleet: Shards) -> None:
    with pytest.raises(InvalidOperation, match="state has the shards 0 to 4"):
        Move(fleet.client, "acme", 5).run(5)
    with pytest.raises(UnknownAccount):
        Move(fleet.client, "nobody", 1).run(5)
    with pytest.raises(UnknownAccount):
        Move(fleet.client, "other", PLACES["other"]).run(5)
    assert 0 == Move(fleet.client, "acme", FROM).run(5)
    assert {} == fresh_layout(fleet.client).moving


@pytest.mark.parametrize("command", ["dump", "restore"])
def test_without_the_rights_nothing_changes(fleet: Shards, server: EmbeddedServer, command: str) -> None:
    """Not even a suspension; and the sentence says which rights are needed."""
    rules = ("reset", "on", ">mover", "~*", "&*", "+@all", f"-{command}")
    acl(fleet.client, "SETUSER", "mover", *rules)
    try:
        client = connect(server.url.replace("redis://", "redis://mover:mover@"))
        before = fleet.client.hgetall("paceline:{0}:a:acme")
        with pytest.raises(
            NotMoved, match=r"stays where it is: the state server refused DUMP or RESTORE.*both commands"
        ):
            Move(client, "acme", TO).run(0)
        client.close()
    finally:
        acl(fleet.client, "DELUSER", "mover")
    assert before == fleet.client.hgetall("paceline:{0}:a:acme")
    assert {} == fresh_layout(fleet.client).moving
    assert [FROM] == fleet.on("acme")
