"""Nothing of a call arrives after its end: by then its operation may be another worker's."""

import asyncio
import socket
import ssl
import time
from asyncio import selector_events
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest

from paceline_worker.provider.fenced import FencedSockets
from paceline_worker.state.sleep import sleepless_s
from paceline_worker.verdict.meaning import Answer, Meaning
from tests.unit.provider.provider_server import (
    KEY,
    REQUEST,
    SHORT_S,
    Handler,
    answering,
    listening,
    provider,
    read_request,
    response,
    self_signed,
)

ACCEPTED = response(202, b"{}")


@pytest.mark.parametrize(("stands_still_s", "arrive"), [(2 * SHORT_S, 1), (0.0, 2)])
@pytest.mark.parametrize("where", ["before its body", "before the system"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_process_that_stood_still_writes_nothing_after_its_call(
    scheme: str, where: str, stands_still_s: float, arrive: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its last look at the clock it is stopped (SIGSTOP), and goes on when its lease is over: another worker sends."""
    requests: list[bytes] = []
    server = self_signed(tmp_path) if scheme == "https" else None
    trusting = ssl.create_default_context(cafile=tmp_path / "certificate.pem") if server else None
    if trusting:
        trusting.check_hostname = False
        monkeypatch.setattr(aiohttp.connector, "_SSL_CONTEXT_VERIFIED", trusting)

    async def scenario() -> Answer:
        handler = answering(*[ACCEPTED] * 2, requests=requests)
        async with (
            listening(handler, server) as port,
            provider(port, deadline_s=SHORT_S, scheme=scheme) as made,
        ):
            await made.call(REQUEST, KEY)
            if where == "before the system":
                _stand_still_before_the_system_has_it(monkeypatch, stands_still_s)
                return await made.call(REQUEST, KEY)
            calling = asyncio.create_task(made.call(REQUEST, KEY))
            await asyncio.sleep(0)  # it has the open connection, and writes with its next step
            time.sleep(stands_still_s)  # noqa: ASYNC251 - all of the process stands still
            return await calling

    assert (Meaning.UNKNOWN if arrive == 1 else Meaning.ACCEPTED) == asyncio.run(scenario()).meaning
    assert arrive == len(requests)


def _stand_still_before_the_system_has_it(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Of the next transport that writes, which is the client's."""
    transport = cast("Any", selector_events)._SelectorSocketTransport  # noqa: SLF001
    write = transport.write

    def late(self: Any, data: Any) -> None:
        monkeypatch.setattr(transport, "write", write)
        time.sleep(seconds)
        write(self, data)

    monkeypatch.setattr(transport, "write", late)


@pytest.mark.parametrize(("ahead_s", "arrive"), [(-1.0, 0), (60.0, 1)])
def test_a_call_ends_with_its_lease(ahead_s: float, arrive: int) -> None:
    """A worker that stood still before it made the call counts from what the lease says, not from when it goes on."""
    requests: list[bytes] = []

    async def scenario() -> Answer:
        async with listening(answering(ACCEPTED, requests=requests)) as port, provider(port) as made:
            return await made.call(REQUEST, KEY, until_s=sleepless_s() + ahead_s)

    assert (Meaning.ACCEPTED if arrive else Meaning.UNKNOWN) == asyncio.run(scenario()).meaning
    assert arrive == len(requests)


def test_a_fence_holds_for_its_own_request_alone() -> None:
    """The next request on the same connection, also one that only reads, has a call of its own."""
    requests: list[bytes] = []

    async def scenario() -> list[Answer]:
        handler = answering(*[ACCEPTED] * 3, requests=requests)
        async with listening(handler) as port, provider(port) as made:
            first = await made.call(REQUEST, KEY, until_s=sleepless_s() + SHORT_S)
            await asyncio.sleep(2 * SHORT_S)
            reading = replace(REQUEST, method="GET", path="/info", body=None)
            return [first, await made.call(reading, KEY), await made.call(REQUEST, KEY)]

    assert [Meaning.ACCEPTED] * 3 == [answer.meaning for answer in asyncio.run(scenario())]
    assert len(requests) == 3


@pytest.mark.parametrize("how", ["send", "sendmsg"])
def test_the_rest_of_a_request_is_fenced_as_its_beginning(how: str) -> None:
    """Bytes that did not fit wait in the event loop, and a process may stand still meanwhile. A whole request ends its fence."""
    sockets = FencedSockets(timedelta(seconds=60))
    with socket.create_server(("127.0.0.1", 0)) as listener, sockets.make(_ADDRESS) as ours:
        ours.connect(listener.getsockname())
        ours.setblocking(False)
        sending: Callable[[bytes], int] = ours.send if how == "send" else lambda data: ours.sendmsg([data])
        for size, is_whole in ((10, True), (20_000_000, False)):
            request = b"x" * size
            _fence(sockets, ours, SHORT_S)
            assert is_whole == (sending(request) == size)
            time.sleep(2 * SHORT_S)
            if is_whole:
                assert sending(b"of the next request") == 19
        with pytest.raises(ConnectionAbortedError, match="before its request was written"):
            sending(b"the rest")


_ADDRESS = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ())


def _fence(sockets: FencedSockets, made: socket.socket, ahead_s: float) -> None:
    transport = asyncio.BaseTransport({"socket": made})
    sockets.fence(transport, sleepless_s() + ahead_s)


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="only Linux can be told how long it may try")
@pytest.mark.parametrize("holds_it", ["system", "event loop"])
def test_what_the_network_did_not_take_within_the_call_never_arrives(
    holds_it: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system, or the event loop, has bytes that the network does not take: both give them up with the call."""
    may_read, arrived = asyncio.Event(), asyncio.Queue[bool]()
    if holds_it == "event loop":
        _send_little_at_once(monkeypatch)

    async def late(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await may_read.wait()
        try:
            await read_request(reader)
        except (OSError, asyncio.IncompleteReadError):
            arrived.put_nowait(False)
        else:
            arrived.put_nowait(True)

    async def scenario() -> tuple[Answer, bool]:
        async with _narrow(late) as port, provider(port, deadline_s=SHORT_S) as made:
            answer = await made.call(replace(REQUEST, body={"text": "x" * 200_000}), KEY)
            await asyncio.sleep(4 * SHORT_S)
            may_read.set()
            async with asyncio.timeout(60):
                return answer, await arrived.get()

    answer, has_arrived = asyncio.run(scenario())
    assert (Meaning.UNKNOWN, False) == (answer.meaning, has_arrived)


def _send_little_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    make = FencedSockets.make

    def narrow(self: FencedSockets, address: tuple[Any, ...]) -> socket.socket:
        made = make(self, address)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        return made

    monkeypatch.setattr(FencedSockets, "make", narrow)


@asynccontextmanager
async def _narrow(handler: Handler) -> AsyncIterator[int]:
    """Serve on a free port, and take no more bytes than are read."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await handler(reader, writer)
            finally:
                writer.close()

        server = await asyncio.start_server(serve, sock=listener, limit=1024)
        try:
            yield listener.getsockname()[1]
        finally:
            server.close()
