"""deploy/first-start.sh, and the state server of the compose file as the script sets it up: TLS, and a password for each role."""

import os
import re
import shutil
import stat
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
import redis

from paceline import Outbox, SendMessage
from paceline.settings import Settings
from paceline_sandbox.embedded import free_port
from paceline_worker.accounts.secrets import KeyRing
from tests.support.processes import spawn, start_sandbox, start_worker
from tests.support.roles import roles
from tests.support.shell import paceline
from tests.support.wait import wait_until

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "deploy" / "first-start.sh"

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")


def first_start(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "ENV_FILE": str(directory / "env"),
        "PRIVATE": str(directory / "private"),
    }
    return subprocess.run([str(SCRIPT), *arguments], env=environment, capture_output=True, text=True, check=False)


def settings_of(directory: Path) -> dict[str, str]:
    return dict(re.findall(r"^([A-Z_]+)=(.+)$", (directory / "env").read_text(), re.MULTILINE))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("first-start")
    ended = first_start(directory)
    assert (0, "") == (ended.returncode, ended.stderr)
    return directory


def test_everything_is_filled_in(made: Path) -> None:
    """A secret key that Paceline takes, and for each role an address with a password of its own, long and at random."""
    settings = settings_of(made)
    assert KeyRing(settings["PACELINE_SECRET_KEY"])
    addresses = [settings[f"PACELINE_{role.upper()}_URL"] for role in roles()]
    passwords = {address.split(":")[2].split("@")[0] for address in addresses}
    assert len(roles()) == len(passwords)
    assert {48} == {len(password) for password in passwords}
    for address in addresses:
        assert address.startswith("rediss://")
        assert address == Settings(broker_url=address).state_url


def test_secrets_are_for_their_owner(made: Path) -> None:
    """Nobody else on the machine reads .env or comes into the folder; the users' file holds no password."""
    assert 0o600 == stat.S_IMODE((made / "env").stat().st_mode)
    assert 0o700 == stat.S_IMODE((made / "private").stat().st_mode)
    assert 0o600 == stat.S_IMODE((made / "private" / "ca.key").stat().st_mode)
    users = (made / "private" / "valkey" / "users.acl").read_text()
    assert ">" not in users.replace(">=", "")
    assert not any(
        address.split(":")[2].split("@")[0] in users for address in settings_of(made).values() if "@" in address
    )


def test_a_second_run_keeps_what_is_there(tmp_path: Path) -> None:
    """Also lines that somebody wrote; an address that was deleted gets another password."""
    first_start(tmp_path)
    with (tmp_path / "env").open("a") as file:
        file.write("PACELINE_CAPACITY=50\n")
    before, kept = settings_of(tmp_path), (tmp_path / "private" / "valkey" / "server.pem").read_bytes()
    assert 0 == first_start(tmp_path).returncode
    assert before == settings_of(tmp_path)
    assert kept == (tmp_path / "private" / "valkey" / "server.pem").read_bytes()

    text = (tmp_path / "env").read_text()
    (tmp_path / "env").write_text(re.sub(r"^PACELINE_READER_URL=.*\n", "", text, flags=re.MULTILINE))
    assert 0 == first_start(tmp_path, "--renew").returncode
    after = settings_of(tmp_path)
    assert {"PACELINE_READER_URL"} == {name for name in before if before[name] != after[name]}
    assert kept != (tmp_path / "private" / "valkey" / "server.pem").read_bytes()
    assert 1 == first_start(tmp_path, "--help").returncode


@dataclass(frozen=True)
class Server:
    """A running server, and the settings to reach it."""

    port: int
    directory: Path

    def url_of(self, role: str) -> str:
        address = settings_of(self.directory)[f"PACELINE_{role.upper()}_URL"]
        trusted = self.directory / "private" / "trust" / "ca.pem"
        return address.replace("@valkey:6379", f"@localhost:{self.port}").replace(
            "/etc/paceline/trust/ca.pem", str(trusted)
        )


