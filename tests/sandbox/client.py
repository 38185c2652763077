import contextlib
from collections.abc import Iterator
from typing import Any

import httpx

from paceline_sandbox import RunningSandbox
from paceline_sandbox.faults.scenario import parse_toml

SENDER = "+15550100001"
RECIPIENT = "+15550100002"
# Most tests are about one thing; time and limits must not come into it.
QUIET = "latency_ms = 0\nserial_senders = false\n"
UNLIMITED = "\n[defaults]\nlimits = []\n"


def body(**fields: object) -> dict[str, object]:
    """A valid message; fields given replace its own, None removes them."""
    message: dict[str, object] = {"from_number": SENDER, "to_number": RECIPIENT, "text": "Hello", **fields}
    return {name: value for name, value in message.items() if value is not None}


class Client:
    """A caller of the API who never retries."""

    def __init__(self, sandbox: RunningSandbox, http: httpx.Client) -> None:
        self.sandbox = sandbox
        self.http = http

    def use(self, text: str) -> None:
        self.sandbox.use(parse_toml(text))

    def send(self, key: str | None = "key", **fields: object) -> httpx.Response:
        return self.post(body(**fields), key=key)

    def post(self, payload: object, key: str | None = "key") -> httpx.Response:
        return self.http.post("/open/whatsapp/send-message", json=payload, headers=_headers(key))

    def write(self, path: str, payload: object = None, key: str | None = "key") -> httpx.Response:
        """Any POST below the base path, by default as the usual sender."""
        if isinstance(payload, dict):
            payload = {"from_number": SENDER, **payload}
        return self.http.post(f"/open{path}", json=payload, headers=_headers(key))

    def delete(self, path: str, key: str | None = "key") -> httpx.Response:
        return self.http.delete(f"/open{path}", headers=_headers(key))

    def get(self, path: str, key: str | None = "key", **query: Any) -> httpx.Response:
        return self.http.get(path, headers=_headers(key), params=query)

    def codes(self, count: int, key: str = "key") -> list[int]:
        return [self.send(key, text=f"message {number}").status_code for number in range(count)]


def _headers(key: str | None) -> dict[str, str]:
    return {} if key is None else {"X-User-API-Key": key}


@contextlib.contextmanager
def connected(sandbox: RunningSandbox) -> Iterator[Client]:
    with httpx.Client(base_url=sandbox.root, trust_env=False, timeout=200) as http:
        yield Client(sandbox, http)
