"""Being told to end: once, at a moment when everything started is known, and never in the middle of stopping."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Final, Self

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """A signal told the program to end: as with KeyboardInterrupt, nothing between here and the top may catch it.

    Args:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


class Interrupts:
    """Turns the first Ctrl-C, SIGTERM or SIGHUP into `Interrupted`, and ignores the others: stopping takes a moment.

    A context manager, for the main thread. A signal that was ignored before (nohup) stays ignored.
    """

    def __init__(self) -> None:
        self._before: dict[signal.Signals, Any] = {}
        self._shielded = False
        self._pending: int | None = None

    def __enter__(self) -> Self:
        heard = [one for one in _SIGNALS if signal.getsignal(one) is not signal.SIG_IGN]
        self._before = {one: signal.signal(one, self._hear) for one in heard}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for one, handler in self._before.items():
            signal.signal(one, handler)

    @contextmanager
    def shield(self) -> Iterator[None]:
        """A stretch that is not interrupted: starting a process, until it is known to whoever will stop it."""
        self._shielded = True
        try:
            yield
        finally:
            self._shielded = False
        if self._pending is not None:
            raise Interrupted(self._pending)

    def ignore(self) -> None:
        """From here on, no signal counts."""
        for one in self._before:
            signal.signal(one, signal.SIG_IGN)

    def _hear(self, number: int, _: FrameType | None) -> None:
        self.ignore()
        if not self._shielded:
            raise Interrupted(number)
        self._pending = number
