"""A provider that costs almost nothing: it accepts every message, and keeps when each one arrived.

    python -m benchmarks.stub [--port 0] [--latency-ms 0] [--jitter-ms 0]

The sandbox emulates 2Chat; this stub only answers, so that a benchmark measures the worker and the state server. It serves

    POST   /open/...        202 and a message_uuid of its own, after the latency; the arrival is kept
    GET    /open/info       a limit that binds nobody
    GET    /stub/arrivals   the log, as `benchmarks.arrivals.Arrivals` reads it
    GET    /stub/count      {"arrivals": N, "keys": K}
    PUT    /stub/latency    {"latency_ms": 20, "jitter_ms": 10}: each answer comes 20 to 30 ms after its call
    POST   /stub/reset      forgets all arrivals

Everything else is answered 404: the stub shows no conversations, so a look-up of an unknown outcome finds nothing.
"""

import argparse
import asyncio
import contextlib
import importlib
import json
import random
import signal
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Final, cast

from benchmarks.arrivals import Arrivals

_HEAD_END: Final = b"\r\n\r\n"
_INFO: Final = json.dumps(
    {"success": True, "account": {"on_trial": False, "blocked": False}, "limits": {"requests_per_minute": 1_000_000}}
).encode()
_REASONS: Final = {200: "OK", 202: "Accepted", 404: "Not Found"}


def response(status: int, body: bytes, kind: str = "application/json") -> bytes:
    """A whole HTTP response."""
    head = f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


_UUID_DIGITS: Final = 12
_ACCEPTED: Final = response(202, b'{"success": true, "message_uuid": "MSG-%s"}' % (b"0" * _UUID_DIGITS)).replace(
    b"MSG-" + b"0" * _UUID_DIGITS, b"MSG-%0" + str(_UUID_DIGITS).encode() + b"d"
)
_NOT_FOUND: Final = response(404, b'{"success": false}')


@dataclass
class Stub:
    """What all connections share.

    Args:
        latency_s: from a call to its answer.
        jitter_s: added to the latency, at most.
        log: all arrivals.
    """

    latency_s: float = 0.0
    jitter_s: float = 0.0
    log: Arrivals = field(default_factory=Arrivals)
    owners: dict[bytes, int] = field(default_factory=dict)

    def arrived(self, key: bytes, body: bytes) -> bytes:
        """Keep a call; returns its answer."""
        log = self.log
        log.times_us.append(time.time_ns() // 1000)
        owner = self.owners.get(key)
        if owner is None:
            owner = self.owners[key] = len(log.keys)
            log.keys.append(key.decode("latin-1"))
        log.owners.append(owner)
        log.digests.append(hash(body))
        return _ACCEPTED % len(log.times_us)

    def control(self, method: bytes, path: bytes, body: bytes) -> bytes:
        """Answer anything that is not a message."""
        match method, path:
            case b"GET", b"/open/info":
                return response(200, _INFO)
            case b"GET", b"/stub/arrivals":
                return response(200, self.log.to_bytes(), "application/octet-stream")
            case b"GET", b"/stub/count":
                return response(200, json.dumps({"arrivals": len(self.log), "keys": len(self.log.keys)}).encode())
            case b"PUT", b"/stub/latency":
                wanted = json.loads(body)
                self.latency_s, self.jitter_s = wanted["latency_ms"] / 1e3, wanted.get("jitter_ms", 0) / 1e3
                return response(200, b"{}")
            case b"POST", b"/stub/reset":
                for column in (self.log.times_us, self.log.owners, self.log.digests):
                    del column[:]
                return response(200, b"{}")
            case _:
                return _NOT_FOUND


class Connection(asyncio.Protocol):
    """One keep-alive connection; answers in the order of its calls.

    Args:
        stub: what all connections share.
    """

    def __init__(self, stub: Stub) -> None:
        self._stub = stub
        self._loop = asyncio.get_running_loop()
        self._rest = b""
        self._waiting: deque[bytes] = deque()
        self._last_due_s = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to write."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the name is the protocol's
        """Answers that still wait have nowhere to go."""
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """Answer every call that is complete."""
        if self._rest:
            data = self._rest + data
        while data:
            head_end = data.find(_HEAD_END)
            if head_end < 0:
                break
            body_at = head_end + 4
            end = body_at + int(header(data, b"Content-Length", head_end) or 0)
            if len(data) < end:
                break
            self._handle(data, head_end, data[body_at:end])
            data = data[end:]
        self._rest = data

    def _handle(self, data: bytes, head_end: int, body: bytes) -> None:
        stub = self._stub
        if data.startswith(b"POST /open/"):
            answer = stub.arrived(header(data, b"X-User-API-Key", head_end), body)
            if stub.latency_s or stub.jitter_s:
                self._answer_later(answer)
                return
        else:
            method, path, _ = data[: data.find(b"\r\n")].split(b" ", 2)
            answer = stub.control(method, path, body)
        if self._waiting:  # behind the answers of earlier calls
            self._answer_later(answer)
        elif self._transport:
            self._transport.write(answer)

    def _answer_later(self, answer: bytes) -> None:
        due_s = self._loop.time() + self._stub.latency_s + self._stub.jitter_s * random.random()
        self._last_due_s = max(due_s, self._last_due_s)
        self._waiting.append(answer)
        self._loop.call_at(self._last_due_s, self._answer_first)

    def _answer_first(self) -> None:
        answer = self._waiting.popleft()
        if self._transport:
            self._transport.write(answer)


def header(data: bytes, name: bytes, head_end: int) -> bytes:
    """The value of a header, b'' without it. Its usual spelling is found fast, any other one too."""
    at = data.find(b"\r\n%s: " % name, 0, head_end)
    if at < 0:
        at = data[:head_end].lower().find(b"\r\n%s:" % name.lower())
        if at < 0:
            return b""
    begin = at + len(name) + 3
    return data[begin : data.find(b"\r\n", begin)].strip()


async def serve(port: int, stub: Stub) -> None:
    """Serve until SIGTERM or SIGINT."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    for ending in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(ending, ended.set)
    server = await loop.create_server(lambda: Connection(stub), "127.0.0.1", port, backlog=4096)
    print(f"listening on http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await ended.wait()
    server.close()


def main() -> None:
    """Serve; on uvloop where it is installed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency-ms", type=float, default=0)
    parser.add_argument("--jitter-ms", type=float, default=0)
    options = parser.parse_args()
    factory = None
    with contextlib.suppress(ImportError):
        factory = importlib.import_module("uvloop").new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(serve(options.port, Stub(options.latency_ms / 1e3, options.jitter_ms / 1e3)))


if __name__ == "__main__":
    main()
