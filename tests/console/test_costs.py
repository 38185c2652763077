"""A page costs the state server the same, whatever waits."""

import pytest

from paceline_worker.console import census
from tests.console.conftest import RECIPIENT, SENDER, Console, Person

ROWS = 60


def commands(console: Console, person: Person, path: str) -> int:
    """Commands that one request takes, scripts' own calls among them."""
    client = console.worker.state.client
    console.desk().census.forget()
    console.desk().pulse.forget()
    client.config_resetstat()
    assert 200 == person.client.get(f"/console{path}").status_code
    stats = client.info("commandstats")
    left_out = ("eval", "config", "info", "client", "hello", "select", "time", "script")
    return sum(int(of["calls"]) for name, of in stats.items() if not any(word in name for word in left_out))


def fill(console: Console, most: int) -> None:
    """A campaign of so many rows, and as many single messages."""
    rows = [{"to": f"+1555020{number:04d}", "name": "Ada"} for number in range(most)]
    console.outbox.start_campaign(f"c{most}", account="acme", sender=SENDER, template="Hi {name}", recipients=rows)
    for number in range(most):
        console.send(number)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/accounts",
        "/accounts/acme",
        "/campaigns",
        "/campaigns/c3",
        "/held",
        "/dead",
        "/outcomes",
        "/campaigns/new",
    ],
)
def test_a_page_costs_the_same_at_any_backlog(console: Console, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """Twenty times as much waits, and the page takes as many commands."""
    monkeypatch.setattr(census, "_PATIENCE_S", 30.0)
    person = console.signed_in()
    fill(console, 3)
    console.settled("held", 1, "other")
    console.settled("rejected", 2, "other")
    console.outbox.start_campaign(
        "second", account="other", sender=SENDER, template="Hi", recipients=[{"to": RECIPIENT}]
    )
    console.worker.accept()
    person.client.get(f"/console{path}")
    before = commands(console, person, path)
    for number in range(ROWS):
        console.send(number)
    rows = [{"to": f"+1555021{number:04d}", "name": "Ada"} for number in range(ROWS)]
    console.outbox.start_campaign("c3", account="acme", sender=SENDER, template="Hi {name}", recipients=rows)
    console.worker.accept()
    assert before >= commands(console, person, path)
