"""Hints: nobody waits for them, and none is needed."""

import base64
import json
import os
import socket
from datetime import timedelta

import redis

from paceline import Outbox, SendMessage, names
from paceline_sandbox.embedded import EmbeddedServer
from tests.conftest import SENDER, add_account
from tests.support.wait import wait_until

HELLO = SendMessage(account="acme", sender=SENDER, to="+15550100002", text="Hello")
PATIENCE = timedelta(seconds=150)


def hinted(client: redis.Redis) -> int:
    return int(str(client.llen(names.ACCEPT_QUEUE)))


def test_send_does_not_wait_for_a_broker_that_never_answers(server: EmbeddedServer, client: redis.Redis) -> None:
    """The broker takes connections and says nothing: `send` has returned while its hint still hangs."""
    add_account(client, "acme")
    hole = socket.create_server(("127.0.0.1", 0))
    with hole, Outbox(broker_url=f"redis://127.0.0.1:{hole.getsockname()[1]}/0", state_url=server.url) as outbox:
        tickets = [outbox.send(HELLO) for _ in range(20)]
        assert 20 == client.zcard(f"{names.STATE_ROOT}:inbox")
        assert 20 == len({ticket.id for ticket in tickets})
    client.flushall()


def test_every_record_is_named_in_a_hint(server: EmbeddedServer, client: redis.Redis) -> None:
    """Records that come fast share hints; none is left out when the outbox closes."""
    add_account(client, "acme")
    with Outbox(broker_url=server.url) as outbox:
        for _ in range(50):
            outbox.send(HELLO)
    messages = [json.loads(str(text)) for text in client.lrange(names.ACCEPT_QUEUE, 0, -1)]
    arguments = [json.loads(base64.b64decode(message["body"]))[0] for message in messages]
    told = [rid for (rids,) in arguments for rid in rids]
    assert sorted(told) == sorted(client.zrange(f"{names.STATE_ROOT}:inbox", 0, -1))
    client.flushall()


def test_single_messages_overtake_campaigns(server: EmbeddedServer, client: redis.Redis) -> None:
    """Hints of campaigns say so, and name nothing else."""
    add_account(client, "acme")
    with Outbox(broker_url=server.url) as outbox:
        people = ({"to": f"+1555{row:07d}"} for row in range(2_000))
        outbox.start_campaign("spring", account="acme", sender=SENDER, template="Hi", recipients=people)
        singles = {outbox.send(HELLO)._rid for _ in range(3)}  # noqa: SLF001 - which record it is
    named: dict[bool, set[str]] = {True: set(), False: set()}
    for text in client.lrange(names.ACCEPT_QUEUE, 0, -1):
        message = json.loads(str(text))
        ((rids,), *_) = json.loads(base64.b64decode(message["body"]))
        named[bool(message["headers"].get(names.BULK_HEADER))] |= set(rids)
    assert singles == named[False]
    assert set(client.zrange(f"{names.STATE_ROOT}:inbox", 0, -1)) == singles | named[True]
    assert named[True]
    client.flushall()


def test_a_forked_child_hints_too(server: EmbeddedServer, client: redis.Redis) -> None:
    """Threads do not survive a fork; the child starts its own."""
    add_account(client, "acme")
    outbox = Outbox(broker_url=server.url)
    outbox.send(HELLO)
    wait_until(lambda: hinted(client) >= 1, PATIENCE, "the parent's hint")
    child = os.fork()
    if child == 0:
        outbox.send(HELLO)
        outbox.close()
        os._exit(0)
    os.waitpid(child, 0)
    assert hinted(client) >= 2
    outbox.close()
    client.flushall()
