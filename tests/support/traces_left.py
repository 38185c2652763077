"""What a test may not leave in its process: the next test would depend on who came before it. A plugin: it asks after each test."""

from __future__ import annotations

import logging
import os
import signal
import sys
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

# The signals whose handlers our programs set.
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
# Pytest's own.
_CHANGES_WITH_EACH_TEST: Final = "PYTEST_CURRENT_TEST"


@pytest.fixture(autouse=True)
def leaves_no_traces() -> Iterator[None]:
    """Environment, folder, context variables, logging and signals after a test are those before."""
    before = state()
    yield
    assert {} == differences(before, state()), "the test leaves this in its process (before, after)"


def state() -> dict[str, Any]:
    """What every test of a process shares."""
    root = logging.getLogger()
    handlers = [handler for handler in root.handlers if not type(handler).__module__.startswith("_pytest.")]
    return {
        **{f"environment: {name}": value for name, value in os.environ.items() if name != _CHANGES_WITH_EACH_TEST},
        **{f"context: {variable.name}": value for variable, value in copy_context().items()},
        **{f"signal: {number.name}": signal.getsignal(number) for number in _SIGNALS},
        "folder": os.getcwd(),  # noqa: PTH109 - as a name
        "arguments": [*sys.argv],
        "import path": [*sys.path],
        "logging": (root.level, root.manager.disable, [type(handler).__name__ for handler in handlers]),
    }


def differences(before: dict[str, Any], after: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What was before and what is now, where the two differ."""
    names = [*before, *(name for name in after if name not in before)]
    return {
        name: (before.get(name), after.get(name))
        for name in names
        if before.get(name) is not after.get(name) and before.get(name) != after.get(name)
    }
