"""This machine: files a process may open, and what it knows of time zones."""

import sys
from collections.abc import Iterator
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from paceline.settings import Settings
from paceline_worker.doctor.finding import Finding, failure, ok, warning

# Besides its calls a worker has connections to state and broker, and files of its own.
_OTHERS: Final = 100
_ZONE: Final = "Europe/Berlin"


def findings(settings: Settings) -> Iterator[Finding]:
    """Look at this machine."""
    yield _files(settings.capacity)
    yield _zones()
    if sys.platform == "win32":
        yield failure("system", "workers need Linux or macOS; services that enqueue run anywhere")


def _files(capacity: int) -> Finding:
    try:
        import resource  # noqa: PLC0415 - absent where there are no such limits
    except ImportError:
        return ok("open files", "this system reports no limit")
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = capacity + _OTHERS
    if soft != resource.RLIM_INFINITY and soft < needed:
        return warning("open files", f"a worker may open {soft}, and {capacity} calls need {needed}: raise `ulimit -n`")
    return ok("open files", f"a worker may open {soft if soft != resource.RLIM_INFINITY else 'any number'}")


def _zones() -> Finding:
    try:
        ZoneInfo(_ZONE)
    except (ZoneInfoNotFoundError, OSError):
        return failure("time zones", "there is no time zone data: install the package tzdata")
    return ok("time zones", "time zone data is there")
