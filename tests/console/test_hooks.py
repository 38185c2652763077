"""Hooks in the console: what fails, what was given up, and what people do about that."""

import re
from typing import Any

import pytest

from paceline.status import history
from paceline_worker.hooks.state import HookBook
from tests.console.conftest import Console
from tests.console.hooked import add_hook, event, give_up, waiting


@pytest.fixture
def client(console: Console) -> Any:
    return console.worker.state.client


def test_hooks_are_listed_with_what_fails(console: Console, client: Any) -> None:
    """Address, state, what waits, what was given up, the last words."""
    person = console.signed_in()
    assert "No hooks" in person.page("/hooks")
    add_hook(client, "hook-1", "acme")
    give_up(console.server.url, client, "hook-1", [event(1), event(2)], "HTTP 500")
    text = person.page("/hooks")
    for words in (
        "https://shop.example.com/in?key=s3cret",
        "No runner serves hooks",
        "HTTP 500",
        "settled, read",
        "acme",
    ):
        assert words in text, words
    page = person.page("/hooks/hook-1")
    assert 2 == page.count('name="id"')
    assert "/console/operations/01k0zxw5d3v8m2c7r4q9n6t1ea" in page
    assert "no hook" in person.page("/hooks/hook-9", 404)


def test_now_tells_of_hooks_that_fail(console: Console, client: Any) -> None:
    """With a way to each of them."""
    for hook in ("hook-1", "hook-2"):
        add_hook(client, hook)
    give_up(console.server.url, client, "hook-1", [event(1)])
    book = HookBook(client)
    book.change("hook-2", book.one("hook-2").hook, enabled=False)
    text = console.signed_in().page("/")
    titles = re.findall(r'class="trouble-title">([^<]+)<', text)
    assert "1 event of hook hook-1 given up." in titles
    assert "Hook hook-2 is disabled: by hand. 0 events wait." in titles
    assert 'href="/console/hooks/hook-1"' in text


def test_a_hook_is_disabled_and_enabled(console: Console, client: Any) -> None:
    """The history tells by whom."""
    add_hook(client, "hook-1")
    person = console.signed_in()
    answer = person.post("/hooks/hook-1/disable")
    assert "/console/hooks/hook-1?said=hook-disabled" == answer.headers["location"]
    assert "by hand" == HookBook(client).one("hook-1").disabled
    assert "/hooks/hook-1/enable" in person.page("/hooks/hook-1")
    assert "/console/hooks/hook-1?said=hook-enabled" == person.post("/hooks/hook-1/enable").headers["location"]
    assert "" == HookBook(client).one("hook-1").disabled
    assert 404 == person.post("/hooks/hook-1/remove").status_code
    acts = [(act.what, act.on) for act in console.worker.plain.ask(history.reading("-", 100))]
    assert [("hooks disable", "hook-1"), ("hooks enable", "hook-1")] == acts


def test_dead_events_are_counted_before_they_are_replayed(console: Console, client: Any) -> None:
    """The marked ones, or those of a time; nothing is posted before somebody confirms."""
    add_hook(client, "hook-1", "acme")
    give_up(console.server.url, client, "hook-1", [event(1), event(2), event(3)])
    person = console.signed_in()
    assert "Replay 1 event?" in person.post("/hooks/hook-1/replay", id="evt_1-0").text
    assert (0, 3) == waiting(client, "hook-1")
    done = person.post("/hooks/hook-1/replay", id="evt_1-0", confirmed="yes")
    assert "/console/hooks/hook-1?said=hook-replayed&n=1" == done.headers["location"]
    assert (1, 2) == waiting(client, "hook-1")
    counted = person.post("/hooks/hook-1/replay", which="dead", since="1 h")
    assert "Replay 2 events?" in counted.text
    person.confirm(counted)
    assert (3, 0) == waiting(client, "hook-1")


def test_what_the_stream_keeps_is_replayed(console: Console, client: Any) -> None:
    """Events of the hook's own accounts only, receipts among them."""
    add_hook(client, "hook-1", "acme")
    first, _ = console.settled("accepted"), console.settled("accepted", account="other")
    console.worker.deliver(first)  # `delivered` is none of its events
    person = console.signed_in()
    counted = person.post("/hooks/hook-1/replay", which="all", since="1 h")
    assert "Replay 1 event?" in counted.text
    person.confirm(counted)
    assert (1, 0) == waiting(client, "hook-1")


@pytest.mark.parametrize("which", ["dead", "all"])
def test_what_happens_after_the_count_is_not_replayed(console: Console, client: Any, which: str) -> None:
    """Events that were given up later, and outcomes that came later, are in no count; without a count nothing is replayed."""
    add_hook(client, "hook-1", "acme")
    give_up(console.server.url, client, "hook-1", [event(1)])
    person = console.signed_in()
    counted = person.post("/hooks/hook-1/replay", which=which, since="1 h")
    assert "Replay 1 event?" in counted.text
    give_up(console.server.url, client, "hook-1", [event(2)])
    console.settled("accepted")
    assert "/console/hooks/hook-1?said=hook-replayed&n=1" == person.confirm(counted).headers["location"]
    assert (1, 1) == waiting(client, "hook-1")
    again = person.post("/hooks/hook-1/replay", which=which, since="1 h", confirmed="yes")
    assert (200, True) == (again.status_code, "would be posted again" in again.text)
    assert (1, 1) == waiting(client, "hook-1")


@pytest.mark.parametrize(
    "fields", [{}, {"which": "dead"}, {"which": "some", "since": "1 h"}, {"which": "all", "since": "x"}]
)
def test_a_replay_of_nothing_is_refused(console: Console, client: Any, fields: dict[str, str]) -> None:
    """In a sentence."""
    add_hook(client, "hook-1")
    answer = console.signed_in().post("/hooks/hook-1/replay", **fields)
    assert (422, True) == (answer.status_code, "nothing is chosen" in answer.text)


def test_reading_is_not_enough_to_act(console: Console, client: Any) -> None:
    """No button, no act; and what follows a question mark of the address is not shown."""
    add_hook(client, "hook-1")
    give_up(console.server.url, client, "hook-1", [event(1)])
    person = console.signed_in("read")
    text = person.page("/hooks") + person.page("/hooks/hook-1")
    assert (False, False, False) == ("s3cret" in text, "<select" in text, "+15550200002" in text)
    for path in ("disable", "enable", "replay"):
        assert 403 == person.post(f"/hooks/hook-1/{path}", id="evt_1-0", confirmed="yes").status_code
    assert (0, 1) == waiting(client, "hook-1")


def test_hooks_of_other_accounts_are_not_there(console: Console, client: Any) -> None:
    """A hook is seen by tokens that name all of its accounts."""
    add_hook(client, "hook-1", "acme")
    add_hook(client, "hook-2", "acme", "other")
    add_hook(client, "hook-3")
    person = console.signed_in("read,operate", "acme")
    assert ["hook-1"] == sorted(set(re.findall(r"hook-\d", person.page("/hooks"))))
    for hook in ("hook-2", "hook-3"):
        person.page(f"/hooks/{hook}", 404)
        assert 404 == person.post(f"/hooks/{hook}/disable").status_code
