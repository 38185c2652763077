"""Users of deploy/valkey/users.acl: what each may do, by doing it, and what it may not, command by command."""

import asyncio
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import redis
from prometheus_client import CollectorRegistry, generate_latest
from redis.exceptions import NoPermissionError

from paceline import Outbox, Queued, SendMessage, names
from paceline.state import connect
from paceline.state.calls import State
from paceline.state.scripts import Script
from paceline_sandbox.embedded import EmbeddedServer
from paceline_worker.exporter.gauges import StateGauges
from paceline_worker.exporter.readings import Reader
from paceline_worker.hooks.event import event_of
from paceline_worker.hooks.hook import Hook
from paceline_worker.hooks.policy import Next
from paceline_worker.hooks.state import HookBook, RunnerState
from paceline_worker.hooks.stored import Noted
from paceline_worker.receipts.reading import Told, Wrote
from paceline_worker.receipts.state import ReceiptState
from paceline_worker.receipts.words import Change
from paceline_worker.state.clock import ServerClock
from paceline_worker.state.worker import WorkerState
from tests.conftest import SENDER, add_account
from tests.support import roles
from tests.support.wait import wait_until

R = names.STATE_ROOT
# Of one outcome, as state writes it.
ENTRY: dict[Any, Any] = {
    "id": "01k0zxw5d3v8m2c7r4q9n6t1ea", "account": "acme", "campaign": "", "kind": "message.to_number", "outcome": "accepted",
    "code": "202", "message_uuid": "", "words": "", "accepted_at_us": "1", "settled_at_us": "2", "v": "2",
}  # fmt: skip
EVERYBODY = set(roles.roles())
STAFF = {"operator", "worker"}

