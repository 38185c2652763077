"""One call of the provider, against a server on loopback: what is written, and what silence means."""

import asyncio
import gzip
import json
import socket
from pathlib import Path
from typing import Any

import pytest

from paceline.operations.requests import ProviderRequest
from paceline_worker.provider.client import Provider
from paceline_worker.verdict.meaning import Answer, Meaning
from tests.unit.provider.provider_server import (
    AMPLE_S,
    CANARY,
    KEY,
    REQUEST,
    SHORT_S,
    Handler,
    answering,
    call,
    end_of,
    listening,
    provider,
    read_request,
    response,
    self_signed,
    silent,
)

OK = response(202, b'{"success": true, "message_uuid": "MSG1"}')


def closing(first: bytes = b"", *, read: bool = True, reset: bool = False) -> Handler:
    """Reads the request or not, writes the beginning of an answer, and closes the connection."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if read:
            await read_request(reader)
        writer.write(first)
        await writer.drain()
        if reset:
            writer.transport.abort()

    return handle


def test_an_acceptance_is_read() -> None:
    """Status and body of a good answer come back as an acceptance with its handle."""
    value = {"success": True, "message_uuid": "MSG1"}
    assert Answer(Meaning.ACCEPTED, "202", uuid="MSG1", value=value) == call(answering(OK))


@pytest.mark.parametrize(
    ("expected", "raw"),
    [
        (Answer(Meaning.REJECTED, "422", "no"), response(422, b'{"detail": "no"}')),
        (Answer(Meaning.SENDER_BUSY, "486", "busy"), response(486, b'{"message": "busy"}')),
        (Answer(Meaning.THROTTLED, "429", "", "", 17), response(429, b"{}", "retry-AFTER: 17")),
        (
            Answer(Meaning.THROTTLED, "429", "", "", 30),
            response(429, b"{}", "Date: Sat, 31 Jan 2026 12:00:00 GMT", "Retry-After: Sat, 31 Jan 2026 12:00:30 GMT"),
        ),
        (Answer(Meaning.OVERLOADED, "503", "later"), response(503, b'{"error_message": "later"}')),
        (Answer(Meaning.UNKNOWN, "502", "Bad Gateway"), response(502, b"Bad\r\nGateway")),
        (Answer(Meaning.BAD_KEY, "401", "Invalid API Key"), response(401, b'{"detail": "Invalid API Key"}')),
        (
            Answer(Meaning.ACCEPTED, "200", uuid="MSG1", value={"message_uuid": "MSG1"}),
            response(200, gzip.compress(b'{"message_uuid": "MSG1"}'), "Content-Encoding: gzip"),
        ),
    ],
)
def test_answers_are_classified(expected: Answer, raw: bytes) -> None:
    """Every class of answer is told from its status, headers and body, as the table of answers says."""
    assert expected == call(answering(raw))


def test_a_redirect_is_not_followed() -> None:
    """A key is never carried to another address: the redirect itself is the answer, and one request is made."""
    requests: list[bytes] = []
    moved = response(307, b"", "Location: /elsewhere")
    assert call(answering(moved, OK, requests=requests)).code == "307"
    assert len(requests) == 1


def test_the_request_is_what_was_asked_for() -> None:
    """Method, path below the base, JSON body, and the key in its header."""
    requests: list[bytes] = []
    call(answering(OK, requests=requests))
    head, _, body = requests[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:])
    assert lines[0] == "POST /open/whatsapp/send-message HTTP/1.1"
    assert json.loads(body) == REQUEST.body
    assert ("application/json", CANARY.lower()) == (headers["content-type"], headers["x-user-api-key"])


@pytest.mark.parametrize(
    ("line", "method", "path", "query"),
    [
        ("GET /open/info HTTP/1.1", "GET", "/info", {}),
        (
            "GET /open/whatsapp/get-numbers?status=all&page_number=0&results_per_page=200 HTTP/1.1",
            "GET",
            "/whatsapp/get-numbers",
            {"status": "all", "page_number": "0", "results_per_page": "200"},
        ),
        (
            "GET /open/whatsapp/check-number/+15550100001/+15550100002?extra-information=true HTTP/1.1",
            "GET",
            "/whatsapp/check-number/+15550100001/+15550100002",
            {"extra-information": "true"},
        ),
        # A plus in a query would be read as a space.
        ("GET /open/numbers?phone_number=%2B15550100001 HTTP/1.1", "GET", "/numbers", {"phone_number": "+15550100001"}),
        (
            "DELETE /open/whatsapp/message/WW-WPN1-15550100002@c.us/MSG1 HTTP/1.1",
            "DELETE",
            "/whatsapp/message/WW-WPN1-15550100002@c.us/MSG1",
            {},
        ),
    ],
)
def test_a_call_without_a_body_has_none(line: str, method: str, path: str, query: dict[str, str]) -> None:
    """Reading and deleting carry a path and a query, and neither a body nor its type."""
    requests: list[bytes] = []
    request = ProviderRequest(method, path, None, "/endpoint", query)
    call(answering(OK, requests=requests), request=request)
    head, _, body = requests[0].partition(b"\r\n\r\n")
    assert (line, b"") == (head.decode().split("\r\n")[0], body)
    assert b"content-type" not in head.lower()


def test_the_key_is_in_its_header_and_nowhere_else() -> None:
    """Neither the address nor the body nor a second header holds the key."""
    requests: list[bytes] = []
    call(answering(OK, requests=requests))
    assert requests[0].count(CANARY.encode()) == 1
    assert f"\r\nx-user-api-key: {CANARY}\r\n".lower().encode() in requests[0].lower()


def test_no_cookie_is_kept() -> None:
    """What one answer sets is not sent with the next request, which may be another account's."""
    requests: list[bytes] = []

    async def scenario() -> None:
        baked = response(202, b"{}", "Set-Cookie: session=1")
        async with listening(answering(baked, baked, requests=requests)) as port, provider(port) as made:
            await made.call(REQUEST, KEY)
            await made.call(REQUEST, KEY)

    asyncio.run(scenario())
    assert ([], 2) == ([one for one in requests if b"cookie" in one.lower()], len(requests))


