"""How late the machine is: a byte goes to another process and back, again and again, as a request to a server does."""

import subprocess
import threading
import time
from typing import Final, Self

_EVERY_S: Final = 0.1
# What is quicker is no lateness.
_LATE_S: Final = 0.1


class Pulse:
    """Measures from a thread of its own, beside a run; a context manager."""

    def __init__(self) -> None:
        self._late: list[tuple[float, float]] = []
        self._under_way_s: float | None = None
        self._over = threading.Event()
        self._echo = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._echo.kill()
        self._echo.communicate()

    def late_s(self, began_s: float, ended_s: float) -> float:
        """For how long of a stretch of time the machine was late.

        Args:
            began_s: its begin, monotonic clock.
            ended_s: its end.
        """
        under_way_s = self._under_way_s
        late = [*self._late, *([(under_way_s, ended_s)] if under_way_s is not None else [])]
        return sum(max(0.0, min(end_s, ended_s) - max(start_s, began_s)) for start_s, end_s in late)

    def _run(self) -> None:
        stdin, stdout = self._echo.stdin, self._echo.stdout
        assert stdin
        assert stdout
        while not self._over.is_set():
            began_s = time.monotonic()
            self._under_way_s = began_s + _EVERY_S
            self._over.wait(_EVERY_S)
            stdin.write(b".")
            stdout.read(1)
            ended_s = time.monotonic()
            if ended_s - began_s > _EVERY_S + _LATE_S:
                self._late.append((began_s + _EVERY_S, ended_s))
            self._under_way_s = None