# What is tried -> who may. Whoever stands here and should not is a gap of the key layout: docs/threat-model.md names it.
MATRIX: dict[tuple[str, ...], set[str]] = {
    # the server
    ("FLUSHALL",): set(),
    ("FLUSHDB",): set(),
    ("CONFIG", "GET", "*"): set(),
    ("CONFIG", "SET", "maxmemory", "1"): set(),
    ("ACL", "LIST"): set(),
    ("DEBUG", "SLEEP", "0"): set(),
    ("SHUTDOWN", "NOSAVE"): set(),
    ("REPLICAOF", "NO", "ONE"): set(),
    ("MONITOR",): set(),
    ("KEYS", "*"): set(),
    ("RANDOMKEY",): set(),
    ("FUNCTION", "LIST"): set(),
    ("SCRIPT", "FLUSH"): set(),
    ("SLOWLOG", "GET"): set(),
    ("CLIENT", "LIST"): set(),
    ("SCAN", "0"): {"gateway", "operator"},
    ("BGREWRITEAOF",): {"operator"},
    ("PING",): EVERYBODY,
    # keys of others
    ("GET", "another-application"): set(),
    ("SET", "another-application", "x"): set(),
    ("LPUSH", "celery", "x"): set(),
    # the API key and the token's digest
    ("HGET", f"{R}:secret:acme", "key"): STAFF,
    ("HSET", f"{R}:secret:acme", "key", "x"): STAFF,
    ("HGET", f"{R}:hook:acme", "hook"): STAFF | {"exporter", "receiver"},
    ("HSET", f"{R}:hook:acme", "hook", "x"): STAFF,
    # accounts
    ("HGET", f"{R}:a:acme", "suspended"): STAFF | {"exporter", "gateway"},
    ("HSET", f"{R}:a:acme", "suspended", ""): STAFF | {"gateway"},
    ("HGET", f"{R}:about:acme", "senders"): STAFF | {"exporter", "gateway", "producer", "receiver"},
    ("HSET", f"{R}:about:acme", "senders", ""): STAFF,
    ("DEL", f"{R}:a:acme"): STAFF | {"gateway"},
    # messages
    ("HGET", f"{R}:o:x", "p"): STAFF | {"exporter", "gateway", "producer", "receiver"},
    ("HSET", f"{R}:o:x", "to", "+1"): STAFF | {"gateway", "receiver"},
    ("DEL", f"{R}:o:x"): STAFF | {"gateway"},
    ("RPUSH", f"{R}:l:acme:+1:t", "x"): STAFF,
    ("LRANGE", f"{R}:l:acme:+1:t", "0", "-1"): STAFF | {"exporter"},
    # the inbox
    ("HSET", f"{R}:in:x", "account", "acme"): STAFF | {"gateway", "producer"},
    ("HGET", f"{R}:in:x", "body"): STAFF | {"exporter", "gateway", "producer"},
    ("DEL", f"{R}:in:x"): STAFF | {"gateway"},
    # campaigns and outcomes
    ("HSET", f"{R}:c:spring", "p", "x"): STAFF | {"gateway", "receiver"},
    ("HGET", f"{R}:c:spring", "p"): STAFF | {"exporter", "gateway", "producer", "receiver"},
    # who did what, and the key of the seals
    ("XRANGE", f"{R}:trail", "-", "+"): STAFF | {"gateway"},
    ("XADD", f"{R}:trail", "*", "a", "b"): STAFF | {"gateway"},
    ("HGET", f"{R}:seals", "key"): STAFF,
    ("HSET", f"{R}:seals", "key", "x"): STAFF,
    ("GET", f"{R}:public"): STAFF | {"exporter", "gateway", "producer"},
    ("SET", f"{R}:public", "x"): STAFF,
    ("XRANGE", f"{R}:outcomes", "-", "+"): STAFF | {"exporter", "gateway", "hooks", "reader"},
    ("XADD", f"{R}:outcomes", "*", "a", "b"): STAFF | {"receiver"},
    # tokens of the gateway
    ("HGET", f"{R}:tokens", "x"): STAFF | {"gateway"},
    ("HSET", f"{R}:tokens", "x", "{}"): STAFF,
    # suppression lists
    ("HSET", f"{R}:sup:acme", "+1", "x"): STAFF | {"gateway", "receiver"},
    ("HGET", f"{R}:sup:acme", "+1"): STAFF | {"gateway", "receiver"},
    ("HSET", f"{R}:supall", "+1", "x"): STAFF | {"gateway"},
    ("HGET", f"{R}:supall", "+1"): STAFF | {"gateway"},
    ("ZADD", f"{R}:timers", "1", "=acme"): STAFF | {"gateway", "receiver"},
    ("ZADD", f"{R}:due", "1", "acme"): STAFF,
    ("DEL", f"{R}:sup:acme"): STAFF | {"gateway"},
    # webhooks out
    ("GET", f"{R}:signing:hook-1"): STAFF | {"hooks"},
    ("SET", f"{R}:signing:hook-1", "x"): STAFF,
    ("HGET", f"{R}:wh:hook-1", "about"): STAFF | {"exporter", "hooks"},
    ("HSET", f"{R}:wh:hook-1", "place", "0-0"): STAFF | {"hooks"},
    ("SMEMBERS", f"{R}:hooks"): STAFF | {"exporter", "hooks"},
    # the broker
    ("LPUSH", "paceline.accept", "x"): STAFF | {"gateway", "producer"},
    ("LPUSH", "paceline.deliver", "x"): STAFF,
    ("PUBLISH", "/0.paceline.pidbox", "x"): STAFF,
    ("PUBLISH", "another", "x"): set(),
}


@pytest.fixture
def guarded(server: EmbeddedServer, client: redis.Redis) -> Iterator[EmbeddedServer]:
    """A server with the users of the file, and an account."""
    add_account(client, "acme")
    roles.create(client)
    yield server
    roles.remove(client)
    client.flushall()


@pytest.mark.usefixtures("guarded")
def test_each_role_may_what_it_is_for_and_nothing_else(client: redis.Redis) -> None:
    """ACL DRYRUN answers for each role and each command, and changes nothing."""

    def is_let(role: str, command: tuple[str, ...]) -> bool:
        answer = roles.acl(client, "DRYRUN", role, *command)
        return bool(answer in ("OK", b"OK"))

    found = {command: {role for role in EVERYBODY if is_let(role, command)} for command in MATRIX}
    assert {command: set(roles_) for command, roles_ in MATRIX.items()} == found


