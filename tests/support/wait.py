"""Waiting for something to become true, without guessing how long it takes."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

POLL = timedelta(milliseconds=20)


def wait_until(
    predicate: Callable[[], T | None],
    timeout: timedelta,
    describe: str | Callable[[], str],
) -> T:
    """Calls `predicate` until it returns something true, and returns that.

    Args:
        predicate: Asked at once, then every 20 ms, and once more at the end.
        timeout: How long to wait. Give plenty: it is spent only when the test fails.
        describe: What is waited for, "the worker to settle 100 operations"; a function is called when the time is up,
            so that it can tell how far things came.

    Raises:
        AssertionError: The time was up; the message has the description and the last answer.
    """
    deadline = time.monotonic() + timeout.total_seconds()
    while True:
        late = time.monotonic() >= deadline
        answer = predicate()
        if answer:
            return answer
        if late:
            what = describe if isinstance(describe, str) else describe()
            raise AssertionError(f"Waited {timeout.total_seconds():g} s for {what}; the last answer was {answer!r}.")
        time.sleep(POLL.total_seconds())
