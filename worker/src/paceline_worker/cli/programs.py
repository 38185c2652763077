"""`paceline worker`, `paceline exporter`, `paceline receiver`: the programs that run all the time."""

import os
import sys
from typing import Annotated, Final

import typer

_WORKER: Final = ("-m", "celery", "-A", "paceline_worker", "worker", "--pool", "threads")


def worker(context: typer.Context) -> None:
    """Run a worker, which sends messages. Options are those of `celery worker`.

    Default of --loglevel: INFO, which shows a line for each outcome, at most ten a second.
    """
    # Celery takes over the process: signals, exit code and logs are its own.
    level = () if {"-l", "--loglevel"} & {word.partition("=")[0] for word in context.args} else ("--loglevel", "INFO")
    os.execv(sys.executable, [sys.executable, *_WORKER, *level, *context.args])  # noqa: S606 - no shell is the safe form


def exporter(
    port: Annotated[str | None, typer.Option(help="TCP port. Default: PACELINE_EXPORTER_PORT, else 9809.")] = None,
    address: Annotated[
        str | None, typer.Option(help="Interface to listen on. Default: PACELINE_METRICS_ADDRESS, else 127.0.0.1.")
    ] = None,
    *,
    once: Annotated[bool, typer.Option("--once", help="Print the metrics once, and end.")] = False,
) -> None:
    """Run the exporter, which shows the state to Prometheus. One is enough for any number of workers."""
    from paceline_worker.exporter.__main__ import main  # noqa: PLC0415 - the other programs do not need its packages

    raise typer.Exit(main([*_options(port, address), *(["--once"] if once else [])]))


def receiver(
    port: Annotated[str | None, typer.Option(help="TCP port. Default: PACELINE_RECEIPTS_PORT, else 9810.")] = None,
    address: Annotated[
        str | None, typer.Option(help="Interface to listen on. Default: PACELINE_RECEIPTS_ADDRESS, else 127.0.0.1.")
    ] = None,
) -> None:
    """Run the receiver, which takes 2Chat's webhooks. Any number of receivers may run."""
    from paceline_worker.receipts.__main__ import main  # noqa: PLC0415 - the other programs do not need its packages

    raise typer.Exit(main(_options(port, address)))


def _options(port: str | None, address: str | None) -> list[str]:
    given = {"--port": port, "--address": address}
    return [word for name, value in given.items() if value is not None for word in (name, value)]
