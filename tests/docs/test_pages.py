"""Documents lead somewhere: links, cited sections, the index of decisions, and lines that fit."""

import doctest
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs import build_site
from tests.docs.pages import PAGES, ROOT, anchors, headings, links, prose

DECISIONS = ROOT / "docs" / "decisions"
SOURCES = ("producer/src", "worker/src", "sandbox/src", "tests", "deploy", "benchmarks", "docs")
CITED = re.compile(r"docs/provider\.md, (\d[\d.]*\d|\d)(?: (?:and|to) (\d[\d.]*\d|\d))?")
DECISION = re.compile(r"\bdecisions? (\d+)(?: and (\d+))?\b")
COLUMNS = 100


def texts(*suffixes: str) -> Iterator[tuple[Path, str]]:
    """The sources of the project with the given endings."""
    for folder in SOURCES:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in suffixes and "__pycache__" not in path.parts:
                yield path, path.read_text(encoding="utf-8")


def test_every_relative_link_leads_to_a_file() -> None:
    """A renamed page leaves no dead link behind."""
    assert [] == [str(link) for page in PAGES for link in links(page) if link.is_relative and not link.path.exists()]


def test_every_anchor_is_a_heading() -> None:
    """A link into a page leads to a heading of the page."""
    inner = [link for page in PAGES for link in links(page) if link.is_relative and link.anchor]
    assert inner
    assert [] == [str(link) for link in inner if link.path.suffix == ".md" and link.anchor not in anchors(link.path)]


def test_comments_cite_sections_that_exist() -> None:
    """Each `docs/provider.md, N` in the code is a section of that page."""
    sections = {heading.split()[0].rstrip(".") for heading in headings(ROOT / "docs" / "provider.md")}
    cited = {
        (str(path.relative_to(ROOT)), section)
        for path, text in texts(".py", ".lua")
        for match in CITED.finditer(text)
        for section in match.groups()
        if section
    }
    assert len(cited) > 40
    assert [] == sorted((path, section) for path, section in cited if section not in sections)


def test_cited_decisions_exist() -> None:
    """Each "decision N" in code and documents has a record."""
    records = {int(path.name[:4]) for path in DECISIONS.glob("0*.md")}
    cited = {
        (str(path.relative_to(ROOT)), int(number))
        for path, text in texts(".py", ".lua", ".md")
        for match in DECISION.finditer(text)
        for number in match.groups()
        if number
    }
    assert cited
    assert [] == sorted((path, number) for path, number in cited if number not in records)


def test_the_index_names_every_decision() -> None:
    """docs/decisions/README.md has a row for each record, with its number and title."""
    index = (DECISIONS / "README.md").read_text(encoding="utf-8")
    rows = set()
    for path in sorted(DECISIONS.glob("0*.md")):
        title = path.read_text(encoding="utf-8").splitlines()[0].removeprefix(f"# {int(path.name[:4])}. ")
        rows.add(f"| {int(path.name[:4])} | [{title}]({path.name}) |")
    assert [] == sorted(row for row in rows if row not in index)


def test_the_example_of_the_forecast_is_true() -> None:
    """The numbers in the README of the forecast are those of the code."""
    page = ROOT / "producer" / "src" / "paceline" / "forecast" / "README.md"
    tried = doctest.testfile(str(page), module_relative=False)
    assert tried.attempted > 10
    assert 0 == tried.failed


def test_lines_of_documents_fit() -> None:
    """Lines of text have at most 100 columns; tables, headings and words that cannot be broken may be longer."""
    assert [] == [
        f"{page.relative_to(ROOT)}:{number}"
        for page in PAGES
        for number, line in enumerate(prose(page).splitlines(), start=1)
        if len(line) > COLUMNS and not line.startswith(("|", "[", "<", "#")) and " " in line.strip(" -*")[:COLUMNS]
    ]


def test_the_site_has_every_page(tmp_path: Path) -> None:
    """`make site` finds each page in its menu; a page keeps its place, and its links lead to pages and images."""
    build_site.stage(tmp_path)
    menu = (tmp_path / "zensical.toml").read_text(encoding="utf-8")
    site = tmp_path / "pages"
    pages = sorted(site.rglob("*.md"))
    assert len(pages) > 80
    for page in pages:
        assert f'"{page.relative_to(site)}"' in menu
    dead = [
        (str(link.page.relative_to(site)), link.target)
        for page in pages
        for link in links(page)
        if link.is_relative and not link.path.is_file()
    ]
    assert [] == dead


def test_a_page_that_the_menu_forgets_stops_the_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the page and the place of the menu."""
    monkeypatch.setattr(build_site, "MENU", {"Paceline": ("README.md",)})
    with pytest.raises(build_site.SiteError, match=r"not in the menu: .*docs/glossary\.md.*add each page to MENU"):
        build_site.stage(tmp_path)