# What stands in state -> a key of it, a command that reads it, one that writes it.
REACH: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "API keys, encrypted": (f"{R}:secret:acme", ("HGET", "key"), ("HSET", "key", "x")),
    "digests of receipts' tokens": (f"{R}:hook:acme", ("HGET", "hook"), ("HSET", "hook", "x")),
    "secrets of webhooks, encrypted": (f"{R}:signing:h", ("GET",), ("SET", "x")),
    "public key of the payloads": (f"{R}:public", ("GET",), ("SET", "x")),
    "key of the seals, encrypted": (f"{R}:seals", ("HGET", "key"), ("HSET", "key", "x")),
    "accounts: limits, pauses, suspension": (f"{R}:a:acme", ("HGET", "rate"), ("HSET", "suspended", "x")),
    "accounts: senders, figures": (f"{R}:about:acme", ("HGET", "senders"), ("HSET", "senders", "x")),
    "an operation whose id is known": (f"{R}:o:x", ("HGET", "p"), ("HSET", "p", "x")),
    "lanes: which operations wait": (f"{R}:l:acme:+1:t", ("LINDEX", "0"), ("RPUSH", "x")),
    "inbox records": (f"{R}:in:x", ("HGET", "body"), ("HSET", "body", "x")),
    "a campaign whose name is known": (f"{R}:c:spring", ("HGET", "p"), ("HSET", "p", "x")),
    "outcomes": (f"{R}:outcomes", ("XRANGE", "-", "+"), ("XADD", "*", "a", "b")),
    "history": (f"{R}:trail", ("XRANGE", "-", "+"), ("XADD", "*", "a", "b")),
    "tokens of the gateway": (f"{R}:tokens", ("HGET", "x"), ("HSET", "x", "x")),
    "hints: accept": (names.ACCEPT_QUEUE, ("LRANGE", "0", "-1"), ("LPUSH", "x")),
    "hints: deliver": (names.DELIVER_QUEUE, ("LRANGE", "0", "-1"), ("LPUSH", "x")),
}


@pytest.mark.usefixtures("guarded")
def test_what_a_compromised_process_reaches_is_what_the_threat_model_says(client: redis.Redis) -> None:
    """Cell by cell, as the server answers."""

    def cell(role: str, key: str, read: tuple[str, ...], write: tuple[str, ...]) -> str:
        asked = {"r": (read[0], key, *read[1:]), "w": (write[0], key, *write[1:])}
        return "".join(
            letter for letter, words in asked.items() if roles.acl(client, "DRYRUN", role, *words) in ("OK", b"OK")
        )

    columns = [role for role in roles.roles() if role not in STAFF]
    lines = [f"| what | {' | '.join(columns)} | worker, operator |", f"|{'---|' * (len(columns) + 2)}"]
    for what, (key, read, write) in REACH.items():
        cells = [cell(role, key, read, write) for role in columns]
        assert {"rw"} == {cell(role, key, read, write) for role in STAFF}
        lines.append(f"| {what} | {' | '.join(one or 'none' for one in cells)} | rw |")
    page = (roles.FILE.parents[2] / "docs" / "threat-model.md").read_text(encoding="utf-8")
    assert "\n".join(lines) in page, "\n".join(lines)


def rules_of_one_account() -> list[str]:
    """As docs/threat-model.md gives them to a service that waits."""
    page = (roles.FILE.parents[2] / "docs" / "threat-model.md").read_text(encoding="utf-8")
    (rules,) = re.findall(r"^(%R~\S+:a:acme .*)$", page, re.MULTILINE)
    return str(rules).split()


@pytest.mark.usefixtures("guarded")
def test_the_rules_of_one_account_reach_no_other_and_no_key(client: redis.Redis) -> None:
    """Neither another account, nor the API key."""
    roles.acl(client, "SETUSER", "producer", *rules_of_one_account())
    for key in ("secret:acme", "a:other", "l:other:+1:t"):
        assert roles.acl(client, "DRYRUN", "producer", "HGET", f"{R}:{key}", "x") not in ("OK", b"OK")


def test_every_test_that_the_threat_model_names_is_there() -> None:
    """A table of promises, each with its proof."""
    root = roles.FILE.parents[2]
    named = re.findall(r"`(tests/\S+\.py)`", (root / "docs" / "threat-model.md").read_text(encoding="utf-8"))
    assert named
    assert [] == [name for name in named if not (root / name).exists()]


def test_nobody_comes_in_without_a_password(guarded: EmbeddedServer) -> None:
    """Each role has one."""
    for role in EVERYBODY:
        address = roles.url_of(guarded.url, role).replace("-PASSWORD", "")
        with redis.Redis.from_url(address) as asking, pytest.raises(redis.AuthenticationError):
            asking.ping()
    assert "user default off" in roles.FILE.read_text(encoding="utf-8").splitlines()


