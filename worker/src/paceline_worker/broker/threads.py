"""The threads that take hints, all started with the worker.

Celery's pool starts a thread when a message comes that no idle thread can take. Where the machine then refuses the thread (a limit
of processes, no memory for its stack), the hint is lost, and so is each later one, while the worker stays in the fleet.
"""

import threading
from concurrent.futures import ThreadPoolExecutor

from paceline.errors import ConfigurationError


def start_all(executor: ThreadPoolExecutor, number: int) -> None:
    """Start every thread of a pool that has none yet.

    Args:
        executor: the pool's.
        number: how many threads it may have.

    Raises:
        ConfigurationError: the machine refuses one; says what to do.
    """
    begun = threading.Event()
    try:
        for _ in range(number):
            executor.submit(begun.wait)
    except (RuntimeError, MemoryError) as error:
        raise ConfigurationError(
            f"this machine refuses a thread of the {number} that take hints ({error}): raise the limit of processes "
            "(ulimit -u, pids.max) or of memory, or lower --concurrency"
        ) from error
    finally:
        begun.set()
