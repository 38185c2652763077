"""Where the time of a run goes: each folder's total, and the ten slowest tests. A plugin, for whichever way tests are spread."""

from __future__ import annotations

from collections import defaultdict
from operator import itemgetter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import pytest

SLOWEST: Final = 10
# Who runs a few tests wants their result, not a table.
_WORTH_TELLING_S: Final = 20.0


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print both lists above pytest's closing line."""
    reports = [report for group in terminalreporter.stats.values() for report in group if hasattr(report, "duration")]
    seconds = by_test(reports)
    if sum(seconds.values()) < _WORTH_TELLING_S:
        return
    terminalreporter.section("where the time goes: each folder, and the slowest tests")
    for line in (*of_folders(seconds), "", *of_the_slowest(seconds)):
        terminalreporter.write_line(line)


def by_test(reports: Iterable[pytest.TestReport]) -> dict[str, float]:
    """Seconds of each test, those of its set-up and tear-down included.

    Args:
        reports: of all phases, in any order.
    """
    seconds: defaultdict[str, float] = defaultdict(float)
    for report in reports:
        seconds[report.nodeid] += report.duration
    return dict(seconds)


def of_folders(seconds: Mapping[str, float]) -> Iterator[str]:
    """One line for each kind of test (`tests/unit` with all its rooms), the slowest first.

    Args:
        seconds: of each test.
    """
    totals: defaultdict[str, list[float]] = defaultdict(list)
    for nodeid, spent in seconds.items():
        totals["/".join(nodeid.split("/")[:2])].append(spent)
    for folder, each in sorted(totals.items(), key=lambda item: -sum(item[1])):
        yield f"{sum(each):8.1f} s {len(each):6,} tests  {folder}"


def of_the_slowest(seconds: Mapping[str, float]) -> Iterator[str]:
    """One line for each of the slowest tests.

    Args:
        seconds: of each test.
    """
    for nodeid, spent in sorted(seconds.items(), key=itemgetter(1), reverse=True)[:SLOWEST]:
        yield f"{spent:8.1f} s  {nodeid}"
