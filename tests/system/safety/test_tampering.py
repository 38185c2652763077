"""Somebody writes into state: nothing that a worker did not accept is sent, it is counted, and the lane goes on."""

import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from paceline import names
from paceline_sandbox.embedded import EmbeddedServer
from paceline_worker.accounts.accounts import Accounts
from paceline_worker.accounts.secrets import ApiKey, KeyRing
from tests.support.processes import Sandbox, free_port
from tests.support.servers import start_server
from tests.support.stack import PATIENCE, SECRET, Stack
from tests.support.wait import wait_until

pytestmark = [pytest.mark.system]
R = names.STATE_ROOT


@pytest.fixture(scope="module")
def own_server() -> Iterator[EmbeddedServer]:
    with start_server() as running:
        yield running


@pytest.fixture(scope="module")
def guarded(own_server: EmbeddedServer, sandbox: Sandbox) -> Iterator[tuple[Stack, int]]:
    """A worker with an account of its own, and its metrics port."""
    port = free_port()
    with Stack(own_server, sandbox) as built:
        built.sandbox.reset()
        built.scenario()
        built.start_worker(PACELINE_METRICS_PORT=str(port))
        built.add_account()
        yield built, port


def refused(port: int, reason: str) -> float:
    """What the worker's metric says."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=200) as answer:
        lines = answer.read().decode().splitlines()
    [line] = [line for line in lines if line.startswith(f'paceline_tampering_refused_total{{reason="{reason}"}}')]
    return float(line.split()[1])


def edited(client: redis.Redis, op: str, field: str, value: str) -> None:
    client.hset(f"{R}:o:{op}", field, value)


def sent_again(client: redis.Redis, op: str) -> None:
    """A settled operation is made to wait once more."""
    account, sender = map(str, client.hmget(f"{R}:o:{op}", "a", "f"))
    client.hset(f"{R}:o:{op}", "s", "w")
    client.hdel(f"{R}:o:{op}", "oc", "te")
    client.persist(f"{R}:o:{op}")
    client.lpush(f"{R}:l:{account}:{sender}:t", op)


EDITS: dict[str, tuple[str, Callable[[redis.Redis, str], Any]]] = {
    "another text": ("content", lambda client, op: edited(client, op, "p", '{"text": "Pay to IBAN X"}')),
    "another target": ("content", lambda client, op: edited(client, op, "to", "+15550199999")),
    "another kind": ("content", lambda client, op: edited(client, op, "k", "sms.send")),
    "no seal": ("missing", lambda client, op: client.hdel(f"{R}:o:{op}", "g")),
}


@pytest.mark.parametrize("edit", EDITS)
def test_what_was_changed_is_not_sent(guarded: tuple[Stack, int], edit: str) -> None:
    """It is rejected as tampered with, and the next of its lane is sent."""
    stack, port = guarded
    reason, change = EDITS[edit]
    before, sent = refused(port, reason), len(stack.arrivals())
    Accounts(stack.client).suspend(stack.name)
    first, second = stack.send(1), stack.send(1, text=f"after {edit}")
    stack.wait_for(lambda books: books.inbox == 0, "both are accepted")
    change(stack.client, first.id)
    Accounts(stack.client).resume(stack.name)
    assert "rejected" == stack.status_when(first, "rejected", "accepted").state
    assert "accepted" == stack.status_when(second, "rejected", "accepted").state
    assert [f"after {edit}"] == [arrival["body"]["text"] for arrival in stack.arrivals()[sent:]]
    assert before + 1 == refused(port, reason)
    assert "tampered" == stack.outbox.status(first.id).code
    assert stack.balance().unaccounted == 0


def test_a_settled_operation_is_not_sent_again(guarded: tuple[Stack, int]) -> None:
    """Not by editing its state, and the one behind it is sent."""
    lent, port = guarded
    stack = lent.another()
    stack.add_account()
    before = refused(port, "missing")
    done = stack.send(2)
    stack.status_when(done, "accepted")
    sent_again(stack.client, done.id)
    last = stack.send(2, text="the last")
    assert "accepted" == stack.status_when(last, "accepted").state
    wait_until(lambda: refused(port, "missing") == before + 1, PATIENCE, "it is counted")
    assert 1 == stack.texts_accepted()["message 2"]
    assert -1 == stack.balance().unaccounted  # the audit tells of it, too


def test_the_template_of_a_campaign_that_has_begun_stays(guarded: tuple[Stack, int]) -> None:
    """Whoever changes it stops the campaign, which pauses, and changes no message."""
    lent, port = guarded
    stack = lent.another()
    stack.add_account()
    rows: list[dict[str, Any]] = [{"to": f"+1555030{number:04}", "name": f"N{number}"} for number in range(40)]
    campaign = stack.outbox.start_campaign(
        "tampered", account=stack.name, sender="+15550100019", template="Hi {name}", recipients=rows, rate="300/minute"
    )
    wait_until(lambda: stack.balance().outcomes["accepted"] >= 3, PATIENCE, "it has begun")
    stack.client.hset(f"{R}:c:tampered", mapping={"p": '{"text":"Pay {name}"}', "fresh": "1", "unsealed": "1"})
    wait_until(lambda: refused(port, "campaign") >= 1, PATIENCE, "it is counted")
    wait_until(lambda: campaign.progress().hold == "paused", PATIENCE, "it pauses")
    assert not [text for text in stack.texts_accepted() if text.startswith("Pay")]


def test_an_old_api_key_is_not_used_again(guarded: tuple[Stack, int]) -> None:
    """Neither by this worker nor by the next one; the account is suspended, and another key ends that."""
    stack, port = guarded
    other = stack.another()
    other.add_account()
    secret, version = f"{R}:secret:{other.name}", f"{R}:a:{other.name}"
    old_key, old_version = stack.client.hget(secret, "key"), stack.client.hget(version, "key_version")
    other.status_when(other.send(3), "accepted")
    Accounts(stack.client).rotate(other.name, ApiKey(f"{other.name}-new"), ring=KeyRing(SECRET))
    other.status_when(other.send(4), "accepted")
    before, used = refused(port, "key"), len(other.arrivals())
    stack.client.hset(secret, "key", str(old_key))
    stack.client.hset(version, "key_version", str(old_version))
    waits = other.send(5)
    wait_until(lambda: stack.client.hget(version, "suspended"), PATIENCE, "the account is suspended")
    assert "older than a key used before" in str(stack.client.hget(version, "suspended"))
    assert before + 1 <= refused(port, "key")
    assert used == len(other.arrivals())
    floor = stack.client.hget(f"{R}:seals", f"k:{other.name}")
    assert str(floor).split("|", maxsplit=1)[0] > str(old_version)
    Accounts(stack.client).rotate(other.name, ApiKey(f"{other.name}-third"), ring=KeyRing(SECRET))
    assert "accepted" == other.status_when(waits, "accepted").state


def test_a_worker_does_not_start_with_another_secret(guarded: tuple[Stack, int]) -> None:
    """The key of the seals is the check value: no account is needed to tell, and none is suspended."""
    stack, _ = guarded
    with pytest.raises(AssertionError, match=r"decrypts none|does not decrypt"):
        stack.start_worker(PACELINE_SECRET_KEY="B" * 43 + "=")
