"""Pools of senders: made, changed, and taken by campaigns."""

from pathlib import Path
from typing import Any

import pytest

from paceline.campaigns.senders import sender_of, senders_of
from paceline.errors import InvalidOperation, UnknownSender
from paceline.outbox import Outbox
from paceline.testing import RecordingOutbox
from tests.cli.conftest import Cli, Inbox, Worker

pytestmark = pytest.mark.usefixtures("quick")

ONE, TWO, THREE = (f"+1555010001{digit}" for digit in range(1, 4))
QUICK = ("--account", "quick")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "people.csv"
    file.write_text("to\n" + "".join(f"+1555{number:07d}\n" for number in range(60)))
    return file


def start(cli: Cli, file: Path, *words: str, name: str = "spring") -> Any:
    return cli("campaign", "start", name, *QUICK, "--recipients", str(file), "--template", "Hi", *words)


def test_a_pool_is_made_shown_changed_and_removed(cli: Cli) -> None:
    """As tables, sentences and JSON."""
    made = cli("pools", "create", "sales", *QUICK, "--from", f"{TWO}=3", "--from", ONE, "--json").json
    expected = [{"number": ONE, "weight": 1}, {"number": TWO, "weight": 3}]
    assert {"name": "sales", "account": "quick", "senders": expected} == made
    assert [made] == cli("pools", "list", *QUICK, "--json").json
    assert made == cli("pools", "show", "sales", *QUICK, "--json").json
    assert "sales" in cli("pools", "list", *QUICK).out
    assert TWO in cli("pools", "show", "sales", *QUICK).out
    changed = cli("pools", "change", "sales", *QUICK, "--add", f"{THREE}=2", "--drop", ONE, "--json").json
    assert [{"number": TWO, "weight": 3}, {"number": THREE, "weight": 2}] == changed["senders"]
    assert "Pool sales is removed." in cli("pools", "remove", "sales", *QUICK).out
    assert [] == cli("pools", "list", *QUICK, "--json").json


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("create", "sales", *QUICK, "--from", "nobody"), "--from: is not a phone number"),
        (("create", "sales", *QUICK, "--from", f"{ONE}=0"), f"--from: the weight of {ONE} is not a whole number"),
        (("create", "sales", *QUICK, "--from", ONE, "--from", f"{ONE}=2"), "--from: names a number twice"),
        (("create", "my pool", *QUICK, "--from", ONE), "NAME: letters, digits, dot"),
        (("change", "main", *QUICK), "there is nothing to change"),
        (("change", "main", *QUICK, "--drop", THREE), f"--drop: {THREE} is not in the pool"),
        (("change", "main", *QUICK, "--drop", ONE), "--add: name 1 to 100 numbers"),
    ],
)
def test_bad_words_change_nothing(cli: Cli, words: tuple[str, ...], sentence: str) -> None:
    """Exit 2, and what is wrong."""
    cli("pools", "create", "main", *QUICK, "--from", ONE)
    assert sentence in cli("pools", *words).refusal(2)
    assert [{"number": ONE, "weight": 1}] == cli("pools", "show", "main", *QUICK, "--json").json["senders"]


@pytest.mark.parametrize(
    "words", [("show", "west", *QUICK), ("remove", "west", *QUICK), ("change", "west", *QUICK, "--add", ONE)]
)
def test_an_unknown_pool_is_named(cli: Cli, words: tuple[str, ...]) -> None:
    """Exit 1, and where to look."""
    assert "no pool 'west': see `paceline pools list --account quick`" in cli("pools", *words).refusal(1)
    assert "no account named 'slow'" in cli("pools", "list", "--account", "slow").refusal(1)
    cli("pools", "create", "west", *QUICK, "--from", ONE)
    assert "has a pool 'west' already" in cli("pools", "create", "west", *QUICK, "--from", TWO).refusal(1)


