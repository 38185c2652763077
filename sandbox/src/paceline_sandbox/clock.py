"""Time as the sandbox sees it: one integer, microseconds, passed in wherever time matters."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime

Clock = Callable[[], int]

SECOND_US = 1_000_000


def anchored_clock() -> Clock:
    """Builds a clock that reads like the wall clock and runs like the monotonic one.

    The wall clock is read once, as an anchor; from then on only the monotonic clock counts. Distances between two
    readings are therefore exact even if somebody sets the machine's time in between.

    Returns:
        A function that returns microseconds since the Unix epoch.
    """
    offset_ns = time.time_ns() - time.monotonic_ns()

    def now_us() -> int:
        return (time.monotonic_ns() + offset_ns) // 1000

    return now_us


def as_datetime(at_us: int) -> datetime:
    """The UTC moment of a clock reading.

    Args:
        at_us: microseconds since the Unix epoch.
    """
    return datetime.fromtimestamp(at_us // SECOND_US, tz=UTC)


def as_timestamp(at_us: int) -> str:
    """A clock reading as the provider writes it, in whole seconds: ``2025-01-05T10:00:00Z``.

    Args:
        at_us: microseconds since the Unix epoch.
    """
    return as_datetime(at_us).strftime("%Y-%m-%dT%H:%M:%SZ")


def as_http_date(at_us: int) -> str:
    """A clock reading as an HTTP date (RFC 9110, section 5.6.7), in whole seconds.

    Args:
        at_us: microseconds since the Unix epoch.
    """
    return format_datetime(as_datetime(at_us), usegmt=True)
