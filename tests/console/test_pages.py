"""What pages show, and what they keep from whom."""

import html
import json
import re

import pytest

from paceline import SendMessage
from paceline.settings import Settings
from paceline_worker.console import census
from paceline_worker.console.app import alone
from tests.conftest import add_account
from tests.console.conftest import RECIPIENT, SENDER, Console, served
from tests.support.processes import free_port

EVIL = "<script>alert(1)</script>"


def test_an_empty_installation_says_what_to_do(console: Console) -> None:
    """Each page has a word for having nothing to show."""
    person = console.signed_in()
    assert "No worker is running" in person.page("/")
    assert "No campaigns yet" in person.page("/campaigns")
    assert "Nothing is held" in person.page("/held")
    assert "No dead letters" in person.page("/dead")
    assert "No outcomes" in person.page("/outcomes")
    assert "What are you looking for?" in person.page("/operations")
    assert "No account matches" in person.page("/accounts", q="zzz")


def test_now_tells_what_is_wrong_and_where_to_go(console: Console) -> None:
    """The worst first, each with a link to what can be done."""
    console.settled("held")
    console.settled("rejected", 3)
    person = console.signed_in()
    person.post("/accounts/other/suspend", reason="the key was refused")
    text = person.page("/")
    titles = re.findall(r'class="trouble-title">([^<]+)<', text)
    assert "Account other is suspended: the key was refused. 0 messages wait." in titles
    assert any(title.startswith("1 message is held") for title in titles)
    assert any(title.startswith("1 message is rejected") for title in titles)
    assert re.search(r'class="trouble warn">.*?href="/console/held"', text, re.DOTALL)
    levels = re.findall(r'class="trouble (\w+)"', text)
    assert levels == sorted(levels, key=["bad", "warn", "quiet"].index)


def test_now_counts_outcomes_of_the_last_minutes(console: Console) -> None:
    """The chart has a column for each ten seconds; the tile has the last minute."""
    for number in range(3):
        console.settled("accepted", number)
    console.settled("rejected", 5)
    text = console.signed_in().page("/")
    found = re.search(r'data-figures="([^"]+)"', text)
    assert found
    times, accepted, rejected, held, others = json.loads(found[1])
    assert (60, 18, 6, 0, 0) == (len(times), sum(accepted), sum(rejected), sum(held), sum(others))
    assert re.search(r'Accepted, last minute</p><p class="tile-value">3<', text)


def test_an_account_shows_limit_senders_and_what_waits(console: Console) -> None:
    """And the list leads to it."""
    console.send()
    person = console.signed_in()
    assert 'href="/console/accounts/acme"' in person.page("/accounts")
    text = person.page("/accounts/acme")
    assert (True, True) == (SENDER in text, "1000/second" in text)
    assert "no account named" in person.page("/accounts/nobody", 404)


def test_a_story_is_told_to_the_end(console: Console) -> None:
    """Where it is, why, what happened, what the provider said."""
    op_id = console.settled("rejected", words="The number is not on WhatsApp")
    text = console.signed_in().page(f"/operations/{op_id}")
    for words in ("Enqueued", "Rejected", "The number is not on WhatsApp", "+15550200002", "422"):
        assert words in text


@pytest.mark.parametrize("way", ["id", "recipient", "key", "row", "outcome"])
def test_an_operation_is_found_in_each_way(console: Console, way: str) -> None:
    """By id, recipient, idempotency key, row of a campaign, or outcome."""
    rows = [{"to": "+15550200077", "name": "Ada", "key": "row-7"}]
    console.outbox.start_campaign("spring", account="acme", sender=SENDER, template="Hi {name}", recipients=rows)
    console.worker.accept()
    op_id = console.outbox.status_of_row("spring", "row-7").id
    console.worker.settle(op_id, "accepted", code="202", words="")
    person = console.signed_in()
    if way == "key":
        message = SendMessage(account="acme", sender=SENDER, to=RECIPIENT, text="Hello", idempotency_key="inv-1")
        op_id = console.outbox.send(message).id
        console.worker.accept()
    asked = {
        "id": {"by": "id", "id": op_id},
        "recipient": {"by": "recipient", "to": "+15550200077"},
        "key": {"by": "key", "account": "acme", "key": "inv-1"},
        "row": {"by": "row", "campaign": "spring", "row": "row-7"},
        "outcome": {"by": "outcome", "outcome": "accepted", "campaign": "spring"},
    }[way]
    assert f'href="/console/operations/{op_id}"' in person.page("/operations", 200, **asked)


