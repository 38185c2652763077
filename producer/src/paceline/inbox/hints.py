"""Telling workers that something is written. A hint may be lost or doubled without harm, so nobody waits for it."""

import atexit
import logging
import os
import sys
import threading
import time
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from paceline import names
from paceline.inbox.app import App
from paceline.inbox.broker import CONNECT_TIMEOUT_S
from paceline.inbox.publisher import Publisher
from paceline.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger("paceline.outbox")

# While the broker is away, one attempt in so many seconds; the sweeper finds what was written meanwhile.
_PAUSE_S: Final = 5.0
# Records that one hint may name.
_LARGEST: Final = 100
# Between two hints, so that records which come fast share one; the first one after a pause leaves at once.
_REST_S: Final = 0.025
# Likewise for records of campaigns, for which nobody waits: a worker reads ten hints instead of a hundred.
_REST_OF_BULK_S: Final = 0.25
# Hints that may wait in a process; of more the oldest are left to the sweeper.
_MOST: Final = 10_000
# `close` and the end of the interpreter wait so long for the last hints, and the latter as long again for the thread.
_FLUSH_S: Final = 1.5
# A fork waits so long for a hint that is on its way.
_LONGEST_PUBLISH_S: Final = 3.0
# A thread that did not take a hint within so long does not run.
_PATIENCE_S: Final = 1.0


class HintBus:
    """Publishes hints from a thread, several records to a hint when they come fast.

    All buses of a process that have the same broker share one thread and one connection, so an outbox may be made for every
    request. The thread starts with the first hint, again after a fork, and ends when the last of its buses is closed. Where
    threads do not run, as under uWSGI without ``enable-threads``, the caller publishes.

    Args:
        settings: broker, namespace and options.

    Raises:
        ConfigurationError: Celery cannot use this kind of broker, or its library is not installed.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._line()

    def tell(self, rid: str, *, is_bulk: bool = False) -> None:
        """An inbox record is written; returns at once.

        Args:
            rid: as `hint_of` names it.
            is_bulk: a part of a campaign, which hints about single messages overtake.
        """
        self._line().tell(rid, is_bulk=is_bulk)

    def close(self) -> None:
        """Wait shortly for the last hints; the last bus of a line ends its thread."""
        registry = _registry()
        key = _key(self._settings)
        line = registry.lines.get(key)
        if line is None:
            return
        line.flush()
        with registry.lock:
            line.users.discard(self)
            if line.users:
                return
            registry.lines.pop(key, None)
            registry.ending.add(line)
        line.end()

    def _line(self) -> "_Line":
        registry = _registry()
        with registry.lock:
            key = _key(self._settings)
            line = registry.lines.get(key)
            if line is None:
                line = registry.lines[key] = _Line(self._settings)
            line.users.add(self)
            return line


class _Registry:
    """The lines of one process."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.lock = threading.Lock()
        self.lines: dict[tuple[str, ...], _Line] = {}
        # Closed, while their threads may still run.
        self.ending: weakref.WeakSet[_Line] = weakref.WeakSet()


class _Line:
    """The hints of one process to one broker."""

    def __init__(self, settings: Settings) -> None:
        self.users: weakref.WeakSet[HintBus] = weakref.WeakSet()
        with _quiet:
            self._app = _hint_app(settings)
        self._publisher = Publisher(self._app)
        self._changed = threading.Condition()
        self._waiting: deque[str] = deque(maxlen=_MOST)
        self._waiting_bulk: deque[str] = deque(maxlen=_MOST)
        self._thread: threading.Thread | None = None
        self._hurried = threading.Event()
        self._busy = self._closing = False
        self._untaken_since_s = 0.0
        self._no_hint_before_s = self._no_bulk_before_s = 0.0
        self._failing = self._said = False
        _at_exit_of_this_process()

    @property
    def queue(self) -> str:
        """Where its hints go."""
        return str(self._app.accept_queue)

    def tell(self, rid: str, *, is_bulk: bool = False) -> None:
        """Take a hint; publish it here where the thread does not run."""
        with self._changed:
            now_s = time.monotonic()
            if not self._has_hints:
                self._untaken_since_s = now_s
            (self._waiting_bulk if is_bulk else self._waiting).append(rid)
            self._start()
            stands_still = not self._busy and now_s - self._untaken_since_s > _PATIENCE_S
            self._changed.notify_all()
        if stands_still or not _threads_run():
            if not _forks_later():
                self._say_once()
            self._publish_waiting()

    @property
    def _has_hints(self) -> bool:
        return bool(self._waiting or self._waiting_bulk)

    def flush(self) -> None:
        """Wait shortly until all hints are out."""
        with self._changed:
            if _threads_run() and self._thread:
                self._hurried.set()
                self._changed.wait_for(lambda: not self._has_hints and not self._busy, timeout=_FLUSH_S)
                self._hurried.clear()
            left = self._has_hints and not self._busy
        if left:
            self._publish_waiting()
            self._publish_waiting()  # the other kind

    def end(self, *, within_s: float = 0.0) -> None:
        """Let the thread end, and close the connection.

        Args:
            within_s: seconds to wait for the end of the thread. Default: 0.
        """
        with self._changed:
            self._closing = True
            self._hurried.set()
            self._changed.notify_all()
            thread = self._thread
        if thread is None:
            self._release()
        else:
            thread.join(within_s)

    def _start(self) -> None:
        if self._thread is None and _threads_run():
            self._thread = threading.Thread(target=self._run, name="paceline-hints", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._has_hints or self._closing)
                if not self._has_hints:
                    break
                self._busy = self._is_due
            if self._busy:
                self._publish_waiting()

            with self._changed:
                self._busy = False
                self._changed.notify_all()
                goes_on = len(self._waiting) >= _LARGEST
            if not goes_on:
                self._hurried.wait(_REST_S)
        self._release()

    @property
    def _is_due(self) -> bool:
        """Whether waiting hints leave now: those of campaigns rest longer, unless they fill one or somebody waits for the last."""
        is_full = len(self._waiting_bulk) >= _LARGEST
        return bool(self._waiting) or is_full or self._hurried.is_set() or time.monotonic() >= self._no_bulk_before_s

    def _publish_waiting(self) -> None:
        """One hint about waiting records of one kind, those of single messages first."""
        with self._changed:
            is_bulk = not self._waiting
            if is_bulk:
                self._no_bulk_before_s = time.monotonic() + _REST_OF_BULK_S
            waiting = self._waiting_bulk if is_bulk else self._waiting
            batch = [waiting.popleft() for _ in range(min(_LARGEST, len(waiting)))]
            self._untaken_since_s = time.monotonic()
        if not batch or time.monotonic() < self._no_hint_before_s:
            return
        try:
            with _quiet:
                headers = {names.BULK_HEADER: True} if is_bulk else None
                self._publisher.publish(names.ACCEPT_TASK, [batch], queue=self._app.accept_queue, headers=headers)
        except Exception as error:  # noqa: BLE001 - any broker, any error: the operations are written all the same
            self._no_hint_before_s = time.monotonic() + _PAUSE_S
            self._failing = True
            logger.warning(
                "the broker did not take a hint (%s); the operations are written, and workers will find them", error
            )
        else:
            if self._failing:
                logger.warning("the broker takes hints again")
            self._failing = False

    def _say_once(self) -> None:
        if not self._said:
            self._said = True
            if _threads_run():
                logger.warning(
                    "the thread for hints did not run for a second, so this call publishes them: the machine is busy, "
                    "or this server of requests runs no threads"
                )
            else:
                logger.warning(
                    "threads do not run in this process, so each call publishes its own hint: under uWSGI set "
                    "enable-threads"
                )

    def _release(self) -> None:
        self._publisher.close()
        self._app.close()


