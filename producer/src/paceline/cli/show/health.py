"""`paceline health`."""

import json
from enum import StrEnum
from typing import Annotated, Final
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

import typer

from paceline.cli.options import Json
from paceline.errors import ConfigurationError
from paceline.settings import Settings

GATEWAY_PORT: Final = 9811
_LONGEST_ANSWER: Final = 1_000


class Program(StrEnum):
    """A program that answers probes."""

    worker = "worker"
    exporter = "exporter"
    receiver = "receiver"
    gateway = "gateway"


def health(
    program: Annotated[Program, typer.Argument(help="Program on this machine to check.")] = Program.worker,
    *,
    live: Annotated[
        bool,
        typer.Option(
            "--live/--ready", help="Check that the process runs, or that it can do its work. Default: --ready."
        ),
    ] = False,
    url: Annotated[
        str | None,
        typer.Option("--url", metavar="http://HOST:PORT", help="Address of the program. Default: this machine."),
    ] = None,
    timeout: Annotated[float, typer.Option("--timeout", metavar="SECONDS", help="Seconds to wait. Default: 6.")] = 6.0,
    json_output: Json = False,
) -> None:
    """Check the health of a running program. Exit code 0: healthy; 1: unhealthy, with the reason."""
    address = (url or _address(program)).rstrip("/") + ("/healthz" if live else "/readyz")
    status, words = _ask(address, timeout)
    is_well = status == 200
    if json_output:
        reason = None if is_well else words
        typer.echo(json.dumps({"program": str(program), "address": address, "well": is_well, "reason": reason}))
    else:
        state = "runs" if live else "is ready"
        typer.echo(f"The {program} {state}." if is_well else f"The {program} is unhealthy: {words}", err=not is_well)
    raise typer.Exit(0 if is_well else 1)


def _address(program: Program) -> str:
    settings = Settings.from_environment()
    ports = {
        Program.worker: settings.metrics_port,
        Program.exporter: settings.exporter_port,
        Program.receiver: settings.receipts_port,
        Program.gateway: GATEWAY_PORT,
    }
    if not ports[program]:
        raise ConfigurationError("PACELINE_METRICS_PORT is 0, so this worker answers no probes; give the worker a port")
    return f"http://127.0.0.1:{ports[program]}"


def _ask(address: str, timeout_s: float) -> tuple[int, str]:
    """Status and words of a probe; status 0 when nobody answers."""
    opener = build_opener(ProxyHandler({}))  # a proxy from the environment must not see local calls
    try:
        with opener.open(address, timeout=timeout_s) as answer:
            return answer.status, "ok"
    except HTTPError as error:
        return error.code, error.read(_LONGEST_ANSWER).decode(errors="replace").strip()
    except TimeoutError:
        return 0, f"{address} does not answer within {timeout_s:g} s"
    except (OSError, ValueError) as error:
        return 0, f"{address} cannot be reached: {getattr(error, 'reason', error)}"
