"""A small HTTP server for metrics: few connections at once, each with a limit of time, whoever connects."""

import socket
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from socketserver import ThreadingMixIn
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

# Prometheus needs one, a health check another.
MOST_CONNECTIONS: Final = 16
# Until the head of a request is complete, and until its answer is taken.
HEAD_S: Final = 5.0
_ANSWER_S: Final = 60.0


class _Server(ThreadingMixIn, WSGIServer):
    """A connection that hangs keeps neither another one nor the end waiting."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._lock = threading.RLock()
        # Connection -> monotonic time until which it may go on, and whether its request has come.
        self._open: dict[Any, tuple[float, bool]] = {}
        super().__init__(*arguments, **options)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give a connection a thread; with too many, the longest silent one ends."""
        with self._lock:
            if len(self._open) >= MOST_CONNECTIONS:
                silent = [one for one, (_, has_asked) in self._open.items() if not has_asked]
                if not silent:
                    self.shutdown_request(request)
                    return
                self._end(silent[0])
            self._open[request] = (time.monotonic() + HEAD_S, False)
        super().process_request(request, client_address)

    def asked(self, request: Any) -> None:
        """The head of a request is complete."""
        with self._lock:
            if request in self._open:
                self._open[request] = (time.monotonic() + _ANSWER_S, True)

    def shutdown_request(self, request: Any) -> None:
        """A connection is over."""
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """End what took too long; socketserver calls this twice a second."""
        super().service_actions()
        now_s = time.monotonic()
        with self._lock:
            for request in [one for one, (until_s, _) in self._open.items() if now_s > until_s]:
                self._end(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that was ended is nobody's error; socketserver would print a traceback."""

    def _end(self, request: Any) -> None:
        """Wake up the thread of a connection: it finds nothing more to read, and nobody to write to."""
        self._open.pop(request, None)
        with suppress(OSError):
            request.shutdown(socket.SHUT_RDWR)


class _ServerV6(_Server):
    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    timeout = HEAD_S

    def parse_request(self) -> bool:
        """Read the head of a request."""
        is_complete = super().parse_request()
        server: Any = self.server
        if is_complete:
            server.asked(self.request)
        return is_complete

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """A line per scrape tells nothing."""


def serve(app: App, port: int, address: str, name: str) -> Callable[[], None]:
    """Serve a WSGI app from a thread of its own.

    Args:
        app: what answers.
        port: TCP port.
        address: interface.
        name: of the thread.

    Returns:
        A function that stops it.

    Raises:
        OSError: the port is taken.
    """
    kind = _ServerV6 if ":" in address else _Server
    server = make_server(address, port, app, server_class=kind, handler_class=_Handler)
    thread = threading.Thread(target=server.serve_forever, name=name, daemon=True)
    thread.start()

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return stop
