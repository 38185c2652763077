"""Where events go: names are looked up once, and the connection is made to what was looked up."""

import asyncio
import gzip
import socket
import tracemalloc
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import cache
from typing import Any

import aiohttp
import pytest
from aiohttp.abc import ResolveResult

from paceline_worker.hooks import addresses
from paceline_worker.hooks.addresses import PrivateAddress
from paceline_worker.hooks.posting import Poster
from paceline_worker.hooks.resolver import PublicResolver
from tests.support.hook_receiver import receiving


def answering(*texts: str) -> Any:
    """A look-up that gives one more address each time."""
    answers = iter(texts)

    async def look_up(host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
        address = next(answers)
        return [ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0)]

    return look_up


def test_a_name_that_leads_to_a_private_address_is_refused() -> None:
    """Also when only its second answer does: each connection has its own look-up, and the check is of that one."""

    async def scene() -> None:
        resolver = PublicResolver(answering("93.184.216.34", "127.0.0.1"))
        assert "93.184.216.34" == (await resolver.resolve("shop.example.com", 443))[0]["host"]
        with pytest.raises(PrivateAddress, match=r"shop.example.com leads to 127.0.0.1"):
            await resolver.resolve("shop.example.com", 443)

    asyncio.run(scene())


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "2130706433", "0x7f.1", "0x7f000001", "127.1", "0177.0.0.1", "127.0.0.1.", "0", "[::1]",
        "[::ffff:127.0.0.1]", "127\uff0e0\uff0e0\uff0e1",
    ],
)  # fmt: skip
def test_no_spelling_of_this_machine_is_posted_to(host: str) -> None:
    """In digits, as a number, by name: the runner refuses it, and the receiver sees no connection."""

    async def scene(url: str) -> tuple[str, str]:
        async with Poster(allow_private=False) as poster:
            answer = await poster.post(url, "{}", {})
            return answer.result, answer.words

    with receiving() as receiver:
        result, words = asyncio.run(scene(receiver.url.replace("127.0.0.1", host)))
        # Some versions of the client connect to other spellings than the usual one: the check is not left to it.
        assert "refused" == result, words
        assert 0 == receiver.requests


def test_redirects_are_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A receiver cannot lead the runner elsewhere; and a proxy of the environment is not asked."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")

    async def scene(url: str) -> str:
        async with Poster(allow_private=True) as poster:
            return (await poster.post(url, "{}", {"webhook-id": "e"})).words

    with receiving(status=302) as receiver:
        assert "HTTP 302" == asyncio.run(scene(receiver.url))
        assert 1 == receiver.requests


@cache
def packed() -> bytes:
    """Little, of which much would be unpacked."""
    return gzip.compress(bytes(64 << 20), compresslevel=1)


@pytest.mark.parametrize(
    ("result", "head", "body"),
    [
        ("delivered", b"200 OK\r\nContent-Encoding: gzip", None),
        ("delivered", b"200 OK\r\nContent-Encoding: gzip", b"this is no gzip"),
        ("delivered", b"204 No Content\r\nSet-Cookie: a=b\r\nContent-Encoding: br", b""),
        ("failed", b"200 OK\r\n" + b"X-Filler: " + b"x" * 1_000_000, b""),
        ("failed", b"200 OK\r\n" + b"X: y\r\n" * 100_000, b""),
        ("failed", b"200 OK\r\nContent-Length: 5\r\nContent-Length: 6", b"hello"),
    ],
)
def test_a_hostile_answer_is_known_by_its_status_or_fails(result: str, head: bytes, body: bytes | None) -> None:
    """A packed body is not unpacked and a broken one takes nothing back; head without end, contradictions: one failed attempt."""
    content = packed() if body is None else body

    async def scene() -> tuple[str, list[bytes]]:
        requests: list[bytes] = []

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            requests.append(await reader.readuntil(b"\r\n\r\n"))
            size = b"" if b"Length" in head or head.startswith(b"204") else b"\r\nContent-Length: %d" % len(content)
            writer.write(b"HTTP/1.1 " + head + size + b"\r\nConnection: close\r\n\r\n" + content)
            with suppress(OSError):
                await writer.drain()
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0, limit=1 << 20)
        async with server, Poster(allow_private=True) as poster:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/events"
            ends = [await poster.post(url, "{}", {"webhook-id": "e"}) for _ in range(2)]
            return " ".join({end.result for end in ends}), requests

    (found, requests), bytes_used = with_peak(scene)
    assert (result, 2) == (found, len(requests))
    assert b"a=b" not in requests[1]
    assert bytes_used < 16 << 20


def with_peak(scene: Callable[[], Coroutine[Any, Any, Any]]) -> tuple[Any, int]:
    """What a scene returns, and how many bytes it had in use at most."""
    tracemalloc.start()
    try:
        returned = asyncio.run(scene())
        return returned, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_the_client_connects_to_what_the_resolver_gave(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looked up once for one connection: a name that changes its mind meanwhile changes nothing."""
    asked: list[str] = []

    async def look_up(host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
        asked.append(host)
        return [
            ResolveResult(hostname=host, host="127.0.0.1", port=port, family=family or socket.AF_INET, proto=0, flags=0)
        ]

    monkeypatch.setattr(addresses, "is_public", lambda _: True)

    async def scene(port: int) -> int:
        connector = aiohttp.TCPConnector(resolver=PublicResolver(look_up), use_dns_cache=False)
        url = f"http://shop.example.com:{port}/events"
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.post(url, data=b"{}", headers={"webhook-id": "e"}) as answer,
        ):
            return answer.status

    with receiving() as receiver:
        assert 204 == asyncio.run(scene(int(receiver.url.split(":")[2].split("/")[0])))
    assert ["shop.example.com"] == asked
