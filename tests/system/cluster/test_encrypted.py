"""A cluster as services sell it: TLS with an authority of its own, a user, and the rights that the documents name."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import closing

import pytest

from paceline import AsyncOutbox, Outbox, SendMessage, Settings
from paceline.errors import StateUnavailable
from paceline.state import connect
from paceline_sandbox.embedded import EmbeddedServerError
from tests.conftest import add_account
from tests.support.processes import free_port
from tests.support.servers import SERVER_KINDS, start_server
from tests.support.tls import certified
from tests.support.wait import wait_until
from tests.system.broker.test_access import PAGE, rules
from tests.system.cluster.test_cluster import PATIENCE

pytestmark = [pytest.mark.system]

HELLO = SendMessage(account="acme", sender="+15550100001", to="+15550100002", text="Hello")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address: one node with all slots is enough here."""
    directory = tmp_path_factory.mktemp("tls")
    _, trusted = certified(directory)
    port, key = free_port(), trusted.with_name(f"{trusted.stem}-key.pem")
    files = ("--tls-cert-file", key, "--tls-key-file", key, "--tls-ca-cert-file", trusted)
    options = (
        "--cluster-enabled",
        "yes",
        "--tls-cluster",
        "yes",
        "--tls-port",
        port,
        "--tls-auth-clients",
        "no",
        *files,
    )
    try:
        server = start_server(SERVER_KINDS[0], extra=[str(option) for option in options])
    except EmbeddedServerError as error:
        pytest.skip(f"this server was built without TLS: {error}")
    with server, closing(connect(server.url)) as admin:
        tell = admin.execute_command
        tell("CLUSTER", "ADDSLOTS", *range(16384))  # type: ignore[no-untyped-call]
        more = re.search(r"give users `([^`]*)` on a cluster, and\s+`([^`]*)`", PAGE.read_text(encoding="utf-8"))
        assert more
        words = [*rules("paceline-state"), *more[1].split(), *more[2].split()]
        tell("ACL", "SETUSER", "paceline-state", *words)  # type: ignore[no-untyped-call]
        add_account_when_ready(server.url)
        yield f"rediss+cluster://paceline-state:secret@127.0.0.1:1,127.0.0.1:{port}?ssl_ca_certs={trusted}"


def add_account_when_ready(url: str) -> None:
    """The cluster takes commands a moment after it has its slots."""

    def is_there() -> bool:
        with closing(connect(url)) as client:
            try:
                add_account(client, "acme")
            except StateUnavailable:
                return False
            return True

    wait_until(is_there, PATIENCE, "a cluster that takes commands")


def test_both_kinds_of_client_are_let_in(url: str) -> None:
    """Under TLS that is verified; whoever does not know the authority, or the password, is told so."""
    settings = Settings(broker_url="redis://127.0.0.1:9/0", state_url=url)
    with Outbox(settings=settings) as outbox:
        assert outbox.send(HELLO).id

    async def send() -> str:
        async with AsyncOutbox(settings=settings) as outbox:
            return (await outbox.send(HELLO)).id

    assert asyncio.run(send())
    for wrong, words in (
        (re.sub(r"\?.*", "", url), "certificate verify failed"),
        (url.replace("secret", "s3cr3t"), "refused access"),
    ):
        with (
            Outbox(settings=settings.model_copy(update={"state_url": wrong})) as outbox,
            pytest.raises(StateUnavailable, match=words) as refused,
        ):
            outbox.send(HELLO)
        assert "s3cr3t" not in str(refused.value)


def test_scripts_may_wait_with_the_rights_of_the_documents(url: str) -> None:
    """A replica is missing, and that is what is told, not a right."""
    settings = Settings(broker_url="redis://127.0.0.1:9/0", state_url=url, wait_replicas=1)
    with (
        Outbox(settings=settings) as outbox,
        pytest.raises(StateUnavailable, match="wrote it, and 0 of 1 replicas confirmed"),
    ):
        outbox.send(HELLO)
