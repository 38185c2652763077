"""What Celery's own tools and Flower show of a worker, and what they may do to it."""

import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from paceline import names
from paceline.settings import Settings
from paceline.version import VERSION
from paceline_worker import control
from paceline_worker.accounts.secrets import KeyRing
from paceline_worker.celery import build_app, publisher
from paceline_worker.integrity.stored import StoredSeals
from paceline_worker.state.clock import ServerClock
from paceline_worker.state.values import Grants, Hint
from paceline_worker.state.worker import WorkerState
from tests.support.celery_tools import CELERY, ask, by_tool, celery, figures_when, node, of_broker
from tests.support.processes import Process, free_port, spawn
from tests.support.servers import start_server
from tests.support.stack import PATIENCE, SECRET, SHARING, Stack
from tests.support.wait import wait_until

pytestmark = [pytest.mark.system]

OPERATING = (Path(__file__).parents[3] / "docs" / "operating.md").read_text(encoding="utf-8")
PASSWORD, NUMBER, TEXT = "canary-pw-91d2", "+15559998877", "canary text 5c1a"


# -- what they show ----------------------------------------------------------------------------------------------------


def test_who_asks_needs_the_broker_only(lasting: Stack) -> None:
    """`status` and `inspect` work with neither secret nor state server."""
    assert {"ok": "pong"} == by_tool(lasting, lasting.workers[0], "inspect", "ping")
    # The one that is started as an operator would.
    done = celery(of_broker(lasting.server.url), "status", "--timeout", "5", forked=False)
    assert (0, []) == (done.code, re.findall(r"^(?!.*: OK$|\d+ nodes? online\.$).+$", done.text, re.MULTILINE))
    assert f"{node(lasting.workers[0])}: OK" in done.text


@pytest.mark.parametrize("command", [("status",), ("inspect", "paceline"), ("control", "paceline_pause")])
def test_without_a_broker_they_say_so_in_one_sentence(command: tuple[str, ...]) -> None:
    """No traceback."""
    done = celery(of_broker(f"redis://127.0.0.1:{free_port()}/0"), *command)
    assert done.code != 0
    (line,) = done.text.splitlines()
    assert line.startswith("Error: Could not connect to the message broker.")


def test_our_commands_are_listed_with_what_they_do() -> None:
    """`inspect --list` and `control --list` have them, each with a sentence."""
    listed = "".join(celery(of_broker("memory://"), tool, "--list").text for tool in ("inspect", "control"))
    for command in ("paceline", "paceline_pause", "paceline_resume"):
        assert re.search(rf"^  {command} +\w", listed, re.MULTILINE), command


def test_each_queue_has_an_exchange_of_its_own() -> None:
    """Left to itself Celery binds both queues to the default queue's exchange, under one key."""
    app = build_app(Settings(broker_url="memory://", state_url="redis://127.0.0.1"))
    bound = {queue.name: (queue.exchange.name, queue.routing_key) for queue in app.conf.task_queues}
    assert {name: (name, name) for name in (names.ACCEPT_QUEUE, names.DELIVER_QUEUE)} == bound


def test_a_worker_says_how_it_stands(stack: Stack) -> None:
    """Plain JSON, each field documented; the same within `inspect stats`."""
    port = free_port()
    worker = stack.start_worker(PACELINE_METRICS_PORT=str(port))
    stack.add_account()
    fresh = figures_when(stack, worker, heard_s=None)
    stack.send(1)
    stack.settled(1)
    found = figures_when(stack, worker, load=0)
    assert documented("inspect paceline") == list(found)
    assert found["heard_s"] >= 0
    assert fresh["uptime_s"] <= found["uptime_s"]
    assert re.fullmatch(rf"[^:]+:{worker.pid}:[0-9a-f]{{8}}", found["worker"])
    assert found["fleet_age_s"] >= 0
    assert isinstance(found["state_clock_ahead_ms"], int)
    assert {
        "version": VERSION,
        "capacity": int(SHARING[names.ENV_CAPACITY]),
        "load": 0,
        "granting": True,
        "paused": False,
        "fleet_workers": 1,
        "fleet_capacity": int(SHARING[names.ENV_CAPACITY]),
        "state_answers": True,
        "metrics": f"http://127.0.0.1:{port}/metrics",
    }.items() <= found.items()
    stats = ask(stack, worker, "stats")
    assert list(found) == list(stats["paceline"])
    # Those that take hints start with the worker: later, the machine may refuse one.
    assert stats["pool"]["max-concurrency"] == stats["pool"]["threads"]
    assert {names.ACCEPT_TASK} == set(stats["total"])  # alone it hands operations to itself, not through the broker


