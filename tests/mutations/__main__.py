"""Apply each mutation to a copy of the repository and run the tests that must fail: ``python -m tests.mutations --help``."""

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.mutations.catalogue import MUTATIONS

ROOT: Final = Path(__file__).parents[2]
_SOURCES: Final = ("producer/src", "worker/src", "sandbox/src")
# Of pytest: no test failed; some did.
_PASSED, _FAILED = 0, 1


def main() -> int:
    """Run, and tell of each mutation whether a test saw it; 1 when one was not seen."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description="Take away what holds a promise.")
    parser.add_argument("--only", default="", help="words of the mutations to run; default: all")
    parser.add_argument("--without-control", action="store_true", help="leave out the run of unchanged sources")
    options = parser.parse_args()
    chosen = [one for one in MUTATIONS if options.only in one.what]
    if not chosen:
        parser.error(f"--only: names no mutation. They are {', '.join(one.what for one in MUTATIONS)}")
    with TemporaryDirectory(prefix="paceline-mutations-") as directory:
        root = Path(directory) / "repository"
        copy(root)
        unseen = 0
        if not options.without_control:
            tests = sorted({test for one in chosen for test in one.tests})
            unseen += _tell("nothing (control)", _run(root, tests, stop=False), expected=_PASSED)
        for one in chosen:
            original, mutated = (root / one.path).read_text(), one.applied(root)
            (root / one.path).write_text(mutated)
            try:
                unseen += _tell(one.what, _run(root, one.tests, stop=True), expected=_FAILED)
            finally:
                (root / one.path).write_text(original)
    return int(bool(unseen))


def copy(root: Path) -> None:
    """The files that git knows, as they are now."""
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files"], capture_output=True, text=True, check=True).stdout
    for name in listed.splitlines():
        if (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, root / name)


def _run(root: Path, tests: Sequence[str], *, stop: bool) -> tuple[int, float, str]:
    """Pytest's exit code, its seconds, and the first failure."""
    args = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", "-rfE"]
    path = os.pathsep.join(str(root / source) for source in _SOURCES)
    environment = {**os.environ, "PYTHONPATH": path, "TEST_SERVERS": "one"}
    began_s = time.monotonic()
    done = subprocess.run(
        [*args, *(["-x"] if stop else []), *tests],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    failures = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    words = failures[0] if failures else (done.stdout + done.stderr).strip().splitlines()[-1]
    return done.returncode, time.monotonic() - began_s, words


def _tell(what: str, run: tuple[int, float, str], *, expected: int) -> bool:
    """Say what came of a run; True when it was not as expected."""
    code, took_s, words = run
    verdict = "as expected" if code == expected else f"NOT AS EXPECTED (exit code {code})"
    sys.stdout.write(f"{what}: {verdict} in {took_s:.0f} s: {words[:160]}\n")
    sys.stdout.flush()
    return code != expected


if __name__ == "__main__":
    raise SystemExit(main())
