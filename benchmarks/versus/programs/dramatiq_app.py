"""A dramatiq actor for each message; its own window limiter paces it.

python dramatiq_app.py produce MESSAGES_A_KEY MESSAGES_A_SECOND
dramatiq dramatiq_app --processes 1 --threads 32
"""

import sys

import dramatiq
import httpx
from dramatiq.brokers.redis import RedisBroker
from dramatiq.rate_limits import WindowRateLimiter
from dramatiq.rate_limits.backends import RedisBackend
from jobs import PATH, PER_MINUTE, PROVIDER, REDELIVERY_S, REDIS, body, jobs

# An old worker's messages are looked for in one of a hundred commands, so that 20 kills are mended within a minute.
broker = RedisBroker(url=REDIS, heartbeat_timeout=REDELIVERY_S * 1000, maintenance_chance=10_000)
dramatiq.set_broker(broker)
client = httpx.Client(base_url=PROVIDER, limits=httpx.Limits(max_connections=None), trust_env=False)
backend = RedisBackend(url=REDIS)


@dramatiq.actor(max_retries=1_000_000, min_backoff=1_000, max_backoff=10_000)
def send(key: str, text: str) -> None:
    """Ask the limiter; it raises when it refuses, and dramatiq tries again."""
    if PER_MINUTE:
        with WindowRateLimiter(backend, key, limit=PER_MINUTE, window=60).acquire():
            pass
    client.post(PATH, json=body(text), headers={"X-User-API-Key": key}).raise_for_status()


if __name__ == "__main__" and sys.argv[1] == "produce":
    for key, text in jobs():
        send.send(key, text)
