"""Connections of the receiver: so many at once, and each has to say soon what it wants.

aiohttp waits for the head of a request for ever. A thousand connections that say nothing, or one byte in a while, would use up
the descriptors of the process, and nobody else would be heard.
"""

import asyncio
from typing import Any, Final

# Half of what a process may open where nobody raised that limit (1,024).
MOST_CONNECTIONS: Final = 512
# From the connection, or from the last answer, to the end of a request's head.
HEAD_S: Final = 10.0


class Connections:
    """The open connections of one server.

    Args:
        most: with more connections, the longest silent one is closed.
        head_s: seconds until a head has to be complete.
        idle_s: the same for a connection that had an answer before.
    """

    def __init__(self, *, most: int = MOST_CONNECTIONS, head_s: float = HEAD_S, idle_s: float) -> None:
        self._most = most
        self._head_s = head_s
        self._idle_s = idle_s
        self._all: set[Any] = set()
        # Those that are waited for, the longest first.
        self._silent: dict[Any, asyncio.TimerHandle] = {}

    def front(self, handler: asyncio.Protocol) -> asyncio.Protocol:
        """A protocol that stands before a request handler of aiohttp.

        Args:
            handler: of one connection.
        """
        return _Front(handler, self)

    def opened(self, transport: Any) -> None:
        """A connection came."""
        self._all.add(transport)
        self._wait(transport, self._head_s)
        if len(self._all) > self._most:
            self._close(next(iter(self._silent)))

    def asked(self, transport: Any) -> None:
        """The head of a request is complete."""
        self._stop_waiting(transport)

    def answered(self, transport: Any) -> None:
        """A request was answered; another may follow."""
        if transport in self._all:
            self._wait(transport, self._idle_s)

    def lost(self, transport: Any) -> None:
        """A connection is gone."""
        self._all.discard(transport)
        self._stop_waiting(transport)

    def _wait(self, transport: Any, seconds: float) -> None:
        self._stop_waiting(transport)
        self._silent[transport] = asyncio.get_running_loop().call_later(seconds, self._close, transport)

    def _stop_waiting(self, transport: Any) -> None:
        timer = self._silent.pop(transport, None)
        if timer:
            timer.cancel()

    def _close(self, transport: Any) -> None:
        self._stop_waiting(transport)
        self._all.discard(transport)
        transport.abort()


class _Front(asyncio.Protocol):
    """Passes everything on, and tells of the connection's beginning and end."""

    def __init__(self, handler: Any, connections: Connections) -> None:
        self._handler = handler
        self._connections = connections
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._handler.connection_made(transport)
        self._connections.opened(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.lost(self._transport)
        self._handler.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._handler.data_received(data)

    def eof_received(self) -> bool | None:
        return self._handler.eof_received()  # type: ignore[no-any-return]

    def pause_writing(self) -> None:
        self._handler.pause_writing()

    def resume_writing(self) -> None:
        self._handler.resume_writing()
