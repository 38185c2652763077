"""Build the docs site from the project's Markdown files: `python -m docs.build_site`, or `make site`.

The pages keep their places, so links between them work on the site as they do in the repository. A link to
any other file becomes the file's path in code type: the site has pages and images only.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
STAGE: Final = ROOT / "build" / "site"

# The menu: title of a section, and its pages in order; a pattern stands for all its pages by name.
MENU: Final = {
    "Paceline": ("README.md", "CHANGELOG.md"),
    "Send": (
        "docs/services.md",
        "docs/campaigns.md",
        "docs/operations.md",
        "docs/outcomes.md",
        "docs/receipts.md",
        "docs/webhooks.md",
        "docs/gateway.md",
    ),
    "Operate": (
        "docs/console.md",
        "docs/operating.md",
        "docs/infrastructure.md",
        "docs/kubernetes.md",
        "deploy/helm/paceline/README.md",
        "docs/configuration.md",
        "docs/tracing.md",
        "docs/threat-model.md",
        "docs/encryption.md",
        "SECURITY.md",
    ),
    "Runbooks": ("deploy/runbooks/*.md",),
    "Understand": (
        "docs/glossary.md",
        "docs/architecture.md",
        "docs/delivery-guarantees.md",
        "docs/limits.md",
        "docs/provider.md",
        "docs/benchmarks.md",
        "worker/src/paceline_worker/README.md",
        "producer/src/paceline/forecast/README.md",
    ),
    "Decisions": ("docs/decisions/*.md",),
    "Develop": (
        "CONTRIBUTING.md",
        "sandbox/README.md",
        "tests/contract/README.md",
        "tests/deploy/crds/README.md",
        "tests/faults/README.md",
    ),
}

_LINK: Final = re.compile(r"(?P<text>!?\[(?:[^\[\]]|\[[^\]]*\])*\])\((?P<target>[^)\s#]+)(?P<anchor>#[^)\s]*)?\)")
_FENCE: Final = re.compile(r"(^```.*?^``` *$)", re.DOTALL | re.MULTILINE)
_IMAGES: Final = (".png", ".svg")
_PROJECT: Final = """[project]
site_name = "Paceline"
site_description = "A distributed outbound queue for the 2Chat WhatsApp API"
docs_dir = "pages"
site_dir = "html"
use_directory_urls = false
nav = [
{nav}
]

[project.theme]
language = "en"
font = false
features = ["content.code.copy", "navigation.footer", "navigation.sections", "navigation.top", "search.highlight", "toc.follow"]
"""


class SiteError(Exception):
    """The site cannot be built; the message says which page and why."""


def main() -> int:
    """Stage the pages and build the site, strictly.

    Returns:
        The exit code: 0, or that of the builder.
    """
    shutil.rmtree(STAGE, ignore_errors=True)
    try:
        stage(STAGE)
    except SiteError as error:
        sys.stderr.write(f"site: {error}\n")
        return 1
    command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict", "--config-file", "zensical.toml"]
    code = subprocess.run(command, cwd=STAGE, check=False).returncode
    if code == 0:
        sys.stderr.write(f"site: {STAGE / 'html' / 'index.html'}\n")
    return code


def stage(folder: Path) -> None:
    """Copy pages and images, with links that work on the site, and write the builder's configuration.

    Args:
        folder: for the pages; created.

    Raises:
        SiteError: a page is not in the menu, or a link leads nowhere.
    """
    sections = {
        title: [page for pattern in patterns for page in _matching(pattern)] for title, patterns in MENU.items()
    }
    placed = {page for pages in sections.values() for page in pages}
    if forgotten := sorted(str(page.relative_to(ROOT)) for page in set(_pages()) - placed):
        raise SiteError(f"not in the menu: {', '.join(forgotten)}; add each page to MENU in docs/build_site.py")

    for page in sorted(placed):
        _write(folder / "pages" / page.relative_to(ROOT), _linked(page, placed))
    for image in sorted((ROOT / "docs" / "images").iterdir()):
        copy = folder / "pages" / image.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(image, copy)
    nav = ",\n".join(
        f'  {{ "{title}" = [{", ".join(f"{chr(34)}{page.relative_to(ROOT)}{chr(34)}" for page in pages)}] }}'
        for title, pages in sections.items()
    )
    _write(folder / "zensical.toml", _PROJECT.format(nav=nav))


def _pages() -> Iterator[Path]:
    """The Markdown files that the site must show: all but templates, texts for GitHub, and the page of all texts."""
    yield from ROOT.glob("*.md")
    for folder in ("benchmarks", "deploy", "docs", "examples", "producer", "sandbox", "tests", "worker"):
        for page in (ROOT / folder).rglob("*.md"):
            if not page.name.endswith(".template.md") and page != ROOT / "docs" / "texts.md":
                yield page


def _matching(pattern: str) -> list[Path]:
    pages = sorted(ROOT.glob(pattern), key=lambda page: (page.name != "README.md", page.name))
    if not pages:
        raise SiteError(f"the menu names {pattern}, which does not exist; correct MENU in docs/build_site.py")
    return pages


def _linked(page: Path, placed: set[Path]) -> str:
    """A page with links that lead to pages and images of the site."""

    def adapted(match: re.Match[str]) -> str:
        target = match["target"]
        if re.match(r"[a-z]+:", target):
            return match[0]
        path = (page.parent / target).resolve()
        if not path.exists():
            raise SiteError(f"{page.relative_to(ROOT)}: the link to {target} leads nowhere")
        if path in placed or path.suffix in _IMAGES:
            return match[0]
        if path / "README.md" in placed:
            return f"{match['text']}({target.rstrip('/')}/README.md{match['anchor'] or ''})"
        words = match["text"].strip("[]")
        where = f"`{path.relative_to(ROOT)}`"
        return words if words.strip("`") == where.strip("`") else f"{words} ({where})"

    parts = _FENCE.split(page.read_text(encoding="utf-8"))
    return "".join(part if part.startswith("```") else _LINK.sub(adapted, part) for part in parts)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
