"""A Celery task for each message; `limits` or Celery's own rate_limit paces it.

python celery_app.py produce MESSAGES_A_KEY MESSAGES_A_SECOND
celery -A celery_app worker --pool threads --concurrency 50
"""

import os
import random
import sys
import time

import httpx
from celery import Celery, Task
from jobs import KEYS, PATH, PER_MINUTE, PROVIDER, REDELIVERY_S, REDIS, body, jobs, names
from limits import RateLimitItemPerMinute
from limits.storage import RedisStorage
from limits.strategies import MovingWindowRateLimiter

OWN_RATE_LIMIT = os.environ.get("VERSUS_OWN_RATE_LIMIT") == "1"

app = Celery("peer", broker=REDIS)
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    broker_connection_retry_on_startup=True,
    broker_transport_options={"visibility_timeout": REDELIVERY_S},
    worker_hijack_root_logger=False,
)
client = httpx.Client(base_url=PROVIDER, limits=httpx.Limits(max_connections=None), trust_env=False)
limiter = MovingWindowRateLimiter(RedisStorage(REDIS))
item = RateLimitItemPerMinute(PER_MINUTE or 1)


def post(key: str, text: str) -> None:
    """Make the call."""
    client.post(PATH, json=body(text), headers={"X-User-API-Key": key}).raise_for_status()


@app.task(name="send", bind=True, max_retries=None)
def send(self: Task, key: str, text: str) -> None:
    """Ask the limiter; come back later when it refuses."""
    if PER_MINUTE and not limiter.hit(item, key):
        wait_s = limiter.get_window_stats(item, key).reset_time - time.time()
        raise self.retry(countdown=max(0.1, wait_s) + random.random())
    post(key, text)


if OWN_RATE_LIMIT:
    for name in names():
        app.task(name=f"send.{name}", rate_limit=f"{PER_MINUTE}/m")(post)

if __name__ == "__main__" and sys.argv[1] == "produce":
    assert KEYS
    with app.producer_or_acquire() as producer:
        for key, text in jobs():
            task = f"send.{key}" if OWN_RATE_LIMIT else "send"
            app.send_task(task, args=(key, text), producer=producer)
