import socket
from collections import Counter

import httpx
import pytest

from paceline_sandbox import running_sandbox
from paceline_sandbox.faults.scenario import parse_toml
from tests.sandbox.client import QUIET, UNLIMITED, Client, connected
from tests.sandbox.receiver import (
    AT_ONCE,
    MUCH_LATER,
    Receiver,
    receiving,
    scenario,
    sent_id,
    settled,
    state,
    subscribe_to_receipts,
    until,
)

OTHER = "+15550100009"


def test_duplicates(client: Client, receiver: Receiver) -> None:
    """duplicate = 1 delivers every receipt twice."""
    client.use(scenario(AT_ONCE + f'duplicate = 1\nhook_url = "{receiver.url}"'))
    client.send()
    assert settled(client)["duplicate"] == 3
    assert Counter(receiver.events) == {"message.sent": 2, "message.received": 2, "message.read": 2}
    assert [delivery["duplicate"] for delivery in client.sandbox.receipts()] == [False, True] * 3


def test_reordering(client: Client, receiver: Receiver) -> None:
    """reorder = 1 delivers receipts after later ones, while the history keeps its order."""
    client.use(scenario("sent_ms = 1\nreceived_ms = 2\nread_ms = 3\n" + f'reorder = 1\nhook_url = "{receiver.url}"'))
    client.send()
    assert settled(client)["reordered"] == 2
    assert receiver.events == ["message.read", "message.sent", "message.received"]
    assert state(client) == (3, True, True, True)


def test_losses(client: Client, receiver: Receiver) -> None:
    """lose = 1 delivers nothing, counts it, and leaves the history as it would be."""
    client.use(scenario(AT_ONCE + f'lose = 1\nhook_url = "{receiver.url}"'))
    client.send()
    counts = settled(client)
    assert (counts["lost"], counts["tried"]) == (3, 0)
    assert receiver.posts == []
    assert state(client) == (3, True, True, True)


def test_forgeries(client: Client, receiver: Receiver) -> None:
    """forge = 2 adds two receipts with foreign ids to each message's own."""
    client.use(scenario(AT_ONCE + f'forge = 2\nhook_url = "{receiver.url}"'))
    message_uuid = sent_id(client.send())
    assert settled(client)["forged"] == 2
    foreign = [body["message_uuid"] for body in receiver.bodies if body["message_uuid"] != message_uuid]
    assert len(set(foreign)) == 2
    assert foreign == [each["message_uuid"] for each in client.sandbox.receipts() if each["forged"]]
    assert len(receiver.posts) == 5


def test_an_early_receipt_overtakes_the_answer(client: Client, receiver: Receiver) -> None:
    """early = 1 has the receiver told before the caller of the send has its answer; the others come in their time."""
    client.use(scenario(MUCH_LATER + f'early = 1\nhook_url = "{receiver.url}"'))
    for number in range(1, 6):
        message_uuid = sent_id(client.send())
        assert len(receiver.posts) == number
        assert receiver.bodies[-1]["event"] == "message.sent"
        assert receiver.bodies[-1]["message_uuid"] == message_uuid
    assert state(client) == (1, True, False, False)


def test_an_early_receipt_comes_although_the_answer_is_lost(client: Client, receiver: Receiver) -> None:
    """A send whose connection is cut is still told of."""
    client.use(
        QUIET + UNLIMITED + '[[faults]]\nkind = "drop_after_accepting"\n'
        f'[receipts]\n{MUCH_LATER}early = 1\nhook_url = "{receiver.url}"'
    )
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        client.send()
    assert receiver.events == ["message.sent"]


MIXED = AT_ONCE + "not_sent = 0.2\nlose = 0.3\nduplicate = 0.4\nreorder = 0.4\nforge = 0.5\n"


