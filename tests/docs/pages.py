"""The Markdown files of the project, their links and their headings."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = (".github", "benchmarks", "deploy", "docs", "examples", "producer", "sandbox", "tests", "worker")
# `make texts` writes one more, which is not kept.
_TEXTS = ROOT / "docs" / "texts.md"
PAGES = sorted(
    page
    for page in [*ROOT.glob("*.md"), *(page for folder in FOLDERS for page in (ROOT / folder).rglob("*.md"))]
    if page != _TEXTS
)

_FENCE = re.compile(r"^(```|~~~).*?^\1 *$", re.DOTALL | re.MULTILINE)
_CODE = re.compile(r"``.+?``|`[^`\n]*`")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)|<img[^>]* src=\"([^\"]+)\"")
_HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Link:
    """One link of a page.

    Args:
        page: the page.
        target: as written.
    """

    page: Path
    target: str

    @property
    def is_relative(self) -> bool:
        return not re.match(r"[a-z]+:", self.target)

    @property
    def path(self) -> Path:
        """The file that the link leads to."""
        name = self.target.partition("#")[0]
        return (self.page.parent / name).resolve() if name else self.page

    @property
    def anchor(self) -> str:
        return self.target.partition("#")[2]

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}: {self.target}"


def prose(page: Path) -> str:
    """A page without its blocks of code; as many lines as before."""
    text = page.read_text(encoding="utf-8")
    return _FENCE.sub(lambda match: "\n" * match[0].count("\n"), text)


def links(page: Path) -> Iterator[Link]:
    """The links of a page, those within code left out."""
    for match in _LINK.finditer(_CODE.sub("", prose(page))):
        yield Link(page, match[1] or match[2])


def headings(page: Path) -> list[str]:
    """The headings of a page, without their marks."""
    return _HEADING.findall(prose(page))


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub and the docs site give to the headings of a page."""
    words = (re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in headings(page))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in words}
