"""Scripts and what they include."""

from importlib.resources import files

import pytest

from paceline.lua.fields import with_codes
from paceline.state import scripts
from paceline.state.scripts import source

SCRIPTS = [
    (package, entry.name.removesuffix(".lua"))
    for package in ("paceline", "paceline_worker")
    for entry in files(package).joinpath("lua").iterdir()
    if entry.name.endswith(".lua")
]


@pytest.mark.parametrize(("package", "name"), SCRIPTS)
def test_what_is_included_stands_there_once(package: str, name: str) -> None:
    """However many of its libraries ask for the same one; Lua would silently use the second copy, with a memory of its own."""
    text = source(package, name)
    assert "--@include" not in text
    opened = [
        line for line in text.splitlines() if line.startswith(("local key =", "local shared =", "local bucket ="))
    ]
    assert len(opened) == len(set(opened)), opened


def test_a_library_brings_what_it_needs() -> None:
    """Before its own lines."""
    text = source("paceline_worker", "settle")
    assert (
        text.index("local key =")
        < text.index("local shared =")
        < text.index("local bucket =")
        < text.index("local moves =")
    )


def test_each_file_is_read_once_whatever_includes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker has some thirty scripts, and most of each is what all of them include."""
    read: list[str] = []

    def noted(text: str) -> str:
        read.append(text)
        return with_codes(text)

    scripts._read.cache_clear()  # noqa: SLF001
    monkeypatch.setattr(scripts, "with_codes", noted)
    for name in ("grant", "begin", "settle"):
        source.__wrapped__("paceline_worker", name)
    assert len(read) > 3
    assert len(read) == len(set(read))
