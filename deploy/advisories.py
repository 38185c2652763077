"""Known weaknesses of what constraints.txt pins, by an advisory source on this machine: no network is needed.

    python -m deploy.advisories SOURCE [--constraints constraints.txt]

SOURCE is a folder, or a .zip, of advisories in OSV's form (JSON), such as the archive of the ecosystem PyPI that osv.dev publishes.
Exit code 1 when a pinned version is affected; 2 when the source holds no advisory, for a check of nothing proves nothing.
"""

import argparse
import json
import sys
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

ROOT: Final = Path(__file__).parents[1]


@dataclass(frozen=True, order=True)
class Finding:
    """A pinned version with a known weakness.

    Args:
        name: the distribution.
        version: as it is pinned.
        advisory: its id.
        fixed: the first versions without it, as far as the advisory tells.
        summary: in its words.
    """

    name: str
    version: str
    advisory: str
    fixed: tuple[str, ...]
    summary: str


def main() -> int:
    """Read, compare, tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, metavar="SOURCE")
    parser.add_argument("--constraints", type=Path, default=ROOT / "constraints.txt")
    options = parser.parse_args()
    pins = pinned(options.constraints.read_text(encoding="utf-8"))
    read = 0

    def counted(advisories: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        nonlocal read
        for advisory in advisories:
            read += 1
            yield advisory

    found = sorted(findings(pins, counted(advisories_in(options.source))))
    for one in found:
        remedy = f"fixed in {', '.join(one.fixed)}" if one.fixed else "no fixed version is known"
        sys.stdout.write(f"{one.name} {one.version}: {one.advisory} ({remedy}) {one.summary}\n")
    if not read:
        sys.stderr.write(f"{options.source} holds no advisory in OSV's form\n")
        return 2
    sys.stdout.write(f"{len(pins)} pinned versions, {read} advisories, {len(found)} findings\n")
    return 1 if found else 0


def pinned(text: str) -> dict[str, Version]:
    """Distribution to version of each line ``name==version``."""
    lines = (line.split("#")[0].split(";")[0].strip() for line in text.splitlines())
    pairs = (line.split("==") for line in lines if "==" in line)
    return {canonicalize_name(name.split("[")[0].strip()): Version(version.strip()) for name, version in pairs}


def advisories_in(source: Path) -> Iterator[dict[str, Any]]:
    """Each advisory of a folder or a .zip; whatever is none is passed over.

    Args:
        source: the folder or the file.
    """
    if source.is_dir():
        texts: Iterable[bytes] = (path.read_bytes() for path in sorted(source.rglob("*.json")))
    else:
        texts = _unpacked(source)
    for text in texts:
        try:
            document = json.loads(text)
        except ValueError:
            continue
        if isinstance(document, dict) and "affected" in document and not document.get("withdrawn"):
            yield document


def _unpacked(source: Path) -> Iterator[bytes]:
    with zipfile.ZipFile(source) as archive:
        for name in archive.namelist():
            if name.endswith(".json"):
                yield archive.read(name)


def findings(pins: dict[str, Version], advisories: Iterable[dict[str, Any]]) -> Iterator[Finding]:
    """What affects a pinned version.

    Args:
        pins: distribution to version.
        advisories: in OSV's form.
    """
    for advisory in advisories:
        for affected in advisory["affected"]:
            package = affected.get("package", {})
            name = canonicalize_name(str(package.get("name", "")))
            if package.get("ecosystem") != "PyPI" or name not in pins or not _is_affected(pins[name], affected):
                continue
            fixed = tuple(dict.fromkeys(str(event["fixed"]) for event in _events(affected) if "fixed" in event))
            yield Finding(name, str(pins[name]), str(advisory.get("id", "?")), fixed, str(advisory.get("summary", "")))


def _events(affected: dict[str, Any]) -> list[dict[str, Any]]:
    return [event for one in affected.get("ranges", []) if one.get("type") == "ECOSYSTEM" for event in one["events"]]


def _is_affected(version: Version, affected: dict[str, Any]) -> bool:
    if any(_version(text) == version for text in affected.get("versions", [])):
        return True
    return any(
        _is_within(version, one["events"]) for one in affected.get("ranges", []) if one.get("type") == "ECOSYSTEM"
    )


def _is_within(version: Version, events: list[dict[str, Any]]) -> bool:
    """By the algorithm of OSV's schema: events in the order of their versions, each of which turns the state."""
    inside = False
    turns = sorted(
        ((_version(text) or Version("0"), kind) for event in events for kind, text in event.items()),
        key=lambda turn: turn[0],
    )
    for at, kind in turns:
        if kind == "introduced" and version >= at:
            inside = True
        elif (kind == "fixed" and version >= at) or (kind == "last_affected" and version > at):
            inside = False
    return inside


def _version(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        return None


if __name__ == "__main__":
    sys.exit(main())
