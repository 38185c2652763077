"""RabbitMQ for tests: a broker of its own on free ports, plain and TLS, which can be killed and started again."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import pytest
from amqp.exceptions import NotFound, PreconditionFailed

from paceline.inbox.app import App
from paceline.settings import Settings
from paceline_sandbox.embedded import free_port
from tests.support.processes import Process, spawn
from tests.support.tls import certified
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from types import TracebackType

# Debian's own command changes the user; the program beside it does not.
_PROGRAM: Final = "/usr/lib/rabbitmq/bin/rabbitmq-server"
_PATIENCE: Final = timedelta(seconds=150)


def program() -> str:
    """Where the broker is; without, the test is skipped, or fails where ``CI=true``."""
    path = os.environ.get("RABBITMQ") or _PROGRAM
    if shutil.which(path):
        return path
    missing = "rabbitmq-server is missing: deploy/rabbitmq/fetch.sh installs Debian's package, as root, where there is apt-get"
    if os.environ.get("CI", "").lower() in {"1", "true"} and os.geteuid() == 0 and shutil.which("apt-get"):
        pytest.fail(missing)
    pytest.skip(missing)


def _lean(installed: Path, home: Path) -> Path:
    """The program in a home without the plugins: RabbitMQ looks into all at each start, and tests use none."""
    scripts = installed.resolve().parent
    shutil.copytree(scripts, home / "sbin")
    (home / "escript").symlink_to(scripts.parent / "escript")
    (home / "plugins").mkdir()
    for part in (scripts.parent / "plugins").iterdir():
        if not part.name.startswith("rabbitmq_") or part.name.startswith("rabbitmq_prelaunch"):
            (home / "plugins" / part.name).symlink_to(part)
    return home / "sbin" / installed.name


class RabbitMQ:
    """One broker; a context manager.

    Args:
        folder: where its files go, of a short path.
    """

    def __init__(self, folder: Path) -> None:
        self._program, self._folder = _lean(Path(program()), folder / "home"), folder
        ports = [free_port() for _ in range(4)]
        self._plain, self._tls, distribution, self._epmd = ports
        _, self._trusted = certified(folder)
        configuration = folder / "rabbitmq.conf"
        lines = {
            "listeners.tcp.default": f"127.0.0.1:{self._plain}",
            "listeners.ssl.default": f"127.0.0.1:{self._tls}",
            "ssl_options.cacertfile": self._trusted,
            "ssl_options.certfile": self._trusted,
            "ssl_options.keyfile": folder / "127.0.0.1-key.pem",
            "ssl_options.verify": "verify_none",
            "disk_free_limit.absolute": "1MB",
            "vm_memory_high_watermark.absolute": "4GB",
            # Written in full at each start, 512 MB otherwise.
            "raft.wal_max_size_bytes": "4194304",
        }
        configuration.write_text("".join(f"{name} = {value}\n" for name, value in lines.items()), encoding="utf-8")
        self._environment = {
            "HOME": str(folder),  # the Erlang cookie
            "RABBITMQ_NODENAME": f"paceline{self._plain}@localhost",
            "RABBITMQ_DIST_PORT": str(distribution),
            "ERL_EPMD_PORT": str(self._epmd),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_CONFIG_FILE": str(configuration),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            # One scheduler that does not spin: other tests want the machine, too.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none",
        }
        (folder / "plugins").write_text("[].", encoding="utf-8")
        self._process: Process | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        # Its name server, on a port of its own, outlives every node.
        command = ["epmd", "-port", str(self._epmd), "-kill"]
        subprocess.run(command, capture_output=True, timeout=200, check=False, env={**os.environ, **self._environment})

    @property
    def url(self) -> str:
        """The plain address."""
        return f"amqp://guest:guest@127.0.0.1:{self._plain}//"

    @property
    def encrypted_url(self) -> str:
        """The address with TLS, verified."""
        return f"amqps://guest:guest@127.0.0.1:{self._tls}//?ssl_ca_certs={self._trusted}"

    def start(self) -> None:
        """Start, and return when it takes connections."""
        self._process = spawn([self._program], self._environment, self._folder / "rabbitmq.log")
        wait_until(self._answers, _PATIENCE, lambda: f"RabbitMQ answers: {self._process and self._process.log_text()}")

    def kill(self) -> None:
        """End all at once, with what it did not write."""
        if self._process:
            self._process.kill()
            self._process = None

    def depth(self, queue: str) -> int:
        """How many messages wait in a queue."""
        with App(
            "looks", Settings(broker_url=self.url, state_url="redis://unused")
        ).connection_for_read() as connection:
            return int(connection.default_channel.queue_declare(queue=queue, passive=True).message_count)

    def purge(self, queue: str) -> None:
        """Throw away what waits in a queue."""
        self._on_channel(lambda channel: channel.queue_purge(queue))

    def has(self, queue: str) -> bool:
        """Whether a queue exists."""
        try:
            self.depth(queue)
        except NotFound:
            return False
        return True

    def forget(self, *queues: str) -> None:
        """Delete queues with what is in them."""
        for queue in queues:
            self._on_channel(lambda channel, name=queue: channel.queue_delete(name))

    def type_of(self, queue: str) -> str:
        """The type of a queue: RabbitMQ refuses whoever declares another one."""
        for kind in ("classic", "quorum"):
            try:
                self._on_channel(
                    lambda channel, kind=kind: channel.queue_declare(
                        queue, durable=True, auto_delete=False, arguments={"x-queue-type": kind}
                    )
                )
            except PreconditionFailed:
                continue
            else:
                return kind
        raise AssertionError(queue)

    def _on_channel(self, act: Any) -> None:
        with App(
            "acts", Settings(broker_url=self.url, state_url="redis://unused")
        ).connection_for_write() as connection:
            act(connection.default_channel)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.exit_code is None, self._process.log_text()
        try:
            self._on_channel(lambda _: None)
        except Exception:  # noqa: BLE001 - not there yet, in any of its ways
            time.sleep(0.3)
            return False
        return True
