"""The receiver as a process: the sandbox posts real webhooks, and what comes of them is held against its own record."""

import asyncio
import json
import re
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request

import aiohttp
import psutil
import pytest
from redis.exceptions import NoPermissionError

from paceline import names
from paceline.cli import main
from paceline.state import connect
from paceline.status.view import Status
from paceline_sandbox.embedded import EmbeddedServer
from paceline_worker.receipts.address import digest_of, new_token
from paceline_worker.receipts.state import Hooks
from tests.support import promtool
from tests.support.processes import Process, free_port, spawn
from tests.support.stack import PATIENCE, SECRET, Stack, canary_environment
from tests.support.wait import wait_until
from tests.system.programs.test_exporter import WITHOUT_PROXY, fetch, values

pytestmark = pytest.mark.system
MODULE = [sys.executable, "-m", "paceline_worker.receipts"]
NOWHERE = "redis://127.0.0.1:1/0"
PLENTY = timedelta(seconds=150)
SENDER = "+15550100001"
STEPS = {"message.sent": "sent", "message.received": "received", "message.read": "read", "message.not-sent": "not_sent"}
RANK = ("sent", "not_sent", "received", "read")


@contextmanager
def receiver(state_url: str, log_path: Path, *options: str, **environment: str) -> Iterator[tuple[Process, str]]:
    """A running one, and its address. With variables of its own it is no fork: what it shows of them is looked at."""
    port = free_port()
    variables = {"PACELINE_BROKER_URL": state_url, "PACELINE_LOG_FORMAT": "json", **environment}
    with spawn([*MODULE, "--port", str(port), *options], variables, log_path, forked=not environment) as process:
        process.wait_for_line("/receipts")
        yield process, f"http://127.0.0.1:{port}"


