"""The example with FastAPI runs: against real state with a worker's steps, and in a service's own unit test."""

import sys
import warnings
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from paceline.fastapi import outbox_of
from paceline.testing import AsyncRecordingOutbox
from paceline_sandbox.embedded import EmbeddedServer
from tests.conftest import add_account
from tests.docs.blocks import ROOT
from tests.doors.conftest import server
from tests.doors.exam import Worker
from tests.support.wait import wait_until

__all__ = ["server"]

sys.path.insert(0, str(ROOT / "examples" / "fastapi_orders"))
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the test client wants another HTTP client than the project has
    import app as example
    from fastapi.testclient import TestClient


@pytest.fixture
def worker(server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    monkeypatch.setenv("PACELINE_BROKER_URL", server.url)
    example.ORDERS.clear()
    example.PLACE["entry"] = "0"
    made = Worker(server.url)
    add_account(made.state.client, "acme", "1000/second", "window", 5)
    yield made
    made.close()


def test_an_order_is_announced_and_its_outcome_noted(worker: Worker) -> None:
    """Twice is once; another number under the same key is a conflict in the form of RFC 9457."""
    with TestClient(example.app) as client:
        first = client.post("/orders/7/ready?number=%2B15550100002")
        assert (202, first.json()) == (first.status_code, client.post("/orders/7/ready?number=%2B15550100002").json())
        worker.accept()
        conflict = client.post("/orders/7/ready?number=%2B15550100003")
        assert (422, "application/problem+json") == (conflict.status_code, conflict.headers["content-type"])
        assert first.json()["operation"] == conflict.json()["operation"]
        assert 422 == client.post("/orders/8/ready?number=nobody").status_code
        worker.settle(first.json()["operation"], "accepted", code="202", words="")

        def noted() -> dict[str, Any] | None:
            told: dict[str, Any] = client.get("/orders/7").json()
            return told if told["noted"] else None

        shown = wait_until(noted, timedelta(seconds=30), "the outcome")
        assert ("accepted", "accepted") == (shown["state"], shown["noted"])
        assert 409 == client.delete("/orders/7/ready").status_code
        assert 404 == client.get("/orders/9").status_code


def test_in_a_unit_test_an_outbox_records() -> None:
    """The dependency is overridden; the test plays the provider."""
    outbox = AsyncRecordingOutbox()
    example.app.dependency_overrides[outbox_of] = lambda: outbox
    try:
        client = TestClient(example.app)  # without its lifespan: nothing is opened
        made = client.post("/orders/7/ready?number=%2B15550100002")
        assert ["Order 7 is ready"] == [getattr(sent, "text", None) for sent in outbox.sent]
        outbox.settle(made.json()["operation"], "rejected", code=422, words="no such number")
        assert "rejected: no such number" == client.get("/orders/7").json()["why"]
    finally:
        example.app.dependency_overrides.clear()
