"""The one module that speaks HTTP to the provider. httpx builds the request, aiohttp carries it.

Measured with 64 calls under way (benchmarks/transport.py): the transport called directly needs 0.19 ms of CPU a call, through
``AsyncClient`` 1.7 times as much, and httpx's own connection pool 13 times.
"""

import asyncio
import json
import ssl
import time
import zlib
from collections.abc import Callable
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, cast

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from paceline.operations.requests import ProviderRequest
from paceline_worker.accounts.secrets import ApiKey
from paceline_worker.provider.fenced import FencedSockets
from paceline_worker.provider.proxy import proxy_for
from paceline_worker.provider.reach import reach
from paceline_worker.provider.redaction import redactor, without_key
from paceline_worker.state.sleep import sleepless_s
from paceline_worker.verdict.meaning import Answer, Meaning, read_answer
from paceline_worker.verdict.words import clean

if TYPE_CHECKING:
    from aiohttp.http_writer import StreamWriter

    from paceline_worker.provider.way_out import WayOut

KEY_HEADER: Final = "X-User-API-Key"
# An idle connection the server is about to close would turn a send into an unknown outcome; common servers close after 5 s.
_KEEPALIVE_S: Final = 4.0
_CONNECT_S: Final = 5.0
# The session's connector has a context of its own; without this one the transport would read all root certificates, for nothing.
_NEVER_USED: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
# Answers have a few hundred bytes; of a larger one the status tells enough.
_LARGEST_BODY: Final = 1 << 20
_GZIP_OR_ZLIB: Final = 32 + zlib.MAX_WBITS
# A free connection is waited for, the address looked up and the connection made before a byte is written: these are
# certain not to be sent.
_NOT_SENT: Final = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.InvalidURL,
    aiohttp.ClientHttpProxyError,  # the proxy refused to make the connection
)
_PROXY_ASKS_FOR_A_PASSWORD: Final = 407


class Provider:
    """Sends requests; must be made and used on the running event loop.

    Args:
        base: address without trailing slash.
        deadline_s: one call is over within this many seconds.
        connections: most connections at once.

    Attributes:
        way_out: told of calls that got a connection or none; None where nobody asks.

    Raises:
        ConfigurationError: a proxy is named that cannot be one.
    """

    def __init__(self, base: str, *, deadline_s: float, connections: int) -> None:
        self._base = base.rstrip("/")
        self._proxy = proxy_for(base)
        # Through a tunnel the provider would read it; without one the request itself is what the proxy reads.
        self._to_proxy = dict(self._proxy.headers) if self._proxy and base.startswith("http://") else {}
        self._deadline_s = deadline_s
        self.deadline = timedelta(seconds=deadline_s)
        # "pool" covers waiting for a free connection and making one. It ends well before the deadline, which cannot tell
        # whether the request was written. (Above 5 s aiohttp would round it up.)
        connect_s = min(_CONNECT_S, deadline_s / 2)
        self._timeouts = {"connect": connect_s, "read": deadline_s, "pool": connect_s}
        self._sockets = FencedSockets(self.deadline)
        connector = aiohttp.TCPConnector(
            limit=connections, keepalive_timeout=_KEEPALIVE_S, socket_factory=self._sockets.make
        )
        # No cookies, no redirects, no retries: one request is one call of the provider.
        session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        # aiohttp repeats a GET or DELETE whose connection ended without an answer, in the same slot. No argument prevents that.
        session._retry_connection = False  # noqa: SLF001
        self._transport = AiohttpTransport(client=session, proxy=self._proxy, verify=_NEVER_USED)
        self.way_out: WayOut | None = None

    async def reach(self) -> None:
        """Make a connection as a call would, and close it.

        Raises:
            OSError: why none can be made.
        """
        await reach(self._base, self._proxy, timeout_s=self._timeouts["connect"])

    async def close(self) -> None:
        """Close the connections."""
        if self.way_out:
            self.way_out.close()
        await self._transport.aclose()

    async def call(self, request: ProviderRequest, key: ApiKey, *, until_s: float = float("inf")) -> Answer:
        """Make one call.

        Args:
            request: what to send.
            key: put on the request here and nowhere else.
            until_s: a body is written by then or never, as `sleepless_s` tells the time; at the latest by the deadline.

        Returns:
            What the provider said, or what the silence means. Whatever the provider does, nothing is raised.
        """
        called_s = time.monotonic()
        answer = await self._call(request, key, min(until_s, sleepless_s() + self._deadline_s))
        if self.way_out and answer.meaning is Meaning.NOT_SENT:
            self.way_out.failed(answer.words, called_s)
        elif self.way_out:
            self.way_out.connected()
        return answer

    async def _call(self, request: ProviderRequest, key: ApiKey, until_s: float) -> Answer:
        headers = {KEY_HEADER: key.reveal(), "User-Agent": "paceline", "Accept-Encoding": "identity"} | self._to_proxy

        def fence(transport: asyncio.BaseTransport) -> None:
            self._sockets.fence(transport, until_s)

        outgoing = _Outgoing(request, self._base, headers, {"timeout": self._timeouts}, fence)
        try:
            async with asyncio.timeout(self._deadline_s):
                response = await self._transport.handle_async_request(outgoing)
                body = await _body(response)
        except TimeoutError:
            return Answer(Meaning.UNKNOWN, "timeout", f"no answer within {self._deadline_s:g} s")
        except Exception as error:  # noqa: BLE001 - httpx-aiohttp lets some of what a server can provoke through as it is
            return _silence(error, redactor(key.reveal(), request.path, request.query, request.body))
        if response.status_code == _PROXY_ASKS_FOR_A_PASSWORD and self._proxy:
            return Answer(Meaning.NOT_SENT, "proxy", "the proxy asks for a user name and a password (407)")
        secret = key.reveal()
        redact = redactor(secret, request.path, request.query, request.body)
        # What is read is compared with what was sent, and stored nowhere: a message may hold what happens to be the key.
        kept = body if request.method == "GET" else without_key(body, secret)
        return read_answer(response.status_code, response.headers, kept, redact)


