"""The order of a run in several processes: whoever takes long begins early, and everybody has as much to wait for.

With xdist's `worksteal` each process begins with an equal part of the list. Who has nothing left takes half of what another has
before it. So each part gets its share of the long files, the longest first, with short tests between them: processes that wait
leave the cores to processes that reckon. The last quarter of a part is short tests alone, which are easily shared. A plugin.
"""

from __future__ import annotations

import os
from collections import defaultdict
from itertools import chain
from typing import TYPE_CHECKING, Final, TypeVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

T = TypeVar("T")

# Seconds of one test, as `where the time goes` prints them at the end of a run: by the longest of these beginnings.
SECONDS: Final[Mapping[str, float]] = {
    "tests/": 0.1,
    "tests/console/test_browser": 2.0,
    "tests/demo": 1.3,
    "tests/deploy/test_first_start": 12.0,
    "tests/deploy/test_live": 3.0,
    "tests/examples": 4.0,
    "tests/gateway": 1.1,
    "tests/hooks": 2.0,
    "tests/properties": 4.0,
    "tests/system": 3.0,
    "tests/system/accounts/test_info": 10.0,
    "tests/system/broker/test_sentinel": 40.0,
    "tests/system/operations/test_operations": 0.1,
    "tests/system/pacing/test_clocks": 12.0,
    "tests/system/pacing/test_overload": 30.0,
    "tests/system/programs/test_nursery": 0.1,
    "tests/system/programs/test_workers": 9.0,
}
# The mark of a test that waits for minutes of the clock, and its seconds.
_FIRST: Final = "first"
_FIRST_S: Final = 25.0
_LONG_S: Final = 0.5
# This part of the short tests comes after all long ones.
_LAST: Final = 0.25


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """After the random order: every process of a run arrives at the same list."""
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    items[:] = dealt(items, processes, file=lambda item: str(item.path), lasts_s=_seconds)


def seconds(nodeid: str) -> float:
    """How long one test takes, about.

    Args:
        nodeid: pytest's name of the test.
    """
    return SECONDS[max((beginning for beginning in SECONDS if nodeid.startswith(beginning)), key=len)]


def _seconds(item: pytest.Item) -> float:
    return seconds(item.nodeid) if item.get_closest_marker(_FIRST) is None else _FIRST_S


def dealt(tests: Sequence[T], processes: int, *, file: Callable[[T], str], lasts_s: Callable[[T], float]) -> list[T]:
    """The same tests in another order, each file's together as they were.

    Args:
        tests: in any order.
        processes: how many run them.
        file: of a test; tests of one file share what they set up.
        lasts_s: of a test, in seconds.
    """
    groups: defaultdict[tuple[str, bool], list[T]] = defaultdict(list)
    for test in tests:
        groups[file(test), lasts_s(test) >= _LONG_S].append(test)
    long = sorted(
        (sorted(group, key=lasts_s, reverse=True) for (_, is_long), group in groups.items() if is_long),
        key=lambda group: -sum(map(lasts_s, group)),
    )
    short = list(chain.from_iterable(group for (_, is_long), group in groups.items() if not is_long))

    parts: list[list[list[T]]] = [[] for _ in range(processes)]
    loads = [0.0] * processes
    for group in long:
        least = loads.index(min(loads))
        parts[least].append(group)
        loads[least] += sum(map(lasts_s, group))

    order: list[T] = []
    rest, unsent = short, len(tests)
    for number, part in enumerate(parts):
        # xdist hands out in this way, too.
        size = unsent // (processes - number)
        fill = max(size - sum(map(len, part)), 0)
        order += _mixed(part, rest[:fill])
        rest, unsent = rest[fill:], unsent - size
    return order + rest


def _mixed(long: Sequence[Sequence[T]], short: Sequence[T]) -> Iterable[T]:
    """Short tests between the groups of long ones, and after them."""
    between = int(len(short) * (1 - _LAST)) // max(len(long), 1)
    for number, group in enumerate(long):
        yield from group
        yield from short[number * between : (number + 1) * between]
    yield from short[len(long) * between :]
