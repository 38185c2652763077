"""A sandbox inside another Python process, on a thread of its own."""

import asyncio
import contextlib
import json
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any, Final
from urllib.request import ProxyHandler, Request, build_opener

from paceline_sandbox.faults.scenario import Scenario
from paceline_sandbox.server import DEFAULT_HOST, Settings, serving

_ANSWER_WITHIN_S: Final = 30.0


class RunningSandbox:
    """A sandbox that is listening, and short ways to its own side.

    Args:
        root: its root address, without a slash at the end.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self.api_base = f"{root}/open"
        self._opener = build_opener(ProxyHandler({}))  # a proxy from the environment must not see local calls

    def arrivals(self, since: int = 0) -> list[dict[str, Any]]:
        """The arrival log.

        Args:
            since: the index of the first arrival wanted.
        """
        text = self._call("GET", f"/sandbox/arrivals?since={since}")
        return [json.loads(line) for line in text.splitlines()]

    def receipts(self, since: int = 0) -> list[dict[str, Any]]:
        """Every delivery of a webhook that was tried.

        Args:
            since: the index of the first one wanted.
        """
        text = self._call("GET", f"/sandbox/receipts?since={since}")
        return [json.loads(line) for line in text.splitlines()]

    def report(self) -> dict[str, Any]:
        """The report as ``/sandbox/report`` gives it."""
        report: dict[str, Any] = json.loads(self._call("GET", "/sandbox/report"))
        return report

    def use(self, scenario: Scenario) -> None:
        """Puts another scenario into force.

        Args:
            scenario: the new one.
        """
        # Only what was set: a key's fields that were left to [defaults] must stay left.
        self._call("PUT", "/sandbox/scenario", scenario.model_dump_json(exclude_unset=True).encode())

    def reset(self) -> None:
        """Clears log, messages and counts."""
        self._call("POST", "/sandbox/reset")

    def _call(self, method: str, path: str, body: bytes | None = None) -> str:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        request = Request(self.root + path, data=body, headers=headers, method=method)  # noqa: S310 - our own address
        with self._opener.open(request, timeout=_ANSWER_WITHIN_S) as response:
            text: str = response.read().decode()
        return text


@contextlib.contextmanager
def running_sandbox(
    scenario: Scenario | None = None, *, host: str = DEFAULT_HOST, port: int = 0, seed: int = 0
) -> Iterator[RunningSandbox]:
    """Runs a sandbox on a thread for the length of a ``with`` block.

    Args:
        scenario: how it behaves; by default as the default scenario.
        host: the address to listen on.
        port: the port; 0 picks a free one.
        seed: decides about faults with a probability.

    Yields:
        The sandbox, listening.

    Raises:
        OSError: the port cannot be had.
    """
    settings = Settings(scenario or Scenario(), host=host, port=port, seed=seed)
    ready: Future[tuple[str, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def serve() -> None:
        stopped = asyncio.Event()
        async with serving(settings) as root:
            ready.set_result((root, asyncio.get_running_loop(), stopped))
            await stopped.wait()

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:  # handed to the thread that waits for readiness
            if ready.done():
                raise
            ready.set_exception(error)

    thread = threading.Thread(target=run, name="paceline-sandbox", daemon=True)
    thread.start()
    root, loop, stopped = ready.result()
    try:
        yield RunningSandbox(root)
    finally:
        loop.call_soon_threadsafe(stopped.set)
        thread.join()
