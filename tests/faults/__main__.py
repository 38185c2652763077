"""Run the fault suite: ``python -m tests.faults --help`` tells its options."""

import argparse
import hashlib
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from tests.faults.catalogue import FAULTS
from tests.faults.profile import PROFILES
from tests.faults.report import Report

# Everything that a fault runs. Documents and other tests change nothing in what a part has shown.
_SOURCES: Final = (
    "pyproject.toml",
    "producer",
    "worker",
    "sandbox",
    "tests/faults",
    "tests/support",
    "tests/simulation",
)


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
    parser.add_argument("--again", action="store_true", help="run also what passed with these sources before")
    parser.add_argument("--kept", action="store_true", help="run nothing: write the report of all parts that were kept")
    options = parser.parse_args()
    for ending in (signal.SIGINT, signal.SIGTERM):  # through all blocks, so that no process is left behind
        signal.signal(ending, signal.default_int_handler)
    profile = PROFILES[options.profile].scaled(options.percent)
    chosen = _chosen(options.only, is_full=profile.name == "full")
    if not chosen:
        parser.error(f"--only: names no fault. They are {', '.join(FAULTS)}")
    run = f"Profile {profile.name}, {options.percent} %, seed {options.seed}"
    report = Report(
        options.directory / profile.name,
        profile,
        options.seed,
        about=f"{run}, commit {_git('describe', '--always', '--dirty') or 'unknown'}.",
        sources=f"{run}, sources {_sources()}",
        again=options.again,
    )
    if options.kept:
        for name in chosen:
            report.tell(name)
        chosen = []
    try:
        with ThreadPoolExecutor(options.jobs) as pool:
            beside = [
                pool.submit(report.run, *part)
                for part in report.parts(name for name in chosen if not FAULTS[name].alone)
            ]
            try:
                for future in beside:
                    future.result()
            except KeyboardInterrupt:
                report.stop()
                raise
        for part in report.parts(name for name in chosen if FAULTS[name].alone):
            report.run(*part)
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


def _sources() -> str:
    """A digest of what is run: the committed files, and what was changed in them since."""
    text = _git("ls-tree", "HEAD", "--", *_SOURCES) + _git("diff", "HEAD", "--", *_SOURCES)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _git(*arguments: str) -> str:
    """What git says; nothing where there is no repository."""
    run: Sequence[str] = ("git", *arguments)
    return subprocess.run(run, capture_output=True, text=True, check=False).stdout.strip()


if __name__ == "__main__":
    raise SystemExit(main())
