"""Blocks of code in the documents, and where each stands."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted(ROOT.glob("*/README.md"))]


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Args:
        document: its file, relative to the project.
        line: where it begins, from 1.
        text: its lines.
    """

    document: Path
    line: int
    text: str

    @property
    def module(self) -> str:
        """A name that Python takes, and that says where the block stands."""
        return re.sub(r"\W", "_", f"{self.document.with_suffix('')}_{self.line}".lower())


def blocks(language: str) -> Iterator[Block]:
    """All blocks of a language, in the order of the documents; templates of generated pages are left out."""
    fence = re.compile(rf"^```{language}\n(.*?)^```$", re.DOTALL | re.MULTILINE)
    for document in DOCUMENTS:
        if document.name.endswith(".template.md"):
            continue
        text = document.read_text(encoding="utf-8")
        for found in fence.finditer(text):
            yield Block(document.relative_to(ROOT), text.count("\n", 0, found.start()) + 2, found[1])
