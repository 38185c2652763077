"""Paceline as a guest: on a server with another Celery application, with a second Paceline, and under a host's own settings."""

import json
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

import celery
import pytest

from paceline import Outbox, SendMessage, Settings, names
from paceline.state import connect
from paceline_worker.accounts.accounts import Accounts
from paceline_worker.accounts.secrets import ApiKey, KeyRing
from paceline_worker.celery import build_app
from tests.support.celery_tools import CELERY, node
from tests.support.processes import spawn
from tests.support.stack import PATIENCE, SECRET, Stack, canary_environment
from tests.support.wait import wait_until

pytestmark = [pytest.mark.system]

HOST = """
import sys, time, celery
app = celery.Celery("host", broker=sys.argv.pop(), set_as_current=True)
app.conf.update(task_acks_late=True, worker_prefetch_multiplier=4, broker_connection_retry_on_startup=True)

@app.task(name="host.work")
def work(number):
    print(f"worked {number}", flush=True)

app.worker_main(["worker", "--pool", "threads", "-c", "2", "-n", "host@%h", "--without-mingle", "--without-gossip", "-l", "INFO"])
"""
# What a host may have set for its own Celery.
HOSTS_OWN = {
    "CELERY_BROKER_URL": "redis://127.0.0.1:9/0",
    "CELERY_BROKER_READ_URL": "redis://127.0.0.1:9/0",
    "CELERY_BROKER_WRITE_URL": "amqp://nobody@127.0.0.1:9//",
    "CELERY_RESULT_BACKEND": "no-such-backend",
    "CELERY_CONFIG_MODULE": "no.such.module",
    "CELERY_LOADER": "no.such:Loader",
    "DJANGO_SETTINGS_MODULE": "no.such.settings",
    "PACELINE_METRICS_PORT": "tcp://10.96.12.7:9808",
}


def test_a_hosts_celery_and_ours_do_not_meet(stack: Stack, tmp_path: Path) -> None:
    """One database, two applications: neither hears the other's commands, nor repeats what the other has not acknowledged."""
    worker = stack.start_worker()
    program = tmp_path / "host.py"
    program.write_text(HOST, encoding="utf-8")
    with spawn([sys.executable, program, stack.server.url], {}, tmp_path / "host.log") as host:
        host.wait_for_line(r"\bready\.")
        with (
            closing(celery.Celery("asks", broker=stack.server.url, set_as_current=False)) as theirs,
            closing(build_app(Settings(broker_url=stack.server.url))) as ours,
        ):
            assert [["host"]] == [[name.split("@")[0] for name in one] for one in theirs.control.ping(timeout=3)]
            assert [[node(worker)]] == [list(one) for one in ours.control.ping(timeout=3)]
            # Not acknowledged since long ago, in both applications' records: ours is repeated, theirs is not ours to repeat.
            message = json.dumps([{"body": "", "headers": {}, "properties": {"delivery_info": {}}}, "", "nowhere"])
            for prefix in ("", f"{names.NAMESPACE}."):
                stack.client.hset(f"{prefix}unacked", "old", message)
                stack.client.zadd(f"{prefix}unacked_index", {"old": 10**9 if prefix else 4 * 10**9})
            wait_until(lambda: not stack.client.exists(f"{names.NAMESPACE}.unacked"), PATIENCE, "our own repetition")
            assert stack.client.hexists("unacked", "old")
            theirs.send_task("host.work", [1], countdown=1)
            ours.control.broadcast("paceline_resume")
            host.wait_for_line("worked 1")
            stack.add_account()
            stack.send(1)
            stack.settled(1)
            ours.control.shutdown()
            assert 0 == worker.wait(PATIENCE)
            theirs.send_task("host.work", [2])
            host.wait_for_line("worked 2")
            assert "Traceback" not in host.log_text()
    stack.client.delete("unacked", "unacked_index")
    assert {"message 1": 1} == stack.texts_accepted()


def test_two_namespaces_share_a_server(stack: Stack) -> None:
    """Staging and production on one database: each has its accounts, its backlog, its workers and its control commands."""
    staging = {**stack.environment, "PACELINE_NAMESPACE": "staging"}
    stack.add_account()
    with closing(connect(stack.server.url, namespace="staging")) as client:
        Accounts(client).add(stack.name, ApiKey(f"{stack.name}-staging"), ring=KeyRing(SECRET), rates="6000/minute")
        own, other = stack.start_worker(), stack.start_worker(**staging)
        settings = Settings(broker_url=stack.server.url, namespace="staging")
        with Outbox(settings=settings) as outbox:
            receipts = [
                outbox.send(
                    SendMessage(account=stack.name, sender="+15550100099", to=f"+155502000{n:02d}", text="staging")
                )
                for n in range(10)
            ]
            for number in range(10):
                stack.send(number)
            stack.settled(10)
            wait_until(lambda: {outbox.status(one.id).state for one in receipts} == {"accepted"}, PATIENCE, "staging")
        arrived = Counter((one["key"], one["body"].get("text")) for one in stack.sandbox.arrivals() if one["body"])
        assert {(f"{stack.name}-staging", "staging"): 10} | {
            (stack.name, f"message {number}"): 1 for number in range(10)
        } == arrived
        answers = subprocess.run(
            [*CELERY, "inspect", "ping", "--json"],
            env=canary_environment() | staging,
            capture_output=True,
            text=True,
            timeout=200,
            check=True,
        )
        assert [node(other)] == list(json.loads(answers.stdout))
        assert own.exit_code is None
        keys = stack.client.keys("staging*")
        assert {"staging:{0}:accounts", f"staging:{{0}}:a:{stack.name}"} <= set(keys)
    other.kill()
    stack.client.delete(*stack.client.keys("staging*"))


def test_a_hosts_settings_are_the_hosts(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Celery's variables, a configuration module, Django's settings and what Kubernetes injects change nothing of ours."""
    stack.add_account()
    for name, value in HOSTS_OWN.items():
        monkeypatch.setenv(name, value)
    worker = stack.start_worker(**HOSTS_OWN | {"PACELINE_METRICS_PORT": "tcp://10.96.12.7:9808"})
    with Outbox(broker_url=stack.server.url) as outbox:
        outbox.send(SendMessage(account=stack.name, sender="+15550100001", to="+15550200001", text="message 1"))
    stack.settled(1)
    assert {"message 1": 1} == stack.texts_accepted()
    assert "did not take a hint" not in worker.log_text()
    refused = subprocess.run(
        [*CELERY, "-b", "redis://elsewhere", "status"], capture_output=True, text=True, check=False
    )
    assert (1, "") == (refused.returncode, refused.stdout)
    assert refused.stderr.startswith("paceline: --broker has no effect here: set PACELINE_BROKER_URL")
