"""The console in a real browser, as people use it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from paceline import Outbox
from paceline.settings import Settings
from paceline_worker.console.app import alone
from tests.conftest import Servers, add_account, emptied
from tests.console.conftest import EVERYTHING, SENDER, Console
from tests.console.hooked import add_hook, event, give_up, waiting
from tests.doors.exam import Worker
from tests.support.browser import DESK, PHONE, again, browser, chromium, faults_of, overflow, window
from tests.support.servers import SERVER_KINDS
from tests.support.serving import serving

pytestmark = [
    pytest.mark.skipif(chromium() is None, reason="no chromium: deploy/chromium/fetch.sh installs it where it can"),
    pytest.mark.xdist_group("browser"),
]


expect.set_options(timeout=30_000)  # of a busy machine


@pytest.fixture(scope="module")
def stack(servers: Servers) -> Iterator[tuple[Console, str]]:
    """One console and one state for all of these tests: each brings names of its own."""
    with emptied(servers.get(SERVER_KINDS[0])) as server, Outbox(server.url) as outbox:
        worker = Worker(server.url)
        for name in ("acme", "held", "dead"):
            add_account(worker.state.client, name, "1000/second", "window", 5)
        with serving(alone(Settings(broker_url=server.url), rate=100_000)) as origin:
            yield Console(server, worker, outbox, None, None), origin  # type: ignore[arg-type]
        worker.close()


@pytest.fixture(scope="module")
def opened(stack: tuple[Console, str]) -> Iterator[Page]:
    """One window for all of these tests."""
    with browser() as launched, window(launched, DESK, origin=stack[1]) as shown:
        yield shown


@pytest.fixture
def page(opened: Page, console: Console) -> Iterator[Page]:
    """A window of a desk, signed in with everything."""
    with again(opened, DESK):
        sign_in(opened, console.token())
        yield opened


@pytest.fixture
def console(stack: tuple[Console, str]) -> Console:
    return stack[0]


def sign_in(page: Page, token: str) -> None:
    page.goto("/console/")
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Sign in").press("Enter")


def test_signing_in_and_being_refused(opened: Page, stack: tuple[Console, str]) -> None:
    """A wrong token, a missing scope, a session that ends, and the page that one wanted."""
    (console, origin), page = stack, opened
    with again(page, DESK):
        sign_in(page, "pcl_wrong")
        expect(page.get_by_role("alert")).to_contain_text("is unknown")
        sign_in(page, console.token("send"))
        expect(page.get_by_role("alert")).to_contain_text("lacks the scope read")
        page.goto("/console/held")
        page.get_by_label("Token").fill(console.token("read"))
        page.get_by_role("button", name="Sign in").click()
        expect(page).to_have_url(f"{origin}/console/held")
        page.goto("/console/campaigns")
        expect(page.get_by_role("link", name="New campaign")).to_have_count(0)
        page.goto("/console/campaigns-new")
        expect(page.get_by_role("alert")).to_contain_text("lacks the scope campaigns")
        page.goto("/console/")
        for key in console.worker.state.client.keys("*:session:*"):
            console.worker.state.client.delete(key)
        expect(page.get_by_label("Token")).to_be_visible()  # the page that is live notices by itself


def test_a_forged_form_is_refused(page: Page) -> None:
    """Without the key of the session."""
    page.goto("/console/accounts/acme")
    page.evaluate("document.querySelectorAll('[name=form_key]').forEach(key => key.value = 'forged')")
    page.get_by_role("button", name="Suspend").click()
    expect(page.get_by_role("alert")).to_contain_text("does not come from a page of this session")


def test_a_campaign_from_its_file_to_its_end(page: Page, console: Console, tmp_path: Path) -> None:
    """Checked, started, watched, paused, changed, resumed, cancelled; what happens is seen without a reload."""
    file = tmp_path / "people.csv"
    file.write_text("to,name\n" + "".join(f"+1555040{n:04d},Ada {n}\n" for n in range(30)) + "nobody,Eve\n")
    page.goto("/console/campaigns-new")
    page.get_by_label("Name").fill("spring")
    page.get_by_label("Account").select_option("acme")
    page.get_by_label("Sender").fill(SENDER)
    page.get_by_label("Message").fill("Hi {nmae}")
    page.get_by_label("Recipients").set_input_files(file)
    page.get_by_role("button", name="Check the file").click()
    expect(page.get_by_role("alert")).to_contain_text("nmae")
    page.get_by_label("Message").fill("Hi {name}")
    page.get_by_role("button", name="Check the file").click()
    expect(page.get_by_text("Hi Ada 2")).to_be_visible()
    expect(page.get_by_text("Line 32:")).to_be_visible()
    page.get_by_role("button", name="Start now").click()
    expect(page.get_by_role("status")).to_contain_text("started with 30 recipients; 1 bad rows")
    console.worker.accept()
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    for number in range(3):
        op_id = console.outbox.status_of_row("spring", f"+1555040{number:04d}").id
        console.worker.settle(op_id, "accepted", code="202", words="")
    expect(page.locator(".huge")).to_have_text("3")
    page.get_by_role("button", name="Pause").click()
    expect(page.locator(".state-line")).to_contain_text("paused")
    page.get_by_text("Change rate, window").click()
    page.get_by_label("Own rate").fill("5/minute")
    page.get_by_role("button", name="Change").click()
    expect(page.locator("#live")).to_contain_text("5/minute")
    page.get_by_role("button", name="Resume").click()
    expect(page.locator(".state-line")).to_contain_text("running")
    page.get_by_role("link", name="Cancel").click()
    expect(page.get_by_text("messages are not sent")).to_be_visible()
    page.get_by_role("button", name="Cancel the campaign").click()
    expect(page.locator(".state-line")).to_contain_text("cancel")
    for op_id in list(console.worker.granted):  # their sender is free for other tests
        console.worker.settle(op_id, "accepted", code="202", words="")


def test_a_held_message_is_released(page: Page, console: Console) -> None:
    """By hand, with the keyboard."""
    op_id = console.settled("held", 41, "held")
    page.goto("/console/held")
    expect(page.get_by_text("+15550200041")).to_be_visible()
    page.get_by_label(f"Choose {op_id}").press("Space")
    page.get_by_role("button", name="Release").press("Enter")
    expect(page.get_by_role("status")).to_contain_text("1 released")
    assert "waiting" == console.outbox.status(op_id).state
    console.worker.settle(op_id, "accepted", code="202", words="")


def test_dead_letters_are_replayed_after_a_count(page: Page, console: Console) -> None:
    """All that are marked by one box."""
    ids = [console.settled("rejected", 50 + number, "dead", "not on WhatsApp") for number in range(3)]
    page.goto("/console/dead?account=dead")
    page.get_by_label("All").check()
    page.get_by_role("button", name="Replay those that are marked").click()
    expect(page.get_by_role("heading", name="Replay 3 messages?")).to_be_visible()
    page.get_by_role("button", name="Replay 3").click()
    expect(page.get_by_role("status")).to_contain_text("3 queued again")
    assert {"waiting"} == {console.outbox.status(op_id).state for op_id in ids}
    for op_id in ids:
        console.worker.settle(op_id, "accepted", code="202", words="")


def test_a_message_is_found_by_its_recipient(page: Page, console: Console) -> None:
    """The search goes on until the end, part by part; its story is one click away."""
    op_id = console.settled("accepted", 77)
    page.goto("/console/operations?by=recipient")
    page.get_by_label("Recipient", exact=True).fill("+15550200077")
    page.get_by_role("button", name="Find").click()
    page.get_by_role("link", name=op_id).click()
    expect(page.locator(".story")).to_contain_text("Accepted")


def test_dead_events_are_replayed_and_a_hook_is_disabled(page: Page, console: Console) -> None:
    """Each in two steps; the list tells what is left."""
    client = console.worker.state.client
    add_hook(client, "hook-1", "acme")
    give_up(console.server.url, client, "hook-1", [event(number) for number in range(3)])
    page.goto("/console/")
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Hooks").click()
    page.get_by_role("link", name="hook-1").click()
    page.get_by_label("All").check()
    page.get_by_role("button", name="Replay those that are marked").click()
    expect(page.get_by_role("heading", name="Replay 3 events?")).to_be_visible()
    page.get_by_role("button", name="Replay 3").click()
    expect(page.get_by_role("status")).to_contain_text("3 events will be posted again")
    assert (3, 0) == waiting(client, "hook-1")
    page.get_by_role("button", name="Disable").click()
    expect(page.locator(".state-line")).to_contain_text("disabled")
    page.get_by_role("button", name="Enable").click()
    expect(page.get_by_role("status")).to_contain_text("posted to the hook again")


def test_an_account_is_suspended_and_resumed(page: Page, console: Console) -> None:
    """With a reason that the page shows."""
    add_account(console.worker.state.client, "review", "1000/second", "window", 5)
    page.goto("/console/accounts")
    page.get_by_role("link", name="review").click()
    page.get_by_label("Reason").fill("number under review")
    page.get_by_role("button", name="Suspend").click()
    expect(page.locator(".state-line")).to_contain_text("number under review")
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("status")).to_contain_text("sends again")


def test_a_number_is_suppressed(page: Page) -> None:
    """Put on the list of an account, and found there."""
    page.goto("/console/suppression?account=acme")
    page.get_by_label("Numbers").fill("+15550209999")
    page.get_by_role("button", name="Suppress").click()
    expect(page.get_by_role("status")).to_contain_text("1 added")
    page.goto("/console/suppression?account=acme&number=%2B15550209999")
    expect(page.locator("#live")).to_contain_text("is suppressed since")


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_every_page_is_accessible_and_fits(opened: Page, console: Console, size: tuple[int, int]) -> None:
    """axe finds no fault of WCAG 2.2 AA; nothing is cut off."""
    page = opened
    rows = [{"to": f"+1555060{number:04d}", "name": "Ada"} for number in range(5)]
    console.outbox.start_campaign(
        "looks", account="acme", sender=SENDER, template="Hi {name}", recipients=rows, paused=True
    )
    console.worker.accept()
    held, _ = console.settled("held", 61, "held"), console.settled("rejected", 62, "acme")
    client = console.worker.state.client
    if not client.exists("paceline:{0}:wh:looks"):
        add_hook(client, "looks", "acme")
        give_up(console.server.url, client, "looks", [event(100)])
    paths: tuple[str, ...] = (
        "/",
        "/accounts",
        "/accounts/held",
        "/campaigns",
        "/campaigns-new",
        "/campaigns/looks",
        "/campaigns/looks/cancel",
    )
    paths += (
        "/operations?by=outcome&outcome=rejected",
        f"/operations/{held}",
        "/held",
        "/dead",
        "/outcomes",
        "/suppression",
        "/hooks",
        "/hooks/looks",
        "/nowhere",
    )
    with again(page, size):
        sign_in(page, console.token(EVERYTHING))
        for path in paths:
            page.goto(f"/console{path}")
            assert 0 == overflow(page), path
            assert [] == faults_of(page), path
            page.emulate_media(color_scheme="dark")
            assert [] == faults_of(page, "color-contrast"), (path, "dark")
            page.emulate_media(color_scheme="light")


def test_axe_would_find_a_fault(page: Page) -> None:
    """So that silence means something."""
    page.goto("/console/accounts")
    page.evaluate("document.querySelector('#q').previousElementSibling.remove()")
    assert any("label" in fault for fault in faults_of(page))


def test_what_others_wrote_runs_nothing(page: Page, console: Console) -> None:
    """Not even after a part was sent again and put into the page."""
    words = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    console.settled("rejected", 88, "acme", words)
    page.goto("/console/outcomes")
    expect(page.get_by_text("onerror").first).to_be_visible()
    console.settled("rejected", 89, "acme", words)
    expect(page.get_by_text("onerror").nth(1)).to_be_visible()
    assert not re.search("owned", page.title())
