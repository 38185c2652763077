"""The examples of README and docs pass strict type checkers as a user has them: without pydantic's plugin or our settings."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, blocks

MYPY = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--hide-error-context", "--no-color-output"]
PYRIGHT = [sys.executable, "-m", "basedpyright", "--outputjson", "--pythonpath", sys.executable]

# What a checker must find in a user's code, and what it must let pass. An ignored line that has no fault is an error itself.
HELD_TO = """
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from paceline import AddParticipants, Outbox, SendTemplate


def rows() -> list[dict[str, object]]:
    return [{"to": "+15550100002", "key": UUID(int=7), "sum": Decimal("9.99"), "not_before": datetime.now(), "name": None}]


def check(outbox: Outbox, named: Mapping[str, int]) -> None:
    status = outbox.status("x")
    if status.state == "acepted":  # type: ignore[comparison-overlap]  # pyright: ignore[reportUnnecessaryComparison]
        return
    if status.kind == "message.to_nobody":  # type: ignore[comparison-overlap]  # pyright: ignore[reportUnnecessaryComparison]
        return
    for entry in outbox.outcomes():
        if entry.outcome == "delivered":  # type: ignore[comparison-overlap]  # pyright: ignore[reportUnnecessaryComparison]
            return
    campaign = outbox.start_campaign("x", account="a", sender="+1", template="Hi", recipients=rows())
    if campaign.progress().state == "ended":  # type: ignore[comparison-overlap]  # pyright: ignore[reportUnnecessaryComparison]
        return
    outbox.start_campaign("x", account="a", sender="+1", template="Hi", recipients=[{"to": "+1", "n": n} for n in named.values()])
    AddParticipants(account="a", sender="+1", group="WAG1", participants=["+1", "+2"])
    AddParticipants(account="a", sender="+1", group="WAG1", participants=("+1", "+2"))
    SendTemplate(account="a", sender="+1", to="+1", template="TMP1", body=["Ada"])
"""


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of a user: every block as a module, behind the names that it takes for granted."""
    folder = tmp_path_factory.mktemp("examples")
    given = (ROOT / "tests" / "docs" / "given.py").read_text(encoding="utf-8")
    (folder / "given.py").write_text(given, encoding="utf-8")
    for block in blocks("python"):
        (folder / f"{block.module}.py").write_text(f"from given import *\n{block.text}", encoding="utf-8")
    (folder / "held_to.py").write_text(HELD_TO, encoding="utf-8")
    (folder / "mypy.ini").write_text(
        "[mypy]\n[mypy-celery.*,kombu.*,django.*]\nignore_missing_imports = true\n", encoding="utf-8"
    )
    # Pyright's own strict mode; what its fork reports besides, and style, is no error of an example.
    quiet = dict.fromkeys(("reportWildcardImportFromLibrary", "reportUnusedImport", "reportMissingTypeStubs"), "none")
    settings = {
        "typeCheckingMode": "strict",
        "reportUnusedExpression": "none",
        "enableTypeIgnoreComments": False,
        "reportUnnecessaryTypeIgnoreComment": "error",
        **quiet,
    }
    (folder / "pyrightconfig.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder


def test_there_are_examples() -> None:
    """The reading of the documents does not pass over any: these show Python."""
    assert {"README.md", "docs/operations.md", "docs/outcomes.md"} <= {str(one.document) for one in blocks("python")}


def test_mypy_accepts_every_example(examples: Path) -> None:
    """In strict mode, without a plugin."""
    done = subprocess.run([*MYPY, "."], cwd=examples, capture_output=True, text=True, check=False)
    assert (0, "") == (done.returncode, done.stdout.strip() if done.returncode else "")


def test_pyright_accepts_every_example(examples: Path) -> None:
    """In strict mode; pyright knows no plugins."""
    done = subprocess.run(PYRIGHT, cwd=examples, capture_output=True, text=True, check=False)
    found = json.loads(done.stdout)["generalDiagnostics"]
    assert [] == [f"{Path(one['file']).name}: {one['message']}" for one in found if one["severity"] == "error"]
