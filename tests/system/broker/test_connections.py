"""Ways to a server: TLS as both libraries spell it, sockets of this machine, and certificates that nobody vouches for."""

import logging
import ssl
from pathlib import Path

import pytest
from kombu.exceptions import OperationalError

from paceline import Outbox, Settings
from paceline.errors import StateUnavailable
from paceline.inbox.app import App
from tests.support.processes import Sandbox, start_worker
from tests.support.proxy import Proxy
from tests.support.servers import start_server
from tests.support.stack import Stack
from tests.support.tls import certified

pytestmark = [pytest.mark.system]


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2].partition("/")[0])


@pytest.mark.parametrize("words", ["", "&ssl_cert_reqs=CERT_REQUIRED"], ids=["default", "Celery's"])
def test_one_encrypted_address_serves_both_libraries(stack: Stack, tmp_path: Path, words: str) -> None:
    """Broker and state by one rediss:// address, verified: a message goes all the way."""
    context, trusted = certified(tmp_path)
    stack.add_account()
    with Proxy(port_of(stack.server.url), tls=context) as encrypted:
        url = f"rediss://127.0.0.1:{encrypted.port}/0?ssl_ca_certs={trusted}{words}"
        worker = stack.start_worker(PACELINE_BROKER_URL=url)
        with Outbox(broker_url=url) as outbox:
            stack.outbox, before = outbox, stack.outbox
            stack.send(1)
            stack.settled(1)
        stack.outbox = before
        assert "insecure" not in worker.log_text()
        worker.stop()
    assert {"message 1": 1} == stack.texts_accepted()


def test_a_server_that_asks_for_a_certificate_gets_it_for_broker_and_state(stack: Stack, tmp_path: Path) -> None:
    """With one a message goes all the way; without one both connections are refused, as trouble of TLS."""
    context, trusted = certified(tmp_path)
    _, client_trusted = certified(tmp_path, "client.example")
    own = tmp_path / "client.example-key.pem"
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(client_trusted)
    stack.add_account()
    with Proxy(port_of(stack.server.url), tls=context) as encrypted:
        bare = f"rediss://127.0.0.1:{encrypted.port}/0?ssl_ca_certs={trusted}"
        with Outbox(broker_url=bare) as outbox, pytest.raises(StateUnavailable):
            outbox.list_campaigns()
        app = App("asks", Settings(broker_url=bare))
        with app.connection_for_write() as connection, pytest.raises(OperationalError):
            _ = connection.default_channel
        url = f"{bare}&ssl_certfile={own}&ssl_keyfile={own}"
        worker = stack.start_worker(PACELINE_BROKER_URL=url)
        with Outbox(broker_url=url) as outbox:
            stack.outbox, before = outbox, stack.outbox
            stack.send(1)
            stack.settled(1)
        stack.outbox = before
        worker.stop()
    assert {"message 1": 1} == stack.texts_accepted()


@pytest.mark.parametrize("name", ["127.0.0.1", "elsewhere.example"])
def test_a_certificate_that_nobody_vouches_for_is_refused(
    stack: Stack, tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """By the state connection and by the broker's, of an unknown authority as for another name; no password is given away."""
    context, trusted = certified(tmp_path, name)
    options = f"?ssl_ca_certs={trusted}" if name != "127.0.0.1" else ""
    with Proxy(port_of(stack.server.url), tls=context) as encrypted:
        url = f"rediss://:s3cr3t@127.0.0.1:{encrypted.port}/0{options}"
        with Outbox(broker_url=url) as outbox, pytest.raises(StateUnavailable, match=r"(?i)certificate"):
            outbox.list_campaigns()
        app = App("asks", Settings(broker_url=url))
        with app.connection_for_write() as connection, pytest.raises(Exception, match=r"(?i)certificate"):
            _ = connection.default_channel
        stack.add_account()
        with Outbox(broker_url=url, state_url=stack.server.url) as outbox, caplog.at_level(logging.WARNING):
            stack.outbox, before = outbox, stack.outbox
            stack.send(1)
        stack.outbox = before
    assert "certificate" in caplog.text.lower()
    assert "s3cr3t" not in caplog.text


@pytest.mark.parametrize("scheme", ["unix", "redis+socket"])
def test_a_socket_is_an_address_in_both_spellings(sandbox: Sandbox, tmp_path: Path, scheme: str) -> None:
    """One address for broker and state, with our time-outs on both."""
    path = Path("/tmp") / f"paceline-{tmp_path.name[-12:]}.sock"
    with start_server(extra=("--unixsocket", str(path))) as server, Stack(server, sandbox) as built:
        built.scenario()
        built.add_account()
        url = f"{scheme}://{path}"
        built.workers.append(start_worker({**built.environment, "PACELINE_BROKER_URL": url}, forked=True))
        with Outbox(broker_url=url) as outbox:
            before, built.outbox = built.outbox, outbox
            built.send(1)
            built.settled(1)
        built.outbox = before
        assert {"message 1": 1} == built.texts_accepted()
