"""Sockets that hand a request to the system within its call or never, and a system that delivers it within its call or never.

Whoever goes on after its lease would send what another worker has sent meanwhile. Two things go on after a call has ended: a
process that stood still (SIGSTOP) between its last look at the clock and the write, and the system, which repeats bytes that
nobody acknowledges for minutes, also for a process that is gone.
"""

import asyncio
import socket
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Final
from weakref import WeakValueDictionary

from paceline_worker.state.sleep import sleepless_s

# Linux alone can be told how long it may try.
_USER_TIMEOUT: Final[int | None] = getattr(socket, "TCP_USER_TIMEOUT", None)


class _FencedSocket(socket.socket):
    """Looks at the clock in the step that hands bytes to the system.

    Attributes:
        until_s: nothing is sent afterwards, as `sleepless_s` tells the time.
    """

    until_s = float("inf")

    def send(self, data: Any, flags: int = 0, /) -> int:
        self._look()
        return self._sent(super().send(data, flags), len(data))

    def sendmsg(self, buffers: Iterable[Any], /, *options: Any) -> int:
        whole = list(buffers)
        self._look()
        return self._sent(super().sendmsg(whole, *options), sum(map(len, whole)))

    def _look(self) -> None:
        if sleepless_s() > self.until_s:
            raise ConnectionAbortedError("the call was over before its request was written")

    def _sent(self, sent: int, size: int) -> int:
        if sent == size:  # the rest of a request that did not fit is its call's, too
            self.until_s = float("inf")
        return sent


class FencedSockets:
    """Makes the sockets of a connector, and tells each when its call ends.

    Args:
        deadline: of a call. The system gives a connection up whose bytes nobody acknowledges for so long.
    """

    def __init__(self, deadline: timedelta) -> None:
        self._give_up_ms = max(1, deadline // timedelta(milliseconds=1))
        self._made: WeakValueDictionary[int, _FencedSocket] = WeakValueDictionary()

    def make(self, address: tuple[Any, ...]) -> socket.socket:
        """A socket for an address, as the connector asks for it.

        Args:
            address: what `socket.getaddrinfo` told: family, type, protocol, name, address.
        """
        family, kind, protocol, *_ = address
        made = _FencedSocket(family, kind, protocol)
        if _USER_TIMEOUT is not None:
            made.setsockopt(socket.IPPROTO_TCP, _USER_TIMEOUT, self._give_up_ms)
        self._made[made.fileno()] = made
        return made

    def fence(self, transport: asyncio.BaseTransport, until_s: float) -> None:
        """Let nothing of the request that is written next be sent after its call.

        Args:
            transport: of a connection of this connector.
            until_s: the end of the call, as `sleepless_s` tells the time.
        """
        self._made[transport.get_extra_info("socket").fileno()].until_s = until_s
