"""A TCP proxy that misbehaves on command: it delays, cuts, refuses and swallows what passes through it.

It stands in for distance and for networks that fail. It runs on an event loop in a thread of its own; its methods may be called
from any thread, and have taken effect when they return.

Bytes of one direction of a connection keep their order, whatever delay each part draws. A delay does not limit throughput: each
part waits in a queue until it is due, and reading goes on meanwhile. A connection is accepted at once: only bytes are delayed.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections import deque
from random import Random
from typing import TYPE_CHECKING, Any, Final, Self, cast

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Coroutine
    from datetime import timedelta

HOST: Final = "127.0.0.1"
# One direction of one connection stops reading at this many bytes, which is far more than a test keeps under way.
_MOST_QUEUED: Final = 64 << 20
_PATIENCE_S: Final = 30
_RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER: close with a reset


class Proxy:
    """Forwards connections to one port of this machine; a context manager.

    Args:
        target: the port that connections are forwarded to.
        random: draws delays from their range.
        tls: makes it speak TLS to its clients.

    Attributes:
        port: where it listens.
        swallows: whether it is a black hole.
        ends: both sides of each connection.
        marker: what is in commands whose replies are cut.
        replies_cut: how many were.
        held_marker: what is in commands whose replies wait.
        commands_held: how many of them came.
        replies_held: how many parts of replies wait.
    """

    def __init__(self, target: int, random: Random | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.port = 0
        self.swallows = False
        self.marker: bytes | None = None
        self.replies_cut = 0
        self.held_marker: bytes | None = None
        self.commands_held = self.replies_held = 0
        self._most_replies_cut = 0
        self.ends: set[End] = set()
        self._target = target
        self._tls = tls
        self._random = random or Random(0)
        self._delay_s = (0.0, 0.0)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._server: asyncio.Server | None = None
        self._connecting: set[asyncio.Task[object]] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._listen)
        return self

    def __exit__(self, *_: object) -> None:
        self.refuse()
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def pass_through(self) -> None:
        """Accept connections and forward bytes at once; what was held goes on first."""

        async def apply() -> None:
            self._delay_s, self.swallows = (0.0, 0.0), False
            self.held_marker, self.commands_held, self.replies_held = None, 0, 0
            for end in self.ends:
                end.is_held = False
            await self._listen()
            self._drain_all()

        self._do(apply)

    def delay(self, shortest: timedelta, longest: timedelta | None = None) -> None:
        """Delay every part each way: always as long, or by a time drawn from a range."""

        async def apply() -> None:
            self._delay_s = shortest.total_seconds(), (longest or shortest).total_seconds()

        self._do(apply)

    def black_hole(self) -> None:
        """Keep connections, accept further ones, and forward nothing until `pass_through`."""

        async def apply() -> None:
            self.swallows = True

        self._do(apply)

    def lead_to(self, target: int) -> None:
        """Forward further connections to another port; those that are there stay with the one before."""

        async def apply() -> None:
            self._target = target

        self._do(apply)

    def refuse(self) -> None:
        """Take no further connections; those that are there stay."""

        async def apply() -> None:
            if self._server:
                self._server.close()
                self._server = None

        self._do(apply)

    def cut(self) -> None:
        """Reset all connections; further ones are taken."""

        async def apply() -> None:
            for task in self._connecting:
                task.cancel()
            for end in list(self.ends):
                end.reset()
            await asyncio.sleep(0)  # until they know of it

        self._do(apply)

    def cut_replies(self, marker: bytes, most: int) -> None:
        """Reset a connection when the target answers a command that holds these bytes: it was carried out, and nobody is told.

        Args:
            marker: such as the digest of a script.
            most: how many replies are cut; `replies_cut` counts them.
        """

        async def apply() -> None:
            self.marker, self.replies_cut, self._most_replies_cut = marker, 0, most

        self._do(apply)

    def hold_replies(self, marker: bytes) -> None:
        """Keep the replies of a connection that carried a command with these bytes, until `pass_through`.

        Args:
            marker: such as the digest of a script; `commands_held` counts such commands, `replies_held` what came back.
        """

        async def apply() -> None:
            self.held_marker, self.commands_held, self.replies_held = marker, 0, 0

        self._do(apply)

    def holds(self, data: bytes) -> bool:
        """Whether replies to a part are kept; it is counted."""
        holds = self.held_marker is not None and self.held_marker in data
        self.commands_held += holds
        return holds

    def cuts_reply(self) -> bool:
        """Whether a reply of a marked command is to be cut; it is taken to be."""
        if self.replies_cut >= self._most_replies_cut:
            return False
        self.replies_cut += 1
        return True

    def connections(self) -> int:
        """How many clients are connected."""
        return sum(end.of_client for end in self.ends)

    def draw_delay_s(self) -> float:
        """The delay of one part."""
        shortest, longest = self._delay_s
        return shortest if shortest == longest else self._random.uniform(shortest, longest)

    def connect(self, client: End) -> None:
        """Open the other half of a connection that a client made."""
        task: asyncio.Task[object] = self._loop.create_task(self._connect(client))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect(self, client: End) -> None:
        try:
            await self._loop.create_connection(lambda: client.peer, HOST, self._target)
        except OSError:
            client.reset()

    async def _listen(self) -> None:
        if self._server:
            return
        self._server = await self._loop.create_server(lambda: End(self), HOST, self.port, backlog=1024, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]

    def _drain_all(self) -> None:
        for end in list(self.ends):
            end.drain()

    def _do(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        asyncio.run_coroutine_threadsafe(work(), self._loop).result(_PATIENCE_S)


class End(asyncio.Protocol):
    """One side of a connection: what arrives here is written to its peer when it is due.

    Args:
        proxy: whose connection it is.
        peer: the other side; None for the client's, which makes its peer.
    """

    def __init__(self, proxy: Proxy, peer: End | None = None) -> None:
        self.of_client = peer is None
        self.peer = peer or End(proxy, self)
        self._proxy = proxy
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._lost = False
        self.is_marked = self.is_held = False
        self._full = False
        self._read_all = self._wrote_all = False
        self._queue: deque[tuple[float, bytes | None]] = deque()  # None: no more bytes will come
        self._queued = 0
        self._last_due_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connect the other side, or begin with what that side has received meanwhile."""
        self._transport = cast("asyncio.Transport", transport)
        self._proxy.ends.add(self)
        if self.of_client:
            self._proxy.connect(self)
        else:
            self.peer.drain()

    def data_received(self, data: bytes) -> None:
        """Queue one part, unless it is the reply of a marked command."""
        if self.of_client:
            self.peer.is_marked |= self._proxy.marker is not None and self._proxy.marker in data
            self.peer.is_held |= self._proxy.holds(data)
        else:
            self._proxy.replies_held += self.is_held
            if self.is_marked:
                self.is_marked = False
                if self._proxy.cuts_reply():
                    self.reset()
                    return
        self._put(data)
        self._queued += len(data)
        if self._queued > _MOST_QUEUED and self._transport:
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """Pass the end on behind the bytes before it; the other direction may go on."""
        self._read_all = True
        self._put(None)
        return not self._wrote_all

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the name is the protocol's
        """Pass the loss on behind the bytes before it."""
        self._transport, self._lost = None, True
        self._proxy.ends.discard(self)
        self._put(None)
        self.peer.drain()

    def pause_writing(self) -> None:
        """The peer waits until the bytes written here are gone."""
        self._full = True

    def resume_writing(self) -> None:
        """The peer may go on."""
        self._full = False
        self.peer.drain()

    def reset(self) -> None:
        """Lose the connection at once, with all that waits."""
        for end in (self, self.peer):
            end.forget()

    def forget(self) -> None:
        """The half of `reset` that is about this side."""
        self._queue.clear()
        if self._transport:
            with contextlib.suppress(OSError):
                self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._transport.abort()

    def drain(self) -> None:
        """Write what is due to the peer, and come back for the rest."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        target = self.peer
        while self._queue and not (self._proxy.swallows or self.is_held or target.blocked):
            due_s, data = self._queue[0]
            if due_s > self._loop.time():
                self._timer = self._loop.call_at(due_s, self.drain)
                return
            self._queue.popleft()
            if data is None:
                target.end(whole=self._lost)
            else:
                target.write(data)
                self._queued -= len(data)
        if self._queued <= _MOST_QUEUED and self._transport:
            self._transport.resume_reading()

    @property
    def blocked(self) -> bool:
        """Whether nothing can be written here now."""
        return self._full or (self._transport is None and not self._lost)

    def write(self, data: bytes) -> None:
        """Write to this side, if it is still there."""
        if self._transport:
            self._transport.write(data)

    def end(self, *, whole: bool) -> None:
        """Nothing more is written here: close this side, or only its direction."""
        if not self._transport or self._transport.is_closing():
            return
        self._wrote_all = True
        if whole or self._read_all:
            self._transport.close()
        else:
            with contextlib.suppress(OSError):
                self._transport.write_eof()

    def _put(self, data: bytes | None) -> None:
        self._last_due_s = max(self._last_due_s, self._loop.time() + self._proxy.draw_delay_s())
        self._queue.append((self._last_due_s, data))
        if not self._timer:
            self.drain()
