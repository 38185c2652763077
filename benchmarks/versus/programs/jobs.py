"""What the Python programs of the peers share: their settings, and the jobs that a producer enqueues."""

import os
import sys
import time
from collections.abc import Iterator

REDIS = os.environ["VERSUS_REDIS"]
PROVIDER = os.environ["VERSUS_PROVIDER"]
PER_MINUTE = int(os.environ.get("VERSUS_PER_MINUTE", "0"))  # of each key; 0: no limit
KEYS = int(os.environ.get("VERSUS_KEYS", "1"))
# Seconds after which a broker gives the work of a silent worker to another one.
REDELIVERY_S = int(os.environ.get("VERSUS_REDELIVERY_S", "3600"))
PATH = "/open/whatsapp/send-message"


def names() -> list[str]:
    """All API keys."""
    return [f"k{number:05d}" for number in range(KEYS)]


def jobs() -> Iterator[tuple[str, str]]:
    """API key and text of each message; the arguments of the program are messages a key, and messages a second (0: all at once)."""
    per_key, per_second = int(sys.argv[2]), float(sys.argv[3])
    began, number = time.monotonic(), 0
    for row in range(per_key):
        for name in names():
            if per_second:
                time.sleep(max(0.0, began + number / per_second - time.monotonic()))
            number += 1
            yield name, f"message {row} of {name}"


def body(text: str) -> dict[str, str]:
    """The body of the call."""
    return {"from_number": "+15550100001", "to_number": "+15550100002", "text": text}
