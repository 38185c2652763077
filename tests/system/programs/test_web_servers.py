"""Services behind real web servers: forked after their application was loaded, with greenlets, with and without threads."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import pytest
import redis

from paceline import names
from paceline_sandbox.embedded import EmbeddedServer
from tests.conftest import add_account
from tests.scripts.accept.test_producers import hinted, written
from tests.support.processes import free_port, spawn
from tests.support.stack import PATIENCE
from tests.support.wait import wait_until

pytestmark = [pytest.mark.system]

# As `gunicorn --preload` and uWSGI load it: once, before they fork, and it has sent something by then.
APPLICATION = """
from paceline import Outbox, SendMessage

outbox = Outbox()

def send():
    return outbox.send(SendMessage(account="acme", sender="+15550100001", to="+15550100002", text="Hello"))

send()

def application(environ, start_response):
    ticket = send()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [ticket.id.encode()]
"""
BIN = Path(sys.executable).parent
GUNICORN = [BIN / "gunicorn", "--workers", "2", "--preload", "--no-control-socket", "--bind", "127.0.0.1:{port}"]
UWSGI = [BIN / "uwsgi", "--http-socket", "127.0.0.1:{port}", "--processes", "2", "--master", "--die-on-term"]
SERVERS = {
    "gunicorn": [*GUNICORN, "application"],
    "gevent": [*GUNICORN, "--worker-class", "gevent", "application"],
    "uwsgi": [*UWSGI, "--enable-threads", "--module", "application"],
    "uwsgi without threads": [*UWSGI, "--module", "application"],
}
REQUESTS = 12
SILENT = "threads do not run in this process"


@pytest.fixture(params=SERVERS)
def served(
    request: pytest.FixtureRequest, server: EmbeddedServer, client: redis.Redis, tmp_path: Path
) -> Iterator[tuple[str, str, Path]]:
    """A running server: its name, its address and its log."""
    name = request.param
    if sys.platform != "linux" and name.startswith("uwsgi"):
        pytest.skip("there are wheels of uWSGI for Linux only")
    add_account(client, "acme")
    (tmp_path / "application.py").write_text(APPLICATION)
    port, log = free_port(), tmp_path / "log"
    environment = {names.ENV_BROKER_URL: server.url, "PYTHONPATH": str(tmp_path)}
    args = [str(word).format(port=port) for word in SERVERS[name]]
    with spawn(args, environment, log) as process:
        process.wait_for_line(r"Listening at|spawned uWSGI worker 2")
        yield name, f"http://127.0.0.1:{port}/", log
    client.flushall()


def test_every_request_leaves_its_hint(served: tuple[str, str, Path], client: redis.Redis) -> None:
    """Each record is named in exactly one hint, soon, whoever serves the request."""
    name, address, log = served
    opener = build_opener(ProxyHandler({}))

    def ask(_: int) -> str:
        with opener.open(address, timeout=200) as answer:
            return str(answer.read().decode())

    with ThreadPoolExecutor(4) as pool:
        ids = set(pool.map(ask, range(REQUESTS)))
    assert REQUESTS == len(ids)
    assert REQUESTS + 1 == len(written(client))
    wait_until(lambda: written(client) == hinted(client), PATIENCE, "all hints")
    text = log.read_text()
    assert "Traceback" not in text
    if name == "uwsgi without threads":
        assert SILENT in text
