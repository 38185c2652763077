"""The bill of materials of what a deployment runs, in CycloneDX 1.6 (JSON): the same environment always gives the same bytes.

    python -m deploy.bom [--output FILE]

Components are the distributions that Paceline's extras for running bring, in the versions that are installed.
"""

import argparse
import json
import re
import sys
import uuid
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, Final

from packaging.requirements import Requirement

# What runs; not what tests, documents and releases need.
EXTRAS: Final = ("worker", "cli", "gateway", "console", "hooks", "fastapi", "django", "otel", "xlsx")
_NAMESPACE: Final = uuid.UUID("8c6d6f0e-6c0a-5c55-9f0e-0a7d2f6f4a11")


def main() -> None:
    """Print or write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, help="File to write. Default: stdout.")
    options = parser.parse_args()
    text = json.dumps(bill(), indent=2, sort_keys=True) + "\n"
    if options.output:
        options.output.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)


def bill() -> dict[str, Any]:
    """The document."""
    graph = brought("paceline", EXTRAS)
    root = _component(distribution("paceline"), "application")
    components = [_component(distribution(name), "library") for name in sorted(graph) if name != "paceline"]
    references = {name: str(_purl(distribution(name))) for name in graph}
    depends = [
        {"ref": references[name], "dependsOn": sorted(references[one] for one in needs)}
        for name, needs in sorted(graph.items())
    ]
    content = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": root},
        "components": components,
        "dependencies": depends,
    }
    return content | {"serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, json.dumps(content, sort_keys=True))}"}


def brought(name: str, extras: tuple[str, ...]) -> dict[str, set[str]]:
    """Which distributions one brings, and what each of them needs itself; those that are not installed here are left out.

    Args:
        name: a distribution.
        extras: of it.
    """
    graph: dict[str, set[str]] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [(_plain(name), extra) for extra in ("", *extras)]
    while waiting:
        one, extra = waiting.pop()
        if (one, extra) in seen:
            continue
        seen.add((one, extra))
        graph.setdefault(one, set())
        for text in distribution(one).requires or ():
            needed = Requirement(text)
            if needed.marker and not needed.marker.evaluate({"extra": extra}):
                continue
            other = _plain(needed.name)
            try:
                distribution(other)
            except PackageNotFoundError:
                continue  # for another platform, or an extra that is not installed
            if other != one:
                graph[one].add(other)
            waiting += [(other, wanted) for wanted in ("", *needed.extras)]
    return graph


def _component(found: Distribution, kind: str) -> dict[str, Any]:
    purl = _purl(found)
    component: dict[str, Any] = {
        "type": kind,
        "bom-ref": purl,
        "name": _plain(found.metadata["Name"]),
        "version": found.version,
        "purl": purl,
    }
    if "License-Expression" in found.metadata:
        component["licenses"] = [{"expression": found.metadata["License-Expression"]}]
    return component


def _purl(found: Distribution) -> str:
    return f"pkg:pypi/{_plain(found.metadata['Name'])}@{found.version}"


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    main()
