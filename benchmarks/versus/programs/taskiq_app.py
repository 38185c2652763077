"""A taskiq task for each message; `limits` paces it, and a refused task sleeps.

python taskiq_app.py produce MESSAGES_A_KEY MESSAGES_A_SECOND
taskiq worker taskiq_app:broker --workers 1 --max-async-tasks 200
"""

import asyncio
import random
import sys
import time

import aiohttp
from jobs import PATH, PER_MINUTE, PROVIDER, REDELIVERY_S, REDIS, body, jobs
from limits import RateLimitItemPerMinute
from limits.aio.storage import RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from taskiq import TaskiqEvents, TaskiqState
from taskiq_redis import RedisStreamBroker

broker = RedisStreamBroker(REDIS, idle_timeout=REDELIVERY_S * 1000)
limiter = MovingWindowRateLimiter(RedisStorage(f"async+{REDIS}", implementation="redispy"))
item = RateLimitItemPerMinute(PER_MINUTE or 1)


@broker.on_event(TaskiqEvents.WORKER_STARTUP)
async def open_session(state: TaskiqState) -> None:
    """One HTTP client for all calls."""
    state.session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))


@broker.task(task_name="send")
async def send(key: str, text: str) -> None:
    """Ask the limiter until it lets the message pass."""
    while PER_MINUTE and not await limiter.hit(item, key):
        wait_s = (await limiter.get_window_stats(item, key)).reset_time - time.time()
        await asyncio.sleep(max(0.1, wait_s) + random.random())
    url = PROVIDER + PATH
    async with broker.state.session.post(url, json=body(text), headers={"X-User-API-Key": key}) as answer:
        answer.raise_for_status()


async def produce() -> None:
    """Enqueue all jobs."""
    await broker.startup()
    for key, text in jobs():
        await send.kiq(key, text)
    await broker.shutdown()


if __name__ == "__main__" and sys.argv[1] == "produce":
    asyncio.run(produce())