@pytest.mark.parametrize(
    "asked",
    [
        {"by": "id", "id": "nonsense"},
        {"by": "key", "key": "k"},
        {"by": "row", "row": "r"},
        {"by": "recipient", "to": "+1"},
        {"by": "recipient", "to": RECIPIENT, "after": "x"},
        {"by": "recipient", "to": RECIPIENT, "after": "\N{ARABIC-INDIC DIGIT THREE}"},
        {"by": "outcome", "outcome": "accepted", "after": "0; DROP"},
    ],
)
def test_a_search_that_cannot_be_is_told(console: Console, asked: dict[str, str]) -> None:
    """In a sentence, on the page."""
    assert 'role="alert"' in console.signed_in().page("/operations", 200, **asked)


def test_what_is_not_there_is_not_found(console: Console) -> None:
    """A page says so."""
    person = console.signed_in()
    assert "Nothing was found" in person.page("/operations", by="id", id="01k0zxw5d3v8m2c7r4q9n6t1ea")
    for path in ("/operations/01k0zxw5d3v8m2c7r4q9n6t1ea", "/campaigns/nobody", "/nowhere", "/accounts/nobody"):
        person.page(path, 404)


def test_numbers_are_masked_without_the_scope(console: Console) -> None:
    """On every page, in the provider's words as well."""
    held = console.settled("held", words="lost while +15550200002 was sent")
    dead = console.settled("rejected", 4, words="+15550200004 is not on WhatsApp")
    paths = ["/held", "/dead", "/outcomes", f"/operations/{held}", f"/operations/{dead}", "/accounts/acme"]
    paths += ["/operations?by=recipient&to=%2B15550200004", "/operations?by=outcome&outcome=rejected"]
    person = console.signed_in("read,operate")
    for path in paths:
        text = re.sub(r'(value|placeholder)="[^"]*"', "", person.page(path))
        assert not re.search(r"\+?1555\d{7}", text), path
        assert "+155••••••" in text, path
    full = console.signed_in("read,operate,numbers")
    assert "+15550200004 is not on WhatsApp" in full.page("/dead")


@pytest.mark.parametrize("scopes", ["read", "read,send", "read,campaigns", "read,operate"])
def test_what_a_token_may_not_do_is_not_shown(console: Console, scopes: str) -> None:
    """No button for it; and the act itself is refused."""
    held, dead = console.settled("held"), console.settled("rejected", 3)
    waiting = console.send(9)
    rows = [{"to": "+15550200077"}]
    console.outbox.start_campaign("spring", account="acme", sender=SENDER, template="Hi", recipients=rows, paused=True)
    person = console.signed_in(scopes)
    may = set(scopes.split(","))
    assert ("operate" in may) == ("/suspend" in person.page("/accounts/acme"))
    assert ("operate" in may) == ('value="release"' in person.page("/held"))
    assert ("operate" in may) == ("Replay" in person.page("/dead"))
    assert ("campaigns" in may) == ("New campaign" in person.page("/campaigns"))
    assert ("campaigns" in may) == (
        "/resume" in person.page("/campaigns/spring") or "/approve" in person.page("/campaigns/spring")
    )
    assert ("send" in may) == (f"/operations/{waiting}/cancel" in person.page(f"/operations/{waiting}"))
    for scope, path, fields in (
        ("operate", "/accounts/acme/suspend", {}),
        ("operate", "/accounts/acme/resume", {}),
        ("operate", "/held", {"id": held, "act": "drop"}),
        ("operate", "/dead/replay", {"id": dead, "confirmed": "yes"}),
        ("campaigns", "/campaigns/spring/resume", {}),
        ("campaigns", "/campaigns/spring/cancel", {}),
        ("campaigns", "/campaigns-new", {}),
        ("send", f"/operations/{waiting}/cancel", {}),
    ):
        assert (scope not in may) == (person.post(path, **fields).status_code == 403), path


