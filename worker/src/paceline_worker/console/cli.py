"""`paceline console`."""

from datetime import timedelta
from typing import Annotated

import typer

from paceline.cli.commands import example
from paceline.cli.plugins import MissingExtra
from paceline.errors import InvalidOperation
from paceline.settings import Settings

EPILOG = example(
    "paceline tokens create anna --scope read,campaigns,operate --account '*' --expires 90d", "paceline console"
)


def console(
    *,
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port to listen on. Default: 9812.")] = 9812,
    address: Annotated[str, typer.Option("--address", help="Interface to bind to. Default: 127.0.0.1.")] = "127.0.0.1",
    session_hours: Annotated[
        float, typer.Option("--session-hours", help="Hours until a user must sign in again. Default: 8.")
    ] = 8.0,
    largest: Annotated[
        int, typer.Option("--largest", min=1024, help="Largest upload in bytes. Default: 67108864.")
    ] = 64 * 1024 * 1024,
) -> None:
    """Serve pages for operators: accounts, campaigns, held messages, dead letters.

    People sign in with tokens of the gateway (`paceline tokens create`). The address is http://127.0.0.1:9812/console/;
    for other machines put a proxy with TLS in front.
    """
    try:
        import uvicorn  # noqa: PLC0415 - of the extra `console`

        from paceline_worker.console.app import alone  # noqa: PLC0415 - likewise
    except ImportError as error:
        raise MissingExtra("the console needs its extra: pip install 'paceline[console]'") from error
    if not 0 < session_hours <= 720:
        raise InvalidOperation("--session-hours: is not between 0 and 720")
    app = alone(Settings.from_environment(), lifetime=timedelta(hours=session_hours), largest=largest)
    uvicorn.run(
        app,
        host=address,
        port=port,
        log_level="info",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=3,
    )
