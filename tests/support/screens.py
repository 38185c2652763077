"""What a program shows on a terminal."""

import os
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress


def watching(terminal: int) -> "Future[str]":
    """All that is shown on a terminal until nobody has it open any more.

    The terminal is read while the program runs: it keeps a few thousand bytes only, and one read gives a part of them.

    Args:
        terminal: our end of it.
    """
    with_one_thread = ThreadPoolExecutor(1)
    shown = with_one_thread.submit(_all_of, terminal)
    with_one_thread.shutdown(wait=False)
    return shown


def _all_of(terminal: int) -> str:
    parts: list[bytes] = []
    with suppress(OSError):  # so Linux tells of the end
        while part := os.read(terminal, 100_000):
            parts.append(part)
    return b"".join(parts).decode()
