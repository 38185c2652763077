"""The threads that take hints start with the worker, or the worker does not."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from paceline.errors import ConfigurationError
from paceline_worker.broker.threads import start_all


def test_all_threads_of_a_pool_start_at_once() -> None:
    """Afterwards they are free: as many tasks as threads run at the same time, and no further thread is needed."""
    with ThreadPoolExecutor(4) as executor:
        start_all(executor, 4)
        together = threading.Barrier(4)
        assert sorted(future.result(30) for future in [executor.submit(together.wait, 30) for _ in range(4)]) == [
            *range(4)
        ]
        assert 4 == len(executor._threads)  # noqa: SLF001


def test_a_machine_that_refuses_a_thread_is_told_before_a_hint_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says which limit to raise, and the threads that are there end."""
    start, started = threading.Thread.start, list[threading.Thread]()

    def start_two(thread: threading.Thread) -> None:
        if len(started) == 2:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    with ThreadPoolExecutor(4) as executor:
        monkeypatch.setattr(threading.Thread, "start", start_two)
        with pytest.raises(ConfigurationError, match=r"refuses a thread of the 4 that take hints .* pids.max"):
            start_all(executor, 4)
        monkeypatch.undo()
    assert [False, False] == [thread.is_alive() for thread in started]
