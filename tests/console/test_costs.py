"""A page costs the state server the same, whatever waits."""

from paceline import SendMessage
from tests.console.conftest import RECIPIENT, SENDER, Console, Person
from tests.console.hooked import add_hook

ROWS = 60
PAGES = (
    "/",
    "/accounts",
    "/accounts/acme",
    "/campaigns",
    "/campaigns/c3",
    "/campaigns/c3/cancel",
    "/campaigns-new",
    "/operations?by=outcome&outcome=held",
    "/held",
    "/dead",
    "/outcomes",
    "/suppression?account=acme",
    "/hooks",
    "/hooks/hook-1",
)


def commands(console: Console, person: Person, path: str) -> int:
    """Commands that one request takes, scripts' own calls among them."""
    client = console.worker.state.client
    console.desk().census.forget()
    console.desk().pulse.forget()
    client.config_resetstat()
    assert 200 == person.client.get(f"/console{path}").status_code
    stats = client.info("commandstats")
    # `ping` is the broker's: its connections are looked after by time.
    left_out = ("eval", "config", "info", "client", "hello", "select", "time", "script", "ping")
    return sum(int(of["calls"]) for name, of in stats.items() if not any(word in name for word in left_out))


def least(console: Console, person: Person) -> dict[str, int]:
    """The fewest commands that each page took in three requests: what looks after connections comes by time."""
    return {path: min(commands(console, person, path) for _ in range(3)) for path in PAGES}


def fill(console: Console, most: int) -> None:
    """A campaign of so many rows, and as many single messages."""
    rows = [{"to": f"+1555020{number:04d}", "name": "Ada"} for number in range(most)]
    console.outbox.start_campaign(f"c{most}", account="acme", sender=SENDER, template="Hi {name}", recipients=rows)
    for number in range(most):
        console.send(number)


def test_a_page_costs_the_same_at_any_backlog(console: Console) -> None:
    """Twenty times as much waits, and each page takes as many commands."""
    person = console.signed_in()
    add_hook(console.worker.state.client, "hook-1", "acme")
    fill(console, 3)
    console.settled("held", 1, "other")
    console.settled("rejected", 2, "other")
    rows = [{"to": RECIPIENT}]
    console.outbox.start_campaign("second", account="other", sender=SENDER, template="Hi", recipients=rows)
    console.worker.accept()
    for path in PAGES:
        person.client.get(f"/console{path}")
    few = least(console, person)
    for number in range(ROWS):
        console.outbox.send(SendMessage(account="acme", sender=SENDER, to=f"+1555022{number:04d}", text="Hello"))
    rows = [{"to": f"+1555021{number:04d}", "name": "Ada"} for number in range(ROWS)]
    console.outbox.start_campaign("c3", account="acme", sender=SENDER, template="Hi {name}", recipients=rows)
    console.worker.accept()
    many = least(console, person)
    assert {} == {path: (few[path], number) for path, number in many.items() if number > few[path]}
