"""The command `python -m deploy.rehearsal`: incidents on a small fleet, and a review of the dashboards."""

import argparse
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from deploy.grafana.queries import expressions
from deploy.rehearsal import recording
from deploy.rehearsal.record import record
from deploy.rehearsal.recording import Recording
from deploy.rehearsal.review import findings
from paceline.errors import PacelineError
from paceline_sandbox.demo.interrupts import Interrupted, Interrupts

RECORDING: Final = Path(__file__).parents[2] / "build" / "rehearsal" / "recording.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Rehearse.

    Args:
        arguments: without the program's name. Default: the process's own.

    Returns:
        The exit code: 0, 1 after a failure or with findings, or 128 and the number of the signal.
    """
    options = _parser().parse_args(arguments)
    say = _teller()
    try:
        recorded = _record(say)
        recording.write(recorded, options.save)
        say(f"the recording is {options.save}")
    except Interrupted as ended:
        say("stopped")
        return ended.exit_code
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except (PacelineError, OSError) as error:
        say(str(error))
        return 1
    return review(recorded, say)


def review(recorded: Recording, say: Callable[[str], None]) -> int:
    """Report the findings of a recording.

    Args:
        recorded: the recording.
        say: prints a sentence.

    Returns:
        The exit code: 0, or 1 with findings.
    """
    faults = list(findings(recorded, expressions(**recorded.values)))
    for fault in faults:
        say(str(fault))
    answered = sum(bool(answer.series) for answer in recorded.answers)
    say(f"{len(recorded.answers)} queries, {answered} with an answer, {len(faults)} findings")
    return 1 if faults else 0


def _record(say: Callable[[str], None]) -> Recording:
    """Record in a temporary folder; the logs stay there after a failure."""
    folder = Path(tempfile.mkdtemp(prefix="paceline-rehearsal-"))
    try:
        with Interrupts() as interrupts:
            recorded = record(folder, interrupts, say)
    except PacelineError:
        if any(folder.iterdir()):
            say(f"the logs are in {folder}")
        else:
            folder.rmdir()
        raise
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)
    return recorded


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m deploy.rehearsal",
        description="Rehearse incidents: start a small fleet on this machine, trouble it for four minutes, ask a real "
        "Prometheus every query of the dashboards, and report each panel that stays empty.",
    )
    parser.add_argument(
        "--save",
        type=Path,
        metavar="FILE",
        default=RECORDING,
        help="file for the recording, JSON. Default: build/rehearsal/recording.json",
    )
    return parser


def _teller() -> Callable[[str], None]:
    """A function that prints sentences on stderr, each with the time since the beginning."""
    begun = time.monotonic()

    def say(sentence: str) -> None:
        minutes, seconds = divmod(int(time.monotonic() - begun), 60)
        sys.stderr.write(f"rehearsal {minutes}:{seconds:02d} {sentence}\n")

    return say


if __name__ == "__main__":
    sys.exit(main())
