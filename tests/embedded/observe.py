"""What the tests of this folder look at: the operating system's view and the server's own."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import psutil
import redis

from tests.support.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from paceline_sandbox.embedded import EmbeddedServer

PLENTY = timedelta(seconds=150)


@contextmanager
def client_of(server: EmbeddedServer | str) -> Iterator[Any]:
    url = server if isinstance(server, str) else server.url
    client = redis.Redis.from_url(url, decode_responses=True)
    try:
        yield client
    finally:
        client.close()


def alive(pid: int) -> bool:
    """Whether a process still does anything: one that ended but was not collected by its parent does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def wait_for_end(pid: int) -> None:
    wait_until(lambda: not alive(pid), PLENTY, f"process {pid} to end")


def keeper_of(server: EmbeddedServer) -> int:
    """The process that stands between the owner and the server."""
    return int(psutil.Process(server.pid).ppid())