def test_what_is_of_another_account_is_not_there(console: Console) -> None:
    """Neither on a page nor by an act."""
    theirs = console.settled("held", 2, "other")
    dead = console.settled("rejected", 3, "other")
    rows = [{"to": "+15550200077"}]
    console.outbox.start_campaign("secret", account="other", sender=SENDER, template="Hi", recipients=rows)
    console.worker.accept()
    person = console.signed_in("read,send,campaigns,operate,numbers", "acme")
    for path in ("/", "/accounts", "/campaigns", "/held", "/dead", "/outcomes", "/campaigns-new"):
        text = person.page(path)
        assert not re.search(rf'accounts/other"|<option>other<|secret|{theirs}|{dead}', text), path
    for path in ("/accounts/other", "/campaigns/secret", f"/operations/{theirs}", "/campaigns/secret/cancel"):
        person.page(path, 404)
    person.page("/held", 404, account="other")
    person.page("/dead", 404, account="other")
    assert "Nothing was found" in person.page("/operations", by="id", id=theirs)
    assert theirs not in person.page("/operations", by="recipient", to="+15550200002")
    assert theirs not in person.page("/operations", by="outcome", outcome="held")
    for path, fields in (
        ("/accounts/other/suspend", {}),
        ("/held", {"id": theirs, "act": "release"}),
        ("/dead/replay", {"id": dead, "confirmed": "yes"}),
        ("/campaigns/secret/pause", {}),
        (f"/operations/{theirs}/cancel", {}),
    ):
        assert 404 == person.post(path, **fields).status_code, path
    assert "held" == console.outbox.status(theirs).state
    assert "rejected" == console.outbox.status(dead).state


def test_an_account_that_is_not_there_hides_no_other(console: Console) -> None:
    """A token may name an account that was removed, or is not added yet; only who asks for that account is told."""
    held, dead = console.settled("held"), console.settled("rejected", 3)
    person = console.signed_in("read,operate", "acme", "gone")
    for path, op_id in (("/held", held), ("/dead", dead)):
        assert op_id in person.page(path)
        person.page(path, 404, account="gone")
    assert "Replay 1 message?" in person.post("/dead/replay", all="yes").text
    assert 404 == person.post("/dead/replay", all="yes", account="gone").status_code


def test_dead_letters_do_not_tell_of_campaigns_of_other_accounts(console: Console) -> None:
    """A filter by a campaign that another account has answers like one by a campaign that nobody has."""
    rows = [{"to": "+15550200077"}]
    console.outbox.start_campaign("theirs", account="other", sender=SENDER, template="Hi", recipients=rows)
    person = console.signed_in("read,operate", "acme")
    theirs, nobodys = (person.page("/dead", campaign=name) for name in ("theirs", "nobodys"))
    assert theirs.replace("theirs", "nobodys") == nobodys


def test_a_token_of_many_accounts_is_told_of_all(console: Console) -> None:
    """Held operations and dead letters of the last of sixty accounts are shown, counted and replayed as well."""
    names = [f"shop{number:02d}" for number in range(60)]
    for name in names:
        add_account(console.worker.state.client, name, "1000/second", "window", 5)
    held = [console.settled("held", number, name) for number, name in ((2, names[0]), (3, names[-1]))]
    dead = [console.settled("rejected", number, name) for number, name in ((4, names[0]), (5, names[-1]))]
    person = console.signed_in("read,operate", *names)
    for path, op_ids in (("/held", held), ("/dead", dead)):
        text = person.page(path)
        assert [True, True] == [op_id in text for op_id in op_ids], path
    assert "Replay 2 messages?" in person.post("/dead/replay", all="yes").text


