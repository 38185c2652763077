"""The exporter: one process that shows the gauges of the state. ``python -m paceline_worker.exporter``."""

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest, make_wsgi_app

from paceline.errors import PacelineError
from paceline.settings import Settings
from paceline.state import connect_to
from paceline.state.calls import State
from paceline_worker.exporter.gauges import StateGauges
from paceline_worker.exporter.readings import Reader
from paceline_worker.telemetry import logs, scraped
from paceline_worker.telemetry.health import Health, served, state_answers
from paceline_worker.telemetry.serving import origin

log = structlog.get_logger(__name__)

_ENDS: Final = (signal.SIGTERM, signal.SIGINT)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT, or print once.

    Args:
        arguments: of the command line; the process's own by default.

    Returns:
        The exit code: 0; 1 when it cannot start, or when `--once` found no state server.
    """
    options = _parser().parse_args(arguments)
    # Kept for `sigwait`: an end that is asked for while it starts is in order, too.
    if not options.once:
        signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)

    try:
        settings = Settings.from_environment(exporter_port=options.port, metrics_address=options.address)
        logs.configure(settings.log_format)
        client = connect_to(settings, repeat=True)
    except PacelineError as error:
        return _refuse(str(error))

    registry = CollectorRegistry()
    gauges = StateGauges(Reader(client), State(client), capacity=settings.capacity)
    registry.register(gauges)
    ProcessCollector(registry=registry)

    if options.once:
        sys.stdout.write(generate_latest(registry).decode())
        return int(not gauges.up)

    try:
        stop = _serve(registry, Health(ready=[state_answers(settings)]), settings)
    except OSError as error:
        return _refuse(
            f"nothing can be served at {settings.metrics_address}:{settings.exporter_port}: {error.strerror}"
        )

    log.info("metrics", address=f"{origin(settings.metrics_address, settings.exporter_port)}/metrics")
    signal.sigwait(_ENDS)
    stop()

    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m paceline_worker.exporter",
        description="Export the gauges of the state to Prometheus: one exporter for any number of workers.",
        epilog="Other settings come from the environment: PACELINE_STATE_URL (or PACELINE_BROKER_URL), PACELINE_LOG_FORMAT.",
    )
    parser.add_argument("--port", help="TCP port (PACELINE_EXPORTER_PORT, else 9809)")
    parser.add_argument("--address", help="interface to bind to (PACELINE_METRICS_ADDRESS, else 127.0.0.1)")
    parser.add_argument("--once", action="store_true", help="print the metrics once, and stop")
    return parser


def _serve(registry: CollectorRegistry, health: Health, settings: Settings) -> Callable[[], None]:
    app = served(health, make_wsgi_app(registry))
    return scraped.serve(app, settings.exporter_port, settings.metrics_address, "paceline-exporter")


def _refuse(sentence: str) -> int:
    sys.stderr.write(f"paceline: {sentence}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
