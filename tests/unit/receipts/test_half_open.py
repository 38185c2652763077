"""Connections that say nothing, or say it slowly: they are few, they end, and others are heard meanwhile."""

import asyncio
import socket
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest
from prometheus_client import CollectorRegistry, make_wsgi_app

from paceline_worker.receipts import connections, server
from paceline_worker.receipts.connections import Connections
from paceline_worker.receipts.metrics import ReceiptMetrics
from paceline_worker.telemetry import scraped
from paceline_worker.telemetry.health import Health
from tests.support.processes import free_port

HALF = b"GET /metrics HTTP/1.1\r\nHost: x\r\n"


def connect(port: int, said: bytes = HALF) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", port), timeout=200)
    made.sendall(said)
    return made


def has_ended(connection: socket.socket) -> bool:
    """Wait until the other side closes it, or says something."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


@pytest.fixture
def scrapes(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The metrics of a worker or an exporter, which wait half a second for a request."""
    monkeypatch.setattr(scraped, "HEAD_S", 0.5)
    monkeypatch.setattr("paceline_worker.telemetry.scraped._Handler.timeout", 0.5)
    port = free_port()
    stop = scraped.serve(make_wsgi_app(CollectorRegistry()), port, "127.0.0.1", "metrics")
    yield port
    stop()


def scrape(port: int) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=200) as answer:
        return int(answer.status)


def test_metrics_are_shown_beside_silent_connections(scrapes: int) -> None:
    """Beyond the limit, the one that was silent longest makes room."""
    with ExitStack() as stack:
        silent = [stack.enter_context(closing(connect(scrapes))) for _ in range(3 * scraped.MOST_CONNECTIONS)]
        assert 200 == scrape(scrapes)
        assert all(map(has_ended, silent))
    assert 200 == scrape(scrapes)


def test_a_head_that_drips_is_not_waited_for(scrapes: int) -> None:
    """Each byte comes in time, and all of them do not."""
    with closing(connect(scrapes)) as slow:
        assert ends_while_it_drips(slow)


def ends_while_it_drips(slow: socket.socket) -> bool:
    """Send a byte in a while, until the other side ends the connection."""
    slow.settimeout(0.05)
    end_s = time.monotonic() + 30
    while time.monotonic() < end_s:
        try:
            slow.sendall(b"X")
            if slow.recv(1) == b"":
                return True
        except TimeoutError:
            continue
        except ConnectionError:
            return True
    return False


class Silent:
    """An intake that knows no account."""

    async def key(self, *_: str) -> None:
        return None


def receiver(scene: object, monkeypatch: pytest.MonkeyPatch, *, most: int = 10, head_s: float = 0.5) -> None:
    """Run a scene beside a receiver with small limits."""
    monkeypatch.setattr(server, "Connections", lambda idle_s: Connections(most=most, head_s=head_s, idle_s=idle_s))
    registry, port = CollectorRegistry(), free_port()

    async def run() -> None:
        intake: object = Silent()
        async with server.serving(intake, ReceiptMetrics(registry), registry, Health(), port=port, address="127.0.0.1"):  # type: ignore[arg-type]
            await asyncio.to_thread(scene, port)  # type: ignore[arg-type]

    asyncio.run(run())


def post(port: int) -> bytes:
    with closing(connect(port, b"POST /receipts/a/b HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")) as made:
        return made.recv(12)


def test_receipts_are_taken_beside_silent_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """More of them than the receiver keeps: the longest silent make room, the others end soon."""

    def scene(port: int) -> None:
        with ExitStack() as stack:
            silent = [stack.enter_context(closing(connect(port, b"POST /rec"))) for _ in range(30)]
            assert b"HTTP/1.1 404" == post(port)
            assert all(map(has_ended, silent))

    receiver(scene, monkeypatch)


def test_a_connection_that_was_answered_may_ask_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a proxy's: the short limit is for the first request only."""

    def scene(port: int) -> None:
        with closing(connect(port, b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")) as made:
            assert b"200 OK" in made.recv(4096)
            with closing(connect(port, b"G")) as other:
                assert has_ended(other)  # so longer than the short limit has passed
            made.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"200 OK" in made.recv(4096)

    receiver(scene, monkeypatch)


def test_there_are_fewer_connections_than_descriptors() -> None:
    """A process may open 1,024 files where nobody raised that."""
    assert connections.MOST_CONNECTIONS <= 512
