"""A state server that is another process than before, or that came back without what it had acknowledged."""

from typing import Any, Final

import structlog

from paceline.state.scripts import Script

# How often the server is asked whether it is still the process we knew; a new connection asks in any case.
_RUN_CHECK_S: Final = 1.0

log = structlog.get_logger(__name__)


class RunCheck:
    """Whether the server is still the process that it was: asked on each new connection before anything else, and now and then.

    What a connection that is kept tells is for a proxy in between, which may hide that the server went away.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self._script = Script("paceline_worker", "restarted")
        self._asked_s = 0.0

    def connected(self, connection: Any) -> None:
        """A blocking connection was made."""
        connection.send_command(*self._script.plainly(self._root))
        self._note(connection.read_response())

    async def aconnected(self, connection: Any) -> None:
        """An asyncio connection was made."""
        await connection.send_command(*self._script.plainly(self._root))
        self._note(await connection.read_response())

    def _note(self, restarted: Any) -> None:
        if restarted in ("1", b"1"):
            say_restarted()

    def due(self, now_s: float) -> bool:
        """Whether this call is to ask as well; it is taken to do so."""
        if now_s - self._asked_s < _RUN_CHECK_S:
            return False
        self._asked_s = now_s
        return True

    def now(self) -> None:
        """Let the next call ask."""
        self._asked_s = 0.0


def say_forgotten(forgotten_us: int) -> None:
    """Into the log, by each worker whose heartbeat is missing."""
    log.critical(
        "the state server came back without writes that it had acknowledged: its append-only file was truncated, or is an old one. "
        "Operations of that time may be lost or sent again; run `paceline audit`, and compare with what your services sent",
        forgotten_s=round(forgotten_us / 1e6, 1),
    )


def say_restarted() -> None:
    """Into the log, by whoever noticed it."""
    log.warning("the state server was restarted; every bucket starts empty, so sending stops for one spacing")
