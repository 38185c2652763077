"""Handing tasks to Celery over one connection of our own, which no fork shares and no failure keeps."""

import os
import threading
from contextlib import suppress
from typing import Any, Final

from paceline.inbox.app import App

# Also where the broker takes a message and does not say that it has it, as RabbitMQ does while its memory alarm lasts.
CONFIRM_TIMEOUT_S: Final = 2.0

# Connections that a fork inherited: they are the parent's, and closing them here could end them there.
_inherited: list[Any] = []


class Publisher:
    """Publishes tasks, one at a time. Connects with the first one, again after a failure, and again in a forked child.

    Celery's own pool is shared with whatever a fork inherits, and keeps a connection that leads to a server which is no longer
    the primary.

    Args:
        app: whose broker it is.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._connection: Any = None
        self._producer: Any = None
        self._pid = 0

    def publish(self, task: str, arguments: list[Any], *, queue: str, headers: dict[str, Any] | None = None) -> None:
        """Publish one task.

        Raises:
            Exception: whatever the broker's library raises; perhaps the task was published all the same.
        """
        with self._lock:
            try:
                self._app.send_task(
                    task,
                    args=arguments,
                    queue=queue,
                    headers=headers,
                    producer=self._connected(),
                    retry=False,
                    ignore_result=True,
                    confirm_timeout=CONFIRM_TIMEOUT_S,
                )
            except BaseException:
                self._disconnect(abruptly=True)
                raise

    def close(self) -> None:
        """Close the connection; the next task opens another."""
        with self._lock:
            self._disconnect()

    def _connected(self) -> Any:
        if self._connection is not None and self._pid != os.getpid():
            _inherited.append((self._connection, self._producer))
            self._connection = self._producer = None
        if self._connection is None:
            self._pid = os.getpid()
            self._connection = self._app.connection_for_write()
            self._producer = self._app.amqp.Producer(self._connection, auto_declare=False)
        return self._producer

    def _disconnect(self, *, abruptly: bool = False) -> None:
        connection, self._connection, self._producer = self._connection, None, None
        if connection is None or self._pid != os.getpid():
            return
        with suppress(Exception):
            # Where closing is a conversation (AMQP), a server that does not listen would keep us waiting for ever.
            collect = getattr(connection.connection, "collect", None) if abruptly and connection.connected else None
            if collect:
                collect()
            else:
                connection.release()
