"""Campaigns of SMS, official templates and number checks: options that do not go together, and corrections."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from paceline import names
from paceline.errors import InvalidOperation
from paceline.outbox import Outbox
from paceline.state import connect
from paceline.testing import RecordingOutbox
from paceline_sandbox.embedded import EmbeddedServer
from tests.cli.conftest import SENDER, Cli, Inbox, one_shard, people

pytestmark = pytest.mark.usefixtures("acme")
WEEKLY = "TMP11111111-2222-4333-8444-555555555555"


@pytest.fixture
def words(tmp_path: Path) -> tuple[str, ...]:
    """A campaign without its content."""
    file = people(tmp_path / "people.csv", 2)
    return ("campaign", "start", "spring", "--account", "acme", "--from", SENDER, "--recipients", str(file))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ((), "--template: is missing; give the text, or --waba-template"),
        (("--template", ""), "--template: is empty"),
        (("--template", "Hi", "--waba-template", WEEKLY), "--waba-template: excludes template; give one of them"),
        (("--template", "Hi", "--body", "x"), "--body: needs waba_template"),
        (("--waba-template", WEEKLY, "--sms"), "--sms: needs template"),
        (("--waba-template", WEEKLY, "--url", "https://example.com/a"), "--url: needs template"),
        (("--waba-template", "weekly"), "--waba-template: is not a template uuid, which begins with TMP"),
        (("--waba-template", WEEKLY, "--body", "{{1}}"), "--body: {{1}} would be sent as {1}"),
        (("--waba-template", WEEKLY, "--body", "{city}"), 'there is no column "city", which the template names'),
        (("--waba-template", WEEKLY, "--button", ""), "--button (number 1): is empty"),
        (("--waba-template", WEEKLY, "--header-media-url", "http://a.example"), "--header-media-url: "),
        (("--waba-template", WEEKLY, "--header-media-filename", "{name}"), "needs header_media_url"),
        (("--template", "x" * 1601, "--sms"), "--text: "),
    ],
)
def test_what_does_not_go_together_is_refused(
    cli: Cli, words: tuple[str, ...], inbox: Inbox, options: tuple[str, ...], sentence: str
) -> None:
    """Exit 2, the option and what to do; nothing is written."""
    assert sentence in cli(*words, *options).refusal(2)
    assert ([], []) == (inbox.records, cli("campaign", "list", "--json").json)


def test_a_row_whose_sms_would_be_too_long_is_bad(cli: Cli, words: tuple[str, ...], tmp_path: Path) -> None:
    """The others leave."""
    (tmp_path / "people.csv").write_text(f"to,name\n+15550100002,{'x' * 1600}\n+15550100003,Bo\n")
    told = cli(*words, "--template", "Hi {name}", "--sms", "--json").json
    assert (1, 1) == (told["written"], told["invalid"])
    assert "text: would have 1603 characters, more than 1600" in (tmp_path / "spring.invalid.csv").read_text()


def test_the_text_of_an_sms_can_be_corrected_and_an_official_template_cannot(cli: Cli, words: tuple[str, ...]) -> None:
    """Nor does an SMS get an attachment."""
    cli(*words, "--template", "Hi {name}", "--sms", "--paused")
    assert 0 == cli("campaign", "change", "spring", "--template", "Ho {name}").code
    change = ("campaign", "change", "spring")
    assert "--url: an SMS has no attachment" in cli(*change, "--url", "https://example.com/a").refusal(2)
    weekly = (*words[:2], "weekly", *words[3:])
    cli(*weekly, "--waba-template", WEEKLY, "--body", "{name}", "--paused")
    sentence = cli("campaign", "change", "weekly", "--template", "Hi").refusal(2)
    assert "the campaign has no text of its own; delete it" in sentence
    other = cli(*weekly, "--waba-template", WEEKLY, "--body", "{name}!").refusal(1)
    assert "exists with another template" in other
    assert "exists with another template and kind" in cli(*weekly, "--template", "Hi").refusal(1)


def test_a_test_message_has_the_content_of_the_campaign(cli: Cli, words: tuple[str, ...], inbox: Inbox) -> None:
    """An SMS, or the filled template, to a number of one's own."""
    cli(*words, "--waba-template", WEEKLY, "--body", "Hi {name}", "--test", "+15550109999")
    assert {"template_uuid": WEEKLY, "params": {"body": ["Hi Ann"]}} == inbox.only["p"]
    assert "waba.template" == inbox.only["k"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("+15550100002",), "NUMBER, --recipients: give one of them"),
        (("--key", "k"), "--key: is for a single number, not for --recipients"),
        (("--until-settled", "3"), "--until-settled: is for a single number"),
        (("--name", "no name"), "NAME: letters, digits, dot"),
        (("--rate", "often"), "--rate: is not a rate"),
    ],
)
def test_a_check_of_a_file_says_what_is_wrong(
    cli: Cli, tmp_path: Path, inbox: Inbox, options: tuple[str, ...], sentence: str
) -> None:
    """Nothing is written."""
    file = people(tmp_path / "people.csv", 2)
    common = ("--account", "acme", "--from", SENDER)
    assert sentence in cli("number", "check", *options, "--recipients", str(file), *common).refusal(2)
    assert "NUMBER, --recipients: give one of them" in cli("number", "check", *common).refusal(2)
    assert "--dry-run: needs --recipients" in cli("number", "check", "+1", *common, "--dry-run").refusal(2)
    assert [] == inbox.records


