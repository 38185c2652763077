"""A bare Celery queue: what people build, under its defaults. It posts to the provider and knows nothing more."""

import json
import os
from urllib.request import ProxyHandler, Request, build_opener

from celery import Celery

app = Celery("bare", broker=os.environ.get("BARE_BROKER", "redis://127.0.0.1:1/0"), set_as_current=False)
app.conf.update(task_ignore_result=True, worker_hijack_root_logger=False)


@app.task(name="bare.send")
def send(number: int) -> None:
    """Send one message."""
    body = {
        "from_number": f"+155501000{number % 20:02d}",
        "to_number": f"+1555020{number:04d}",
        "text": f"bare message {number}",
    }
    headers = {"X-User-API-Key": "bare", "Content-Type": "application/json"}
    request = Request(f"{os.environ['BARE_API']}/whatsapp/send-message", json.dumps(body).encode(), headers)
    build_opener(ProxyHandler({})).open(request, timeout=10).read()