@pytest.fixture(scope="module")
def server(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real one, with deploy/valkey/valkey.conf but for its folders, its port and its interface."""
    program = shutil.which("valkey-server") or shutil.which("redis-server")
    if program is None:
        pytest.skip("no server is installed")
    data, port = tmp_path_factory.mktemp("data"), free_port()
    text = (ROOT / "deploy" / "valkey" / "valkey.conf").read_text()
    text = text.replace("/etc/valkey-private", str(made / "private" / "valkey")).replace("dir /data", f"dir {data}")
    text = text.replace("tls-port 6379", f"tls-port {port}").replace("bind * -::*", "bind 127.0.0.1")
    configuration = data / "valkey.conf"
    configuration.write_text(text)
    with spawn([program, str(configuration)], {}, data / "server.log") as process:
        found = Server(port, made)

        def answers() -> bool:
            if process.exit_code is not None:
                pytest.skip(f"this server takes no TLS: {process.log_text()[-300:]}")
            try:
                with redis.Redis.from_url(found.url_of("operator")) as client:
                    return bool(client.ping())
            except redis.ConnectionError:
                return False

        wait_until(answers, timedelta(seconds=30), "the server answers")
        yield found


def refusal_of(url: str) -> str:
    """The class of the error that keeps a client out."""
    try:
        with redis.Redis.from_url(url) as client:
            client.ping()
    except redis.RedisError as error:
        return type(error).__name__
    return ""


def test_nobody_comes_in_without_a_password_and_a_trusted_certificate(server: Server) -> None:
    """Neither without a user, nor with a wrong password, nor in clear; nor does a client take a certificate of somebody else."""
    good = server.url_of("worker")
    assert "" == refusal_of(good)
    assert "AuthenticationError" == refusal_of(re.sub("//.*@", "//", good))
    assert "AuthenticationError" == refusal_of(re.sub(":[0-9a-f]{48}@", ":wrong@", good))
    assert "ConnectionError" == refusal_of(good.replace("rediss://", "redis://").partition("?")[0])
    assert "ConnectionError" == refusal_of(good.partition("?")[0])


def test_the_health_check_may_ask_for_nothing_else(server: Server) -> None:
    """Its user has no password, and may do nothing but PING."""
    url = re.sub("//.*@", "//health:-@", server.url_of("worker"))
    with redis.Redis.from_url(url) as client:
        assert client.ping()
        with pytest.raises(redis.exceptions.NoPermissionError):
            client.get("paceline:{0}:meta")


def test_each_service_works_in_its_role(server: Server, tmp_path: Path) -> None:
    """A person adds an account, a service sends, a worker delivers, the exporter reads: each with its own password, over TLS."""
    secret = settings_of(server.directory)["PACELINE_SECRET_KEY"]
    with start_sandbox(log_path=tmp_path / "sandbox.log") as sandbox:
        common = {"PACELINE_API_BASE": f"{sandbox.origin}/open", "PACELINE_SECRET_KEY": secret}
        operator = {**common, "PACELINE_BROKER_URL": server.url_of("operator")}
        added = paceline(operator, "accounts", "add", "acme", "--limit", "600/minute", "--no-info", stdin="UAKsecret\n")
        assert 0 == added.code, added.err
        variables = {**common, "PACELINE_BROKER_URL": server.url_of("worker"), "PACELINE_METRICS_PORT": "0"}
        worker = start_worker(variables, forked=True)
        with worker, Outbox(settings=Settings(broker_url=server.url_of("producer"))) as outbox:
            outbox.send(SendMessage(account="acme", sender="+15550100001", to="+15550100002", text="Hello"))

            def accepted() -> bool:
                time.sleep(0.5)  # a command costs more than a look
                return '"accepted": 1' in paceline(operator, "audit", "--json").out

            wait_until(accepted, timedelta(seconds=150), "the message is accepted")
        exporter = {"PACELINE_BROKER_URL": server.url_of("exporter")}
        shown = paceline(exporter, "exporter", "--once")
        assert 0 == shown.code, shown.err
        assert 'paceline_backlog_operations{account="acme"' in shown.out
