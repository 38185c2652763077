"""The proxy that stands in for distance and for networks that fail."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from tests.support.proxy import HOST, Proxy
from tests.support.wait import wait_until

PATIENCE_S = 20
SHORT_S = 0.2  # for what must not come


@contextmanager
def echo() -> Iterator[int]:
    """A server that writes back what it reads; its port."""
    listener = socket.create_server((HOST, 0))

    def answer(connection: socket.socket) -> None:
        with connection:
            try:
                while data := connection.recv(65536):
                    connection.sendall(data)
            except OSError:
                pass

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with echo() as port, Proxy(port) as running:
        yield running


@contextmanager
def connected(proxy: Proxy) -> Iterator[socket.socket]:
    with socket.create_connection((HOST, proxy.port), timeout=PATIENCE_S) as connection:
        yield connection


def read(connection: socket.socket, length: int) -> bytes:
    data = bytearray()
    while len(data) < length and (part := connection.recv(65536)):
        data += part
    return bytes(data)


def test_bytes_pass_both_ways_and_so_does_the_end(proxy: Proxy) -> None:
    """A client that says it has no more still reads what was on its way."""
    with connected(proxy) as client:
        client.sendall(b"one")
        client.shutdown(socket.SHUT_WR)

        assert b"one" == read(client, 100)
    wait_until(lambda: proxy.connections() == 0, timedelta(seconds=PATIENCE_S), "nobody to be connected")


def test_a_delay_holds_each_way(proxy: Proxy) -> None:
    """50 ms there and 50 ms back."""
    proxy.delay(timedelta(milliseconds=50))
    with connected(proxy) as client:
        began_s = time.monotonic()
        client.sendall(b"one")

        assert b"one" == read(client, 3)
        assert 0.099 <= time.monotonic() - began_s


def test_a_delay_does_not_limit_throughput(proxy: Proxy) -> None:
    """200 parts of which each waited for the one before would take 40 s."""
    proxy.delay(timedelta(milliseconds=100))
    with connected(proxy) as client:
        began_s = time.monotonic()
        for _ in range(200):
            client.sendall(b"x" * 100)
            time.sleep(0.0005)  # a part of its own

        assert 20_000 == len(read(client, 20_000))
        assert time.monotonic() - began_s < PATIENCE_S


def test_delays_of_a_range_keep_the_order_of_bytes(proxy: Proxy) -> None:
    """A part that draws a short delay waits for the one before it."""
    proxy.delay(timedelta(0), timedelta(milliseconds=30))
    sent = b"".join(number.to_bytes(4, "big") for number in range(100))
    with connected(proxy) as client:
        for start in range(0, len(sent), 4):
            client.sendall(sent[start : start + 4])
            time.sleep(0.0005)

        assert sent == read(client, len(sent))


def test_a_large_body_arrives_whole(proxy: Proxy) -> None:
    """Larger than all buffers on the way."""
    sent = bytes(range(256)) * 40_000
    with connected(proxy) as client:
        writer = threading.Thread(target=client.sendall, args=(sent,))
        writer.start()

        assert sent == read(client, len(sent))
        writer.join()


def test_a_black_hole_holds_bytes_until_it_ends(proxy: Proxy) -> None:
    """As TCP does, whose packets are sent again when the way is free; also for connections made meanwhile."""
    with connected(proxy) as before:
        before.sendall(b"0")
        assert b"0" == read(before, 1)
        proxy.black_hole()
        with connected(proxy) as meanwhile:
            for client in (before, meanwhile):
                client.sendall(b"one")
                client.settimeout(SHORT_S)
                with pytest.raises(TimeoutError):
                    client.recv(1)
            proxy.pass_through()
            for client in (before, meanwhile):
                client.settimeout(PATIENCE_S)
                assert b"one" == read(client, 3)


def test_a_cut_resets_connections_and_takes_new_ones(proxy: Proxy) -> None:
    """What was connected is told so."""
    with connected(proxy) as client:
        client.sendall(b"one")
        read(client, 3)
        assert 1 == proxy.connections()
        proxy.cut()

        assert 0 == proxy.connections()
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    with connected(proxy) as client:
        client.sendall(b"two")
        assert b"two" == read(client, 3)


def test_a_proxy_that_refuses_keeps_what_is_connected(proxy: Proxy) -> None:
    """And takes connections on the same port afterwards."""
    with connected(proxy) as client:
        client.sendall(b"one")
        read(client, 3)
        port = proxy.port
        proxy.refuse()

        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((HOST, port), timeout=PATIENCE_S)
        client.sendall(b"two")
        assert b"two" == read(client, 3)
    proxy.pass_through()
    assert port == proxy.port
    with connected(proxy) as client:
        client.sendall(b"three")
        assert b"three" == read(client, 5)


def test_a_target_that_is_gone_resets_the_client() -> None:
    """As if the connection had been lost on the way."""
    with echo() as port:
        pass
    with Proxy(port) as proxy, pytest.raises(ConnectionResetError), connected(proxy) as client:
        client.recv(1)


def test_the_reply_of_a_marked_command_is_cut_and_no_other(proxy: Proxy) -> None:
    """The command reached the target; so many replies are cut as asked for, and those of other commands pass."""
    proxy.cut_replies(b"settle", 1)
    with connected(proxy) as client:
        client.sendall(b"begin")
        assert b"begin" == read(client, 5)
        client.sendall(b"settle")
        with pytest.raises(ConnectionResetError):
            client.recv(100)
    with connected(proxy) as client:
        client.sendall(b"settle")
        assert b"settle" == read(client, 6)
    assert 1 == proxy.replies_cut


def test_replies_of_a_connection_are_held(proxy: Proxy) -> None:
    """From a marked command on; the target carried it out, other connections pass, and the reply comes whole at the end."""
    proxy.hold_replies(b"begin")
    with connected(proxy) as client, connected(proxy) as other:
        client.sendall(b"begin")
        other.sendall(b"settle")
        assert b"settle" == read(other, 6)
        client.settimeout(0.1)
        with pytest.raises(TimeoutError):
            client.recv(100)
        assert (1, 1) == (proxy.commands_held, proxy.replies_held)
        client.settimeout(20)
        proxy.pass_through()
        client.sendall(b"again")
        assert b"beginagain" == read(client, 10)
