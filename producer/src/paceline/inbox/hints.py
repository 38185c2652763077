"""Telling workers that something is written. A hint may be lost or doubled without harm, so nobody waits for it."""

import logging
import os
import threading
import time
from typing import Final

import celery

from paceline import names
from paceline.errors import ConfigurationError
from paceline.inbox.broker import CONNECT_TIMEOUT_S, celery_settings

logger = logging.getLogger("paceline.outbox")

# While the broker is away, one attempt in so many seconds; the sweeper finds what was written meanwhile.
_PAUSE_S: Final = 5.0
# Records that one hint may name.
_LARGEST: Final = 100
# `close` waits so long for the last hints.
_FLUSH_S: Final = 1.5


class HintBus:
    """Publishes hints from a thread of its own, several records to a hint when they come fast.

    The thread starts with the first hint, again after a fork, and ends with `close`.

    Args:
        broker_url: any broker that Celery supports.

    Raises:
        ConfigurationError: Celery cannot use this kind of broker, or its library is not installed.
    """

    def __init__(self, broker_url: str) -> None:
        self._app = _hint_app(broker_url)
        self._changed = threading.Condition()
        self._waiting: list[str] = []
        self._busy = False
        self._closing = False
        self._pid = 0
        self._no_hint_before_s = 0.0

    def tell(self, rid: str) -> None:
        """An inbox record is written; returns at once."""
        with self._changed:
            if self._pid != os.getpid():  # the first hint, or a forked child: threads do not survive a fork
                self._pid = os.getpid()
                threading.Thread(target=self._run, name="paceline-hints", daemon=True).start()
            self._waiting.append(rid)
            self._changed.notify_all()

    def close(self) -> None:
        """Wait shortly for the last hints, then end the thread."""
        with self._changed:
            if self._pid == os.getpid():
                self._changed.wait_for(lambda: not self._waiting and not self._busy, timeout=_FLUSH_S)
            self._closing = True
            self._changed.notify_all()
        self._app.close()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._waiting or self._closing)
                if not self._waiting:
                    return
                batch, self._waiting = self._waiting[:_LARGEST], self._waiting[_LARGEST:]
                self._busy = True
            if time.monotonic() >= self._no_hint_before_s:
                self._publish(batch)

    def _publish(self, rids: list[str]) -> None:
        try:
            self._app.send_task(
                names.ACCEPT_TASK, args=[rids], queue=names.ACCEPT_QUEUE, ignore_result=True, retry=False
            )
        except Exception as error:  # noqa: BLE001 - any broker, any error: the operations are written all the same
            self._no_hint_before_s = time.monotonic() + _PAUSE_S
            logger.warning("the broker did not take a hint (%s); operations are written and will be found", error)


def _hint_app(broker_url: str) -> celery.Celery:
    """A Celery app of our own, which leaves the host's alone and gives up within a second."""
    app = celery.Celery("paceline.outbox", set_as_current=False)
    settings = celery_settings(broker_url)
    options = settings["broker_transport_options"]
    # kombu repeats a failed connection after 2 s although the publish is told not to retry.
    once = {"max_retries": 0, "interval_start": 0, "interval_step": 0, "interval_max": 0}
    timeouts = {"socket_timeout": CONNECT_TIMEOUT_S} if "socket_timeout" in options else {}
    app.conf.update(settings, broker_transport_options=options | once | timeouts)
    try:
        with app.connection_for_write() as connection:
            connection.get_transport_cls()
    except (KeyError, ImportError, ValueError) as error:
        raise ConfigurationError(f"{names.ENV_BROKER_URL}: Celery cannot use this kind of broker: {error}") from error
    return app