def test_a_producer_sends(guarded: EmbeddedServer, client: redis.Redis) -> None:
    """An Outbox writes and hints, with an idempotency key, too; with the rules for one account it waits as well."""
    roles.acl(client, "SETUSER", "producer", *rules_of_one_account())
    with Outbox(broker_url=roles.url_of(guarded.url, "producer")) as outbox:
        first = outbox.send(SendMessage(account="acme", sender=SENDER, to="+15550100002", text="a"))
        outbox.send(SendMessage(account="acme", sender=SENDER, to="+15550100002", text="b", idempotency_key="k"))
        wait_until(lambda: client.llen(names.ACCEPT_QUEUE), timedelta(seconds=30), "a hint")
        worker = WorkerState(roles.url_of(guarded.url, "worker"), ServerClock(), retention_s=60, grace_s=15)
        records = [str(rid) for rid in client.zrange(f"{R}:inbox", 0, -1)]
        assert [1, 1] == [done.written for done in worker.accept(records)]
        worker.client.close()
        assert isinstance(first.wait(timeout=10), Queued)
        assert "waiting" == outbox.status(first.id).state


def test_a_script_is_held_to_the_role_as_well(guarded: EmbeddedServer) -> None:
    """A producer's EVAL reaches what the producer reaches, and no more."""
    refused = pytest.raises(redis.ResponseError, match=r"(?i)permission|can't access")
    with redis.Redis.from_url(roles.url_of(guarded.url, "producer")) as producer, refused:
        producer.eval("return redis.call('HGET', KEYS[1] .. ':secret:acme', 'key')", 1, R)


def test_an_exporter_reads_everything_it_shows(guarded: EmbeddedServer) -> None:
    """One look is complete, and it cannot write."""
    client = connect(roles.url_of(guarded.url, "exporter"))
    registry = CollectorRegistry()
    gauges = StateGauges(Reader(client), State(client), capacity=10)
    registry.register(gauges)
    assert b'paceline_backlog_operations{account="acme"' in generate_latest(registry)
    assert gauges.up
    with pytest.raises(NoPermissionError):
        client.hset(f"{R}:a:acme", "suspended", "x")
    client.close()


def test_a_runner_of_hooks_does_its_work(guarded: EmbeddedServer, client: redis.Redis) -> None:
    """It takes a lease, reads the stream, keeps events, notes what became of them, and leaves."""
    about = Hook("https://shop.example.com/p", frozenset({"*"}), frozenset({"settled"}))
    HookBook(client).add("hook-1", about, "sealed")
    client.xadd(f"{R}:outcomes", ENTRY)

    async def scene() -> list[str]:
        long = timedelta(minutes=1)
        state = RunnerState(roles.url_of(guarded.url, "hooks"), "runner", lease=long, retention=long)
        try:
            look = await state.claim()
            page = await state.page(look.hooks["hook-1"].place, 10)
            events = [event for entry in page.entries if (event := event_of(entry, about))]
            await state.put("hook-1", look.hooks["hook-1"].place, await state.head(), events)
            await state.back("hook-1")
            taken, _ = await state.take("hook-1", 10)
            await state.note("hook-1", {"fails": "", "words": "x"}, [Noted(one.id, Next("dead"), "x") for one in taken])
            await state.leave()
        finally:
            await state.close()
        return [one.id for one in taken]

    [event] = asyncio.run(scene())
    assert [event] == [one.id for one in HookBook(client).dead("hook-1", 0, 10)]


def test_a_receiver_takes_receipts(guarded: EmbeddedServer, client: redis.Redis) -> None:
    """Of messages that are there, and of those that are to come."""
    Script("paceline_worker", "receipts").run(client, "open", "acme", "digest", "", "1")

    async def scene() -> Any:
        state = ReceiptState(roles.url_of(guarded.url, "receiver"))
        try:
            digest = await state.digest("acme")
            return digest, await state.take("acme", digest, [Told("MSG1", "sent", None)]), await state.caught_up()
        finally:
            await state.client.aclose()

    assert ("digest", ["unknown"], []) == asyncio.run(scene())


def test_a_receiver_takes_opt_outs(guarded: EmbeddedServer, client: redis.Redis) -> None:
    """Onto the list of the account, and off it; the list of all accounts is none of its business."""
    Script("paceline_worker", "receipts").run(client, "open", "acme", "digest", "", "1")

    async def scene() -> Any:
        state = ReceiptState(roles.url_of(guarded.url, "receiver"))
        wrote = Wrote("+15550200001", "STOP")
        try:
            return [await state.wrote("acme", "digest", wrote, Change(way, "STOP")) for way in ("out", "out", "in")]
        finally:
            await state.client.aclose()

    assert ["opted_out", "known", "opted_in"] == asyncio.run(scene())
