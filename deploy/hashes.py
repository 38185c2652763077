"""Requirements with hashes, for `pip install --require-hashes`: whatever a deployment runs, in the versions of constraints.txt.

    python -m deploy.hashes [--output build/requirements.txt] [--extras worker,cli]

The files are downloaded with pip as it is set up on this machine; no address is written. Make the list where it is used, or for
another platform there: wheels differ between platforms.
"""

import argparse
import hashlib
import subprocess
import sys
import tempfile
from importlib.metadata import distribution
from pathlib import Path
from typing import Final

from packaging.utils import canonicalize_name, parse_sdist_filename, parse_wheel_filename

from deploy.bom import EXTRAS, brought

ROOT: Final = Path(__file__).parents[1]


def main() -> None:
    """Download, and write the list."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "requirements.txt")
    parser.add_argument("--extras", default=",".join(EXTRAS), help="Extras to be installed. Default: all that run.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        download(wanted(tuple(options.extras.split(","))), Path(place))
        lines = requirements(Path(place))
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    sys.stdout.write(f"{options.output}: {len(lines)} distributions\n")


def wanted(extras: tuple[str, ...]) -> list[str]:
    """``name==version`` of each distribution that these extras bring, as they are installed here.

    Args:
        extras: of Paceline.
    """
    names = sorted(name for name in brought("paceline", extras) if name != "paceline")
    return [f"{name}=={distribution(name).version}" for name in names]


def download(pins: list[str], place: Path) -> None:
    """Get the files that pip would install.

    Args:
        pins: ``name==version``.
        place: an empty folder.
    """
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*command, "--dest", str(place), *pins], check=True)


def requirements(place: Path) -> list[str]:
    """One line for each file.

    Args:
        place: a folder of wheels and source archives.
    """
    return sorted(_line(file) for file in place.iterdir())


def _line(file: Path) -> str:
    name, version = parse_wheel_filename(file.name)[:2] if file.suffix == ".whl" else parse_sdist_filename(file.name)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return f"{canonicalize_name(name)}=={version} --hash=sha256:{digest}"


if __name__ == "__main__":
    main()
