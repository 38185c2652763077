"""Where something is served over HTTP: addresses as they are written, and a metrics endpoint that waits for its port."""

import errno
import socket
import threading
from typing import TYPE_CHECKING, Final

import structlog

from paceline_worker.telemetry import scraped

if TYPE_CHECKING:
    from collections.abc import Callable

log = structlog.get_logger(__name__)

# A port that another process had is tried again this often.
_AGAIN_S: Final = 10.0
ALL_V6: Final = "::"


def origin(address: str, port: int) -> str:
    """``http://host:port``, with brackets where the host is an IPv6 address."""
    return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"


def listener(address: str, port: int) -> socket.socket:
    """A socket that listens; on ``::`` it serves IPv4 as well, where the system can.

    Raises:
        OSError: nothing can be served there.
    """
    if address == ALL_V6 and socket.has_dualstack_ipv6():
        return socket.create_server((address, port), family=socket.AF_INET6, dualstack_ipv6=True)
    family = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
    return socket.create_server((address, port), family=family)


class MetricsEndpoint:
    """A worker's ``/metrics`` and its answers to probes. While it cannot be served the worker runs on, says why, and tries again.

    Args:
        app: what answers.
        port: TCP port.
        address: interface.
        again_s: seconds between attempts.
    """

    def __init__(self, app: scraped.App, port: int, address: str, *, again_s: float = _AGAIN_S) -> None:
        self._app = app
        self._port = port
        self._address = address
        self._again_s = again_s
        self._ended = threading.Event()
        self._stop: Callable[[], None] | None = None
        self._thread: threading.Thread | None = None
        # Where it is served; None while it is not.
        self.at: str | None = None

    def start(self) -> None:
        """Serve, or begin to wait for the port."""
        try:
            self._serve()
        except OSError as error:
            self._complain(error)
            self._thread = threading.Thread(target=self._wait, name="paceline-metrics", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Serve no more."""
        self._ended.set()
        if self._thread:
            self._thread.join()
        if self._stop:
            self._stop()

    def _serve(self) -> None:
        self._stop = scraped.serve(self._app, self._port, self._address, "paceline-metrics")
        self.at = f"{origin(self._address, self._port)}/metrics"
        log.info("metrics", address=self.at)

    def _wait(self) -> None:
        while not self._ended.wait(self._again_s):
            try:
                self._serve()
            except OSError:
                continue
            return

    def _complain(self, error: OSError) -> None:
        if error.errno == errno.EADDRINUSE:
            log.warning(
                "this worker shows no metrics: the port is taken; give each worker its own PACELINE_METRICS_PORT",
                port=self._port,
                error=error.strerror,
            )
            return
        log.warning(
            "this worker shows no metrics: PACELINE_METRICS_ADDRESS and PACELINE_METRICS_PORT cannot be served",
            port=self._port,
            error=error.strerror,
        )
