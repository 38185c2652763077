"""Run the short profile again and again, also beside a busy loop on each core: ``python -m tests.faults.rounds --help``.

Each round has a seed and a folder of its own, and its row is written when it ends: an interrupted series goes on where it was.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from tests.support.processes import spawn

_BUSY: Final = "while True: pass"
_COLUMNS: Final = ("round", "busy loops", "verdict", "took", "highest load", "messages", "lost", "doubled", "failures")


def main() -> int:
    """Run the rounds that are missing, write the table, and return 1 when one was not green."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.rounds", description="Run the short profile often.")
    parser.add_argument("--times", type=int, default=10, help="rounds. Default: 10.")
    parser.add_argument("--busy", action="store_true", help="beside a busy loop on each core")
    parser.add_argument("--only", default="", help="faults to run, as of `tests.faults`. Default: the short profile.")
    parser.add_argument("--jobs", type=int, default=2, help="faults at the same time. Default: 2.")
    parser.add_argument(
        "--directory", type=Path, default=Path("build/faults/rounds"), help="Default: build/faults/rounds."
    )
    options = parser.parse_args()
    directory = options.directory / ("busy" if options.busy else "as-it-is")
    rows = []
    for number in range(1, options.times + 1):
        kept = directory / f"round-{number}.json"
        if not kept.exists():
            row = _round(number, directory / f"round-{number}", options)
            kept.write_text(json.dumps(row))
        rows.append(json.loads(kept.read_text()))
        (directory / "rounds.md").write_text(_table(rows))
    sys.stdout.write(_table(rows))
    return int(not all(row["green"] for row in rows))


def _round(number: int, directory: Path, options: argparse.Namespace) -> dict[str, Any]:
    """One run of the suite, and what its report says."""
    directory.mkdir(parents=True, exist_ok=True)
    args = [sys.executable, "-m", "tests.faults", "--seed", str(number), "--jobs", str(options.jobs), "--again"]
    began_s = time.monotonic()
    with _busy_loops(os.cpu_count() or 1 if options.busy else 0), (directory / "log").open("w") as log:
        code = subprocess.run(
            [*args, "--directory", str(directory), "--only", options.only], stdout=log, stderr=log, check=False
        ).returncode
    results: Sequence[Mapping[str, Any]] = json.loads((directory / "short" / "report.json").read_text())["results"]
    return {
        "round": number,
        "busy": options.busy,
        "green": code == 0,
        "took_s": round(time.monotonic() - began_s),
        "load": max(result["load"] for result in results),
        **{name: sum(result[name] for result in results) for name in ("messages", "lost", "doubled")},
        "failures": [f"{one['fault']}: {words}" for one in results for words in one["failures"]],
    }


@contextmanager
def _busy_loops(number: int) -> Iterator[None]:
    with ExitStack() as stack:
        logs = Path(stack.enter_context(TemporaryDirectory()))
        for place in range(number):
            stack.callback(spawn([sys.executable, "-c", _BUSY], {}, logs / f"{place}.log").kill)
        yield


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    lines = [" | ".join(_COLUMNS), " | ".join("---" for _ in _COLUMNS)]
    for row in rows:
        verdict = "green" if row["green"] else "**red**"
        cells = (row["round"], row["busy"], verdict, f"{row['took_s']} s", row["load"])
        counts = (row["messages"], row["lost"], row["doubled"], "; ".join(row["failures"]))
        lines.append(" | ".join(map(str, (*cells, *counts))))
    return "".join(f"| {line} |\n" for line in lines)


if __name__ == "__main__":
    raise SystemExit(main())
