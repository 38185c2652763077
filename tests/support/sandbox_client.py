"""The sandbox's own side, as tests use it: what arrived, what to answer, begin again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.request import ProxyHandler, Request, build_opener

if TYPE_CHECKING:
    from collections.abc import Mapping

TIMEOUT_S = 30


class SandboxClient:
    """Talks to `/sandbox/*` of one running sandbox.

    Args:
        origin: Its address without a path, such as `http://127.0.0.1:8080`.
    """

    def __init__(self, origin: str) -> None:
        self.origin = origin.rstrip("/")
        self._opener = build_opener(ProxyHandler({}))  # a proxy from the environment must not see local calls

    def arrivals(self, since: int = 0) -> list[dict[str, Any]]:
        """The requests that reached the provider, in order of arrival.

        Args:
            since: Place of the first one wanted.
        """
        path = f"/sandbox/arrivals?since={since}"
        return [json.loads(line) for line in self._call("GET", path).splitlines() if line]

    def report(self) -> dict[str, Any]:
        """Per API key: arrivals, accepted, duplicates, limit violations, answers by code."""
        report: dict[str, Any] = json.loads(self._call("GET", "/sandbox/report"))
        return report

    def put_scenario(self, scenario: Mapping[str, Any]) -> None:
        """Replaces what the provider answers from now on."""
        self._call("PUT", "/sandbox/scenario", json.dumps(scenario).encode())

    def reset(self) -> None:
        """Forgets all arrivals and everything counted."""
        self._call("POST", "/sandbox/reset", b"")

    def _call(self, method: str, path: str, body: bytes | None = None) -> bytes:
        headers = {"Content-Type": "application/json"} if body else {}
        request = Request(self.origin + path, data=body, headers=headers, method=method)
        with self._opener.open(request, timeout=TIMEOUT_S) as answer:
            content: bytes = answer.read()
        return content