def test_a_worker_whose_state_server_is_away_says_so(stack: Stack) -> None:
    """What it knows is what it tells: nobody is asked, so `inspect` does not hang with the state server."""
    with start_server() as record:
        worker = stack.start_worker(PACELINE_STATE_URL=record.url)
        record.kill()
        figures_when(stack, worker, state_answers=False, granting=False, paused=False)
        record.restart()
        figures_when(stack, worker, state_answers=True, granting=True)


@pytest.mark.parametrize("command", [["conf"], ["conf", "True"], ["report"], ["stats"], ["active"], ["paceline"]])
def test_no_answer_has_a_password_or_a_key(lasting: Stack, guarded: Process, command: list[str]) -> None:
    """Neither the broker's password nor the secret key, in any form of the configuration."""
    said = json.dumps(ask(lasting, guarded, *command))
    assert len(said) > 1
    for canary in (PASSWORD, SECRET):
        assert canary not in said + guarded.log_text()


@pytest.fixture(scope="module")
def guarded(lasting: Stack) -> Process:
    """A worker whose broker asks for a password."""
    lasting.client.acl_setuser(
        "canary", enabled=True, passwords=[f"+{PASSWORD}"], keys=["*"], channels=["*"], commands=["+@all"]
    )
    url = lasting.server.url.replace("redis://", f"redis://canary:{PASSWORD}@")
    return lasting.start_worker(PACELINE_BROKER_URL=url)


# -- what they may do --------------------------------------------------------------------------------------------------


def test_purged_queues_lose_nothing(stack: Stack) -> None:
    """`purge` deletes hints of both kinds: records are found, grants go back, each message is sent once."""
    stack.add_account()
    for number in range(20):
        stack.send(number)
    wait_until(lambda: stack.client.llen(names.ACCEPT_QUEUE), PATIENCE, "hints of records")
    assert "Purged" in celery(of_broker(stack.server.url), "purge", "--force").text
    clock = ServerClock()
    state = WorkerState(stack.server.url, clock, retention_s=60, grace_s=15)
    state.seals = StoredSeals(stack.client, KeyRing(SECRET)).open()
    app = build_app(Settings(broker_url=stack.server.url))
    records = wait_until(lambda: state.overdue(0, 100), PATIENCE, "records")
    state.accept(records[:10])
    granted: list[Grants] = []

    def grant() -> bool:
        granted[:] = [state.grant(most=5, fleet_capacity=7)]
        return bool(granted[0].hints)

    wait_until(grant, PATIENCE, "grants")
    (grants,) = granted
    publisher(app)(grants.hints, grants.granted_us)
    assert 1 == stack.client.llen(names.DELIVER_QUEUE)
    assert "Purged 1 message from 2 known task queues." in celery(of_broker(stack.server.url), "purge", "--force").text
    assert 0 == stack.client.llen(names.DELIVER_QUEUE) + stack.client.llen(names.ACCEPT_QUEUE)
    state.client.close()
    app.close()
    stack.start_worker()
    assert 20 == stack.settled(20).outcomes["accepted"]
    assert {f"message {number}": 1 for number in range(20)} == stack.texts_accepted()


