"""Where metrics and receipts are served: addresses that can be copied, both families, a port that comes free later."""

import socket
from collections.abc import Iterator
from urllib.request import urlopen

import pytest
from prometheus_client import CollectorRegistry, make_wsgi_app

from paceline_sandbox.embedded import free_port
from paceline_worker.telemetry.serving import MetricsEndpoint, listener, origin
from tests.support.stack import PATIENCE
from tests.support.wait import wait_until


@pytest.mark.parametrize(
    ("expected", "address"),
    [
        ("http://127.0.0.1:1", "127.0.0.1"),
        ("http://[::1]:1", "::1"),
        ("http://[::]:1", "::"),
        ("http://host:1", "host"),
    ],
)
def test_an_address_can_be_copied(expected: str, address: str) -> None:
    """An IPv6 address stands in brackets."""
    assert expected == origin(address, 1)


@pytest.mark.parametrize(
    ("address", "reached"),
    [("::", ["127.0.0.1", "::1"]), ("127.0.0.1", ["127.0.0.1"]), ("::1", ["::1"]), ("localhost", [])],
)
def test_all_interfaces_are_those_of_both_families(address: str, reached: list[str]) -> None:
    """`::` serves IPv4 as well, as the exporter does."""
    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    with listener(address, 0) as listening:
        for host in reached:
            socket.create_connection((host, listening.getsockname()[1]), timeout=200).close()


@pytest.fixture
def taken() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other


def test_a_port_that_was_taken_is_served_when_it_is_free(taken: socket.socket) -> None:
    """Another process had it, and ends: this one need not be started again."""
    port = taken.getsockname()[1]
    endpoint = MetricsEndpoint(make_wsgi_app(CollectorRegistry()), port, "127.0.0.1", again_s=0.02)
    endpoint.start()
    assert "" == (endpoint.at or "")
    taken.close()
    served = wait_until(lambda: endpoint.at, PATIENCE, "the metrics")
    assert f"http://127.0.0.1:{port}/metrics" == served
    with urlopen(str(served)) as answer:
        assert 200 == answer.status
    endpoint.stop()


@pytest.mark.parametrize(
    ("address", "words"), [("no-such-host.invalid", "cannot be served"), ("", "the port is taken")]
)
def test_why_nothing_is_served(
    taken: socket.socket, capsys: pytest.CaptureFixture[str], address: str, words: str
) -> None:
    """An address that cannot be looked up is no port that is taken."""
    port = free_port() if address else taken.getsockname()[1]
    endpoint = MetricsEndpoint(make_wsgi_app(CollectorRegistry()), port, address or "127.0.0.1")
    endpoint.start()
    endpoint.stop()
    seen = capsys.readouterr()
    assert words in seen.out + seen.err
