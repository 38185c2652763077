"""The event loop of a worker process: uvloop where it is installed, else asyncio's own."""

import asyncio
from typing import Final

try:
    import uvloop
except ImportError:  # there is none for Windows
    uvloop = None  # type: ignore[assignment]

# uvloop rounds delays to milliseconds; a call that leaves before its slot would break the pace, one that leaves a little after it
# does not.
TIMER_STEP_S: Final = 0.0 if uvloop is None else 0.0005


def new_loop() -> asyncio.AbstractEventLoop:
    """A loop for a thread of its own; not the current one of any thread yet."""
    return asyncio.new_event_loop() if uvloop is None else uvloop.new_event_loop()
