"""Which way to speak HTTP? The same requests through four clients, side by side, against the sandbox.

    python -m benchmarks.transport [--requests 3000] [--in-flight 64]

Prints CPU of this process per request: with Redis and Celery on the same cores, that is what a transport really costs.
"""

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from benchmarks.stack import running

BODY: Final = {"from_number": "+15550100001", "to_number": "+15550100002", "text": "Hello"}
HEADERS: Final = {"X-User-API-Key": "bench"}
Call = Callable[[], Awaitable[int]]


async def httpx_own_pool(url: str) -> tuple[Call, Callable[[], Awaitable[Any]]]:
    """httpx as it comes."""
    client = httpx.AsyncClient(limits=httpx.Limits(max_connections=256))

    async def call() -> int:
        return (await client.post(url, json=BODY, headers=HEADERS)).status_code

    return call, client.aclose


async def httpx_over_aiohttp(url: str) -> tuple[Call, Callable[[], Awaitable[Any]]]:
    """httpx's client, aiohttp's connections."""
    client = httpx.AsyncClient(transport=AiohttpTransport(client=aiohttp.ClientSession()))

    async def call() -> int:
        return (await client.post(url, json=BODY, headers=HEADERS)).status_code

    return call, client.aclose


async def transport_directly(url: str) -> tuple[Call, Callable[[], Awaitable[Any]]]:
    """httpx's request and response, aiohttp's connections, no client between them: what the worker does."""
    transport = AiohttpTransport(client=aiohttp.ClientSession())

    async def call() -> int:
        request = httpx.Request("POST", url, json=BODY, headers=HEADERS, extensions={"timeout": {"read": 15.0}})
        response = await transport.handle_async_request(request)
        await response.aread()
        return response.status_code

    return call, transport.aclose


async def bare_aiohttp(url: str) -> tuple[Call, Callable[[], Awaitable[Any]]]:
    """No httpx at all: the floor."""
    session = aiohttp.ClientSession()

    async def call() -> int:
        async with session.post(url, json=BODY, headers=HEADERS) as response:
            await response.read()
            return response.status

    return call, session.close


async def measure(
    make: Callable[[str], Awaitable[Any]], url: str, requests: int, in_flight: int
) -> tuple[float, float]:
    """Requests a second, and CPU milliseconds a request."""
    call, close = await make(url)
    left = iter(range(requests))

    async def one_after_another() -> None:
        for _ in left:
            assert await call() == 202

    await call()
    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(one_after_another() for _ in range(in_flight)))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    await close()
    return requests / wall, cpu / requests * 1e3


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=3000)
    parser.add_argument("--in-flight", type=int, default=64)
    options = parser.parse_args()
    with running({"defaults": {"limits": []}, "latency_ms": 0, "serial_senders": False}, workers=0) as stack:
        url = f"{stack.sandbox.origin}/open/whatsapp/send-message"
        print(f"{'client':<22}{'requests/s':>12}{'CPU ms/request':>16}{'against ours':>14}")
        results = {
            make.__name__: asyncio.run(measure(make, url, options.requests, options.in_flight))
            for make in (transport_directly, httpx_own_pool, httpx_over_aiohttp, bare_aiohttp)
        }
        for name, (rate, cpu) in results.items():
            print(f"{name:<22}{rate:>12.0f}{cpu:>16.2f}{cpu / results['transport_directly'][1]:>14.2f}")


if __name__ == "__main__":
    main()
