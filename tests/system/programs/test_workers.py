"""Workers that are killed, stopped, refused or left without a broker."""

import random
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

from paceline import names
from paceline_worker.accounts.accounts import Accounts
from paceline_worker.accounts.secrets import KeyRing
from tests.support.cycles import Cycles
from tests.support.processes import Process, Sandbox, spawn
from tests.support.servers import start_server
from tests.support.stack import PATIENCE, SECRET, Stack
from tests.support.wait import wait_until

pytestmark = [pytest.mark.system]


@pytest.mark.timeout(400)
def test_killed_workers_lose_nothing_and_double_nothing(stack: Stack) -> None:
    """SIGKILL of workers while 400 messages leave: each has one outcome, none arrived twice, the books balance."""
    total, seed = 400, 7
    rng = random.Random(seed)
    stack.scenario(latency_ms=40, latency_jitter_ms=30)
    stack.add_account("2400/minute")
    workers = [stack.start_worker() for _ in range(2)]
    receipts = [stack.send(number) for number in range(total)]
    for _ in range(4):
        victim = rng.randrange(2)
        workers[victim].kill()
        workers[victim] = stack.start_worker()
    books = stack.settled(total)
    arrived = stack.texts_accepted()
    states = {receipt.id: stack.outbox.status(receipt.id).state for receipt in receipts}
    assert (0, total) == (books.unaccounted, books.outcomes["accepted"] + books.outcomes["held"])
    assert {"accepted", "held"} >= set(states.values())
    assert [] == [text for text, times in arrived.items() if times > 1]
    missing = [
        number
        for number, receipt in enumerate(receipts)
        if states[receipt.id] == "accepted" and f"message {number}" not in arrived
    ]
    assert [] == missing


def test_sigterm_finishes_what_is_in_flight_and_returns_the_rest(stack: Stack) -> None:
    """A worker that is asked to stop exits 0, leaves nothing unknown, and another one goes on."""
    stack.scenario(latency_ms=300)
    stack.add_account("1200/minute")
    worker = stack.start_worker()
    for number in range(40):
        stack.send(number)
    stack.settled(5)
    assert 0 == worker.stop()
    books = stack.balance()
    assert (0, 0, 0) == (books.in_flight, books.outcomes["held"], books.unaccounted)
    stack.start_worker()
    assert 40 == stack.settled(40).outcomes["accepted"]
    assert {1} == set(stack.texts_accepted().values())


def test_operations_leave_no_cycles(stack: Stack, tmp_path: Path) -> None:
    """So a worker's Python looks for them rarely: start and end of the worker leave some, 400 operations hardly any more."""
    cycles = Cycles(tmp_path)
    stack.add_account()
    worker = stack.start_worker(**cycles.environment)
    for message in range(400):
        stack.send(message)
    stack.settled(400)
    worker.stop()
    assert 10_000 < cycles.threshold
    assert cycles.objects < 10 * 400


def test_nothing_waits_in_celery(served: Stack) -> None:
    """While 10,000 operations wait, the broker holds no more than what is granted, in ids only."""
    served.add_account("10/minute", "spacing")
    rows = ({"to": f"+1555{number:07d}"} for number in range(10_000))
    served.outbox.start_campaign("wait", account=served.name, sender="+15550100001", template="Hi", recipients=rows)
    served.wait_for(lambda books: books.waiting >= 9_990, "the campaign is in its lane")
    most = 0
    for _ in range(30):
        queued = served.client.llen(names.DELIVER_QUEUE) + served.client.llen(names.ACCEPT_QUEUE)
        most = max(most, queued + served.client.hlen("unacked"))
        time.sleep(0.05)
    assert most <= 2
    assert served.balance().in_flight <= 1


