"""Who reads what over HTTP, and for how long."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from paceline.gateway import outcomes
from paceline.state import questions
from tests.doors.conftest import server
from tests.gateway.test_gateway import HELLO, Gateway, gateway, origin
from tests.support.wait import wait_until

__all__ = ["gateway", "origin", "server"]


def accepted(gateway: Gateway) -> str:
    """The id of a message that was sent and has its outcome."""
    with gateway.client() as client:
        op_id: str = client.post("/v1/operations/send-message", json=HELLO).json()["id"]
    gateway.worker.accept()
    gateway.worker.settle(op_id, "accepted", code="202", words="")
    return op_id


def revoke(gateway: Gateway, token: str) -> None:
    """Revoke a token, and wait until the gateway refuses it."""
    assert "done" == gateway.worker.plain.ask(questions.revoke_token(token[4:16]))
    with gateway.client(token) as client:
        wait_until(lambda: client.get("/v1/outcomes").status_code == 401, timedelta(seconds=30), "the revocation")


def events(lines: Iterator[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Names and data of server-sent events."""
    name = ""
    for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        if line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


def test_a_token_that_was_revoked_reads_no_further_outcomes(gateway: Gateway) -> None:
    """A stream that was opened before ends in place of its next entry, and says why."""
    token = gateway.token("read")
    first = accepted(gateway)
    with gateway.client(token) as client, client.stream("GET", "/v1/outcomes/stream") as stream:
        told = events(stream.iter_lines())
        assert first == next(told)[1]["id"]
        revoke(gateway, token)
        accepted(gateway)
        [(name, problem)] = told
    assert ("problem", 401, "urn:paceline:problem:unauthorized") == (name, problem["status"], problem["type"])


def test_a_silent_stream_ends_with_its_token(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream in which nothing comes ends at its next comment after the revocation."""
    monkeypatch.setattr(outcomes, "_HEARTBEAT_S", 0.05)
    token = gateway.token("read")
    with gateway.client(token) as client, client.stream("GET", "/v1/outcomes/stream") as stream:
        lines = stream.iter_lines()
        assert ": still there" == next(lines)
        revoke(gateway, token)
        [(name, problem)] = events(lines)
    assert ("problem", 401) == (name, problem["status"])
