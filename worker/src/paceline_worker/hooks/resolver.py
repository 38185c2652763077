"""The look-up of names for a session of aiohttp: public addresses only, and the connection goes to what was looked up."""

import socket
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from paceline_worker.hooks.addresses import checked_literal

LookUp = Callable[[str, int, socket.AddressFamily], Awaitable[list[ResolveResult]]]


class PublicResolver(AbstractResolver):
    """Looks a name up and gives public addresses only. The connection goes to what was looked up: a second answer cannot differ.

    Args:
        look_up: answers for a name, a port and a family; the system's by default.
    """

    def __init__(self, look_up: LookUp | None = None) -> None:
        self._system = ThreadedResolver()
        self._look_up = look_up or self._system.resolve

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """All addresses of a host.

        Raises:
            PrivateAddress: one of them is not public: then none is trusted.
            OSError: there are none.
        """
        found = await self._look_up(host, port, family)
        for entry in found:
            checked_literal(host, entry["host"])
        return found

    async def close(self) -> None:
        """Nothing is kept."""
        await self._system.close()


def resolver(*, allow_private: bool) -> Any:
    """The resolver of a session; None: the client's own."""
    return None if allow_private else PublicResolver()