def test_a_refused_connection_was_not_sent() -> None:
    """Nobody listened, so nothing was written: certain not to be sent."""

    async def scenario() -> Answer:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
            async with provider(taken.getsockname()[1]) as made:
                return await made.call(REQUEST, KEY)

    answer = asyncio.run(scenario())
    assert (Meaning.NOT_SENT, "connect") == (answer.meaning, answer.code)


def test_a_name_that_cannot_be_looked_up_was_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an address there is no connection."""

    async def no_such_name(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async def scenario() -> Answer:
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", no_such_name)
        made = Provider("http://provider.example", deadline_s=AMPLE_S, connections=1)
        try:
            return await made.call(REQUEST, KEY)
        finally:
            await made.close()

    assert asyncio.run(scenario()).meaning == Meaning.NOT_SENT


def test_an_untrusted_certificate_was_not_sent(tmp_path: Path) -> None:
    """The handshake comes before the request, so a certificate that nobody vouches for lets nothing out."""
    requests: list[bytes] = []
    answer = call(answering(OK, requests=requests), self_signed(tmp_path))
    assert (Meaning.NOT_SENT, "connect", []) == (answer.meaning, answer.code, requests)
    assert "certificate" in answer.words.lower()


@pytest.mark.parametrize(
    "handler",
    [
        pytest.param(closing(), id="after the request"),
        pytest.param(closing(reset=True), id="by a reset after the request"),
        pytest.param(closing(read=False), id="without reading"),
        pytest.param(closing(read=False, reset=True), id="by a reset without reading"),
        pytest.param(closing(b"HTTP/1.1 20"), id="within the status line"),
        pytest.param(closing(b"HTTP/1.1 202 Accepted\r\nContent-Le"), id="within the headers"),
        pytest.param(closing(b"HTTP/1.1 202 Accepted\r\nContent-Length: 40\r\n\r\n{"), id="within the body"),
        pytest.param(
            closing(b"HTTP/1.1 422 No\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"), id="within the chunks"
        ),
        pytest.param(closing(b"SSH-2.0-OpenSSH\r\n\r\n"), id="after another protocol"),
        pytest.param(closing(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n"), id="after broken headers"),
    ],
)
def test_a_connection_lost_after_it_was_made_leaves_the_outcome_unknown(handler: Handler) -> None:
    """The request may have arrived: unknown, and never "not sent", which would double the message."""
    end = end_of(handler)
    assert (Meaning.UNKNOWN, "lost") == end.meaning_and_code
    assert end.words


def test_a_deadline_without_an_answer_leaves_the_outcome_unknown() -> None:
    """A server that reads the request and says nothing may well have sent the message."""
    assert (Meaning.UNKNOWN, "timeout") == end_of(silent(), deadline_s=SHORT_S).meaning_and_code


def test_words_of_lost_connections_show_no_key() -> None:
    """What is kept of a network error does not hold the key."""
    for handler in (closing(), closing(b"HTTP/1.1 20"), closing(read=False, reset=True)):
        assert CANARY not in end_of(handler).words


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_call_whose_connection_ends_is_made_once(method: str) -> None:
    """A library that repeats it would make two calls in one slot."""
    calls: list[bytes] = []

    async def end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        calls.append(await reader.readuntil(b"\r\n\r\n"))
        writer.close()

    answer = call(end, request=ProviderRequest(method, "/whatsapp/x", None, "/whatsapp/x"))
    assert (1, Meaning.UNKNOWN) == (len(calls), answer.meaning)
