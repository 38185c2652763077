"""A campaign of which nothing has left can be corrected, or undone."""

from datetime import timedelta
from pathlib import Path

import pytest

from paceline.errors import InvalidOperation
from paceline.testing import RecordingOutbox
from tests.cli.campaign.test_campaign_files import messages, settle, start
from tests.cli.conftest import SENDER, Cli, Inbox, Worker, campaign_arguments, people
from tests.support.wait import wait_until

pytestmark = pytest.mark.usefixtures("acme")


@pytest.fixture
def spring(cli: Cli, quick: str, tmp_path: Path) -> list[str]:
    """The command that started a campaign of three, none of whom has anything yet."""
    arguments = campaign_arguments(people(tmp_path / "people.csv", 3), account=quick)
    assert cli(*arguments).code == 0
    return arguments


def listed(cli: Cli) -> list[str]:
    return [one["name"] for one in cli("campaign", "list", "--json").json]


@pytest.mark.usefixtures("spring")
def test_a_typo_is_corrected(cli: Cli, inbox: Inbox) -> None:
    """`change --template` holds for all its rows; the same upload with the new text then continues it."""
    assert cli("campaign", "change", "spring", "--template", "Hello {name}!").code == 0
    assert {"Hello Ann!"} == {text for _, text in messages(inbox)}
    assert (
        cli("campaign", "change", "spring", "--url", "https://example.com/{name}.png")
        .refusal(2)
        .startswith("--url: the uploaded rows")
    )
    assert cli("campaign", "change", "spring", "--url", "https://example.com/a.png").code == 0
    assert {"Hello Ann! https://example.com/a.png"} == {text for _, text in messages(inbox)}
    assert cli("campaign", "change", "spring", "--url", "none", "--weight", "3").code == 0
    assert {"Hello Ann!"} == {text for _, text in messages(inbox)}


def test_the_corrected_campaign_is_continued_by_the_corrected_command(cli: Cli, spring: list[str]) -> None:
    """And no longer by the first one, which says what differs."""
    cli("campaign", "change", "spring", "--template", "Hello {name}!")
    assert cli(*spring, "--template", "Hello {name}!").code == 0
    assert "exists with another template. While no message has left" in cli(*spring).refusal()
    assert "exists with another sender and template" in cli(*spring, "--from", "+15550100009").refusal()


@pytest.mark.usefixtures("spring")
@pytest.mark.parametrize(
    ("words", "template"),
    [
        ("--template: the uploaded rows have no value for {city}", "Hi {name} of {city}"),
        ("--template: the uploaded rows have no value for {name|you}", "Hi {name|you}"),
        ("--template: {{name}} would be sent", "Hi {{name}}"),
        ("--template: is empty", ""),
        ("--template: the brace at position 4", "Hi {"),
    ],
)
def test_a_correction_is_checked(cli: Cli, words: str, template: str) -> None:
    """What the rows do not bring cannot be asked of them."""
    assert cli("campaign", "change", "spring", "--template", template).refusal(2).startswith(words)


def test_places_with_defaults_stay(cli: Cli, inbox: Inbox, tmp_path: Path) -> None:
    """The rows bring what the first template asked for, by column and default."""
    (tmp_path / "f.csv").write_text("to,First Name\n+15550100002,Ana\n+15550100003,\n")
    assert start(cli, tmp_path / "f.csv", template="Hi {First Name|you}").code == 0
    assert cli("campaign", "change", "spring", "--template", "{First Name|you}, hello!").code == 0
    assert ["Ana, hello!", "you, hello!"] == [text for _, text in messages(inbox)]