def test_the_seed_decides_what_is_delivered() -> None:
    """Two sandboxes with one seed deliver the same events of the n-th message; another seed delivers others."""

    def delivered(seed: int) -> list[list[tuple[object, ...]]]:
        with (
            receiving() as receiver,
            running_sandbox(parse_toml(scenario(MIXED + f'hook_url = "{receiver.url}"')), seed=seed) as sandbox,
            connected(sandbox) as client,
        ):
            runs = []
            for _ in range(20):
                before = len(sandbox.receipts())
                client.send()
                settled(client)
                flags = ("event", "duplicate", "reordered", "forged")
                runs.append([tuple(each[name] for name in flags) for each in sandbox.receipts(before)])
            return runs

    first = delivered(7)
    assert first == delivered(7)
    assert first != delivered(8)


def test_every_delivery_is_in_the_log(client: Client, receiver: Receiver) -> None:
    """The log tells of each attempt when, where, what and how it ended, and can be read on from an index."""
    client.use(scenario(AT_ONCE + f'hook_url = "{receiver.url}"'))
    message_uuid = sent_id(client.send())
    counts = settled(client)
    first, second, third = client.sandbox.receipts()
    assert first["finished_us"] >= first["at_us"] > 1_600_000_000_000_000
    assert {name: first[name] for name in first if not name.endswith("_us")} == {
        "index": 0,
        "url": receiver.url,
        "event": "message.sent",
        "message_uuid": message_uuid,
        "attempt": 1,
        "status": 200,
        "error": None,
        "early": False,
        "duplicate": False,
        "reordered": False,
        "forged": False,
    }
    assert first["finished_us"] <= second["at_us"] <= second["finished_us"] <= third["at_us"]
    assert [second, third] == client.sandbox.receipts(since=1)
    assert client.sandbox.receipts(since=99) == []
    assert client.get("/sandbox/receipts", since="x").status_code == 400
    assert (counts["tried"], counts["delivered"], counts["failed"], counts["lost"]) == (3, 3, 0, 0)


@pytest.mark.parametrize("status", [500, 404, 307])
def test_a_receiver_that_refuses(client: Client, receiver: Receiver, status: int) -> None:
    """A refusal is recorded and not repeated, and a redirect is not followed."""
    receiver.status = status
    receiver.headers = {"Location": "/elsewhere"}
    client.use(scenario(AT_ONCE + f'hook_url = "{receiver.url}"'))
    client.send()
    assert settled(client)["failed"] == 3
    assert [status] * 3 == [delivery["status"] for delivery in client.sandbox.receipts()]
    assert {path for path, _ in receiver.posts} == {"/hook"}
    assert len(receiver.posts) == 3


def test_deliveries_may_be_repeated(client: Client, receiver: Receiver) -> None:
    """With retries = 2 a receipt is tried three times before it is given up."""
    receiver.status = 500
    client.use(scenario(AT_ONCE + f'retries = 2\nnot_sent = 1\nhook_url = "{receiver.url}"'))
    client.send()
    settled(client)
    assert receiver.events == ["message.not-sent"] * 3
    assert [delivery["attempt"] for delivery in client.sandbox.receipts()] == [1, 2, 3]


def test_a_receiver_that_is_down(client: Client) -> None:
    """A refused connection is an error in the log and nothing else."""
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        client.use(scenario(AT_ONCE + f'hook_url = "http://127.0.0.1:{unheard.getsockname()[1]}"'))
        client.send()
        counts = settled(client)
    assert (counts["tried"], counts["failed"], counts["delivered"]) == (3, 3, 0)
    assert all(delivery["error"] and delivery["status"] is None for delivery in client.sandbox.receipts())
    assert client.codes(1) == [202]


def test_an_address_that_nobody_can_call(client: Client) -> None:
    """A host name that is none is an error in the log and nothing else."""
    client.use(scenario(AT_ONCE + 'hook_url = "http://nobody..invalid/hook"'))
    client.send()
    assert settled(client)["failed"] == 3


