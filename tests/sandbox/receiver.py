import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

from tests.sandbox.client import QUIET, RECIPIENT, SENDER, UNLIMITED, Client

# A bound for what must happen some time, never an expectation of how long it takes.
PATIENCE_S = 30.0
AT_ONCE = "sent_ms = 0\nreceived_ms = 0\nread_ms = 0\n"
MUCH_LATER = "sent_ms = 600000\n"


class Receiver:
    """A receiver of webhooks that keeps what it was sent, in the order of arrival."""

    def __init__(self) -> None:
        self.url = ""
        self.posts: list[tuple[str, dict[str, Any]]] = []
        self.status = 200
        self.headers: dict[str, str] = {}
        self.released = threading.Event()
        self.released.set()

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [body for _, body in self.posts]

    @property
    def events(self) -> list[str]:
        return [body["event"] for body in self.bodies]


@contextlib.contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            receiver.posts.append((self.path, body))
            receiver.released.wait()
            with contextlib.suppress(OSError):  # the sandbox has hung up
                self.send_response(receiver.status)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    receiver.url = f"http://127.0.0.1:{server.server_port}/hook"
    try:
        yield receiver
    finally:
        receiver.released.set()
        server.shutdown()
        thread.join()
        server.server_close()


def until(holds: Callable[[], object]) -> None:
    """Waits until something holds; whoever calls it says by that that it must."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.005)


def settled(client: Client) -> dict[str, int]:
    """Waits until no receipt is to be delivered any more; the report's counts of receipts."""
    until(lambda: client.sandbox.report()["receipts"]["waiting"] == 0)
    counts: dict[str, int] = client.sandbox.report()["receipts"]
    return counts


def scenario(receipts: str = AT_ONCE, rest: str = "") -> str:
    return QUIET + rest + UNLIMITED + "[receipts]\n" + receipts


def subscribe(client: Client, event: str, hook_url: str, key: str | None = "key", **fields: Any) -> httpx.Response:
    body = {"hook_url": hook_url, "on_number": SENDER, **fields}
    given = {name: value for name, value in body.items() if value is not None}
    headers = {} if key is None else {"X-User-API-Key": key}
    return client.http.post(f"/open/webhooks/subscribe/{event}", json=given, headers=headers)


def subscribe_to_receipts(client: Client, hook_url: str) -> None:
    for step in ("sent", "received", "read", "not-sent"):
        assert subscribe(client, f"whatsapp.message.receipt.{step}", hook_url).status_code == 200


def unsubscribe(client: Client, uuid: str) -> httpx.Response:
    return client.http.delete(f"/open/webhooks/{uuid}", headers={"X-User-API-Key": "key"})


def sent_id(response: httpx.Response) -> str:
    assert response.status_code == 202
    message_uuid: str = response.json()["message_uuid"]
    return message_uuid


def state(client: Client, to: str = RECIPIENT) -> tuple[Any, ...]:
    """What the history tells of the newest message to somebody: ack, sent, received, read."""
    newest = client.get(f"/open/whatsapp/messages/{SENDER}/{to}").json()["messages"][0]
    return tuple(newest[name] for name in ("wa_msg_ack", "sent", "received", "read"))