class _Quiet:
    """Held while Celery and kombu work: a fork in the middle of that would leave their locks locked in the child, for ever."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._is_held = False
        at_fork = getattr(os, "register_at_fork", None)  # where processes do not fork, nothing is to be done
        if at_fork:
            at_fork(before=self._hold, after_in_parent=self._let_go, after_in_child=self._renew)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def _hold(self) -> None:
        self._is_held = self._lock.acquire(timeout=_LONGEST_PUBLISH_S)

    def _let_go(self) -> None:
        if self._is_held:
            self._lock.release()

    def _renew(self) -> None:
        self._lock = threading.RLock()


_quiet = _Quiet()

# Lines of a parent process: nothing of theirs may be closed or waited for in the child.
_inherited: list[_Registry] = []
_current = _Registry()


def _registry() -> _Registry:
    """The lines of this process; a child has none of its parent's, whoever made it."""
    global _current  # noqa: PLW0603 - one for each process
    if _current.pid != os.getpid():
        _inherited.append(_current)
        _current = _Registry()
    return _current


def _key(settings: Settings) -> tuple[str, ...]:
    return settings.broker_url, settings.namespace, settings.broker_options


def _threads_run() -> bool:
    """Whether threads of Python run beside the caller: uWSGI lets them only when it is told to."""
    options: Any = getattr(sys.modules.get("uwsgi"), "opt", None)
    if not isinstance(options, dict):
        return True
    return not _forks_later() and bool({"enable-threads", "threads", b"enable-threads", b"threads"} & set(options))


def _forks_later() -> bool:
    """True in a process of uWSGI that loads the application before its workers are forked.

    uWSGI forks without Python's handlers before a fork: a thread that works at that moment would leave its locks locked in
    each worker, for ever.
    """
    worker_id: Any = getattr(sys.modules.get("uwsgi"), "worker_id", None)
    return callable(worker_id) and worker_id() == 0


def _end_all() -> None:
    """Send the last hints, and end the threads before the interpreter ends."""
    registry = _current
    if registry.pid != os.getpid():
        return
    for line in list(registry.ending):
        line.end(within_s=_FLUSH_S)
    while registry.lines:
        _, line = registry.lines.popitem()
        line.flush()
        line.end(within_s=_FLUSH_S)


def _at_exit_of_this_process() -> None:
    """End the lines with this process: children of multiprocessing and of Celery's pools end without the handlers of `atexit`."""
    for module in ("multiprocessing.util", "billiard.util"):
        finalize: Callable[..., Any] | None = getattr(sys.modules.get(module), "Finalize", None)
        if finalize:
            finalize(None, _end_all, exitpriority=100)


atexit.register(_end_all)


def _hint_app(settings: Settings) -> App:
    """A Celery app of our own, which leaves the host's alone and gives up within a second."""
    app = App("paceline.outbox", settings)
    options = app.conf["broker_transport_options"]
    # kombu repeats a failed connection after 2 s although the publish is told not to retry.
    once = {"max_retries": 0, "interval_start": 0, "interval_step": 0, "interval_max": 0}
    timeouts = {"socket_timeout": CONNECT_TIMEOUT_S} if "socket_timeout" in options else {}
    app.conf["broker_transport_options"] = options | once | timeouts
    app.check_broker()
    return app
