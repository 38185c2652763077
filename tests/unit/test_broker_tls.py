"""A broker behind TLS has to prove who it is before it hears a password."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from celery import Celery
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from paceline.inbox.broker import celery_settings, verified


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("redis://host/0", "redis://host/0"),
        ("amqps://host//", "amqps://host//"),
        ("rediss://u:p@host:6380/0", "rediss://u:p@host:6380/0?ssl_cert_reqs=required"),
        ("rediss://host/0?ssl_ca_certs=/a.pem", "rediss://host/0?ssl_ca_certs=/a.pem&ssl_cert_reqs=required"),
        ("rediss://host/0?ssl_cert_reqs=none", "rediss://host/0?ssl_cert_reqs=none"),
        ("rediss://a/0;rediss://b/0", "rediss://a/0?ssl_cert_reqs=required;rediss://b/0?ssl_cert_reqs=required"),
    ],
)
def test_each_address_with_tls_asks_for_a_certificate(given: str, used: str) -> None:
    """Unless it says something else itself."""
    assert used == verified(given)


class Listener:
    """A server that ends TLS and keeps what it is told.

    Args:
        directory: where its certificate is written.
    """

    def __init__(self, directory: Path) -> None:
        self.certificate = directory / "certificate.pem"
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, _certificate(self.certificate))
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._context = context
        self.heard: list[bytes] = []
        self.ended = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()
        self.url = f"rediss://user:secret@127.0.0.1:{self._socket.getsockname()[1]}/0"

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # until it is closed
            while True:
                raw, _ = self._socket.accept()
                with contextlib.suppress(OSError), contextlib.closing(raw):
                    self._hear(raw)
                self.ended.set()

    def _hear(self, raw: socket.socket) -> None:
        with self._context.wrap_socket(raw, server_side=True, do_handshake_on_connect=False) as connection:
            connection.do_handshake()
            self.heard.append(connection.recv(4096))

    def close(self) -> None:
        self._socket.close()


def _certificate(path: Path) -> Path:
    """Write a certificate for 127.0.0.1 that nobody vouches for, and its key; returns the key's path."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path.with_name("key.pem").write_bytes(key.private_bytes(*form))
    return path.with_name("key.pem")


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    started = Listener(tmp_path)
    yield started
    started.close()


def greet(url: str) -> None:
    """Connect as producers and workers do, once; nobody answers."""
    with Celery("greeter", set_as_current=False) as app:
        once = {"max_retries": 0, "interval_start": 0, "interval_step": 0, "interval_max": 0}
        settings = celery_settings(url)
        app.conf.update(settings, broker_transport_options=settings["broker_transport_options"] | once)
        with app.connection_for_write() as connection, pytest.raises(connection.recoverable_connection_errors):
            connection.connect()


def test_a_stranger_hears_no_password(listener: Listener) -> None:
    """A certificate of an unknown authority ends the handshake."""
    greet(listener.url)
    assert listener.ended.wait(30)
    assert [] == listener.heard


def test_a_server_that_is_vouched_for_hears_it(listener: Listener) -> None:
    """With the authority's certificate in the address, which is the same for broker and state."""
    greet(f"{listener.url}?ssl_ca_certs={listener.certificate}")
    assert listener.ended.wait(30)
    assert b"secret" in b"".join(listener.heard)
