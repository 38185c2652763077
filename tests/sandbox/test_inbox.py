"""The sandbox's pages for people: the inbox, its buttons, and what they may not cost."""

import html
import re
import threading

import httpx
import pytest

from paceline.look import CONTENT_SECURITY_POLICY
from tests.sandbox.client import QUIET, RECIPIENT, SENDER, UNLIMITED, Client

EVIL = "<script>alert(1)</script>"


def page(client: Client, **query: str) -> str:
    answer = client.http.get("/", params=query)
    assert (200, CONTENT_SECURITY_POLICY) == (answer.status_code, answer.headers["content-security-policy"])
    return answer.text


def press(client: Client, act: str, typed: str = "") -> httpx.Response:
    return client.http.post("/sandbox/press", data={"act": act, "typed": typed})


def test_the_inbox_shows_messages_as_they_were_sent(client: Client) -> None:
    """The newest first, by number and group, refused ones marked; texts stay texts."""
    client.use(QUIET + UNLIMITED)
    client.send(text="first")
    client.send(to_number="+15550100003", text=EVIL)
    client.send(to_number="+15559990422", text="nobody")
    text = page(client)
    assert 0 < text.index("nobody") < text.index(html.escape(EVIL)) < text.index(">first<")
    assert (False, 2, 1) == (EVIL in text, text.count('class="badge good"'), text.count('class="badge bad"'))
    only = page(client, to="+15550100003")
    assert (True, False) == (html.escape(EVIL) in only, f"{SENDER} to {RECIPIENT}" in only)
    assert EVIL not in page(client, to=EVIL)


def test_an_empty_inbox_says_what_to_do(client: Client) -> None:
    """And leads to the guide."""
    assert (True, True) == ("No messages yet" in page(client), 'href="/guide"' in page(client))


@pytest.mark.parametrize(("act", "code"), [("429", 429), ("503", 503), ("422", 422)])
def test_a_button_answers_the_next_ten(client: Client, act: str, code: int) -> None:
    """The eleventh works."""
    client.use(QUIET + UNLIMITED)
    assert 303 == press(client, act).status_code
    assert [code] * 10 + [202] == client.codes(11)
    press(client, act)
    press(client, "calm")
    assert [202] == client.codes(1)


def test_an_outage_cuts_connections(client: Client) -> None:
    """Until it is calm again."""
    client.use(QUIET + UNLIMITED)
    press(client, "outage")
    with pytest.raises(httpx.HTTPError):
        client.send()
    press(client, "calm")
    assert 202 == client.send().status_code


def test_latency_and_a_banned_number(client: Client) -> None:
    """Both are part of the scenario that anybody can read."""
    client.use(QUIET + UNLIMITED)
    press(client, "latency", "7")
    assert 7 == client.http.get("/sandbox/scenario").json()["latency_ms"]
    press(client, "ban", SENDER)
    assert 404 == client.send().status_code
    assert 202 == client.send(from_number="+15550100007").status_code


@pytest.mark.parametrize(
    ("act", "typed"), [("latency", "soon"), ("latency", "9" * 9), ("ban", "nobody"), ("ban", EVIL), ("nonsense", "")]
)
def test_a_wrong_press_is_told_and_changes_nothing(client: Client, act: str, typed: str) -> None:
    """In a sentence on the page."""
    before = client.http.get("/sandbox/scenario").json()
    answer = press(client, act, typed)
    assert (422, True, False) == (answer.status_code, 'role="alert"' in answer.text, EVIL in answer.text)
    assert before == client.http.get("/sandbox/scenario").json()


def test_everything_is_forgotten(client: Client) -> None:
    """As by the call of the same effect."""
    client.send()
    press(client, "reset")
    assert [] == client.sandbox.arrivals()


def test_another_site_presses_nothing(client: Client) -> None:
    """A browser says where a form comes from."""
    answer = client.http.post("/sandbox/press", data={"act": "503"}, headers={"Sec-Fetch-Site": "cross-site"})
    assert (403, []) == (answer.status_code, client.http.get("/sandbox/scenario").json()["faults"])


def test_arrivals_are_shown_live(client: Client) -> None:
    """The part that changed is sent again; a watcher who leaves is forgotten, and ten at once are too many."""
    with client.http.stream("GET", "/sandbox/live") as stream:
        lines = stream.iter_lines()
        assert "event: part" == next(lines)
        threading.Thread(target=client.send, kwargs={"text": "a live one"}).start()
        assert any("a live one" in line for line in lines)


def test_pages_have_no_scripts_of_their_own(client: Client) -> None:
    """Nothing inline, nothing from elsewhere; files are there."""
    for path in ("/", "/guide"):
        text = client.http.get(path).text
        assert [] == re.findall(r"<script(?![^>]* src=)|<style|\sstyle=|\son[a-z]+=|src=\"https?:|href=\"https?:", text)
        for address in re.findall(r'(?:src|href)="(/sandbox/static/[^"]+)"', text):
            assert 200 == client.http.get(address).status_code
    assert 404 == client.http.get("/sandbox/static/x/..%2fpage.py").status_code
