"""Answers that httpx cannot decode, addresses it cannot parse: an outcome at once, and nothing private in the log."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from paceline_sandbox.embedded import EmbeddedServer
from tests.support.processes import start_worker
from tests.support.stack import Stack

pytestmark = pytest.mark.system


class Address:
    """A stub's address in the form that `Stack` wants."""

    def __init__(self, origin: str) -> None:
        self.origin = origin

    @property
    def base_url(self) -> str:
        return self.origin


@contextmanager
def stub(answer: bytes) -> Iterator[Address]:
    """A provider that gives one fixed answer."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(5)
                try:
                    connection.recv(65536)
                    connection.sendall(answer)
                except OSError:
                    continue

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield Address(f"http://127.0.0.1:{listener.getsockname()[1]}")
    finally:
        listener.close()


BROKEN_GZIP = (
    b"HTTP/1.1 422 Unprocessable\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n"
    b"Connection: close\r\n\r\nnot gzip!"
)
NESTED = b'{"success":true,"a":' + b"[" * 200_000
DEEP = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(NESTED) + NESTED


@pytest.mark.parametrize("answer", [BROKEN_GZIP, DEEP], ids=["broken gzip", "deep JSON"])
@pytest.mark.parametrize("style", ["console", "json"])
def test_an_answer_that_cannot_be_read_is_settled_and_not_logged_with_its_message(
    server: EmbeddedServer, answer: bytes, style: str
) -> None:
    """Settled within seconds, not when the lease runs out; the log shows neither numbers nor texts nor the key (I8)."""
    with stub(answer) as address, Stack(server, address, PACELINE_LOG_FORMAT=style) as stack:
        stack.add_account()
        worker = start_worker(stack.environment, forked=True)
        stack.workers.append(worker)
        receipt = stack.send(sender="+15550107777", to="+15550208888", text="canary text")
        status = stack.status_when(receipt, "rejected", "accepted", "held").code
        # The API key of this stack is the name of its account, which a line may tell.
        log = worker.log_text().replace(f'"account": "{stack.name}"', "")
        leaks = [secret for secret in ("5550107777", "5550208888", "canary text", f'"{stack.name}"') if secret in log]
        assert [] == leaks
        assert status in ("422", "200")


def test_a_malformed_api_base_is_refused_at_the_start(server: EmbeddedServer) -> None:
    """A typing error in PACELINE_API_BASE must not turn the backlog into held operations: nothing was ever sent."""
    with stub(b"") as address, Stack(server, address, PACELINE_API_BASE="http://127.0.0.1:80a/open") as stack:
        stack.add_account()
        with pytest.raises(AssertionError, match="paceline: PACELINE_API_BASE"):
            start_worker(stack.environment, forked=True)
