"""Run the fault suite: ``python -m tests.faults --help`` tells its options."""

import argparse
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.faults.catalogue import FAULTS
from tests.faults.profile import PROFILES
from tests.faults.report import Report


def main() -> int:
    """Run, tell, and write the report; 1 when something was not as promised."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description="Run the fault suite.")
    parser.add_argument("--profile", choices=sorted(PROFILES), default="short")
    parser.add_argument("--only", default="", help="faults to run, such as 'F5,F1 hold'; default: all of the profile")
    parser.add_argument("--percent", type=int, choices=range(1, 101), metavar="1-100", default=100, help="of the sizes")
    parser.add_argument(
        "--jobs", type=int, default=1, help="faults at the same time, but for those of load; default: 1"
    )
    parser.add_argument("--seed", type=int, default=1, help="of all random choices; default: 1")
    parser.add_argument(
        "--directory", type=Path, default=Path("build/faults"), help="of reports; default: build/faults"
    )
    parser.add_argument("--again", action="store_true", help="run also what was run on this commit before")
    parser.add_argument("--kept", action="store_true", help="run nothing: write the report of all parts that were kept")
    options = parser.parse_args()
    for ending in (signal.SIGINT, signal.SIGTERM):  # through all blocks, so that no process is left behind
        signal.signal(ending, signal.default_int_handler)
    profile = PROFILES[options.profile].scaled(options.percent)
    chosen = _chosen(options.only, is_full=profile.name == "full")
    if not chosen:
        parser.error(f"--only: names no fault. They are {', '.join(FAULTS)}")
    about = f"Profile {profile.name}, {options.percent} %, seed {options.seed}, commit {_commit()}."
    report = Report(options.directory / profile.name, profile, options.seed, about, again=options.again)
    if options.kept:
        for name in chosen:
            report.tell(name)
        chosen = []
    try:
        with ThreadPoolExecutor(options.jobs) as pool:
            beside = [pool.submit(report.run, name) for name in chosen if not FAULTS[name].alone]
            try:
                for future in beside:
                    future.result()
            except KeyboardInterrupt:
                report.stop()
                raise
        for name in chosen:
            if FAULTS[name].alone:
                report.run(name)
    finally:
        sys.stdout.write(report.write())
    return int(not all(result.passed for result in report.results()))


def _chosen(only: str, *, is_full: bool) -> list[str]:
    wanted = [name.strip().upper() for name in only.split(",") if name.strip()]
    if not wanted:
        return [name for name, fault in FAULTS.items() if is_full or fault.short]
    exact = {name.upper() for name in FAULTS}
    return [
        name
        for name in FAULTS
        if name.upper() in wanted or name.split()[0] in [one for one in wanted if one not in exact]
    ]


def _commit() -> str:
    run: Sequence[str] = ("git", "describe", "--always", "--dirty")
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


if __name__ == "__main__":
    raise SystemExit(main())
