"""The command: arguments in, exit code out, and every way of ending in order."""

import json
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Final

import typer

from paceline.errors import PacelineError
from paceline_sandbox.demo.display import Display, console
from paceline_sandbox.demo.interrupts import Interrupted, Interrupts
from paceline_sandbox.demo.plan import plan
from paceline_sandbox.demo.stack import Stack

_CHECK_EVERY_S: Final = 0.2
# What the processes of the demo import, and nobody imports here.
_NEEDED: Final = ("aiohttp", "cryptography", "httpx", "httpx_aiohttp", "limits", "prometheus_client", "structlog")


def demo(
    *,
    keep: Annotated[bool, typer.Option("--keep", help="Keep everything running at the end, until Ctrl-C.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON, the progress on stderr.")] = False,
    fast: Annotated[bool, typer.Option("--fast", help="Run a smaller demo of about 20 seconds.")] = False,
    seed: Annotated[int, typer.Option("--seed", help="Random seed for recipient names and provider faults.")] = 0,
) -> None:
    """Watch campaigns leave at pace on this machine, while the provider fails and a worker is killed.

    Starts a state server, the emulated 2Chat API and two workers, sends about 150 messages for three accounts and ends
    within a minute or so with what the provider saw. Exit code 1 when anything was lost, doubled or broke a limit.
    """
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        remedy = "pip install 'paceline[cli,worker,embedded,sandbox]'"
        sys.stderr.write(f"paceline: the demo needs {missing[0]!r}, which is not installed: {remedy}\n")
        raise typer.Exit(1)

    directory = Path(tempfile.mkdtemp(prefix="paceline-demo-"))
    code = 1

    try:
        with Interrupts() as interrupts, Display(console(stderr=as_json)) as display, ExitStack() as resources:
            stack = resources.enter_context(Stack(directory, interrupts.shield))
            resources.callback(interrupts.ignore)  # runs first: nothing cuts the stopping short
            code = _run(stack, display, keep=keep, as_json=as_json, fast=fast, seed=seed)
    except Interrupted as ended:
        sys.stderr.write("paceline: stopped\n")
        shutil.rmtree(directory, ignore_errors=True)
        raise typer.Exit(ended.exit_code) from None
    except PacelineError as error:
        sys.stderr.write(f"paceline: {error}\n")

    if code and any(directory.iterdir()):
        sys.stderr.write(f"paceline: the logs of this run are in {directory}\n")
    else:
        shutil.rmtree(directory, ignore_errors=True)

    raise typer.Exit(code)


def _run(stack: Stack, display: Display, *, keep: bool, as_json: bool, fast: bool, seed: int) -> int:
    from paceline_sandbox.demo.show import Show  # noqa: PLC0415 - imports what may have been missing

    report = Show(plan(fast=fast, seed=seed), stack, display).run()
    if as_json:
        display.freeze()
        sys.stdout.write(json.dumps(report.as_json()) + "\n")
        sys.stdout.flush()
    else:
        display.print_report(report)
    if keep:
        display.print_lines(_left_running(stack))
        _wait_for_a_signal(stack)
    elif not as_json and not report.problems:
        display.print_lines(_WHAT_NEXT)
    return 1 if report.problems else 0


_WHAT_NEXT: Final = (
    "",
    "What next: `paceline demo --keep` leaves everything running, with metrics to scrape and the provider's own page;",
    "README.md says how to send with keys of your own, sandbox/README.md how to make the provider fail in other ways.",
)


def _left_running(stack: Stack) -> list[str]:
    metrics = [
        f"  metrics of {name:<12} http://127.0.0.1:{stack.metrics_ports[name]}/metrics" for name in stack.workers
    ]
    return [
        "",
        "Everything keeps running until Ctrl-C. Look at:",
        *metrics,
        f"  the provider's own page {stack.sandbox_root}/",
        f"  logs and data           {stack.directory}",
        "In another terminal:",
        f"  export PACELINE_BROKER_URL={stack.url}",
        "  paceline campaign list",
        "  paceline audit",
    ]


def _wait_for_a_signal(stack: Stack) -> None:
    """Return at the first one: it is the ordinary end of --keep, and the report decides about the exit code."""
    try:
        while True:
            stack.check()
            time.sleep(_CHECK_EVERY_S)
    except Interrupted:
        sys.stderr.write("paceline: stopping\n")
