"""A clock that only the test moves."""

from __future__ import annotations

from datetime import timedelta

START_US = 1_750_000_000_000_000  # an ordinary day in June 2025: large enough to catch lost digits


class FakeClock:
    """Stands still until `advance()` is called; a negative step is a clock that was set back."""

    def __init__(self, start_us: int = START_US) -> None:
        self._now_us = start_us

    def now_us(self) -> int:
        return self._now_us

    def advance(self, step: timedelta) -> int:
        """Moves the clock by `step` and returns the new time in microseconds."""
        self._now_us += step // timedelta(microseconds=1)  # exact: total_seconds() is a float
        return self._now_us
