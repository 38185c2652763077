"""The one module that speaks HTTP to the provider. httpx builds the request, aiohttp carries it.

Measured with 64 calls under way (benchmarks/transport.py): the transport called directly needs 0.19 ms of CPU a call, through
``AsyncClient`` 1.7 times as much, and httpx's own connection pool 13 times.
"""

import asyncio
from typing import Final

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from paceline.wire import ProviderRequest
from paceline_worker.answers import Answer, Meaning, clean, read_answer
from paceline_worker.secrets import ApiKey

KEY_HEADER: Final = "X-User-API-Key"
# An idle connection the server is about to close would turn a send into an unknown outcome; common servers close after 5 s.
_KEEPALIVE_S: Final = 4.0
_CONNECT_S: Final = 5.0
# The address is looked up and the connection made before a byte is written: these are certain not to be sent.
_NOT_SENT: Final = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)


class Provider:
    """Sends requests; must be made and used on the running event loop.

    Args:
        base: address without trailing slash.
        deadline_s: one call is over within this many seconds.
        connections: most connections at once.
    """

    def __init__(self, base: str, *, deadline_s: float, connections: int) -> None:
        self._base = base.rstrip("/")
        self._deadline_s = deadline_s
        self._timeouts = {"connect": min(_CONNECT_S, deadline_s), "read": deadline_s, "pool": deadline_s}
        connector = aiohttp.TCPConnector(limit=connections, keepalive_timeout=_KEEPALIVE_S)
        # No cookies, no redirects, no retries: one request is one call of the provider.
        session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        self._transport = AiohttpTransport(client=session)

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.aclose()

    async def call(self, request: ProviderRequest, key: ApiKey) -> Answer:
        """Make one call.

        Args:
            request: what to send.
            key: put on the request here and nowhere else.

        Returns:
            What the provider said, or what the silence means. Never raises for network trouble.
        """
        outgoing = httpx.Request(
            request.method,
            self._base + request.path,
            json=request.body,
            headers={KEY_HEADER: key.reveal(), "User-Agent": "paceline"},
            extensions={"timeout": self._timeouts},
        )
        try:
            async with asyncio.timeout(self._deadline_s):
                response = await self._transport.handle_async_request(outgoing)
                body = await response.aread()
        except TimeoutError:
            return Answer(Meaning.UNKNOWN, "timeout", f"no answer within {self._deadline_s:g} s")
        except (httpx.TransportError, aiohttp.ClientError, OSError) as error:
            return _silence(error)
        return read_answer(response.status_code, response.headers, body)


def _silence(error: Exception) -> Answer:
    """What a network error means.

    httpx-aiohttp translates any lost connection, also one lost after writing, to ``httpx.ConnectTimeout``: its type would
    say "certainly not sent" of a message that may have arrived. The cause keeps aiohttp's own, exact type.
    """
    cause = error.__cause__ if isinstance(error, httpx.TransportError) and error.__cause__ else error
    words = clean(f"{type(cause).__name__}: {cause}")
    if isinstance(cause, _NOT_SENT):
        return Answer(Meaning.NOT_SENT, "connect", words)
    return Answer(Meaning.UNKNOWN, "lost", words)
