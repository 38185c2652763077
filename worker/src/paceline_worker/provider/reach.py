"""Whether a connection to the provider can be made from here: the way a call would go, without a call."""

import asyncio
import ssl
from contextlib import suppress

import httpx

_LONGEST_HEAD = 1 << 16


async def reach(base: str, proxy: httpx.Proxy | None, *, timeout_s: float) -> None:
    """Connect, shake hands, and close again. No request is sent, so no limit is touched.

    Args:
        base: the provider's address.
        proxy: the proxy that calls go through, if any.
        timeout_s: seconds until the attempt is given up.

    Raises:
        OSError: why no connection can be made; a certificate that nobody vouches for and a proxy that refuses are such reasons.
    """
    target = httpx.URL(base)
    through = proxy.url if proxy else target
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection(
                through.host, _port(through), ssl=ssl.create_default_context() if through.scheme == "https" else None
            )
            try:
                if proxy and target.scheme == "https":
                    await _tunnel(reader, writer, target, proxy)
            finally:
                writer.close()
                with suppress(OSError, ssl.SSLError):
                    await writer.wait_closed()
    except TimeoutError as error:
        raise OSError(f"no connection within {timeout_s:g} s") from error


async def _tunnel(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: httpx.URL, proxy: httpx.Proxy
) -> None:
    """Ask the proxy for a way to the target, and shake hands with the target."""
    where = f"{target.host}:{_port(target)}"
    lines = [
        f"CONNECT {where} HTTP/1.1",
        f"Host: {where}",
        *(f"{name}: {text}" for name, text in proxy.headers.items()),
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise OSError("the proxy does not answer") from error
    status = head[:_LONGEST_HEAD].split(b" ", 2)[1:2]
    if status != [b"200"]:
        told = status[0].decode(errors="replace") if status else "nothing"
        raise OSError(f"the proxy refuses to connect to the provider: it answers {told}")
    await writer.start_tls(ssl.create_default_context(), server_hostname=target.host)


def _port(url: httpx.URL) -> int:
    return url.port or (443 if url.scheme == "https" else 80)