@pytest.mark.parametrize("by_pool", [True, False])
def test_a_campaign_for_several_numbers(cli: Cli, file: Path, worker: Worker, *, by_pool: bool) -> None:
    """From a pool or from numbers: everybody has the sender that the rule gives them, and status tells of each."""
    numbers = (f"{ONE}=2", TWO)
    words = ("--pool", "sales") if by_pool else tuple(word for number in numbers for word in ("--from", number))
    cli("pools", "create", "sales", *QUICK, "--from", numbers[0], "--from", numbers[1])
    assert 0 == start(cli, file, *words).code
    worker.accept_all()
    pool = senders_of(numbers)
    waiting = {row["number"]: row["waiting"] for row in cli("campaign", "status", "spring", "--json").json["senders"]}
    counts = [sender_of(f"+1555{number:07d}", pool) for number in range(60)]
    assert {ONE: counts.count(ONE), TWO: counts.count(TWO)} == waiting
    assert f"{TWO}: {waiting[TWO]} waiting" in " ".join(cli("campaign", "status", "spring").out.split())
    assert 60 == cli("campaign", "status", "spring", "--json").json["forecast"]["remaining"]
    assert 0 == start(cli, file, *words).code
    other = cli("campaign", "start", "spring", *QUICK, "--recipients", str(file), "--template", "Hi", "--from", THREE)
    assert "exists with another sender" in other.refusal(1)


def test_a_dry_run_knows_that_several_numbers_send_beside_each_other(cli: Cli, file: Path) -> None:
    """All of it leaves in time, and nothing is written."""
    found = start(cli, file, "--from", ONE, "--from", TWO, "--dry-run", "--json").json
    assert (60, 60, None) == (found["recipients"], found["in_time"], found["late_from"])
    assert [] == cli("campaign", "list", "--json").json


def test_a_pool_that_is_not_there_and_a_pool_beside_numbers(cli: Cli, file: Path, inbox: Inbox) -> None:
    """Nothing is written; the message names the pools that there are."""
    cli("pools", "create", "sales", *QUICK, "--from", ONE)
    assert "--pool: account 'quick' has no pool 'west' (found: sales)" in start(cli, file, "--pool", "west").refusal(2)
    assert "--pool: give either" in start(cli, file, "--pool", "sales", "--from", ONE).refusal(2)
    assert "--from: is missing" in start(cli, file).refusal(2)
    assert [] == inbox.records


def test_a_number_that_the_account_does_not_list_is_refused(cli: Cli, file: Path, inbox: Inbox) -> None:
    """In a pool, in a campaign and by an outbox; nothing is written."""
    assert 0 == cli("accounts", "add", "listed", "--sender", ONE, "--no-info", stdin="KEY-listed\n").code
    numbers = ("--account", "listed", "--from", ONE, "--from", TWO)
    assert f"{TWO} is not among them" in cli("pools", "create", "sales", *numbers).refusal(1)
    words = ("--recipients", str(file), "--template", "Hi")
    assert f"{TWO} is not among them" in cli("campaign", "start", "spring", *numbers, *words).refusal(1)
    with Outbox() as outbox, pytest.raises(UnknownSender, match="not among them"):
        outbox.start_campaign("spring", account="listed", sender=[ONE, TWO], template="Hi", recipients=file)
    assert ([], []) == (inbox.records, cli("campaign", "list", "--json").json)


def test_what_a_failing_sender_means_can_be_changed(cli: Cli, file: Path) -> None:
    """At the start and later."""
    assert 0 == start(cli, file, "--from", ONE, "--from", TWO, "--on-sender-failure", "stop").code
    assert 0 == cli("campaign", "change", "spring", "--on-sender-failure", "hand-over").code


def test_the_text_of_a_campaign_for_a_pool_can_be_corrected(cli: Cli, file: Path) -> None:
    """And its upload then goes on with the corrected text."""
    words = ("--from", ONE, "--from", TWO)
    start(cli, file, *words, "--paused")
    assert 0 == cli("campaign", "change", "spring", "--template", "Ho").code
    again = cli("campaign", "start", "spring", *QUICK, "--recipients", str(file), "--template", "Ho", *words)
    assert 0 == again.code


def test_a_service_names_several_senders(file: Path) -> None:
    """With weights, a pool, and in its own tests."""
    recorded = RecordingOutbox().start_campaign(
        "spring", account="acme", sender=[ONE, f"{TWO}=3"], template="Hi", recipients=[{"to": "+15550000001"}]
    )
    assert 1 == recorded.progress().total
    with Outbox() as outbox:
        campaign = outbox.start_campaign("spring", account="quick", sender=[ONE, TWO], template="Hi", recipients=file)
        assert 60 == campaign.progress().total
        with pytest.raises(InvalidOperation, match="has no pool 'west'"):
            outbox.start_campaign("summer", account="quick", pool="west", template="Hi", recipients=file)
        with pytest.raises(TypeError, match="needs 'sender'"):
            outbox.start_campaign("summer", account="quick", template="Hi", recipients=file)
