"""Threads that share a nursery: each gets its own answer, and an end that several ask for is told to all."""

import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

from tests.support.processes import Process, spawn


def test_threads_may_start_and_ask_at_the_same_time(tmp_path: Path) -> None:
    """Answers never change places, and a number that was told as ended is not asked for again."""

    def run(number: int) -> tuple[str, list[int | None]]:
        child = spawn([sys.executable, "-m", "json.tool", "--help"], {}, tmp_path / f"{number}.log", forked=True)
        with ThreadPoolExecutor(2) as askers:
            codes = list(askers.map(lambda _: _ended(child), range(2)))
        return child.log_text()[:5], codes

    with ThreadPoolExecutor(4) as starters:
        assert [("usage", [0, 0])] * 4 == list(starters.map(run, range(4)))


def _ended(child: Process) -> int | None:
    child.wait(timedelta(seconds=60))
    return child.exit_code