def test_a_revoked_hint_is_a_lost_one(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker throws it away, and its record is found all the same."""
    worker = stack.start_worker()
    stack.add_account()
    assert "ok" in ask(stack, worker, "revoke", "revoked-hint")
    monkeypatch.setattr(stack.outbox, "_hint", lambda _: None)
    stack.send(1)
    app = build_app(Settings(broker_url=stack.server.url))
    app.send_task(names.ACCEPT_TASK, args=[["01nosuch"]], queue=names.ACCEPT_QUEUE, task_id="revoked-hint")
    app.close()
    worker.wait_for_line("Discarding revoked task")
    assert 1 == stack.settled(1).outcomes["accepted"]
    assert {"message 1": 1} == stack.texts_accepted()


@pytest.mark.parametrize(
    "command",
    [
        ("rate_limit", names.DELIVER_TASK, "1/h"),
        ("time_limit", names.DELIVER_TASK, "1", "1"),
        ("pool_grow", "2"),
        ("pool_shrink", "1"),
        ("add_consumer", "celery"),
    ],
    ids=lambda command: command[0],
)
def test_what_would_do_harm_is_refused(lasting: Stack, command: tuple[str, ...]) -> None:
    """With a sentence that says what to do instead; the worker goes on as before."""
    assert {"error": control.REFUSED[command[0]]} == ask(lasting, lasting.workers[0], *command)
    other = lasting.another()
    other.add_account()
    for number in range(5):
        other.send(number)
    assert 5 == other.settled(5).outcomes["accepted"]


def test_a_remote_shutdown_is_a_stop_in_order(stack: Stack) -> None:
    """As SIGTERM: calls under way come to their end, the rest goes back, the exit code is 0."""
    stack.scenario(latency_ms=300)
    stack.add_account("1200/minute")
    worker = stack.start_worker()
    for number in range(30):
        stack.send(number)
    stack.settled(3)
    celery(of_broker(stack.server.url), "control", "shutdown", "--timeout", "1", "--destination", node(worker))
    assert 0 == worker.wait(PATIENCE)
    books = stack.balance()
    assert (0, 0, 0) == (books.in_flight, books.outcomes["held"], books.unaccounted)
    stack.start_worker()
    assert 30 == stack.settled(30).outcomes["accepted"]
    assert {1} == set(stack.texts_accepted().values())


def test_autoscaling_is_refused_in_one_sentence(stack: Stack) -> None:
    """Celery's autoscaler grows a pool that threads cannot grow, and ends the worker in the middle of its work."""
    options = ("--pool", "threads", "--autoscale", "8,2", "--loglevel", "WARNING")
    ended = celery(stack.environment | {names.ENV_METRICS_PORT: "0"}, "worker", *options)
    assert 1 == ended.code
    assert ["paceline: autoscaling has no effect with --pool threads: run the worker without --autoscale"] == [
        line for line in ended.text.splitlines() if line.startswith("paceline: ")
    ]


# -- logs --------------------------------------------------------------------------------------------------------------


def test_every_line_of_a_json_log_is_an_object(stack: Stack) -> None:
    """From the first line to the last, Celery's own included: only what Celery says of a signal, on stdout, is none."""
    stack.add_account()
    worker = stack.start_worker(PACELINE_LOG_FORMAT="json")
    stack.send(1)
    stack.settled(1)
    assert "error" in ask(stack, worker, "pool_restart")  # an error of Celery's own, with its traceback
    ask(stack, worker, "paceline_pause")
    figures_when(stack, worker, granting=False)
    assert 0 == worker.stop()
    lines = [line for line in worker.log_text().splitlines() if line]
    assert ["worker: Warm shutdown (MainProcess)"] == [line for line in lines if not line.startswith("{")]
    found = [json.loads(line) for line in lines if line.startswith("{")]
    assert all({"timestamp", "level", "logger", "event"} <= line.keys() for line in found)
    assert {"celery", "kombu", "paceline_worker"} <= {line["logger"].split(".")[0] for line in found}
    assert set().union(*found) <= set(documented("field"))


def documented(first: str) -> list[str]:
    """The names in the first column of the table in docs/operating.md whose heading begins so."""
    table = re.search(rf"^\| `?{first}`? \|.*\n\|[-|:]+\|\n((?:\|.*\n)+)", OPERATING, re.MULTILINE)
    assert table, first
    return [name for row in table[1].splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1])]


