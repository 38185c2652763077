"""A server on loopback that answers each connection as a test says."""

import asyncio
import datetime as dt
import gc
import re
import ssl
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from paceline.operations.requests import ProviderRequest
from paceline_worker.accounts.secrets import ApiKey
from paceline_worker.provider.client import Provider
from paceline_worker.verdict.meaning import Answer, Meaning

CANARY = "UAKcanary0-1111-4222-8333-444444444444"
KEY = ApiKey(CANARY)
REQUEST = ProviderRequest(
    "POST", "/whatsapp/send-message", {"from_number": "+15550100001", "text": "Grüße"}, "/whatsapp/send-message"
)
# For calls that end by themselves: longer than any machine needs.
AMPLE_S = 30.0
# For calls that end with their deadline.
SHORT_S = 0.25

Handler: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """One whole request, head and body."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"(?i)^content-length: (\d+)", head, re.MULTILINE)
    return head + await reader.readexactly(int(length[1]) if length else 0)


def response(status: int, body: bytes, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} Words", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def answering(*responses: bytes, requests: list[bytes] | None = None) -> Handler:
    """Answers the requests of a connection one after the other, then closes it."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for one in responses:
            request = await read_request(reader)
            if requests is not None:
                requests.append(request)
            writer.write(one)
            await writer.drain()

    return handle


def silent(first: bytes = b"") -> Handler:
    """Reads the request, writes the beginning of an answer, and then says nothing until the client goes."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(first)
        await writer.drain()
        await reader.read()

    return handle


@asynccontextmanager
async def listening(handler: Handler, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Serve on a free port; gives the port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client went away
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@asynccontextmanager
async def provider(
    port: int, *, scheme: str = "http", connections: int = 10, deadline_s: float = AMPLE_S
) -> AsyncIterator[Provider]:
    made = Provider(f"{scheme}://127.0.0.1:{port}/open/", deadline_s=deadline_s, connections=connections)
    try:
        yield made
    finally:
        await made.close()


def call(
    handler: Handler,
    context: ssl.SSLContext | None = None,
    *,
    deadline_s: float = AMPLE_S,
    request: ProviderRequest = REQUEST,
) -> Answer:
    """What one call of such a server means."""

    async def scenario() -> Answer:
        async with (
            listening(handler, context) as port,
            provider(port, scheme="https" if context else "http", deadline_s=deadline_s) as made,
        ):
            return await made.call(request, KEY)

    return asyncio.run(scenario())


@dataclass(frozen=True, slots=True)
class End:
    """How a call ended, in words alone: an exception or an answer would keep its connection alive."""

    meaning_and_code: tuple[Meaning, str] | None
    words: str
    raised: str | None
    complaints: list[str]


def end_of(handler: Handler, *, deadline_s: float = AMPLE_S) -> End:
    """Like `call`, for calls that end badly: what was raised, and what the garbage collector complains about."""
    answer, raised = None, None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        try:
            answer = call(handler, deadline_s=deadline_s)
        except Exception as error:  # noqa: BLE001 - the test asks which
            raised = type(error).__name__
        gc.collect(1)  # what was just made is young
    words = [str(one.message) for one in caught]
    return End((answer.meaning, answer.code) if answer else None, answer.words if answer else "", raised, words)


def self_signed(directory: Path) -> ssl.SSLContext:
    """A server's TLS context with a certificate that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    begin = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + dt.timedelta(days=36_500))
        .sign(key, hashes.SHA256())
    )
    file = directory / "certificate.pem"
    file.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context
