"""The HTTP gateway, served by this process."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from paceline.gateway.app import build
from paceline.settings import Settings
from tests.support.processes import free_port


@contextmanager
def running(url: str, **options: Any) -> Iterator[str]:
    """A gateway of this process, in a thread.

    Args:
        url: broker and state.
        options: of `build`.
    """
    port = free_port()
    config = uvicorn.Config(build(Settings(broker_url=url), **options), port=port, log_level="warning", ws="none")
    served = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(served.serve()), daemon=True)
    thread.start()
    while not served.started:
        assert thread.is_alive()
        threading.Event().wait(0.01)
    yield f"http://127.0.0.1:{port}"
    served.should_exit = True
    thread.join(30)
