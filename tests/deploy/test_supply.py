"""Advisories and hashes: a check of what is installed that needs no network, and a list that pip holds to."""

import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from deploy.advisories import advisories_in, findings, pinned
from deploy.hashes import requirements, wanted
from packaging.version import Version

ROOT = Path(__file__).parents[2]


def advisory(*events: dict[str, str], name: str = "Some_Lib", versions: tuple[str, ...] = ()) -> dict[str, Any]:
    ranges = [{"type": "ECOSYSTEM", "events": list(events)}] if events else []
    package = {"ecosystem": "PyPI", "name": name}
    return {
        "id": "PYSEC-1",
        "summary": "a hole",
        "affected": [{"package": package, "ranges": ranges, "versions": list(versions)}],
    }


@pytest.mark.parametrize(
    ("version", "given", "affected"),
    [
        ("1.5", advisory({"introduced": "0"}, {"fixed": "2.0"}), True),
        ("2.0", advisory({"introduced": "0"}, {"fixed": "2.0"}), False),
        ("2.0rc1", advisory({"introduced": "0"}, {"fixed": "2.0"}), True),
        ("0.9", advisory({"introduced": "1.0"}, {"fixed": "2.0"}), False),
        ("3.1", advisory({"introduced": "0"}, {"fixed": "2.0"}, {"introduced": "3.0"}), True),
        ("2.5", advisory({"introduced": "0"}, {"last_affected": "2.5"}), True),
        ("2.6", advisory({"introduced": "0"}, {"last_affected": "2.5"}), False),
        ("1.0.0", advisory(versions=("1.0",)), True),
        ("1.0", advisory({"introduced": "0"}, name="other"), False),
    ],
)
def test_a_version_is_judged_by_the_schema(version: str, given: dict[str, Any], affected: bool) -> None:
    """Ranges in the order of their versions, fixed and last affected ones, single versions, names in any spelling."""
    found = list(findings({"some-lib": Version(version)}, [given]))
    assert affected == bool(found)
    if found:
        assert ("some-lib", "PYSEC-1", "a hole") == (found[0].name, found[0].advisory, found[0].summary)


@pytest.mark.parametrize("form", ["folder", "zip"])
def test_a_source_is_read(tmp_path: Path, form: str) -> None:
    """Withdrawn ones and what is no advisory are passed over."""
    texts = {
        "a.json": json.dumps(advisory({"introduced": "0"})),
        "b.json": json.dumps(advisory() | {"withdrawn": "2026-01-01T00:00:00Z"}),
        "c.json": "{",
        "d.json": "[]",
    }
    source = tmp_path / "source"
    if form == "folder":
        source.mkdir()
        for name, text in texts.items():
            (source / name).write_text(text)
    else:
        with zipfile.ZipFile(source, "w") as archive:
            for name, text in texts.items():
                archive.writestr(name, text)
    assert [advisory({"introduced": "0"})] == list(advisories_in(source))


def test_our_pins_are_understood() -> None:
    """Each line of constraints.txt; a weakness of one is found, with exit code 1, and a source of nothing is an error."""
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    pins = pinned(text)
    assert len(pins) == sum("==" in line for line in text.splitlines() if not line.startswith("#"))
    assert pins["cryptography"] >= Version("46.0.5")


@pytest.mark.parametrize(("name", "code"), [("celery", 1), ("unheard-of", 0), (None, 2)])
def test_the_check_ends_as_it_should(tmp_path: Path, name: str | None, code: int) -> None:
    """0: nothing is known; 1: something is; 2: there was no advisory to compare with."""
    if name:
        (tmp_path / "a.json").write_text(json.dumps(advisory({"introduced": "0"}, name=name)))
    ended = subprocess.run(
        [sys.executable, "-m", "deploy.advisories", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert code == ended.returncode, ended


def test_a_line_has_the_hash_of_its_file(tmp_path: Path) -> None:
    """Of wheels and source archives, with names as pip compares them."""
    (tmp_path / "Some_Lib-1.0-py3-none-any.whl").write_bytes(b"wheel")
    (tmp_path / "other-2.0.tar.gz").write_bytes(b"source")
    assert [
        f"other==2.0 --hash=sha256:{hashlib.sha256(b'source').hexdigest()}",
        f"some-lib==1.0 --hash=sha256:{hashlib.sha256(b'wheel').hexdigest()}",
    ] == requirements(tmp_path)


def test_what_runs_is_pinned() -> None:
    """Libraries of the extras and theirs, in the versions that are installed; nothing of tests."""
    pins = wanted(("worker", "cli"))
    assert {"celery", "cryptography", "redis", "typer"} <= {pin.split("==")[0] for pin in pins}
    assert not any(pin.startswith(("pytest", "paceline", "django")) for pin in pins)
