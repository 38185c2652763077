"""The HTTP gateway, asked over a real socket: by curl, by hand, and by schemathesis."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis.exceptions import ResponseError

from paceline.async_outbox import AsyncOutbox
from paceline.gateway import tokens
from paceline.operations import OPERATIONS
from paceline.settings import Settings
from paceline.state import connect, questions, translating
from paceline.status.view import Status
from paceline_sandbox.embedded import EmbeddedServer
from tests.conftest import Servers, add_account
from tests.doors.conftest import server
from tests.doors.exam import Worker
from tests.support import roles
from tests.support.gateway import running
from tests.support.servers import SERVER_KINDS
from tests.support.wait import wait_until
from tests.unit.samples import NEEDED

__all__ = ["server"]

SENDER, RECIPIENT = "+15550100001", "+15550100002"
HELLO = {"account": "acme", "sender": SENDER, "to": RECIPIENT, "text": "Hello"}


@dataclass(frozen=True)
class Gateway:
    """A running gateway with a worker behind it.

    Args:
        url: its origin.
        worker: plays worker and provider.
    """

    url: str
    worker: Worker

    def token(
        self, scopes: str = "send,read,campaigns,suppress", *accounts: str, expires: timedelta | None = None
    ) -> str:
        now = datetime.now(UTC)
        kept, token = tokens.make(
            "shop", scopes.split(","), accounts or ("acme",), now + expires if expires else None, now
        )
        self.worker.plain.ask(questions.add_token(kept.id, tokens.written(kept)))
        return token

    def client(self, token: str | None = None) -> httpx.Client:
        headers = {"Authorization": f"Bearer {token or self.token()}"}
        # Nothing is encrypted here; a client that could verify reads all certificates of this machine.
        return httpx.Client(base_url=self.url, headers=headers, timeout=200, verify=False)


@pytest.fixture(scope="module")
def origin(servers: Servers) -> Iterator[str]:
    """One gateway for all tests: it keeps nothing that they could meet. It comes to the server in its role."""
    plain = servers.get(SERVER_KINDS[0]).url
    with connect(plain) as client:
        roles.create(client)
        roles.acl(client, "LOG", "RESET")
        with running(roles.url_of(plain, "gateway"), rate=100_000) as url:
            yield url
        # redis-py tells its name where it may; nobody needs that.
        refused = [str(entry) for entry in roles.acl(client, "LOG") if "client|setinfo" not in str(entry)]
        roles.remove(client)
    assert [] == refused


@pytest.fixture
def gateway(server: EmbeddedServer, origin: str) -> Iterator[Gateway]:
    worker = Worker(server.url)
    add_account(worker.state.client, "acme", "1000/second", "window", 5)
    add_account(worker.state.client, "other", "1000/second", "window", 5)
    yield Gateway(origin, worker)
    worker.close()


@pytest.mark.parametrize("model", OPERATIONS)
def test_every_operation_is_sent_by_curl(gateway: Gateway, model: type) -> None:
    """Written, found again by its key, and followed to its outcome."""
    name = "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in model.__name__).lstrip("-")
    body = json.dumps({"account": "acme", "sender": SENDER, "metadata": {"order": "7"}, **NEEDED[model]})
    authorised = ["-H", f"Authorization: Bearer {gateway.token()}"]
    curl = ["curl", "-sS", "--max-time", "30", *authorised]
    sending = ["-H", "Content-Type: application/json", "-H", "Idempotency-Key: k-7", "-d", body]
    sent = subprocess.run(
        [*curl, *sending, f"{gateway.url}/v1/operations/{name}"], capture_output=True, text=True, check=True
    )
    op_id = json.loads(sent.stdout)["id"]
    gateway.worker.accept()
    gateway.worker.settle(op_id, "accepted", code="202", words="")
    asked = subprocess.run(
        [*curl, f"{gateway.url}/v1/operations?account=acme&idempotency_key=k-7"],
        capture_output=True,
        text=True,
        check=True,
    )
    [shown] = json.loads(asked.stdout)["items"]
    assert (op_id, "accepted", {"order": "7"}) == (shown["id"], shown["state"], shown["metadata"])


def test_a_key_is_one_operation_with_one_content(gateway: Gateway) -> None:
    """By the IETF draft: the same content is answered alike, another one is 422."""
    with gateway.client() as client:
        key = {"Idempotency-Key": "inv-1"}
        first = client.post("/v1/operations/send-message", json=HELLO, headers=key)
        gateway.worker.accept()
        again = client.post("/v1/operations/send-message", json=HELLO, headers=key)
        other = client.post("/v1/operations/send-message", json=HELLO | {"text": "99 EUR"}, headers=key)
    assert (202, 202, first.json()) == (first.status_code, again.status_code, again.json())
    assert (422, "application/problem+json") == (other.status_code, other.headers["content-type"])
    assert "urn:paceline:problem:idempotency-conflict" == other.json()["type"]
    assert first.json()["id"] == other.json()["operation"]
    assert f"/v1/operations/{first.json()['id']}" == first.headers["location"]


def test_why_an_operation_waits_is_explained(gateway: Gateway) -> None:
    """As `paceline explain` does."""
    with gateway.client() as client:
        first, second = (client.post("/v1/operations/send-message", json=HELLO).json()["id"] for _ in range(2))
        assert 404 == client.get(f"/v1/operations/{second}/explain").status_code
        gateway.worker.accept()
        told = client.get(f"/v1/operations/{second}/explain").json()
    assert {"id": second, "state": "waiting", "account": "acme", "ahead": 1, "workers": 0}.items() <= told.items()
    assert told["why"]
    assert told["expected_at"]
    with gateway.client(gateway.token("read", "other")) as client:
        assert 404 == client.get(f"/v1/operations/{first}/explain").status_code


def test_an_account_tells_its_pace(gateway: Gateway) -> None:
    """In words, and as the header of the IETF draft."""
    add_account(gateway.worker.state.client, "slow", "10/minute; 1000/day")
    with gateway.client(gateway.token("read", "slow")) as client:
        answer = client.get("/v1/accounts/slow")
    assert "10/minute; 1000/day" == answer.json()["rate"]
    assert '"account";q=10;w=60, "account";q=1000;w=86400' == answer.headers["ratelimit-policy"]


def test_a_suppression_list_is_kept(gateway: Gateway) -> None:
    """Numbers are put on it, looked up and taken off; what is sent to them meanwhile ends as suppressed."""
    body = {"account": "acme", "numbers": [RECIPIENT, "+15550100003"], "reason": "asked on our page"}
    with gateway.client() as client:
        assert [{"added": 2}, {"added": 0}] == [client.post("/v1/suppressions", json=body).json() for _ in range(2)]
        page = client.get("/v1/suppressions", params={"account": "acme"}).json()
        entry = client.get("/v1/suppressions", params={"account": "acme", "number": RECIPIENT}).json()["items"]
        op_id = client.post("/v1/operations/send-message", json=HELLO).json()["id"]
        gateway.worker.accept()
        shown = client.get(f"/v1/operations/{op_id}").json()
        removed = client.post("/v1/suppressions/remove", json={"account": "acme", "numbers": [RECIPIENT]})
        free = client.get("/v1/suppressions", params={"account": "acme", "number": RECIPIENT}).json()["items"]
    assert {RECIPIENT, "+15550100003"} == {one["number"] for one in page["items"]}
    assert [("acme", "asked on our page")] == [(one["account"], one["reason"]) for one in entry]
    assert ("suppressed", {"removed": 1}, []) == (shown["state"], removed.json(), free)


@pytest.mark.parametrize(
    ("scopes", "accounts", "body", "status"),
    [
        ("read", ("acme",), {"account": "acme"}, 403),
        ("suppress", ("acme",), {"account": "other"}, 404),
        ("suppress", ("acme",), {"all_accounts": True}, 404),
        ("suppress", ("*",), {"all_accounts": True}, 200),
        ("suppress", ("*",), {}, 422),
        ("suppress", ("*",), {"account": "acme", "all_accounts": True}, 422),
        ("suppress", ("*",), {"account": "acme", "numbers": ["0151"]}, 422),
        ("suppress", ("*",), {"account": "acme", "numbers": []}, 422),
    ],
)
def test_who_may_change_which_list(
    gateway: Gateway, scopes: str, accounts: tuple[str, ...], body: dict[str, Any], status: int
) -> None:
    """A scope of its own; the list of all accounts is for tokens of all accounts."""
    with gateway.client(gateway.token(scopes, *accounts)) as client:
        assert status == client.post("/v1/suppressions", json={"numbers": [RECIPIENT]} | body).status_code


def test_an_operation_is_cancelled(gateway: Gateway) -> None:
    """Once begun it is too late."""
    with gateway.client() as client:
        first, second = (client.post("/v1/operations/send-message", json=HELLO).json()["id"] for _ in range(2))
        gateway.worker.accept()
        assert 204 == client.delete(f"/v1/operations/{second}?why=called+back").status_code
        gateway.worker.settle(first, "accepted", code="202", words="")
        assert 409 == client.delete(f"/v1/operations/{first}").status_code
        gateway.worker.attend()
        assert "cancelled: called back" == client.get(f"/v1/operations/{second}").json()["words"]
        assert {first, second} == {
            one["id"] for one in client.get("/v1/operations", params={"to": RECIPIENT}).json()["items"]
        }


def test_a_campaign_over_http(gateway: Gateway) -> None:
    """In chunks of JSON, as a file, with bad rows told; counted, paused, changed, resumed, cancelled."""
    about = {"account": "acme", "sender": SENDER, "template": "Hi {name}"}
    rows = [{"to": f"+1555020{n:04d}", "name": "Ada", "key": f"row-{n}", "metadata": {"n": str(n)}} for n in range(300)]
    with gateway.client() as client:
        first = client.put("/v1/campaigns/spring", json=about | {"recipients": rows[:200]})
        second = client.put(
            "/v1/campaigns/spring", json=about | {"recipients": [*rows[100:], {"to": "x", "name": "y", "key": "z"}]}
        )
        assert (202, 200, 1) == (first.status_code, first.json()["written"], second.json()["invalid"])
        assert [201] == [row["line"] for row in second.json()["bad_rows"]]
        gateway.worker.accept()
        shown = client.get("/v1/campaigns/spring").json()
        assert ("acme", "running", 300) == (shown["account"], shown["state"], shown["total"])
        file = client.post(
            "/v1/campaigns/autumn/upload",
            params=about,
            content=b"to,name\n+15550200001,Ada\n",
            headers={"Content-Type": "text/csv"},
        )
        assert (202, 1) == (file.status_code, file.json()["written"])
        assert (
            415
            == client.post(
                "/v1/campaigns/autumn/upload", params=about, content=b"x", headers={"Content-Type": "image/png"}
            ).status_code
        )
        assert ["autumn", "spring"] == [one["name"] for one in client.get("/v1/campaigns").json()["items"]]
        page = client.get("/v1/campaigns?limit=1").json()
        assert ("autumn", ["spring"]) == (
            page["next"],
            [one["name"] for one in client.get("/v1/campaigns?after=autumn").json()["items"]],
        )
        assert 204 == client.post("/v1/campaigns/spring/pause", json={"why": "lunch"}).status_code
        assert ("paused", "lunch") == tuple(
            client.get("/v1/campaigns/spring").json()[name] for name in ("state", "why")
        )
        assert 204 == client.patch("/v1/campaigns/spring", json={"rate": "5/minute"}).status_code
        assert 204 == client.post("/v1/campaigns/spring/resume").status_code
        row = client.get("/v1/operations", params={"campaign": "spring", "row": "row-7"}).json()["items"][0]
        assert ({"n": "7"}, "row-7") == (row["metadata"], row["key"])
        assert 204 == client.post("/v1/campaigns/spring/cancel").status_code
        assert 409 == client.post("/v1/campaigns/spring/resume").status_code
        assert 404 == client.get("/v1/campaigns/nobody").status_code


def test_contents_ramps_and_deletions_over_http(gateway: Gateway) -> None:
    """A campaign of SMS with a ramp, one of an official template, a number check; deletions are counted before they are made."""
    about = {"account": "acme", "sender": SENDER, "recipients": [{"to": RECIPIENT, "name": "Ada"}]}
    with gateway.client() as client:

        def put(name: str, **options: Any) -> httpx.Response:
            return client.put(f"/v1/campaigns/{name}", json=about | options)

        assert 202 == put("texts", template="Hi {name}", sms=True, ramp="20,40").status_code
        assert 204 == client.patch("/v1/campaigns/texts", json={"ramp": ""}).status_code
        assert (
            202 == put("weekly", waba_template="TMP11111111-2222-4333-8444-555555555555", body=["{name}"]).status_code
        )
        assert 202 == put("check", number_check=True).status_code
        assert 422 == put("none").status_code
        wrong = put("wrong", template="Hi", ramp="0")
        assert (422, True) == (wrong.status_code, "messages a day" in wrong.text)
        assert 202 == put("spring", template="Hi {name}").status_code
        counted = client.post("/v1/campaigns/spring/delete-messages?dry_run=true")
        assert (202, 0, "spring.deletion") == (counted.status_code, counted.json()["deletable"], counted.json()["name"])
        assert 409 == client.post("/v1/campaigns/spring/delete-messages").status_code
        assert 404 == client.post("/v1/campaigns/nobody/delete-messages").status_code
        refused = client.post("/v1/campaigns/texts/delete-messages")
        assert (422, True) == (refused.status_code, "only WhatsApp messages can be deleted" in refused.text)


def test_outcomes_in_pages_and_as_events(gateway: Gateway) -> None:
    """A page says where the next begins; a stream goes on after Last-Event-ID."""
    with gateway.client() as client:
        ids = [client.post("/v1/operations/send-message", json=HELLO).json()["id"] for _ in range(3)]
        gateway.worker.accept()
        for op_id in ids:
            gateway.worker.settle(op_id, "accepted", code="202", words="")
        first = client.get("/v1/outcomes?limit=2").json()
        rest = client.get("/v1/outcomes", params={"after": first["next"]}).json()
        assert ids == [entry["id"] for entry in first["items"] + rest["items"]]
        assert ([], rest["next"]) == tuple(client.get("/v1/outcomes", params={"after": rest["next"]}).json().values())
        told = client.get("/v1/outcomes/stream?follow=false", headers={"Last-Event-ID": first["next"]})
        assert ("text/event-stream; charset=utf-8", 1) == (
            told.headers["content-type"],
            told.text.count("event: settled\n"),
        )
        with client.stream("GET", "/v1/outcomes/stream", params={"after": rest["next"], "receipts": "true"}) as stream:
            lines = stream.iter_lines()
            gateway.worker.deliver(ids[0])
            assert ["event: sent", "event: delivered"] == [
                line for line in (next(lines) for _ in range(8)) if line.startswith("event")
            ]


@pytest.mark.parametrize("after", ["s1.zzz", "s0.0", "s9999.0", "s7.-5", "s1.0.0--1-0", "s3.0.1-" + "z" * 30 + "-0"])
def test_a_place_that_cannot_be_is_refused(gateway: Gateway, after: str) -> None:
    """As a mistake of whoever asks, who would otherwise try again for ever."""
    with gateway.client() as client:
        page = client.get("/v1/outcomes", params={"after": after})
        told = client.get("/v1/outcomes/stream?follow=false", headers={"Last-Event-ID": after}).text
    assert (422, "urn:paceline:problem:invalid-operation") == (page.status_code, page.json()["type"])
    assert ("event: problem", True) == (told.splitlines()[0], '"status": 422' in told)


# Every path of the OpenAPI document -> the scope that it asks for; without one no token is needed.
SCOPES = {
    ("GET", "/v1/operations"): "read",
    ("GET", "/v1/operations/{op_id}"): "read",
    ("GET", "/v1/operations/{op_id}/explain"): "read",
    ("DELETE", "/v1/operations/{op_id}"): "send",
    ("GET", "/v1/outcomes"): "read",
    ("GET", "/v1/outcomes/stream"): "read",
    ("GET", "/v1/campaigns"): "read",
    ("GET", "/v1/campaigns/{name}"): "read",
    ("PUT", "/v1/campaigns/{name}"): "campaigns",
    ("PATCH", "/v1/campaigns/{name}"): "campaigns",
    ("POST", "/v1/campaigns/{name}/upload"): "campaigns",
    ("POST", "/v1/campaigns/{name}/pause"): "campaigns",
    ("POST", "/v1/campaigns/{name}/resume"): "campaigns",
    ("POST", "/v1/campaigns/{name}/cancel"): "campaigns",
    ("POST", "/v1/campaigns/{name}/approve"): "campaigns",
    ("POST", "/v1/campaigns/{name}/delete-messages"): "campaigns",
    ("GET", "/v1/suppressions"): "read",
    ("POST", "/v1/suppressions"): "suppress",
    ("POST", "/v1/suppressions/remove"): "suppress",
    ("GET", "/v1/history"): "history",
    ("GET", "/v1/accounts"): "read",
    ("GET", "/v1/accounts/{name}"): "read",
    ("GET", "/healthz"): None,
    ("GET", "/readyz"): None,
}


def test_a_scope_allows_what_it_says_and_nothing_else(gateway: Gateway) -> None:
    """Every path of the document, with each scope alone: 403 without the right one; 401 without a token."""
    document = httpx.get(f"{gateway.url}/v1/openapi.json").json()
    listed = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    sending = {one for one in listed if one[0] == "POST" and one[1].startswith("/v1/operations/")}
    asked = {**dict.fromkeys(sending, "send"), **SCOPES}
    assert listed == set(asked)
    assert len(OPERATIONS) == len(sending)
    clients = {scope: gateway.client(gateway.token(scope)) for scope in tokens.SCOPES}
    anybody = httpx.Client(base_url=gateway.url, verify=False)
    for (method, path), needed in asked.items():
        url = path.replace("{op_id}", "01k0zxw5d3v8m2c7r4q9n6t1ea").replace("{name}", "spring") + "?follow=false"
        body: dict[str, str] | None = None if method in ("GET", "DELETE") else {}
        for scope, client in clients.items():
            status = client.request(method, url, json=body).status_code
            assert (needed in (scope, None)) == (status != 403), (method, path, scope, status)
            assert status < 500
        without = anybody.request(method, url, json=body)
        assert (needed is None) == (without.status_code == 200), (method, path)
        if needed:
            assert (401, "application/problem+json") == (without.status_code, without.headers["content-type"])
    for client in (*clients.values(), anybody):
        client.close()


def test_every_error_is_a_problem_detail(gateway: Gateway) -> None:
    """By RFC 9457, whatever went wrong, also before a route was found."""
    with gateway.client() as client:
        sending = "/v1/operations/send-message"
        answers = [
            client.get("/v1/nothing"),
            client.put(sending),
            client.post(sending, content=b"{", headers={"Content-Type": "application/json"}),
            client.post(sending, content=b"{}", headers={"Content-Type": "text/plain"}),
            client.post(sending, json={"account": "acme"}),
            client.post(sending, json=HELLO | {"account": "nobody"}),
            client.get("/v1/operations/x"),
            client.get("/v1/outcomes?after=x"),
            client.get("/v1/outcomes?campaign=nobody"),
            client.get("/v1/operations"),
        ]
    for answer in answers:
        assert "application/problem+json" == answer.headers["content-type"], answer.request.url
        assert {"type", "title", "status", "detail"} <= answer.json().keys()
        assert answer.status_code == answer.json()["status"]
        assert answer.json()["type"].startswith("urn:paceline:problem:")


class Broken(AsyncOutbox):
    """An outbox with a defect, which meets an error."""

    error: Exception

    async def status(self, op_id: str) -> Status:  # noqa: ARG002 - as an outbox's
        with translating():
            raise self.error


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError(f"a message to {RECIPIENT}"),
        ResponseError(f"Invalid argument {RECIPIENT} script: 5ca1ab1e, on @user_script:31."),
    ],
)
def test_a_defect_is_a_problem_detail_too(
    server: EmbeddedServer, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    """A defect of the gateway, or of a script: the answer does not tell the error, and the log of requests has its line."""
    caplog.set_level("INFO")
    worker = Worker(server.url)
    broken = Broken(settings=Settings(broker_url=server.url))
    broken.error = error
    with running(server.url, outbox=broken) as url, Gateway(url, worker).client() as client:
        answer = client.get("/v1/operations/01k0zxw5d3v8m2c7r4q9n6t1ea")
    worker.close()
    assert (500, "application/problem+json") == (answer.status_code, answer.headers["content-type"])
    assert ("urn:paceline:problem:failure", 500) == (answer.json()["type"], answer.json()["status"])
    assert not any(word in answer.text for word in (RECIPIENT, "script"))
    assert "/operations/{op_id} by shop: 500" in caplog.text


def test_what_is_of_another_account_is_not_there(gateway: Gateway, caplog: pytest.LogCaptureFixture) -> None:
    """404, in the words for what does not exist; and no token is in a log."""
    caplog.set_level("INFO")
    mine, theirs = gateway.token(), gateway.token("send,read,campaigns", "other")
    with gateway.client(mine) as client:
        op_id = client.post("/v1/operations/send-message", json=HELLO, headers={"Idempotency-Key": "k"}).json()["id"]
        client.put(
            "/v1/campaigns/spring",
            json={"account": "acme", "sender": SENDER, "template": "Hi", "recipients": [{"to": RECIPIENT}]},
        )
        gateway.worker.accept()
    with gateway.client(theirs) as client:
        for method, path in (
            ("GET", f"/v1/operations/{op_id}"), ("DELETE", f"/v1/operations/{op_id}"), ("GET", "/v1/campaigns/spring"),
            ("POST", "/v1/campaigns/spring/pause"), ("GET", "/v1/accounts/acme"),
            ("GET", "/v1/operations?account=acme&idempotency_key=k"), ("GET", "/v1/operations?campaign=spring&row=%2B15550100002"),
        ):  # fmt: skip
            assert 404 == client.request(method, path).status_code, path
        assert 404 == client.post("/v1/operations/send-message", json=HELLO).status_code
        assert [] == client.get("/v1/operations", params={"to": RECIPIENT}).json()["items"]
        assert ["other"] == client.get("/v1/accounts").json()["items"]
    assert "shop" in caplog.text
    assert not any(token in caplog.text or token[17:] in caplog.text for token in (mine, theirs))


def test_what_a_token_did_stands_in_the_history(gateway: Gateway) -> None:
    """Name and id of the token, what, on what, why; another scope, and acts of its accounts only unless it is for all."""
    described = {"account": "acme", "sender": SENDER, "template": "Hi", "recipients": [{"to": RECIPIENT}]}
    acting = gateway.token()
    with gateway.client(acting) as client:
        assert 202 == client.put("/v1/campaigns/spring", json=described).status_code
        assert 204 == client.post("/v1/campaigns/spring/pause", json={"why": "wrong price"}).status_code
        assert 403 == client.get("/v1/history").status_code
        op_id = client.post("/v1/operations/send-message", json=HELLO).json()["id"]
        gateway.worker.accept()
        assert 204 == client.delete(f"/v1/operations/{op_id}?why=called+back").status_code
    for accounts, number in ((("*",), 3), (("acme",), 3), (("other",), 0)):
        with gateway.client(gateway.token("history", *accounts)) as client:
            found = client.get("/v1/history").json()
            assert number == len(found["items"])
            assert [] == client.get("/v1/history", params={"after": found["next"]}).json()["items"]
            if number:
                start, pause, cancel = found["items"]
    assert ("campaign start", "spring: 1 rows") == (start["what"], start["on"])
    assert ("campaign pause", "spring", "wrong price", "acme") == tuple(
        pause[name] for name in ("what", "on", "why", "account")
    )
    assert ("cancel", op_id, "called back", "acme") == tuple(cancel[name] for name in ("what", "on", "why", "account"))
    assert f"token shop ({acting[4:16]})" == pause["who"]
    assert RECIPIENT not in str(found)


def test_who_is_not_known_is_not_let_in(gateway: Gateway) -> None:
    """No token, a made-up one, one with another secret, an expired one, a revoked one."""
    good = gateway.token()
    expired = gateway.token(expires=timedelta(seconds=-1))
    for token in ("", "x", "pcl_000000000000_" + "a" * 43, good[:-1] + ("a" if good[-1] != "a" else "b"), expired):
        with httpx.Client(
            verify=False, base_url=gateway.url, headers={"Authorization": f"Bearer {token}"} if token else {}
        ) as client:
            refused = client.get("/v1/outcomes")
            assert (401, "Bearer") == (refused.status_code, refused.headers["www-authenticate"])
    assert "done" == gateway.worker.plain.ask(questions.revoke_token(good[4:16]))
    with gateway.client(good) as client:
        wait_until(lambda: client.get("/v1/outcomes").status_code == 401, timedelta(seconds=30), "the revocation")
    assert good[17:] not in str(gateway.worker.plain.ask(questions.tokens()))


def test_limits_hold(server: EmbeddedServer) -> None:
    """Of a body, also of one that does not say its length; and of requests a second."""
    worker = Worker(server.url)
    add_account(worker.state.client, "acme")
    with running(server.url, rate=5, largest_body=2048) as url:
        gateway = Gateway(url, worker)
        with gateway.client() as client:
            big = b"x" * 4096
            assert 413 == client.post("/v1/operations/send-message", content=big).status_code
            assert 413 == client.post("/v1/operations/send-message", content=iter([big[:2000], big[2000:]])).status_code
            answers = [client.get("/v1/accounts") for _ in range(20)]
            assert {200, 429} == {answer.status_code for answer in answers}
            refused = [answer.headers for answer in answers if answer.status_code == 429]
            assert all(int(headers["retry-after"]) >= 1 for headers in refused)
            assert {('"token";q=5;w=1', '"token";r=0;t=1')} == {
                (headers["ratelimit-policy"], headers["ratelimit"]) for headers in refused
            }
    worker.close()


def test_health(gateway: Gateway) -> None:
    """Without a token."""
    assert {"ready": True} == httpx.get(f"{gateway.url}/readyz").json() == httpx.get(f"{gateway.url}/healthz").json()


@pytest.mark.timeout(420)
def test_schemathesis_finds_nothing(gateway: Gateway, tmp_path: Path) -> None:
    """No 5xx, no answer that its OpenAPI document does not tell, whatever is asked."""
    options = {
        "--url": gateway.url,
        "-H": f"Authorization: Bearer {gateway.token()}",
        "--max-examples": "4",
        "--phases": "examples,fuzzing",
        "--exclude-path": "/v1/outcomes/stream",
        "--seed": "1",
        "--checks": "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
    }
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{gateway.url}/v1/openapi.json", "--no-color"),
            *(word for option in options.items() for word in option),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
        cwd=tmp_path,
    )
    assert "passed" in done.stdout
    assert 0 == done.returncode, done.stdout[-6000:]
