"""The command line: reads arguments, starts the server, says where it listens, stops on a signal."""

import argparse
import asyncio
import contextlib
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TextIO

from paceline_sandbox.faults.scenario import BadScenario, Scenario, load_scenario
from paceline_sandbox.server import DEFAULT_HOST, Settings, keep_collections_short, serving

_FAILURE: Final = 1
_BAD_USAGE: Final = 2

_EPILOG: Final = """\
Without a scenario any API key works, limited to 10 requests a minute, and any number is connected.

  point Paceline at it     export PACELINE_API_BASE=http://127.0.0.1:8080/open
  send a message           curl -H 'X-User-API-Key: try-me' -H 'Content-Type: application/json' \\
                                -d '{"from_number": "+15550100001", "to_number": "+15550100002", "text": "Hello"}' \\
                                http://127.0.0.1:8080/open/whatsapp/send-message
  see what happened        http://127.0.0.1:8080/ in a browser; /sandbox/report per key, /sandbox/arrivals every request
  make it fail             send to a magic number: +15559990503 always answers 503, +15559991429 answers 429 once,
                           +15559992002 accepts and cuts the connection; the page lists them all
  change it while it runs  curl -X PUT --data-binary @scenario.toml http://127.0.0.1:8080/sandbox/scenario

sandbox/README.md describes every call, every field of a scenario and the magic numbers.
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m paceline_sandbox",
        description="Emulated 2Chat WhatsApp API: counts, limits and fails as its scenario says.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default=DEFAULT_HOST, help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=_port, default=8080, help="port; 0 picks a free one (default: %(default)s)")
    parser.add_argument("--scenario", type=Path, metavar="FILE.toml", help="scenario file; see sandbox/README.md")
    parser.add_argument("--seed", type=int, default=0, help="random seed for faults with a probability (default: 0)")
    parser.add_argument(
        "--log-file", type=Path, metavar="FILE.jsonl", help="file for the log of requests, one line each"
    )
    return parser


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) <= 65535):
        raise argparse.ArgumentTypeError("a port is a number from 0 to 65535")
    return int(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the sandbox until it is told to stop.

    Args:
        arguments: the command line without the program's name; by default the process's own.

    Returns:
        The exit code: 0 after a signal, 1 when it cannot listen or log, 2 for a bad scenario.
    """
    options = _parser().parse_args(arguments)
    try:
        scenario = load_scenario(options.scenario) if options.scenario else Scenario()
    except BadScenario as error:
        return _complain(str(error), _BAD_USAGE)
    try:
        with contextlib.ExitStack() as stack:
            log_file: TextIO | None = None
            if options.log_file:
                # By line: whoever reads along, or after a kill, finds whole lines.
                log_file = stack.enter_context(options.log_file.open("a", encoding="utf-8", buffering=1))
            asyncio.run(_run(Settings(scenario, options.host, options.port, options.seed, log_file)))
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        return _complain(f"The sandbox cannot run: {error.strerror or error}{where}.", _FAILURE)
    return 0


def _complain(sentence: str, code: int) -> int:
    sys.stderr.write(" ".join(sentence.split()) + "\n")
    return code


async def _run(settings: Settings) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    async with serving(settings) as root:
        housekeeping = asyncio.create_task(keep_collections_short())
        sys.stdout.write(f"paceline-sandbox listening on {root}\n")
        sys.stdout.flush()
        await stopped.wait()
        housekeeping.cancel()