class _Outgoing(httpx.Request):
    """A request with no more in it than the transport reads: to build httpx's own takes longer than to send it.

    Args:
        request: what to send.
        base: the provider's address.
        headers: all but those of the body.
        extensions: the timeouts.
        fence: told of the connection before a body is written to it.
    """

    def __init__(
        self,
        request: ProviderRequest,
        base: str,
        headers: dict[str, str],
        extensions: dict[str, Any],
        fence: Callable[[asyncio.BaseTransport], None],
    ) -> None:
        self.method = request.method
        # The transport needs a text, so a text is the shortest way.
        self.url = cast("httpx.URL", _url(base + request.path, tuple(request.query.items()) if request.query else ()))
        self.extensions = extensions
        self._content = b""
        if request.body is not None:
            headers["Content-Type"] = "application/json"
            text = json.dumps(request.body, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
            # The transport hands on any payload of aiohttp.
            self._content = cast("bytes", _Body(text.encode(), fence))
        self.headers = cast("httpx.Headers", headers)  # the transport hands on any mapping


class _Body(aiohttp.BytesPayload):
    """A body that is written within its call or never; the head of a request leaves together with its body.

    A process that stands still between its last look at the clock and the write (SIGSTOP, a machine that sleeps) would write
    when it goes on, before its timers end the call, and its lease may be over then: the operation may be another worker's.
    Requests without a body, which are look-ups and deletions, may come twice without harm.

    Args:
        value: the bytes.
        fence: told of the connection.
    """

    def __init__(self, value: bytes, fence: Callable[[asyncio.BaseTransport], None]) -> None:
        super().__init__(value)
        self._fence = fence

    async def write_with_length(self, writer: aiohttp.abc.AbstractStreamWriter, content_length: int | None) -> None:
        """Write it; the connection's socket refuses bytes after the end of the call."""
        transport = cast("StreamWriter", writer).transport
        if transport is not None:  # a connection that is gone: aiohttp says so
            self._fence(transport)
        await super().write_with_length(writer, content_length)


@lru_cache(maxsize=256)
def _url(text: str, query: tuple[tuple[str, str], ...]) -> str:
    """Made once: most calls go to the same few addresses."""
    return str(httpx.URL(text, params=query or None))


async def _body(response: httpx.Response) -> bytes:
    """The body, or its first part; empty when it is not encoded as its headers say.

    The connection is given back in any case; one with something left to read is closed.
    """
    raw = bytearray()
    try:
        async for part in response.aiter_raw():
            raw += part
            if len(raw) > _LARGEST_BODY:
                break
    finally:
        await response.aclose()
    if response.headers.get("content-encoding", "").strip().lower() in ("", "identity"):
        return bytes(raw)
    try:
        # Not httpx's decoders: they know no limit.
        return zlib.decompressobj(_GZIP_OR_ZLIB).decompress(raw, _LARGEST_BODY)
    except zlib.error:
        return b""


def _silence(error: Exception, redact: Callable[[str], str]) -> Answer:
    """What a network error means.

    httpx-aiohttp translates any lost connection, also one lost after writing, to ``httpx.ConnectTimeout``: its type would
    say "certainly not sent" of a message that may have arrived. The cause keeps aiohttp's own, exact type.
    """
    cause = error.__cause__ if isinstance(error, httpx.TransportError) and error.__cause__ else error
    if isinstance(cause, aiohttp.ClientHttpProxyError):  # it names the proxy's address with all that stands in it
        return Answer(
            Meaning.NOT_SENT, "proxy", f"the proxy refuses to connect to the provider: it answers {cause.status}"
        )
    words = clean(redact(f"{type(cause).__name__}: {cause}"))
    if isinstance(cause, _NOT_SENT):
        return Answer(Meaning.NOT_SENT, "connect", words)
    return Answer(Meaning.UNKNOWN, "lost", words)
