"""Builds what is published: wheel and sdist twice, from two fresh copies of the commit; both must be the same, byte for byte.

    python -m deploy.release [--output build/release]

Checks both (`twine check`, `check-wheel-contents`), and writes SHA256SUMS and the bill of materials beside them.
`make release` brings what that needs.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]


def main() -> None:
    """Build, compare, check, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "release")
    output: Path = parser.parse_args().output
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory(prefix="another-place-") as second:
        built = [build(Path(place)) for place in (first, second)]
        if hashes(built[0]) != hashes(built[1]):
            raise SystemExit(f"the two builds differ: {hashes(built[0])} and {hashes(built[1])}")
        shutil.rmtree(output, ignore_errors=True)
        shutil.copytree(built[0], output)
    files = sorted(output.iterdir())
    _run("twine", "check", "--strict", *map(str, files))
    _run("check_wheel_contents", *(str(file) for file in files if file.suffix == ".whl"))
    sums = "".join(f"{digest}  {name}\n" for name, digest in hashes(output).items())
    (output / "SHA256SUMS").write_text(sums, encoding="utf-8")
    _run("deploy.bom", "--output", str(output / "paceline.cdx.json"))
    sys.stdout.write(sums)


def build(place: Path) -> Path:
    """Build from a copy of the commit; returns where wheel and sdist are.

    Args:
        place: an empty folder.
    """
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, check=True, capture_output=True)  # noqa: S607
    source, built = place / "source", place / "built"
    source.mkdir()
    subprocess.run(["tar", "-x", "-C", str(source)], input=archive.stdout, check=True)  # noqa: S607
    # The time of the commit, for what archives say of their files.
    at = subprocess.run(
        ["git", "log", "-1", "--format=%ct"],  # noqa: S607
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    environment = os.environ | {"SOURCE_DATE_EPOCH": at}
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(built), str(source)]
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    return built


def hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of each file, by name."""
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.iterdir())}


def _run(module: str, *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", module, *arguments], cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
