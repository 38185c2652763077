"""Another Celery application, as a host may have one: tasks that wait, tasks of minutes that are acknowledged late."""

import os
import time

from celery import Celery

app = Celery("host", broker=os.environ.get("HOST_BROKER", "redis://127.0.0.1:1/0"), set_as_current=False)
app.conf.update(
    task_acks_late=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=4,
    worker_send_task_events=True,
    broker_connection_retry_on_startup=True,
)


@app.task(name="host.soon")
def soon(number: int) -> None:
    """Do something short."""
    print(f"worked {number}", flush=True)  # noqa: T201 - its log is compared


@app.task(name="host.late", acks_late=True)
def late(number: int, seconds: float) -> None:
    """Do something long; it is acknowledged in the end."""
    time.sleep(seconds)
    print(f"worked long {number}", flush=True)  # noqa: T201 - its log is compared
