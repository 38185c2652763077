"""State of several shards: everything is written where its account lives, and read as if there were one."""

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis

from paceline.errors import ConfigurationError
from paceline.flows.steps import run
from paceline.inbox.record import common_fields
from paceline.outcomes import Outcomes
from paceline.settings import Settings
from paceline.state import connect, connect_async, questions, shards
from paceline.state.calls import State
from paceline.state.scripts import Script, of_the_thin_package
from paceline.state.shards import at, at_each_server, create, each_shard, fresh_layout, hint_of, layout_of, require_one
from paceline.status.audit import balance_of
from paceline.suppression.doors import Suppressing
from paceline_sandbox.embedded import EmbeddedServer
from paceline_worker.accounts.accounts import AccountRefused, Accounts
from paceline_worker.exporter.readings import Reader
from paceline_worker.review.dead import DeadLetters, Match
from paceline_worker.review.forgetting import Forgetting
from paceline_worker.review.held import Held
from tests.conftest import SENDER, add_account
from tests.scripts.shards.fleet import PLACES, SHARDS, Shards, shards_on
from tests.support import roles
from tests.support.wait import wait_until

RETENTION = timedelta(hours=1)
ACCOUNTS = ("acme", "other", "beta", "zoe")


@pytest.fixture
def fleet(client: redis.Redis, server: EmbeddedServer) -> Iterator[Shards]:
    with shards_on(client, server.url) as built:
        built.add(*ACCOUNTS)
        yield built


class Door(Suppressing):
    """The doors of suppression lists, over this state."""

    def __init__(self, fleet: Shards) -> None:
        self.state = fleet.state

    def _run(self, flow: Any) -> Any:
        return run(flow, self.state)


def open_campaign(fleet: Shards, name: str, account: str) -> str:
    common = common_fields(
        account=account,
        sender=SENDER,
        priority="bulk",
        kind="message.to_number",
        max_attempts=8,
        on_unknown="hold",
        valid_until=None,
        now=datetime.now(UTC),
    )
    return fleet.state.open_campaign(name, common | {"p": '{"text":"hi"}'}, "digest")


def directory(fleet: Shards, *words: str | int) -> Any:
    return Script("paceline", "directory").run(fleet.client, *words)


def test_accounts_live_where_their_names_say(fleet: Shards) -> None:
    assert {name: [PLACES[name]] for name in ACCOUNTS} == {name: fleet.on(name) for name in ACCOUNTS}
    assert sorted(ACCOUNTS) == sorted(fleet.state.accounts())
    assert len(ACCOUNTS) == fleet.state.fleet().accounts


def test_operations_are_found_by_their_ids_alone(fleet: Shards) -> None:
    ids = {account: fleet.send(account) for account in ACCOUNTS}
    for account, op in ids.items():
        picture = fleet.state.operation(op)
        assert picture is not None
        assert account == picture.operation.account
    assert len(ACCOUNTS) == fleet.state.ask(questions.known(ids.values()))
    assert sorted(ids.values()) == sorted(fleet.deliver())
    assert {"accepted": 1} == {
        outcome: number
        for account in ACCOUNTS
        if (picture_of := fleet.state.account(account))
        for outcome, number in balance_of(picture_of).outcomes.items()
        if number
    }


def test_a_hint_says_where_its_record_is(fleet: Shards) -> None:
    fleet.send("beta", accept=False)
    [rid] = fleet.workers[2].overdue(0.0, 10)
    assert f"{rid}@2" == hint_of(fleet.client, rid)
    assert "unknown" == hint_of(fleet.client, "unknown")


def test_one_operation_is_cancelled_wherever_it_is(fleet: Shards) -> None:
    op = fleet.send("other")
    assert "cancelled" == fleet.state.ask(questions.cancel(op, "by hand"))
    assert "unknown" == fleet.state.ask(questions.cancel("0" * 26, "by hand"))


def test_operations_to_a_number_are_found_on_all_shards(fleet: Shards) -> None:
    ids = {fleet.send(account, to="+15550300000") for account in ACCOUNTS}
    fleet.send("acme")
    seen: set[str] = set()
    cursor = ""
    while cursor != "0":
        cursor, some = fleet.state.ask(questions.find(cursor or "0", "+15550300000", "", 100))
        seen |= set(some)
    assert ids == seen


def test_names_of_campaigns_are_unique_in_the_deployment(fleet: Shards) -> None:
    assert "opened" == open_campaign(fleet, "spring", "beta")
    assert "continued" == open_campaign(fleet, "spring", "beta")
    assert "different" == open_campaign(fleet, "spring", "acme")
    assert ["spring"] == fleet.state.campaigns()
    assert "done" == fleet.state.control_campaign("pause", "spring", "by hand")
    snapshot = fleet.state.campaign("spring")
    assert snapshot is not None
    assert ("beta", "paused") == (snapshot.account, snapshot.hold)


