"""The receiver: takes the provider's receipts of messages. ``python -m paceline_worker.receipts``."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, ProcessCollector

from paceline.errors import PacelineError
from paceline.settings import Settings
from paceline_worker.receipts.address import PATH
from paceline_worker.receipts.intake import Intake
from paceline_worker.receipts.metrics import ReceiptMetrics
from paceline_worker.receipts.server import serving
from paceline_worker.receipts.state import ReceiptState
from paceline_worker.receipts.words import Words, read_words
from paceline_worker.telemetry import logs
from paceline_worker.telemetry.health import Health, state_answers
from paceline_worker.telemetry.serving import origin

log = structlog.get_logger(__name__)

_ENDS: Final = (signal.SIGTERM, signal.SIGINT)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT.

    Args:
        arguments: of the command line; the process's own by default.

    Returns:
        The exit code: 0; 1 when it cannot start.
    """
    options = _parser().parse_args(arguments)
    # Kept until they are waited for: an end that is asked for while it starts is in order, too.
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)
    try:
        settings = Settings.from_environment(receipts_port=options.port, receipts_address=options.address)
        logs.configure(settings.log_format)
        asyncio.run(_serve(settings))
    except PacelineError as error:
        return _refuse(str(error))
    except OSError as error:
        where = f"{settings.receipts_address}:{settings.receipts_port}"
        return _refuse(f"nothing can be served at {where}: {error.strerror}")
    return 0


async def _serve(settings: Settings) -> None:
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    metrics = ReceiptMetrics(registry)
    state = ReceiptState(settings.state_url, settings.namespace)
    intake = Intake(state, metrics, words=_words(settings))
    try:
        health = Health(ready=[state_answers(settings)])
        async with serving(
            intake, metrics, registry, health, port=settings.receipts_port, address=settings.receipts_address
        ):
            log.info("receipts", address=f"{origin(settings.receipts_address, settings.receipts_port)}{PATH}")
            await _until_told(intake)
    finally:
        await state.client.aclose()


def _words(settings: Settings) -> Words:
    """The words of the settings; those that are not set are the usual ones."""
    given = {"opt_out": settings.opt_out_words, "opt_in": settings.opt_in_words}
    return Words(**{name: () if text.lower() == "none" else read_words(text) for name, text in given.items() if text})


async def _until_told(intake: Intake) -> None:
    """Count what is caught up with until the process is told to end."""
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    for number in _ENDS:
        loop.add_signal_handler(number, told.set)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDS)
    counting, ending = asyncio.create_task(intake.catch_up()), asyncio.create_task(told.wait())
    # Counting ends before only by a fault of ours, and then so does the process: a supervisor starts it again.
    await asyncio.wait({counting, ending}, return_when=asyncio.FIRST_COMPLETED)
    counting.cancel()
    with suppress(asyncio.CancelledError):
        await counting


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m paceline_worker.receipts",
        description="Receive the provider's receipts of messages (sent, received, read) at POST /receipts/ACCOUNT/TOKEN, and show"
        " the receiver's own /metrics, /healthz and /readyz. Any number of receivers may run.",
        epilog="Other settings come from the environment: PACELINE_STATE_URL (or PACELINE_BROKER_URL), PACELINE_LOG_FORMAT."
        " `paceline receipts url` makes the address of an account.",
    )
    parser.add_argument("--port", help="TCP port (PACELINE_RECEIPTS_PORT, else 9810)")
    parser.add_argument("--address", help="interface to bind to (PACELINE_RECEIPTS_ADDRESS, else 127.0.0.1)")
    return parser


def _refuse(sentence: str) -> int:
    sys.stderr.write(f"paceline: {sentence}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