@pytest.mark.usefixtures("spring")
def test_what_has_left_is_not_corrected(cli: Cli, worker: Worker) -> None:
    """From the first call on, template and campaign stay."""
    worker.accept_all()
    [hint, *_] = worker.grant()
    assert cli("campaign", "change", "spring", "--template", "Hello {name}").code == 0  # granted is not begun
    worker.settle(hint, verb="finish", outcome="accepted", code="202")
    for command in (["change", "spring", "--template", "Bye {name}"], ["delete", "spring"]):
        assert cli("campaign", *command).refusal().startswith("messages of campaign 'spring' have left already")
    assert ["spring"] == listed(cli)


def test_a_campaign_without_rows_gives_its_name_back(cli: Cli, inbox: Inbox, tmp_path: Path) -> None:
    """All of its rows were bad: the same command with another template begins again."""
    file = tmp_path / "f.csv"
    file.write_text("to,name\n+15550100002,\n")
    assert "has no rows to send" in start(cli, file, template="{name}").refusal()
    assert ["spring"] == listed(cli)
    assert start(cli, file, template="Hi").code == 0
    assert ["Hi"] == [text for _, text in messages(inbox)]


def test_an_undone_campaign_may_be_started_again(cli: Cli, spring: list[str], worker: Worker, inbox: Inbox) -> None:
    """`delete` gives name and recipients back: nobody is a duplicate of a row that is gone."""
    worker.accept_all()
    [hint] = worker.grant()  # granted, and given back: it had a turn, and nothing left
    refused = cli("campaign", "delete", "spring", "--wait", "0").refusal()
    assert refused.startswith("campaign 'spring' is not deleted yet (3 operations left): workers continue")
    assert "is being deleted: try again" in cli(*spring).refusal()
    worker.state.give_back([hint], "the test gives it back")

    def is_gone() -> bool:
        worker.grant()
        return listed(cli) == []

    wait_until(is_gone, timedelta(seconds=20), "it is deleted")
    assert cli("campaign", "status", "spring").refusal() == "no campaign named 'spring': see `paceline campaign list`"
    assert cli(*spring, "--template", "Hello {name}").code == 0
    settle(worker)
    seen = cli("campaign", "status", "spring", "--json").json
    assert (3, 0, 3) == (seen["total"], seen["duplicates"], seen["outcomes"]["accepted"])
    assert cli("audit").code == 0
    assert inbox.records == []


def test_a_campaign_that_no_worker_took_is_deleted_too(cli: Cli, spring: list[str], worker: Worker) -> None:
    """Its rows in the inbox are refused when a worker comes."""
    assert "3 operations left" in cli("campaign", "delete", "spring", "--wait", "0").refusal()
    worker.accept_all()
    worker.grant()
    assert [] == listed(cli)
    assert cli(*spring).code == 0
    assert cli("campaign", "delete", "winter").refusal() == "no campaign named 'winter': see `paceline campaign list`"


def test_a_cancelled_campaign_is_not_deleted(cli: Cli, spring: list[str]) -> None:
    """Who cancels wants to know whom it reached."""
    cli("campaign", "cancel", "spring")
    assert cli("campaign", "delete", "spring").refusal() == "campaign 'spring' was cancelled, which is final"
    assert "was cancelled, which is final" in cli(*spring).refusal()


def test_corrections_from_python() -> None:
    """`Campaign.change_template` and `Campaign.delete`; a recording outbox knows them."""
    outbox = RecordingOutbox()
    row = {"to": "+15550100002", "name": "Ana"}
    campaign = outbox.start_campaign("spring", account="acme", sender=SENDER, template="Hi {name}", recipients=[row])
    campaign.change_template("Hello {name}")
    assert ["Hello Ana"] == [message.text for message in outbox.campaigns["spring"].messages]
    with pytest.raises(InvalidOperation, match="have no value for"):
        campaign.change_template("Hello {city}")
    campaign.delete()
    assert [] == outbox.list_campaigns()
    outbox.start_campaign("spring", account="acme", sender=SENDER, template="Bye {name}", recipients=[row])
    assert ["Bye Ana"] == [message.text for message in outbox.campaigns["spring"].messages]
