"""``paceline hooks run``."""

from typing import Annotated, Final

import typer

from paceline.cli.plugins import MissingExtra
from paceline.errors import InvalidOperation, PacelineError
from paceline.settings import Settings
from paceline_worker.cli.spans import SPAN, span

_BACKOFF: Final = "5s,5m,30m,2h,5h,10h,14h,20h,24h"


class PortTaken(PacelineError):
    """The metrics cannot be served."""


def run(
    *,
    metrics_port: Annotated[
        int, typer.Option("--metrics-port", min=0, max=65535, help="Port of the metrics, 0 = off. Default: 9812.")
    ] = 9812,
    timeout: Annotated[
        str, typer.Option("--timeout", metavar=SPAN, help="Time for one request. Default: 15s.")
    ] = "15s",
    backoff: Annotated[
        str, typer.Option("--backoff", metavar="SPANS", help=f"Waits between tries. Default: {_BACKOFF}.")
    ] = _BACKOFF,
    breaker_wait: Annotated[
        str,
        typer.Option(
            "--breaker-wait",
            metavar=SPAN,
            help="First pause of a hook that failed ten times in a row; doubles up to 10m. Default: 30s.",
        ),
    ] = "30s",
    places: Annotated[
        int, typer.Option("--places", metavar="N", min=1, max=1000, help="Requests to one hook at once. Default: 16.")
    ] = 16,
    lease: Annotated[
        str,
        typer.Option(
            "--lease",
            metavar=SPAN,
            help="Time after which other runners take over the hooks of a lost runner. Default: 5s.",
        ),
    ] = "5s",
    allow_private: Annotated[
        bool, typer.Option("--allow-private", help="Post to http and private addresses as well, for test set-ups.")
    ] = False,
) -> None:
    """Post events to hooks until SIGTERM. Any number of runners share the hooks; a lost one loses no event."""
    try:
        from paceline_worker.hooks.policy import BACKOFF  # noqa: PLC0415 - the rest of the command line starts without it
        from paceline_worker.hooks.process import Options, serve  # noqa: PLC0415 - likewise
        from paceline_worker.hooks.serving import Rules  # noqa: PLC0415 - likewise
    except ImportError as error:
        raise MissingExtra("hooks need their extra: pip install 'paceline[cli,worker,hooks]'") from error

    waits = BACKOFF if backoff == _BACKOFF else tuple(span("--backoff", one) for one in backoff.split(","))
    deadline, held = span("--timeout", timeout), span("--lease", lease)

    for option, value in (("--timeout", deadline), ("--lease", held)):
        if not value:
            raise InvalidOperation(f"{option}: must be longer than 0 s")

    settings = Settings.from_environment()
    options = Options(
        Rules(waits, span("--breaker-wait", breaker_wait), places), deadline, held, allow_private, metrics_port
    )

    try:
        serve(settings, options)
    except OSError as error:
        where = f"{settings.metrics_address}:{metrics_port}"
        raise PortTaken(f"nothing can be served at {where}: {error.strerror}; choose another --metrics-port") from error