def test_a_check_of_a_file_costs_what_it_says(cli: Cli, tmp_path: Path) -> None:
    """Two credits each with extra information; its name comes from the file."""
    file = people(tmp_path / "my people.csv", 3)
    common = ("--account", "acme", "--from", SENDER, "--recipients", str(file), "--extra-information")
    plan = cli("number", "check", *common, "--dry-run", "--json").json
    assert ("check-my-people", 3, 3, 6) == (plan["name"], plan["recipients"], plan["requests"], plan["credits"])
    assert "check-my-people" == cli("number", "check", *common, "--json").json["name"]


@one_shard
def test_a_plan_of_checks_knows_their_rate_and_their_pool(
    cli: Cli, quick: str, server: EmbeddedServer, tmp_path: Path
) -> None:
    """50 a minute of a number, whatever the account may; and no more than the account has left."""
    file = people(tmp_path / "people.csv", 200)
    words = ("number", "check", "--account", quick, "--from", SENDER, "--recipients", str(file), "--dry-run", "--json")
    plan = cli(*words).json
    took = datetime.fromisoformat(plan["ends_at"]) - datetime.fromisoformat(plan["starts_at"])
    assert timedelta(seconds=230) < took < timedelta(seconds=250)
    client = connect(server.url)
    client.hset(f"{names.STATE_ROOT}:a:{quick}", "checks_left", 3)
    client.close()
    answer = cli(*words[:-1])
    assert 1 == answer.code
    assert "the campaign needs 200 number checks, and the account has 3 left" in " ".join(answer.out.split())


def test_a_program_has_the_same_contents() -> None:
    """And a service's own tests see them."""
    recorded = RecordingOutbox().start_campaign(
        "spring",
        account="acme",
        sender=SENDER,
        template="Hi {name}",
        sms=True,
        recipients=[{"to": SENDER, "name": "A"}],
    )
    assert 1 == recorded.progress().total
    with Outbox() as outbox:
        for wrong in ({"template": "Hi", "number_check": True}, {"waba_template": WEEKLY, "extra_information": True}):
            with pytest.raises(InvalidOperation, match=r"excludes template|needs number_check"):
                outbox.start_campaign("x", account="acme", sender=SENDER, recipients=[{"to": SENDER}], **wrong)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="a campaign needs 'template'"):
            outbox.start_campaign("x", account="acme", sender=SENDER, recipients=[{"to": SENDER}])
        with pytest.raises(InvalidOperation, match="a number check sends no message"):
            outbox.test_campaign(
                "x", account="acme", sender=SENDER, number_check=True, recipients=[{"to": SENDER}], to=SENDER
            )