def test_texts_from_outside_are_texts(console: Console) -> None:
    """Templates, words of the provider, reasons, metadata and searches run no script."""
    rows = [{"to": "+15550200077", "name": EVIL, "key": EVIL, "metadata": {"x": EVIL}}]
    console.outbox.start_campaign(
        "spring", account="acme", sender=SENDER, template=f"Hi {{name}} {EVIL}", recipients=rows
    )
    console.worker.accept()
    op_id = console.outbox.status_of_row("spring", EVIL).id
    console.worker.settle(op_id, "rejected", code="422", words=EVIL)
    person = console.signed_in()
    person.post("/accounts/acme/suspend", reason=EVIL)
    shown = ["/", "/accounts/acme", "/campaigns/spring", "/dead", "/outcomes", f"/operations/{op_id}"]
    for path in shown:
        text = person.page(path)
        assert (False, True) == (EVIL in text, html.escape(EVIL) in text), path
    for path, name in (
        ("/accounts", "q"), ("/campaigns", "q"), ("/campaigns", "state"), ("/operations", "by"), ("/operations", "id"),
        ("/operations", "campaign"), ("/dead", "campaign"), ("/dead", "code"), ("/held", "account"), ("/outcomes", "outcome"),
        ("/", "said"), ("/sign-in", "next"),
    ):  # fmt: skip
        answer = person.client.get(
            f"/console{path}", params={name: EVIL, "account": "acme"} if name == "code" else {name: EVIL}
        )
        assert EVIL not in answer.text, (path, name)


def test_a_sentence_of_the_address_holds_numbers_only(console: Console) -> None:
    """Nobody can put words on a page by a link."""
    person = console.signed_in()
    assert "1,234 released and queued again; 0 stay as they are." in person.page(
        "/held", said="released", n="1234", kept="call +1"
    )
    assert 'class="said"' not in person.page("/held", said="anything")
    for number in ("9" * 50, "0" * 5000, "\N{ARABIC-INDIC DIGIT THREE}"):
        assert "0 released" in person.page("/held", said="released", n=number)
        assert 200 == console.app.get("/console/sign-in", params={"said": "released", "n": number}).status_code


def test_the_newest_outcomes_come_first(console: Console) -> None:
    """With receipts, and filtered as asked."""
    first, second = console.settled("accepted", 2), console.settled("rejected", 3)
    person = console.signed_in()
    text = person.page("/outcomes")
    assert 0 < text.index(second) < text.index(first)
    assert second not in person.page("/outcomes", outcome="accepted")
    console.worker.deliver(first)
    assert "delivered" in person.page("/outcomes")
    person.page("/outcomes", 422, outcome="nonsense")
    person.page("/outcomes", 404, campaign="nobody")


def test_a_state_server_that_is_away_is_told() -> None:
    """503 with a word for people, not a defect; the same for a page that is live."""
    nowhere = Settings(broker_url=f"redis://127.0.0.1:{free_port()}/0")
    with served(alone(nowhere)) as client:
        client.cookies.set("paceline_session", "x" * 43, path="/console")
        answer = client.get("/console/")
        assert (503, True) == (answer.status_code, "State is away" in answer.text)
        assert 503 == client.post("/console/sign-in", data={"token": f"pcl_0123456789ab_{'x' * 43}"}).status_code
        assert (200, 503) == (client.get("/healthz").status_code, client.get("/readyz").status_code)


def test_a_first_count_that_takes_long_is_told(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page does not wait for it; it is there when somebody asks later."""
    person = console.signed_in()
    with monkeypatch.context() as impatient:
        impatient.setattr(census, "_PATIENCE_S", 0.0)
        assert "Counting accounts" in person.page("/")
    assert "Counting accounts" not in person.page("/")