def test_two_who_open_a_campaign_of_one_name_at_once_do_not_both_have_it(fleet: Shards) -> None:
    """The second looks before the first has written: the claim decides."""
    assert PLACES["other"] == directory(fleet, "claim", "campaign:spring", PLACES["other"])
    assert "different" == open_campaign(fleet, "spring", "beta")
    assert "opened" == open_campaign(fleet, "spring", "other")
    assert ["spring"] == fleet.state.campaigns()


def test_one_key_has_one_account_in_the_deployment(fleet: Shards) -> None:
    with pytest.raises(AccountRefused, match="acme"):
        fleet.add("globex-2", key="KEY-acme")
    assert sorted(ACCOUNTS) == sorted(fleet.state.accounts())


def test_outcomes_of_all_shards_are_read_as_one_stream(fleet: Shards) -> None:
    for number in range(3):
        for account in ACCOUNTS:
            fleet.send(account, to=f"+1555020000{number}")
    sent: set[str] = set()
    while len(sent) < 3 * len(ACCOUNTS):
        sent |= set(fleet.deliver())
        time.sleep(0.01)
    outcomes = Outcomes(fleet.client)
    entries = outcomes.read(limit=100)
    assert [3] * 4 == [sum(entry.account == account for entry in entries) for account in ACCOUNTS]
    assert [entry.settled_at for entry in entries] == sorted(entry.settled_at for entry in entries)
    for number in (1, 4, 11):
        rest = outcomes.read(after=entries[number].entry_id)
        assert [entry.id for entry in entries[number + 1 :]] == [entry.id for entry in rest]
    seen: list[str] = []
    after = "0"
    while page := outcomes.read(after=after, limit=2):
        seen += [entry.id for entry in page]
        after = page[-1].entry_id
    assert [entry.id for entry in entries] == seen


def test_dead_letters_and_held_operations_are_listed_together(fleet: Shards) -> None:
    dead = {fleet.send(account) for account in ("acme", "beta")}
    fleet.deliver(outcome="rejected", code="422", words="no")
    held = {fleet.send(account, on_unknown="hold", to="+15550200009") for account in ("other", "zoe")}
    fleet.deliver(outcome="held", words="unknown")

    letters = DeadLetters(fleet.client, retention=RETENTION)
    assert dead == {letter.id for letter in letters.list().letters}
    assert 2 == sum(done.replayed for done in letters.replay(dead | {"0" * 26}))

    waiting = Held(fleet.client, retention=RETENTION)
    assert (held, 2) == ({operation.id for operation in waiting.list().operations}, waiting.list().total)
    first, second = sorted(held)
    waiting.drop(first)
    waiting.release(second)
    assert 0 == waiting.list().total
    assert set() == {letter.id for letter in letters.list(Match(account="acme")).letters}


def test_the_list_of_all_accounts_stands_on_each_shard(fleet: Shards) -> None:
    door = Door(fleet)
    assert 2 == door.suppress(["+15550200001", "+15550200002"], reason="asked", all_accounts=True)
    assert 1 == door.suppress(["+15550200003"], reason="asked", account="beta")
    assert 2 == len(list(door.suppressions(all_accounts=True)))
    for account in ACCOUNTS:
        assert door.suppressed("+15550200001", account=account) is not None
    op = fleet.send("zoe", to="+15550200002")
    picture = fleet.state.operation(op)
    assert picture is not None
    assert "suppressed" == picture.operation.outcome
    assert 1 == door.unsuppress(["+15550200001"], all_accounts=True)


def test_the_exporter_shows_all_shards(fleet: Shards) -> None:
    for account in ACCOUNTS:
        fleet.send(account)
    reader = Reader(fleet.client)
    assert dict.fromkeys(ACCOUNTS, 1) == {
        account.name: account.transactional + account.bulk for account in reader.accounts()
    }
    assert (len(ACCOUNTS), dict.fromkeys(range(SHARDS), True)) == (reader.fleet().accounts, reader.shards)


def test_a_number_is_forgotten_on_all_shards(fleet: Shards) -> None:
    for account in ACCOUNTS:
        fleet.send(account, to="+15550300000")
    fleet.deliver()
    forgetting = Forgetting(fleet.client, "+15550300000", RETENTION)
    assert (4, 4) == (forgetting.seen().operations, forgetting.seen().entries)
    assert 4 == forgetting.run(5).operations
    assert 0 == Forgetting(fleet.client, "+15550300000", RETENTION).seen().operations


