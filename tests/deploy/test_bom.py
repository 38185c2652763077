"""The bill of materials names what runs, exactly, and is the same each time."""

import json
from importlib.metadata import version
from pathlib import Path

from deploy.bom import bill

ROOT = Path(__file__).parents[2]


def test_what_runs_is_named_with_its_version() -> None:
    """Libraries of the extras and what those bring; no tool of tests; each once, and in the version that the constraints name."""
    components = {one["name"]: one["version"] for one in bill()["components"]}
    for name in ("celery", "kombu", "redis", "cryptography", "httpx", "aiohttp", "pydantic-core", "fastapi", "django"):
        assert version(name) == components[name]
    assert not {"pytest", "mypy", "ruff", "hypothesis", "paceline"} & set(components)
    pinned = dict(
        line.lower().split("==")
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if "==" in line and not line.startswith("#")
    )
    exact = {name: found for name, found in components.items() if name in pinned}
    assert len(exact) > 40
    assert {name: pinned[name] for name in exact} == exact


def test_it_is_a_graph_of_its_own_components() -> None:
    """Whatever is depended on is there, and Paceline depends on something."""
    document = bill()
    references = {one["bom-ref"] for one in document["components"]} | {document["metadata"]["component"]["bom-ref"]}
    edges = {one["ref"]: one["dependsOn"] for one in document["dependencies"]}
    assert references == set(edges)
    assert all(references >= set(needs) for needs in edges.values())
    assert len(edges[document["metadata"]["component"]["bom-ref"]]) > 10


def test_it_is_the_same_each_time() -> None:
    """No time and no chance in it."""
    assert json.dumps(bill(), sort_keys=True) == json.dumps(bill(), sort_keys=True)
