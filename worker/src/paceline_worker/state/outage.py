"""When the state server stopped answering, and when it answered again: one line of the log for each, whoever noticed."""

import threading
import time
from typing import Final

import structlog

from paceline.state.trouble import trouble

log = structlog.get_logger(__name__)

# Connections learn one after the other that the server has changed: that is one trouble, told once.
_ECHO_S: Final = 2.0


class Outage:
    """Trouble of one process with the state server. Any thread may tell.

    Args:
        shard: whose server it is, where state has several shards.
    """

    def __init__(self, shard: int | None = None) -> None:
        self._shard = {} if shard is None else {"shard": shard}
        self._lock = threading.Lock()
        self._since_s: float | None = None
        self._ended_s = float("-inf")
        self._is_echo = False

    def began(self, error: Exception) -> None:
        """A command failed."""
        with self._lock:
            if self._since_s is not None:
                return
            self._since_s = time.monotonic()
            self._is_echo = self._since_s - self._ended_s < _ECHO_S
            if self._is_echo:
                return
        log.warning("the state server does not answer; nothing is granted", error=trouble(error), **self._shard)

    def ended(self) -> None:
        """A command was answered."""
        if self._since_s is None:
            return
        with self._lock:
            now_s = time.monotonic()
            since_s, self._since_s, self._ended_s = self._since_s or now_s, None, now_s
            if self._is_echo and now_s - since_s < _ECHO_S:
                return
        log.warning("the state server answers again", away_s=round(now_s - since_s, 1), **self._shard)