def test_an_account_that_was_moved_is_found(fleet: Shards) -> None:
    """By a client that knows the old place: the shard does not know the account, so the client asks the directory."""
    assert PLACES["acme"] == layout_of(fleet.client).shard_of("acme")
    accounts = Accounts(fleet.client)
    accounts.remove("acme")
    directory(fleet, "move", "acme", 4)
    layout = fresh_layout(fleet.client)
    fleet.add("acme")
    assert [4] == fleet.on("acme")
    assert (1, 4) == (layout.version, layout.shard_of("acme"))


def test_a_client_with_an_old_directory_asks_again(fleet: Shards, server: EmbeddedServer) -> None:
    late = connect(server.url)
    assert PLACES["acme"] == layout_of(late).shard_of("acme")
    Accounts(fleet.client).remove("acme")
    directory(fleet, "move", "acme", 4)
    fresh_layout(fleet.client)
    fleet.add("acme")
    assert State(late).account("acme") is not None
    assert 4 == layout_of(late).shard_of("acme")
    late.close()


def test_the_number_of_shards_is_fixed(client: redis.Redis) -> None:
    assert 5 == create(client, 5)
    assert 5 == create(client, 5) == create(client, 0)
    with pytest.raises(ConfigurationError, match="state has 5 shards, not 6"):
        create(client, 6)
    with pytest.raises(ConfigurationError, match="webhooks out need state of one shard"):
        require_one(client, "webhooks out")


def test_state_that_has_accounts_stays_as_it_is(client: redis.Redis) -> None:
    add_account(client, "acme")
    with pytest.raises(ConfigurationError, match="state has 1 shard, not 5"):
        create(client, 5)
    assert 1 == create(client, 1) == create(client, 0)
    assert [client] == each_shard(client)


def test_a_user_that_was_made_for_one_shard_has_one_shard(client: redis.Redis, server: EmbeddedServer) -> None:
    """Whatever a server calls it when the user may not read the directory."""
    roles.acl(client, "SETUSER", "plain", "reset", "on", ">secret", "~paceline:{0}", "~paceline:{0}:[^d]*", "+@all")
    plain = connect(server.url.replace("redis://", "redis://plain:secret@"))
    try:
        add_account(client, "acme")
        assert ["acme"] == State(plain).accounts()
        assert 1 == layout_of(plain).count
    finally:
        plain.close()
        roles.acl(client, "DELUSER", "plain")


def test_clients_of_shards_share_connections(fleet: Shards) -> None:
    pools: set[Any] = {id(own.connection_pool) for own in each_shard(fleet.client)}
    assert 1 == len(pools)
    assert at(fleet.client, 3) is at(fleet.client, 3)


def test_a_pipeline_asks_for_no_directory(client: redis.Redis) -> None:
    """It has no replies before it is sent: what it carries goes to one shard."""
    add_account(client, "acme")
    with client.pipeline(transaction=False) as pipe:
        Accounts(pipe).suspend("acme", "a test")
        assert 1 == len(pipe.command_stack)
        pipe.execute()
    assert client.hget("paceline:{0}:a:acme", "suspended") == "a test"


def test_closing_a_client_closes_the_connections_to_all_servers(
    client: redis.Redis, server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a cluster: each shard has connections of its own; blocking, and on an event loop."""
    create(client, 5)

    def pool_under(pool: Any, _: str) -> Any:
        return type(pool)(connection_class=pool.connection_class, **pool.connection_kwargs)

    monkeypatch.setattr(shards, "pool_under", pool_under)
    blocking = connect(server.url)
    ids = {at(blocking, shard).client_id() for shard in range(5)}
    blocking.close()

    async def on_a_loop() -> None:
        looped = connect_async(Settings(broker_url=server.url))
        ids.update([await at(looped, shard).client_id() for shard in range(5)])
        await looped.aclose()

    asyncio.run(on_a_loop())
    assert 10 == len(ids)
    wait_until(
        lambda: not ids & {int(held["id"]) for held in client.client_list()},
        timedelta(seconds=20),
        "the ends of connections",
    )


def test_a_server_learns_a_script_once(client: redis.Redis) -> None:
    """However many shards lie on it, and for names that are claimed on the way, too."""
    create(client, 5)
    add_account(client, "acme")
    layout_of(client)
    client.config_resetstat()
    for _ in range(2):
        Script("paceline", "look").run(client, "accounts")
    script = Script("paceline", "look")
    for _ in range(2):
        assert ["acme"] == script.run(client, "accounts")
    calls = {name: stats["calls"] for name, stats in client.info("commandstats").items() if "eval" in name}
    assert {"cmdstat_eval": 3, "cmdstat_evalsha": 17} == calls
    assert of_the_thin_package("look") is of_the_thin_package("look")


def test_each_server_is_asked_once(client: redis.Redis) -> None:
    create(client, 5)
    assert ([True], {}) == ((readings := at_each_server(client, redis.Redis.ping)).values, readings.away)
