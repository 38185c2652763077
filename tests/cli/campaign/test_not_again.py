"""Nobody twice, from the shell: excluded campaigns, recipients of lately, and the recipient cap."""

from pathlib import Path

import pytest

from tests.cli.conftest import RECIPIENT, SENDER, Cli, Worker

OTHER = "+15550100003"


@pytest.fixture
def people(tmp_path: Path) -> Path:
    path = tmp_path / "people.csv"
    path.write_text(f"to\n{RECIPIENT}\n{OTHER}\n", "utf-8")
    return path


def start(name: str, people: Path, *options: str) -> tuple[str, ...]:
    common = ("--account", "quick", "--from", SENDER, "--recipients", str(people), "--template", "Hi")
    return ("campaign", "start", name, *common, *options)


@pytest.mark.usefixtures("quick")
def test_a_dry_run_counts_who_will_be_left_out(cli: Cli, worker: Worker, people: Path) -> None:
    """By reason, and they are none of the recipients; then the upload leaves them out."""
    assert 0 == cli(*start("first", people)).code
    worker.accept_all()
    cli("suppress", "add", OTHER, "--account", "quick")
    plan = cli(*start("second", people, "--exclude-campaign", "first", "--dry-run", "--json"))
    assert (1, "") == (plan.code, "".join(plan.err.partition("would not do")[2:])[:0])
    assert '"left_out": {"campaign": 2}' in plan.out
    shown = cli(*start("third", people, "--dry-run")).out
    assert "left out" in shown
    assert "1 on a suppression list" in shown
    assert 0 == cli(*start("second", people, "--exclude-campaign", "first")).code
    worker.accept_all()
    assert 2 == cli("campaign", "status", "second", "--json").json["outcomes"]["suppressed"]


@pytest.mark.usefixtures("quick")
def test_an_account_remembers_when_it_is_told_to(cli: Cli, people: Path) -> None:
    """Before, a campaign that asks for it is refused with what to do, and nothing is written."""
    refusal = cli(*start("spring", people, "--not-within", "7d")).refusal(1)
    assert "account 'quick' does not remember its recipients for 7d" in refusal
    assert "paceline accounts change quick --remember 7d" in refusal
    assert 1 == cli("campaign", "status", "spring").code
    assert 0 == cli("accounts", "change", "quick", "--recipient-cap", "2/week", "--remember", "30d").code
    account = cli("accounts", "show", "quick", "--json").json
    assert ("2/week", 30 * 86_400) == (account["recipient_cap"], account["remember_s"])
    assert "2/week" in cli("accounts", "show", "quick").out
    assert 0 == cli(*start("spring", people, "--not-within", "7d")).code
    assert 0 == cli("campaign", "change", "spring", "--not-within", "2w", "--json").code
    assert 1 == cli("campaign", "change", "spring", "--not-within", "5w").code
    assert 0 == cli("campaign", "change", "spring", "--not-within", "none", "--json").code


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--not-within", "7 days"), 2, "--not-within: is not a span of time such as 12h, 7d or 2w"),
        (("--exclude-campaign", "nosuch"), 1, "account 'quick' has no campaign named 'nosuch'"),
    ],
)
def test_mistakes_are_told(cli: Cli, people: Path, options: tuple[str, ...], code: int, words: str) -> None:
    """In one sentence; nothing is written."""
    assert words in cli(*start("spring", people, *options)).refusal(code)
    assert 1 == cli("campaign", "status", "spring").code


@pytest.mark.usefixtures("quick")
def test_recipients_who_are_told_apart_in_another_way_cannot_be_left_out(
    cli: Cli, people: Path, tmp_path: Path
) -> None:
    """One list has keys, the other has none: nobody could tell who had the message."""
    keyed = tmp_path / "keyed.csv"
    keyed.write_text(f"to,key\n{RECIPIENT},c-1\n", "utf-8")
    assert 0 == cli(*start("first", keyed)).code
    refusal = cli(*start("second", people, "--exclude-campaign", "first")).refusal(1)
    assert "campaign 'first': its rows have a `key`, and these have none" in refusal


@pytest.mark.usefixtures("quick")
def test_a_wrong_recipient_cap_is_refused(cli: Cli) -> None:
    """With an example."""
    refusal = cli("accounts", "change", "quick", "--recipient-cap", "many").refusal(2)
    assert refusal.startswith("--recipient-cap: is not a number of messages in a time, such as 2/week")