# -- Flower ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def flower(lasting: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running Flower's address."""
    address = f"http://127.0.0.1:{(port := free_port())}"
    environment = {names.ENV_BROKER_URL: lasting.server.url, "FLOWER_UNAUTHENTICATED_API": "true"}
    args = [*CELERY, "flower", f"--port={port}", "--address=127.0.0.1", "--inspect_timeout=10000"]
    with spawn(args, environment, tmp_path_factory.mktemp("flower") / "flower.log") as running:
        running.wait_for_line(r"Connected to redis:")
        yield address
        assert "failed" not in running.log_text()


def asked(url: str) -> Any:
    """What its HTTP API answers; None for what it does not know yet."""
    try:
        with urllib.request.urlopen(url, timeout=200) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return None
        raise


def test_flower_shows_workers_queues_and_tasks(lasting: Stack, flower: str) -> None:
    """The worker with our figures, both queues, hints as tasks that succeed; ids only, whatever is sent."""
    worker = node(lasting.workers[0])
    shown = wait_until(
        lambda: asked(f"{flower}/api/workers?refresh=1&workername={worker}"), PATIENCE, "Flower knows the worker"
    )[worker]
    assert [names.ACCEPT_TASK, names.DELIVER_TASK] == sorted(shown["registered"])
    assert {names.ACCEPT_QUEUE, names.DELIVER_QUEUE} == {queue["name"] for queue in shown["active_queues"]}
    assert int(SHARING[names.ENV_CAPACITY]) == shown["stats"]["paceline"]["capacity"]
    other = lasting.another()
    other.add_account()

    def tasks() -> dict[str, Any] | None:  # Flower switches task events on; until then it sees none
        other.send(len(sent), to=NUMBER, text=f"{TEXT} {len(sent)}")
        sent.append(1)
        # A lone worker hands granted operations to itself; a hint that nobody owns any more does no harm.
        publisher(app)([Hint("no-such-operation", "1", 0)], 0)
        other.settled(len(sent))
        found = asked(f"{flower}/api/tasks")
        return found if {names.ACCEPT_TASK, names.DELIVER_TASK} <= {each["name"] for each in found.values()} else None

    sent: list[int] = []
    app = build_app(Settings(broker_url=lasting.server.url))
    found = wait_until(tasks, PATIENCE, "both kinds of tasks")
    app.close()
    wait_until(
        lambda: {"SUCCESS"} == {each["state"] for each in asked(f"{flower}/api/tasks").values()}, PATIENCE, "success"
    )
    seen = json.dumps([found, shown, asked(f"{flower}/api/workers")])
    for canary in (NUMBER, NUMBER[1:], TEXT, SECRET, other.name):
        assert canary not in seen
    lengths = asked(f"{flower}/api/queues/length")["active_queues"]
    assert {names.ACCEPT_QUEUE, names.DELIVER_QUEUE} == {queue["name"] for queue in lengths}
    for page in ("/workers", f"/worker/{worker}", "/tasks", "/broker"):
        with urllib.request.urlopen(flower + page, timeout=200) as answer:
            assert 200 == answer.status, page


def test_nobody_is_let_into_flower_without_being_asked() -> None:
    """Its buttons are remote control: the documentation starts it with a password, on loopback."""
    (command,) = re.findall(r"^celery -A paceline_worker flower .*$", OPERATING, re.MULTILINE)
    assert "--address=127.0.0.1" in command
    assert "export FLOWER_BASIC_AUTH=" in OPERATING
    assert "--basic-auth" not in OPERATING  # it would stand in the list of processes
