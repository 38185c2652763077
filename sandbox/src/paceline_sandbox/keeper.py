"""A child process that never outlives its owner: the embedded server, and what the demo starts.

    owner ══ socket pair ══ keeper ── parent of ── child

The keeper is this very file, run as a small process in a session of its own. It holds one end of a socket pair; the
kernel closes the other end when the owner ends, however it ends, and the keeper then stops the child and removes its
temporary directory. PR_SET_PDEATHSIG alone would not do: macOS has none, and it fires when the *thread* that started
the child ends. It serves one level down: on Linux the child also ends with its keeper. The own session keeps a Ctrl-C
in the terminal away from the child until its owner has finished with it.

Given up: some 35 ms and one Python process per child.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref
from datetime import timedelta
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

STOP, KILL = b"S", b"K"
STOP_DEADLINE = timedelta(seconds=10)  # a shutdown needs far less; a stuck server must not hold its owner

_PR_SET_PDEATHSIG = 1


class Keeper:
    """The owner's hold on the keeper process: the end of its socket is what stops the child.

    Args:
        command: Program and arguments of the child.
        log: Where child and keeper write, standard output and error alike.
        remove: A directory that the keeper removes once the child has ended because its owner let go.
        env: The child's whole environment; without it, that of the owner.

    Attributes:
        process: The keeper itself; it ends when the child has ended.
        child_pid: The process id of the child; 0 when it could not be run, and the log says why.
    """

    def __init__(
        self,
        command: Sequence[str],
        log: IO[bytes],
        *,
        remove: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        # -I -S: the keeper needs the standard library only, and nothing of the owner's environment may reach it.
        keeper = [sys.executable, "-I", "-S", __file__, str(remove or ""), *command]
        self._control, theirs = socket.socketpair()
        try:
            with theirs:
                end = theirs.fileno()
                self.process = subprocess.Popen(
                    keeper, stdin=end, stdout=log, stderr=log, start_new_session=True, env=env
                )
        except BaseException:
            self._control.close()
            raise
        _keepers.add(self)
        self.child_pid = int(self._control.recv(32) or 0)

    def begin_end(self) -> None:
        """Asks the child to end (SIGTERM, then SIGKILL after `STOP_DEADLINE`) and returns at once; `end()` waits."""
        with contextlib.suppress(OSError):  # it has ended already
            self._control.shutdown(socket.SHUT_WR)

    def end(self, command: bytes = b"") -> None:
        """Ends child and keeper. Without a command the keeper also removes the temporary directory.

        Args:
            command: `STOP` or `KILL`, or nothing: as when the owner is gone.
        """
        with self._control:
            if command:
                with contextlib.suppress(OSError):  # it has ended already
                    self._control.send(command)
            else:
                self.begin_end()
            self._control.settimeout(2 * STOP_DEADLINE.total_seconds())
            try:
                self._control.recv(1)  # returns when the keeper's end closes, sooner than Popen.wait() would notice
            except TimeoutError:  # somebody froze the keeper
                self.process.kill()
            except OSError:
                pass
            self.process.wait()

    def let_go(self) -> None:
        """In a forked child: this copy of the owner's end must not keep the child alive."""
        self._control.close()


_keepers: weakref.WeakSet[Keeper] = weakref.WeakSet()


def _let_go_of_all() -> None:
    for keeper in _keepers:
        keeper.let_go()


os.register_at_fork(after_in_child=_let_go_of_all)


def _keep(remove: str, command: Sequence[str]) -> None:
    """The keeper's whole life: be the child's parent, and end it when the owner says so or is gone."""
    control = sys.stdin.fileno()
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        preexec_fn=_end_with_parent,  # noqa: PLW1509  safe here: the keeper has only this thread yet
    )
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    owner_gone = threading.Event()

    def obey() -> None:
        while not owner_gone.is_set():
            try:
                order = os.read(control, 1)
            except OSError:
                order = b""
            if order == KILL:
                child.kill()
                continue
            if not order:
                owner_gone.set()
            child.terminate()
            child.send_signal(signal.SIGCONT)  # a frozen child would not hear the signal before
            time.sleep(STOP_DEADLINE.total_seconds())
            child.kill()

    with contextlib.suppress(OSError):
        os.write(control, b"%d" % child.pid)
    threading.Thread(target=obey, daemon=True).start()  # ends with the process, that is with the child
    child.wait()
    if remove and owner_gone.is_set():
        shutil.rmtree(remove, ignore_errors=True)


def _end_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    _keep(sys.argv[1], sys.argv[2:])
