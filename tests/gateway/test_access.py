"""Who reads what over HTTP, and for how long."""

import http.client
import json
import re
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest

from paceline.gateway import outcomes
from paceline.state import connect, questions
from paceline_sandbox.embedded import EmbeddedServer
from tests.doors.conftest import server
from tests.doors.exam import Worker
from tests.gateway.test_gateway import HELLO, RECIPIENT, SENDER, Gateway, gateway, origin
from tests.scripts.shards.fleet import shards_on
from tests.support.gateway import running
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


CAMPAIGN = {"account": "other", "sender": SENDER, "template": "Hi", "recipients": [{"to": RECIPIENT, "key": "k-1"}]}


@pytest.mark.parametrize(
    ("there", "missing"),
    [
        (
            "/v1/operations?account=other&idempotency_key=inv-1",
            "/v1/operations?account=other&idempotency_key=inv-2",
        ),
        ("/v1/operations?campaign=secret&row=k-1", "/v1/operations?campaign=secret&row=k-2"),
        ("/v1/outcomes?campaign=secret", "/v1/outcomes?campaign=absent"),
        ("/v1/outcomes/stream?follow=false&campaign=secret", "/v1/outcomes/stream?follow=false&campaign=absent"),
        ("/v1/campaigns/secret", "/v1/campaigns/absent"),
        ("/v1/accounts/other", "/v1/accounts/nobody"),
        ("/v1/suppressions?account=other", "/v1/suppressions?account=nobody"),
    ],
)
def test_what_another_account_has_is_told_like_what_is_missing(gateway: Gateway, there: str, missing: str) -> None:
    """The same status and the same words, but for the name that was asked for."""
    with gateway.client(gateway.token("send,campaigns,read", "other")) as theirs:
        sent = theirs.post(
            "/v1/operations/send-message", json=HELLO | {"account": "other"}, headers={"Idempotency-Key": "inv-1"}
        )
        assert [202, 202] == [sent.status_code, theirs.put("/v1/campaigns/secret", json=CAMPAIGN).status_code]
        gateway.worker.accept()
        assert 200 == theirs.get(there).status_code
    with gateway.client() as client:
        told, expected = client.get(there), client.get(missing)

    words = [re.sub(r"'[\w-]+'", "NAME", answer.text) for answer in (told, expected)]
    assert (404, 404, words[1]) == (told.status_code, expected.status_code, words[0])


def test_pages_of_campaigns_name_none_of_another_account(gateway: Gateway) -> None:
    """Neither as an item nor as the place where the next page begins."""
    with gateway.client(gateway.token("campaigns,read", "*")) as client:
        for name, account in (("a", "acme"), ("b", "other"), ("c", "acme"), ("d", "other")):
            assert 202 == client.put(f"/v1/campaigns/{name}", json=CAMPAIGN | {"account": account}).status_code
        everything = client.get("/v1/campaigns?limit=2").json()
    assert (["a", "b"], "b") == ([campaign["name"] for campaign in everything["items"]], everything["next"])
    with gateway.client() as client:
        first, second = (client.get("/v1/campaigns", params={"limit": 1, "after": after}).json() for after in ("", "a"))
    assert (["a"], "a") == ([campaign["name"] for campaign in first["items"]], first["next"])
    assert (["c"], None) == ([campaign["name"] for campaign in second["items"]], second["next"])


def test_a_token_is_looked_at_before_the_body_comes(gateway: Gateway) -> None:
    """A request without a known token is answered at once, and what it would send is not waited for."""
    with gateway.client() as client:
        document = client.get("/v1/openapi.json").json()
    large = {"Content-Type": "application/json", "Content-Length": "8000000", "Connection": "close"}
    asked: dict[str, dict[str, str]] = {"none": {}, "made up": {"Authorization": "Bearer pcl_000000000000_" + "a" * 43}}
    for path, methods in document["paths"].items():
        for method in methods.keys() & {"post", "put", "patch"}:
            for token, header in asked.items():
                connection = http.client.HTTPConnection(gateway.url.removeprefix("http://"), timeout=30)
                with closing(connection):
                    connection.request(method.upper(), path.replace("{name}", "spring"), headers=large | header)
                    assert 401 == connection.getresponse().status, (method, path, token)


def test_operations_to_a_recipient_are_found_on_all_shards(server: EmbeddedServer) -> None:
    """`next` of one part leads to the next, also from shard to shard."""
    with connect(server.url) as client, shards_on(client, server.url) as fleet:
        fleet.add("acme", "other", "beta")
        sent = {fleet.send(account) for account in ("acme", "other", "beta")}
        worker = Worker(server.url)
        with running(server.url) as url:
            gateway = Gateway(url, worker)
            with gateway.client(gateway.token("read", "*")) as asking:
                seen: set[str] = set()
                after: str | None = "0"
                while after is not None:
                    answer = asking.get("/v1/operations", params={"to": RECIPIENT, "after": after})
                    assert 200 == answer.status_code, answer.text
                    seen |= {operation["id"] for operation in answer.json()["items"]}
                    after = answer.json()["next"]
        worker.close()
    assert sent == seen


def test_a_cursor_of_several_shards_does_no_harm_on_one(gateway: Gateway) -> None:
    """A search goes on somewhere, as with any cursor that was made up."""
    with gateway.client() as client:
        assert 200 == client.get("/v1/operations", params={"to": RECIPIENT, "after": "3.17"}).status_code
