"""Times as state holds them."""

from datetime import UTC, datetime, timedelta
from typing import Final

# State keeps times as doubles, which hold every microsecond of these years exactly.
_FIRST_INSTANT: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_INSTANT: Final = datetime(2255, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def microseconds(instant: datetime) -> int:
    """Microseconds since the epoch, exactly."""
    return (instant - _FIRST_INSTANT) // _MICROSECOND


def instant(us: int | str) -> datetime:
    """The time of so many microseconds since the epoch, UTC."""
    return _FIRST_INSTANT + timedelta(microseconds=int(us))


def utc(value: datetime) -> datetime:
    """The same instant in UTC.

    Args:
        value: a time with a zone.

    Returns:
        It, in UTC.

    Raises:
        ValueError: it has no zone, or lies outside the years that state can hold.
    """
    if value.tzinfo is None:
        raise ValueError("needs a time zone, such as 2026-01-31T09:00:00+01:00")
    if not _FIRST_INSTANT <= value <= _LAST_INSTANT:
        raise ValueError("must lie between the years 1970 and 2255")
    return value.astimezone(UTC)
