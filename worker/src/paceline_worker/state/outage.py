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
        self._logger = log if shard is None else log.bind(shard=shard)
        self._lock = threading.Lock()
        self._since_s: float | None = None
        self._ended_s = float("-inf")
        self._is_echo = False

    def began(self, error: Exception) -> None:
        """A command failed."""
        with self._lock:
            now_s = time.monotonic()
            if self._since_s is None:
                self._since_s = now_s
                self._is_echo = now_s - self._ended_s < _ECHO_S
            elif not self._is_echo:
                return
            if self._is_echo and now_s - self._since_s < _ECHO_S:
                return
            self._is_echo = False  # an echo does not last
        logger = self._logger
        logger.warning("the state server does not answer; nothing is granted", error=trouble(error))

    def is_recent(self, within_s: float) -> bool:
        """Whether the server is in trouble, or was within so many seconds."""
        return self._since_s is not None or time.monotonic() - self._ended_s < within_s

    def ended(self) -> None:
        """A command was answered."""
        if self._since_s is None:
            return
        with self._lock:
            now_s = time.monotonic()
            since_s, self._since_s, self._ended_s = self._since_s or now_s, None, now_s
            if self._is_echo and now_s - since_s < _ECHO_S:
                return
        logger = self._logger
        logger.warning("the state server answers again", away_s=round(now_s - since_s, 1))
