"""`make pictures`: each page of the console, and the sandbox's inbox, into docs/images.

    python -m deploy.pictures [--seconds N]

A real console on a real state server, with a day's work in it, shown by Debian's Chromium.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Final

import httpx
from playwright.sync_api import Page
from tests.doors.exam import Worker
from tests.support.browser import DESK, PHONE, browser, chromium, window
from tests.support.servers import start_server
from tests.support.serving import serving

from deploy.pictures.staged import going_on, stage
from paceline.settings import Settings
from paceline_sandbox import running_sandbox
from paceline_sandbox.faults.scenario import Scenario
from paceline_worker.console.app import alone

_IMAGES: Final = Path(__file__).parents[2] / "docs" / "images"
_PAGES: Final = {
    "now": "/",
    "accounts": "/accounts",
    "account": "/accounts/acme",
    "campaigns": "/campaigns",
    "campaign": "/campaigns/spring-sale",
    "new-campaign": "/campaigns-new",
    "operations": "/operations?by=outcome&outcome=rejected",
    "held": "/held",
    "dead-letters": "/dead",
    "outcomes": "/outcomes",
    "suppression": "/suppression?account=acme",
    "hooks": "/hooks",
    "hook": "/hooks/hook-3f2a91bc",
}
_MESSAGES: Final = (
    ("+15550200001", "Hi Ada, your order 17 is on its way."),
    ("+15550200002", "Hi Bob, our spring sale starts today.\nEverything is 20 % off until Sunday."),
    ("+15559990422", "Hi Eve, our spring sale starts today."),
    ("+15550200001", "Ada, order 17 was delivered."),
)


def main() -> int:
    """Take all pictures; returns 1 where there is no browser."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=45, help="How long messages leave before the first picture.")
    given = parser.parse_args()
    if chromium() is None:
        sys.stderr.write("pictures: there is no chromium; deploy/chromium/fetch.sh installs it where it can\n")
        return 1
    with start_server() as server:
        worker = Worker(server.url)
        token = stage(server.url, worker)
        with serving(alone(Settings(broker_url=server.url))) as origin, browser() as opened, going_on(worker):
            time.sleep(given.seconds)
            with window(opened, DESK, origin=origin) as page:
                _sign_in(page, token)
                for name, path in _PAGES.items():
                    _take(page, f"/console{path}", f"console-{name}")
            with window(opened, PHONE, dark=True, origin=origin) as page:
                _sign_in(page, token)
                for name in ("now", "campaign"):
                    _take(page, f"/console{_PAGES[name]}", f"console-{name}-phone")
        worker.close()
    with (
        running_sandbox(Scenario()) as sandbox,
        browser() as opened,
        window(opened, DESK, origin=sandbox.root) as page,
    ):
        for number, (to, text) in enumerate(_MESSAGES):
            body = {"from_number": "+15550100001", "to_number": to, "text": text}
            httpx.post(
                f"{sandbox.root}/open/whatsapp/send-message", json=body, headers={"X-User-API-Key": f"k{number}"}
            )
        _take(page, "/", "sandbox-inbox")
    return 0


def _sign_in(page: Page, token: str) -> None:
    page.goto("/console/")
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/console/")


def _take(page: Page, path: str, name: str) -> None:
    page.goto(path)
    page.wait_for_timeout(2500)
    page.screenshot(path=_IMAGES / f"{name}.png")
    sys.stdout.write(f"docs/images/{name}.png\n")


if __name__ == "__main__":
    raise SystemExit(main())
