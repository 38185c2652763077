"""Waiting for something to become true, without guessing how long it takes."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

POLL = timedelta(milliseconds=20)
# Who has waited long need not know at once: asking fifty times a second for a minute is seconds of CPU, here and at who is asked.
SLOWEST_POLL = timedelta(milliseconds=100)
_OF_THE_WAIT = 0.05


def wait_until(
    predicate: Callable[[], T | None],
    timeout: timedelta,
    describe: str | Callable[[], str],
) -> T:
    """Calls `predicate` until it returns something true, and returns that.

    Args:
        predicate: Asked at once, then every 20 ms, after a while less often: at least ten times a second; and once more at
            the end.
        timeout: How long to wait. Give plenty: it is spent only when the test fails.
        describe: What is waited for, "the worker to settle 100 operations"; a function is called when the time is up,
            so that it can tell how far things came.

    Raises:
        AssertionError: The time was up; the message has the description and the last answer.
    """
    began = time.monotonic()
    deadline = began + timeout.total_seconds()
    while True:
        late = time.monotonic() >= deadline
        answer = predicate()
        if answer:
            return answer
        if late:
            what = describe if isinstance(describe, str) else describe()
            raise AssertionError(f"Waited {timeout.total_seconds():g} s for {what}; the last answer was {answer!r}.")
        waited = time.monotonic() - began
        time.sleep(min(max(POLL.total_seconds(), waited * _OF_THE_WAIT), SLOWEST_POLL.total_seconds()))
