"""The example with Django runs as a project does: migrated, requested, followed, each as a process of its own."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from paceline import Outbox
from paceline_sandbox.embedded import EmbeddedServer
from tests.conftest import add_account
from tests.docs.blocks import ROOT
from tests.doors.conftest import server
from tests.doors.exam import Worker

__all__ = ["server"]

PROJECT = ROOT / "examples" / "django_shop"
BEGIN = """
import django, json
django.setup()
from django.core.management import call_command
from django.test import Client
call_command("migrate", verbosity=0)
call_command("makemigrations", check_changes=True, dry_run=True, verbosity=0)  # ends with 1 when a migration is missing
client = Client(raise_request_exception=False)
print(json.dumps([
    client.post("/orders/7/ready", {"phone": "+15550100002"}).status_code,
    client.post("/orders/7/ready", {"phone": "+15550100002"}).status_code,
    client.post("/orders/8/ready", {"phone": "+15550100003", "fail": "1"}).status_code,
]))
"""
FOLLOW = """
import django
django.setup()
from django.core.management import call_command
from django.test import Client
call_command("paceline_follow", "--once", "--receipts")
print(Client().get("/orders/7").json()["told"])
"""
Run = Callable[..., str]


@pytest.fixture
def worker(server: EmbeddedServer) -> Iterator[Worker]:
    made = Worker(server.url)
    add_account(made.state.client, "acme", "1000/second", "window", 5)
    yield made
    made.close()


@pytest.fixture
def run(server: EmbeddedServer, tmp_path: Path) -> Run:
    """Python in the project's folder."""

    def start(*arguments: str) -> str:
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "settings",
            "SHOP_DATABASE": str(tmp_path / "shop.sqlite3"),
            "PACELINE_BROKER_URL": server.url,
        }
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=PROJECT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=200,
        )
        assert 0 == done.returncode, done.stderr
        return done.stdout.strip()

    return start


def test_a_shop_tells_its_customers(run: Run, worker: Worker, server: EmbeddedServer) -> None:
    """What commits is sent once, what is rolled back is not; the command notes outcomes and goes on where it was."""
    assert "[202, 202, 500]" == run("-c", BEGIN)
    worker.accept()
    with Outbox(server.url) as outbox:
        assert [] == list(outbox.find("+15550100003"))
        [told] = outbox.find("+15550100002")
    worker.settle(told.id, "accepted", code="202", words="")
    assert "accepted" == run("-c", FOLLOW)
    worker.deliver(told.id)
    assert "delivered" == run("-c", FOLLOW)