@pytest.fixture
def in_environment(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """The variables of a user of the command line, in place."""
    for variable in (names.ENV_STATE_URL, names.ENV_DEBUG):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in stack.environment.items():
        monkeypatch.setenv(variable, value)
    return stack


def post(address: str, body: Any, **headers: str) -> tuple[int, str]:
    """Status and body of the answer."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = Request(address, data=raw, headers={"Content-Type": "application/json", **headers}, method="POST")
    try:
        with WITHOUT_PROXY.open(request, timeout=200) as reply:
            return reply.status, reply.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()


def deliveries(stack: Stack) -> list[dict[str, Any]]:
    """What the sandbox tried to deliver, by its own record, once nothing is under way."""
    wait_until(lambda: stack.sandbox.report()["receipts"]["waiting"] == 0, PATIENCE, "all receipts delivered")
    return [json.loads(line) for line in fetch(f"{stack.sandbox.origin}/sandbox/receipts").splitlines()]


def counted(address: str, account: str) -> dict[str, float]:
    """The receipts of an account, by status."""
    found = values(fetch(f"{address}/metrics"))
    return {key[2]: value for key, value in found.items() if key[:2] == ("paceline_receipts_total", account)}


def requests(address: str) -> dict[str, float]:
    found = values(fetch(f"{address}/metrics"))
    return {key[1]: value for key, value in found.items() if key[0] == "paceline_receipt_requests_total"}


def opened(stack: Stack) -> str:
    """A token of the account."""
    token = new_token()
    assert Hooks(stack.client).open(stack.name, digest_of(token), instead_of="", shown=True)
    return token


def accepted(stack: Stack, number: int) -> Status:
    """A message that a worker sent."""
    return stack.status_when(stack.send(number, sender=SENDER), "accepted")


def test_what_the_provider_tells_is_what_people_see(in_environment: Stack, tmp_path: Path) -> None:
    """Receipts lost, doubled, out of order, early and forged: operation, campaign and metric agree with the sandbox, once each."""
    stack = in_environment
    stack.scenario(
        receipts={
            "sent_ms": 20, "received_ms": 60, "read_ms": 100, "not_sent": 0.1, "lose": 0.1, "duplicate": 0.5, "reorder": 0.4,
            "early": 0.4, "forge": 1, "retries": 3,
        }
    )  # fmt: skip
    stack.add_account()
    with receiver(stack.server.url, tmp_path / "log") as (_, address):
        options = ["--base-url", address, "--sender", SENDER]
        assert main(["receipts", "subscribe", stack.name, *options]) == 0
        stack.start_worker()
        rows = ({"to": f"+1555020{number:04d}"} for number in range(60))
        campaign = stack.outbox.start_campaign(
            f"of-{stack.name}", account=stack.name, sender=SENDER, template="Hello", recipients=rows
        )
        stack.settled(60)
        told = deliveries(stack)
        expected = heard(told)
        counts = Counter(status for steps in expected.values() for status in steps)
        assert set(counts) == set(RANK)
        wait_until(
            lambda: counted(address, stack.name) == counts,
            PATIENCE,
            lambda: f"{counts}; counted were {counted(address, stack.name)}",
        )
        found = requests(address)
    for flag in ("early", "duplicate", "reordered", "forged"):
        assert any(one[flag] for one in told), flag
    assert sum(found.values()) == len(told)
    assert found["moved"] + found["early"] + found["known"] + found["unknown"] == len(told)
    assert found["early"] > 0
    seen = {
        entry.message_uuid: stack.outbox.status(entry.id) for entry in stack.outbox.outcomes(campaign.name) if entry.id
    }
    states = {uuid: status.receipt.status if status.receipt else None for uuid, status in seen.items()}
    final = {uuid: max(steps, key=RANK.index) for uuid, steps in expected.items()}
    assert {uuid: final.get(str(uuid)) for uuid in seen} == states
    progress, of_final = campaign.progress(), Counter(final.values())
    assert (progress.delivered, progress.read, progress.not_sent) == (
        of_final["received"] + of_final["read"],
        of_final["read"],
        of_final["not_sent"],
    )
    assert dict(Hooks(stack.client).of(stack.name).counts) == {
        "sent": progress.sent,
        "not_sent": progress.not_sent,
        "received": progress.delivered,
        "read": progress.read,
    }
    assert {status.state for status in seen.values()} == {"accepted"}
    assert stack.balance().unaccounted == 0
    assert stack.violations() == 0


def heard(told: list[dict[str, Any]]) -> Mapping[str, set[str]]:
    """By message, what was delivered to a receiver that took it; forged ones are not messages."""
    steps: defaultdict[str, set[str]] = defaultdict(set)
    for one in told:
        if one["status"] == 200 and not one["forged"]:
            steps[one["message_uuid"]].add(STEPS[one["event"]])
    return steps


def test_strangers_and_foreign_receipts_change_nothing(served: Stack, tmp_path: Path) -> None:
    """A wrong token looks like a wrong account; ids of others' messages, of nobody's, and other events are taken and do nothing."""
    served.add_account()
    token = opened(served)
    other = served.another()
    other.add_account()
    status, foreign = accepted(served, 1), accepted(other, 2)
    with receiver(served.server.url, tmp_path / "log") as (process, address):
        ours = f"{address}/receipts/{served.name}"
        body = {"event": "message.read", "message_uuid": status.message_uuid, "timestamp": "2026-01-31T10:00:00Z"}
        refused = [
            post(f"{ours}/{new_token()}", body),
            post(f"{ours}/{digest_of(token)}", body),
            post(f"{ours}/{token}x", body),
            post(f"{address}/receipts/nobody/{token}", body),
            post(f"{address}/receipts/{other.name}/{token}", body),
            post(f"{address}/receipts/%00/{token}", body),
            post(f"{address}/nothing", body),
            post(f"{address}/receipts/{served.name}", b"x"),
        ]
        assert {(404, '{"success": false, "error": "not found"}')} == set(refused)
        assert requests(address)["forbidden"] == 6
        for nothing in (
            body | {"message_uuid": foreign.message_uuid},
            body | {"message_uuid": "MSG00000000-0000-4000-8000-000000000000"},
            body | {"event": "whatsapp.message.received"},
            body | {"event": "whatsapp.group.join"},
            body | {"event": "message.received", "sent_by": "user"},
        ):
            assert (200, '{"success": true}') == post(f"{ours}/{token}", nothing)
        assert post(f"{ours}/{token}", b"{")[0] == 400
        assert post(f"{ours}/{token}", body | {"message_uuid": None})[0] == 400
        assert post(f"{ours}/{token}", b" " * 70_000)[0] == 413
        assert post(f"{ours}/{token}", b"no gzip", **{"Content-Encoding": "gzip"})[0] == 400
        for op in (status, foreign):
            assert served.outbox.status(op.id).receipt is None
        assert counted(address, served.name) == {}
        assert post(f"{ours}/{token}", body) == (200, '{"success": true}')
        receipt = served.outbox.status(status.id).receipt
        assert receipt is not None
        assert receipt.status == "read"
        assert {"read": 1} == counted(address, served.name)
        found = requests(address)
        assert process.log_text().count("\n") == 1
    assert (1, 2, 3, 4) == (found["moved"], found["unknown"], found["ignored"], found["malformed"])


def test_a_forgotten_address_takes_nothing(stack: Stack, tmp_path: Path) -> None:
    """From the moment it is replaced or taken away, also while a receiver remembers it."""
    stack.add_account()
    token, hooks = opened(stack), Hooks(stack.client)
    body = {"event": "message.read", "message_uuid": "MSG1"}
    with receiver(stack.server.url, tmp_path / "log") as (_, address):
        old = f"{address}/receipts/{stack.name}/{token}"
        assert post(old, body)[0] == 200
        replaced = new_token()
        assert hooks.open(stack.name, digest_of(replaced), instead_of=digest_of(token), shown=True)
        assert post(old, body)[0] == 404
        new = f"{address}/receipts/{stack.name}/{replaced}"
        wait_until(lambda: post(new, body)[0] == 200, PATIENCE, "the new one is known")
        assert hooks.close(stack.name)
        assert post(new, body)[0] == 404


def test_two_receivers_count_each_receipt_once(served: Stack, tmp_path: Path) -> None:
    """Whichever gets it, and however often, at the same moment."""
    served.add_account()
    token = opened(served)
    messages = [accepted(served, number) for number in range(5)]
    with (
        receiver(served.server.url, tmp_path / "one") as (_, one),
        receiver(served.server.url, tmp_path / "two") as (_, two),
    ):

        async def storm() -> list[int]:
            async with aiohttp.ClientSession() as session:

                async def posted(base: str, uuid: str | None, step: str) -> int:
                    body = {"event": f"message.{step}", "message_uuid": uuid}
                    async with session.post(f"{base}/receipts/{served.name}/{token}", json=body) as reply:
                        return reply.status

                return await asyncio.gather(
                    *(
                        posted(base, message.message_uuid, step)
                        for _ in range(10)
                        for base in (one, two)
                        for message in messages
                        for step in ("sent", "received", "read")
                    )
                )

        assert Counter(asyncio.run(storm())) == {200: 300}
        both = Counter(counted(one, served.name)) + Counter(counted(two, served.name))
        assert {"sent": 5, "received": 5, "read": 5} == both
        results = Counter(requests(one)) + Counter(requests(two))
        assert {"moved": 15, "known": 285} == results


def test_a_state_server_that_goes_away_lets_the_provider_repeat(stack: Stack, tmp_path: Path) -> None:
    """503 meanwhile, 200 once it is back, and the log says so once each."""
    stack.add_account()
    token = opened(stack)
    with receiver(stack.server.url, tmp_path / "log") as (process, address):
        ours, body = f"{address}/receipts/{stack.name}/{token}", {"event": "message.read", "message_uuid": "MSG1"}
        assert post(ours, body)[0] == 200
        psutil.Process(stack.server.pid).suspend()
        try:
            assert post(ours, body)[0] == 503
            assert "ok\n" == fetch(f"{address}/-/healthy")
            assert requests(address)["unavailable"] == 1
        finally:
            psutil.Process(stack.server.pid).resume()
        wait_until(lambda: post(ours, body)[0] == 200, PATIENCE, "it is taken again")
        process.wait_for_line("answers again")
        log = process.log_text()
    assert 1 == log.count("does not answer")
    assert "Traceback" not in log


def test_nothing_of_a_receipt_is_in_logs_or_metrics(stack: Stack, tmp_path: Path) -> None:
    """Neither numbers nor texts nor tokens nor ids, whatever goes wrong; and promtool has nothing to say."""
    stack.add_account()
    token = opened(stack)
    canaries = ("+15559998877", "canary-text", token, "MSGcanary", digest_of(token))
    body = {
        "event": "message.read", "message_uuid": "MSGcanary", "remote_phone_number": canaries[0],
        "message": {"text": canaries[1]}, "timestamp": canaries[1],
    }  # fmt: skip
    with receiver(stack.server.url, tmp_path / "log", PACELINE_SECRET_KEY=SECRET) as (process, address):
        ours = f"{address}/receipts/{stack.name}/{token}"
        for one in (body, body | {"event": "canary-text"}, b"{canary-text", b"canary-text" * 10_000):
            post(ours, one)
        post(f"{ours}x", body)
        raw(address, f"POST /receipts/{stack.name}/{token} canary-text\r\n\r\n")
        raw(
            address,
            f"POST /receipts/{stack.name}/{token} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\ncanary-text",
        )
        psutil.Process(stack.server.pid).suspend()
        try:
            assert post(ours, body)[0] == 503
        finally:
            psutil.Process(stack.server.pid).resume()
        metrics = fetch(f"{address}/metrics")
        command_line = " ".join(psutil.Process(process.pid).cmdline())
        process.stop()
        everything = {"log": process.log_text(), "metrics": metrics, "ps": command_line}
    for place, text in everything.items():
        for canary in canaries:
            assert canary not in text, f"{canary} in {place}"
    checked = promtool.run("check", "metrics", stdin=metrics)
    assert ("", "", 0) == (checked.stdout, checked.stderr, checked.returncode)


def raw(address: str, text: str) -> None:
    """Send something that is no request, or not a whole one, and hang up."""

    async def send() -> None:
        port = int(address.rpartition(":")[2])
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(text.encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    asyncio.run(send())


def test_a_user_of_its_own_is_enough(stack: Stack, tmp_path: Path) -> None:
    """The one that docs/receipts.md shows: it may do what a receiver does, and nothing else."""
    stack.add_account()
    token = opened(stack)
    stack.start_worker()
    message = accepted(stack, 1)
    page = (Path(__file__).parents[3] / "docs" / "receipts.md").read_text(encoding="utf-8")
    found = re.search("^ACL SETUSER receiver .*$", page, re.MULTILINE)
    assert found
    admin: Any = stack.client
    admin.execute_command(*found[0].replace(">PASSWORD", ">secret").split())
    as_receiver = stack.server.url.replace("redis://", "redis://receiver:secret@")
    with receiver(as_receiver, tmp_path / "log") as (_, address):
        ours = f"{address}/receipts/{stack.name}/{token}"
        assert post(ours, {"event": "message.read", "message_uuid": message.message_uuid})[0] == 200
        for word in ("STOP", "START"):
            body = {"event": "message.received", "sent_by": "user", "remote_phone_number": "+15550200001"}
            assert post(ours, body | {"message": {"text": word}})[0] == 200
        stack.sandbox.put_scenario({"latency_ms": 5_000})
        stack.send(2)
        stack.wait_for(lambda books: books.in_flight == 1, "its call is under way")
        assert post(ours, {"event": "message.read", "message_uuid": "MSG2"})[0] == 200
        stack.scenario()
        wait_until(lambda: requests(address)["early"] == 1, PATIENCE, "counted")
        assert {"read": 1} == counted(address, stack.name)
    client: Any = connect(as_receiver)
    for command in (("KEYS", "*"), ("SET", "x", "1"), ("FLUSHALL",), ("HGET", "x", "y"), ("CONFIG", "GET", "*")):
        with pytest.raises(NoPermissionError):
            client.execute_command(*command)
    client.close()
    admin.execute_command("ACL", "DELUSER", "receiver")


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_in_order(end: signal.Signals, server: EmbeddedServer, tmp_path: Path) -> None:
    """Exit code 0, no word, and nobody listens any more."""
    with receiver(server.url, tmp_path / "log") as (process, address):
        before = process.log_text()
        psutil.Process(process.pid).send_signal(end)
        assert 0 == process.wait(PLENTY)
        assert before == process.log_text()
        with pytest.raises(URLError):
            fetch(f"{address}/metrics")


def test_it_starts_without_a_state_server(tmp_path: Path) -> None:
    """So that it is there when the state server comes; what is posted meanwhile may be repeated."""
    with receiver(NOWHERE, tmp_path / "log") as (_, address):
        assert post(f"{address}/receipts/acme/token", {})[0] == 503
        assert "ok\n" == fetch(f"{address}/-/healthy")


def run(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*MODULE, *options],
        env={**canary_environment(), **environment},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


@pytest.mark.parametrize(
    ("words", "options", "environment"),
    [
        ("PACELINE_RECEIPTS_PORT", ["--port", "many"], {}),
        ("PACELINE_RECEIPTS_PORT", [], {"PACELINE_RECEIPTS_PORT": "0"}),
        ("PACELINE_BROKER_URL: names no host with a port", [], {"PACELINE_BROKER_URL": "redis://h:port/0"}),
        ("nothing can be served at 192.0.2.1:9810", ["--address", "192.0.2.1"], {}),
    ],
)
def test_what_is_wrong_is_told_in_one_sentence(words: str, options: list[str], environment: dict[str, str]) -> None:
    """No traceback."""
    done = run(*options, **environment)
    assert 1 == done.returncode
    assert words in done.stderr
    assert 1 == len(done.stderr.splitlines())


def test_help_tells_the_options() -> None:
    """Without a state server."""
    done = run("--help")
    assert 0 == done.returncode
    told = ("--port", "--address", "PACELINE_RECEIPTS_PORT", "PACELINE_STATE_URL")
    assert [] == [option for option in told if option not in done.stdout]


def test_whoever_writes_stop_gets_nothing_more(in_environment: Stack, tmp_path: Path) -> None:
    """A real webhook reaches a real receiver: waiting messages are suppressed, START lets the next leave, the log is silent."""
    stack = in_environment
    stack.scenario()
    stack.add_account()
    with receiver(stack.server.url, tmp_path / "log") as (_, address):
        assert main(["receipts", "subscribe", stack.name, "--base-url", address, "--sender", SENDER]) == 0
        stack.start_worker()

        def writes(text: str, result: str) -> None:
            before = requests(address)[result]
            inbound = {"from": "+15550200000", "to": SENDER, "text": text}
            status, _ = post(f"{stack.sandbox.origin}/sandbox/inbound", inbound)
            assert 200 == status
            wait_until(lambda: requests(address)[result] > before, PATIENCE, result)

        first = accepted(stack, 0)
        assert "+15550200000" == first.to
        writes("where is my parcel?", "ignored")
        writes(" St\u00f3p! ", "opted_out")
        suppressed = stack.status_when(stack.send(0, sender=SENDER), "suppressed")
        assert "its recipient is on the suppression list of the account: wrote STOP" == suppressed.words
        writes("start", "opted_in")
        accepted(stack, 0)
    sent = [arrival for arrival in stack.arrivals() if (arrival["body"] or {}).get("to_number") == "+15550200000"]
    assert 2 == len(sent)
    assert "15550200000" not in (tmp_path / "log").read_text("utf-8")