def test_a_receiver_that_hangs_is_given_up(client: Client, receiver: Receiver) -> None:
    """After timeout_ms a delivery has failed."""
    receiver.released.clear()
    client.use(scenario(AT_ONCE + f'timeout_ms = 50\nhook_url = "{receiver.url}"'))
    client.send()
    assert settled(client)["failed"] == 3
    assert {delivery["error"] for delivery in client.sandbox.receipts()} == {"no answer within 0.05 s"}


def test_a_receiver_that_hangs_holds_nobody_up(client: Client, receiver: Receiver) -> None:
    """Many messages are accepted while their receiver hangs; few deliveries are in work, and a reset cuts them off."""
    receiver.released.clear()
    client.use(scenario(AT_ONCE + f'timeout_ms = 600000\nhook_url = "{receiver.url}"'))
    assert client.codes(60) == [202] * 60
    counts = client.sandbox.report()["receipts"]
    assert (counts["waiting"], counts["delivered"], counts["failed"]) == (60, 0, 0)
    assert counts["tried"] <= 32
    client.sandbox.reset()
    receiver.released.set()
    assert settled(client)["tried"] == 0
    assert client.sandbox.receipts() == []


def test_one_receiver_in_trouble_leaves_the_other_alone(client: Client, receiver: Receiver) -> None:
    """Of two addresses that want the same receipt, the one that refuses does not harm the other."""
    client.use(scenario(AT_ONCE + 'hook_url = "http://127.0.0.1:1"'))
    subscribe_to_receipts(client, receiver.url)
    client.send()
    counts = settled(client)
    assert (counts["delivered"], counts["failed"]) == (3, 3)
    assert receiver.events == ["message.sent", "message.received", "message.read"]


def test_a_reset_forgets_what_waits(client: Client, receiver: Receiver) -> None:
    """Receipts that wait are gone after a reset."""
    client.use(scenario(MUCH_LATER + f'hook_url = "{receiver.url}"'))
    client.send()
    assert client.sandbox.report()["receipts"]["waiting"] == 1
    client.sandbox.reset()
    assert client.sandbox.report()["receipts"]["waiting"] == 0


def test_a_sandbox_ends_although_receipts_wait_and_hang() -> None:
    """Neither receipts that wait nor deliveries that hang keep a sandbox from ending."""
    with receiving() as receiver:
        receiver.released.clear()
        rules = f'sent_ms = 0\nread_ms = 600000\ntimeout_ms = 600000\nhook_url = "{receiver.url}"'
        with running_sandbox(parse_toml(scenario(rules))) as sandbox, connected(sandbox) as client:
            client.send()
            until(lambda: receiver.posts)
            client.send()


def test_no_proxy_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy from the environment does not see deliveries."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with receiving() as receiver:
        rules = parse_toml(scenario(AT_ONCE + f'hook_url = "{receiver.url}"'))
        with running_sandbox(rules) as sandbox, connected(sandbox) as client:
            client.send()
            assert settled(client)["delivered"] == 3


def test_a_new_scenario_leaves_receipts_under_way(client: Client, receiver: Receiver) -> None:
    """What was accepted under one scenario is delivered under its rules, while another is in force."""
    receiver.released.clear()
    client.use(scenario(AT_ONCE + f'hook_url = "{receiver.url}"'))
    client.send()
    client.use(scenario(AT_ONCE + "full_names = true"))
    receiver.released.set()
    client.send()
    settled(client)
    assert receiver.events == ["message.sent", "message.received", "message.read"]


def test_what_waits_is_bounded(client: Client, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a number of messages that wait, receipts are given up and counted; messages are accepted as before."""
    monkeypatch.setattr("paceline_sandbox.webhooks.webhooks._MOST_WAITING", 2)
    client.use(scenario(MUCH_LATER + f'hook_url = "{receiver.url}"'))
    assert client.codes(5) == [202] * 5
    counts = client.sandbox.report()["receipts"]
    assert (counts["waiting"], counts["overflowed"]) == (2, 9)