def test_a_wiped_broker_loses_nothing(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hints are only hints: with every queue deleted, the sweeper finds records and leases give back grants."""
    with start_server() as broker:
        monkeypatch.setattr(stack.outbox, "_hint", lambda _: None)  # every hint is lost
        stack.add_account()
        stack.start_worker(PACELINE_BROKER_URL=broker.url, PACELINE_STATE_URL=stack.server.url)
        for number in range(20):
            stack.send(number)
        assert 20 == stack.settled(20).outcomes["accepted"]
    assert {1} == set(stack.texts_accepted().values())


def test_another_pool_is_refused_in_one_sentence(stack: Stack, tmp_path: Path) -> None:
    """Paceline runs on threads; `--pool prefork`, Celery's default, means our default and runs on threads too."""
    ended = run_worker(stack.environment, tmp_path / "log", "--pool", "solo")
    assert 1 == ended.exit_code
    assert [
        "paceline: Paceline runs on Celery's thread pool only: start the worker with --pool threads, or without --pool"
    ] == complaints(ended)


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (("--appendonly", "no"), "keeps no append-only file"),
        (("--maxmemory-policy", "allkeys-lru"), "evicts keys when full"),
    ],
    ids=["volatile", "evicting"],
)
def test_a_forgetful_state_server_is_refused(stack: Stack, tmp_path: Path, extra: tuple[str, ...], words: str) -> None:
    """Without AOF, or with an evicting policy, the worker does not start; --allow-volatile overrides."""
    with start_server(extra=extra) as forgetful:
        environment = {**stack.environment, "PACELINE_BROKER_URL": forgetful.url}
        ended = run_worker(environment, tmp_path / "log")
        assert 1 == ended.exit_code
        assert words in complaints(ended)[0]
        stack.start_worker(PACELINE_BROKER_URL=forgetful.url, options=["--allow-volatile"])


def test_a_worker_without_a_secret_is_refused(stack: Stack, tmp_path: Path) -> None:
    """The sentence names the variable and the command that makes a value."""
    ended = run_worker({**stack.environment, "PACELINE_SECRET_KEY": ""}, tmp_path / "log")
    assert 1 == ended.exit_code
    assert ["paceline: PACELINE_SECRET_KEY is not set: make a value with `paceline secret generate`"] == complaints(
        ended
    )


def test_another_secret_is_refused_and_suspends_nobody(stack: Stack, tmp_path: Path) -> None:
    """None of the stored keys opens: the worker does not start, and says what to set."""
    stack.add_account()
    ended = run_worker({**stack.environment, "PACELINE_SECRET_KEY": SECRET.replace("A", "B", 1)}, tmp_path / "log")
    assert 1 == ended.exit_code
    assert complaints(ended)[0].startswith("paceline: PACELINE_SECRET_KEY decrypts none of the stored API keys")
    assert not stack.account().suspended


def test_a_key_under_another_secret_suspends_its_account_instead_of_sending(stack: Stack) -> None:
    """Beside keys that open, one that cannot be decrypted stops its account and says why; with its secret the backlog leaves."""
    stack.add_account()
    stack.another().add_account()
    worker = stack.start_worker()
    other = SECRET.replace("A", "B", 1)
    Accounts(stack.client).rotate(stack.name, None, ring=KeyRing(f"{other},{SECRET}"))
    receipt = stack.send(1)
    wait_until(
        lambda: "cannot be decrypted" in (stack.account().suspended or ""),
        timedelta(seconds=30),
        "suspension",
    )
    worker.stop()
    assert [] == stack.arrivals()
    assert "waiting" == stack.outbox.status(receipt.id).state


def test_a_restarted_state_server_is_survived(sandbox: Sandbox) -> None:
    """The server is killed and comes back: workers go on, nothing is lost or doubled."""
    with start_server() as own, Stack(own, sandbox) as inner:
        inner.scenario()
        inner.add_account("1200/minute")
        inner.start_worker()
        for number in range(60):
            inner.send(number)
        inner.settled(10)
        own.kill()
        own.restart()
        books = inner.settled(60)
        assert inner.workers[-1].exit_code is None
        assert (60, 0) == (books.outcomes["accepted"] + books.outcomes["held"], books.unaccounted)
        assert {1} == set(inner.texts_accepted().values())


def run_worker(environment: dict[str, str], log_path: Path, *options: str) -> Process:
    """One that is going to refuse, after its end."""
    args = [sys.executable, "-m", "celery", "-A", "paceline_worker", "worker", "--loglevel", "WARNING"]
    args += options or ["--pool", "threads"]
    with spawn(args, environment, log_path, forked=True) as worker:
        worker.wait(PATIENCE)
    return worker


def complaints(ended: Process) -> list[str]:
    return [line for line in ended.log_text().splitlines() if line.startswith("paceline: ")]
