"""A headless Chromium, where the machine has one."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Page, sync_playwright

AXE: Final = Path(__file__).parents[1] / "console" / "axe" / "axe.min.js"
PHONE, DESK = (390, 844), (1440, 900)
_RULES: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
_EXAMINE: Final = """axe.run(document, {runOnly: %s, resultTypes: ['violations'], selectors: false}).then(
    found => found.violations.map(
    fault => `${fault.impact} ${fault.id}: ${fault.nodes.map(node => node.html.slice(0, 160)).join(' | ')}`))"""


def chromium() -> str | None:
    """Where Debian's Chromium is, or the browser that `CHROMIUM` names; None: nowhere."""
    return os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def browser() -> Iterator[Browser]:
    """One browser."""
    with sync_playwright() as playwright:
        # In a container there is no way to nest another.
        launched = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        yield launched
        launched.close()


@contextmanager
def window(opened: Browser, size: tuple[int, int], *, dark: bool = False, origin: str = "") -> Iterator[Page]:
    """A window without cookies; an error of a script, or a breach of the policy of contents, fails the test at its end."""
    context: BrowserContext = opened.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if dark else "light",
        base_url=origin or None,
    )
    context.set_default_timeout(20_000)
    page = context.new_page()
    with watched(page):
        yield page
        context.close()


@contextmanager
def watched(page: Page) -> Iterator[None]:
    """An error of a script of a page, or a breach of its policy of contents, fails the test at the end."""
    errors: list[str] = []

    def failed(error: Error) -> None:
        errors.append(str(error))

    def told(message: ConsoleMessage) -> None:
        if "Content Security" in message.text:
            errors.append(message.text)

    page.on("pageerror", failed)
    page.on("console", told)
    try:
        yield
    finally:
        page.remove_listener("pageerror", failed)
        page.remove_listener("console", told)
    assert errors == []


@contextmanager
def again(page: Page, size: tuple[int, int]) -> Iterator[None]:
    """A window that is open as if it were a new one, which takes Chromium a second: signed out, on no page; see `watched`."""
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.emulate_media(color_scheme="light")
    with watched(page):
        try:
            yield
        finally:
            page.goto("about:blank")
            page.context.clear_cookies()


def faults_of(page: Page, only: str | None = None) -> list[str]:
    """What axe finds on a page. It is put in by the debugger, which the page's policy of contents does not concern.

    Args:
        page: what is examined.
        only: one rule; None: levels A and AA of WCAG 2.2.
    """
    session = page.context.new_cdp_session(page)
    if not page.evaluate("'axe' in window"):
        session.send("Runtime.evaluate", {"expression": AXE.read_text(encoding="utf-8")})
    rules = [only] if only else _RULES
    asked = {"expression": _EXAMINE % rules, "awaitPromise": True, "returnByValue": True}
    answer: dict[str, Any] = session.send("Runtime.evaluate", asked)
    session.detach()
    found: list[str] = answer["result"]["value"]
    return found


def overflow(page: Page) -> int:
    """Pixels by which a page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))
