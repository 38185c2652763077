"""Campaigns of SMS, of official templates and of number checks, and messages taken back, judged from the sandbox's record."""

import csv
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from paceline import Outbox
from paceline.campaigns.campaign import Campaign
from paceline.cli import main
from paceline.outcomes import OutcomeEntry
from tests.conftest import Servers
from tests.support.processes import Sandbox
from tests.support.servers import SERVER_KINDS
from tests.support.stack import PATIENCE, Stack
from tests.support.wait import wait_until

pytestmark = [pytest.mark.system]

SENDER, OTHER = "+15550100001", "+15550100002"
WEEKLY = "TMP11111111-2222-4333-8444-555555555555"
TEMPLATE = {"uuid": WEEKLY, "status": "APPROVED", "content": "Hi {{1}}, your code is {{2}}"}
NOBODY = "+15550609999"


@pytest.fixture(scope="module")
def served(servers: Servers, sandbox: Sandbox) -> Iterator[Stack]:
    """One worker for all of them."""
    with Stack(servers.get(SERVER_KINDS[0]), sandbox) as stack:
        stack.client.flushall()
        stack.scenario(templates=[TEMPLATE], participants=[{"pattern": NOBODY, "status_code": 404}])
        stack.add_account("6000/minute")
        stack.start_worker()
        yield stack


@pytest.fixture
def stack(served: Stack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Stack:
    """Commands run in a folder of their own, with the stack's servers."""
    for name, value in served.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "people.csv").write_text(
        "to,name,code,file\n"
        "+15550600001,Ana,A-1,https://cdn.example.com/1.pdf\n"
        "+15550600002,,B 2,https://cdn.example.com/2.pdf\n"
    )
    return served


def finished(stack: Stack, name: str) -> Campaign:
    campaign = stack.outbox.find_campaign(name)
    wait_until(lambda: campaign.progress().complete, PATIENCE, lambda: str(campaign.progress()))
    return campaign


def bodies(stack: Stack, path: str) -> list[dict[str, object]]:
    return [one["body"] for one in stack.arrivals() if one["path"].endswith(path)]


def start(stack: Stack, name: str, *words: str) -> int:
    return main(
        ["campaign", "start", name, "--account", stack.name, "--from", SENDER, "--recipients", "people.csv", *words]
    )


def test_a_campaign_of_sms(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """From the shell and from Python; the columns fill the text."""
    assert 0 == start(stack, "sms", "--template", "Hi {name|there}: {code}", "--sms")
    rows = [{"to": "+15550600003", "code": "C-3"}]
    stack.outbox.start_campaign("sms2", account=stack.name, sender=SENDER, template="{code}", sms=True, recipients=rows)
    assert {2} == {finished(stack, "sms").progress().outcomes["accepted"]}
    finished(stack, "sms2")
    sent = {(body["to_number"], body["text"]) for body in bodies(stack, "/sms/send")}
    assert {("+15550600001", "Hi Ana: A-1"), ("+15550600002", "Hi there: B 2"), ("+15550600003", "C-3")} == sent
    capsys.readouterr()
    assert 2 == start(stack, "sms3", "--template", "Hi", "--sms", "--url", "https://cdn.example.com/a.jpg")
    assert "--url: an SMS has no attachment" in capsys.readouterr().err


def test_a_campaign_of_an_official_template(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """Every text field takes placeholders; a variable that would be empty makes a bad row."""
    words = ("--waba-template", WEEKLY, "--body", "{name|friend}", "--body", "{code}", "--content", TEMPLATE["content"])
    more = ("--header-media-url", "{file}", "--header-media-filename", "{code}.pdf")
    assert 0 == start(stack, "weekly", *words, *more, "--dry-run", "--json")
    plan = json.loads(capsys.readouterr().out)
    assert f"template {WEEKLY}; body: friend, B 2; header_media_filename: B 2.pdf" == plan["samples"][1]["text"]
    assert 0 == start(stack, "weekly", *words, *more)
    finished(stack, "weekly")
    sent = {str(body["to_number"]): body for body in bodies(stack, "/waba/send-message")}
    assert WEEKLY == sent["+15550600001"]["template_uuid"]
    assert {
        "body": ["friend", "B 2"],
        "header_media_url": "https://cdn.example.com/2.pdf",
        "header_media_filename": "B 2.pdf",
    } == sent["+15550600002"]["params"]
    assert 0 == main(["campaign", "export", "weekly", "--output", "weekly.csv"])
    with Path("weekly.csv").open(newline="") as file:
        assert {("Ana", "A-1"), ("friend", "B 2")} == {(row["name"], row["code"]) for row in csv.DictReader(file)}
    assert 0 == start(stack, "empty", "--waba-template", WEEKLY, "--body", "{name}", "--body", "{code}")
    with Path("empty.invalid.csv").open(newline="") as file:
        [bad] = csv.DictReader(file)
    assert bad["reason"].startswith("body 1: would be empty, which the provider refuses; give a default")
    capsys.readouterr()
    assert 2 == start(stack, "short", "--waba-template", WEEKLY, "--body", "{code}", "--content", TEMPLATE["content"])
    assert "--body: has no value for {{2}} of the template" in capsys.readouterr().err


def test_the_numbers_of_a_file_are_checked(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """Each at the account's pace; the table says who is on WhatsApp, and is a list of recipients."""
    Path("numbers.csv").write_text(f"to,key\n+15550600001,a\n{NOBODY},b\n12,c\n")
    words = ["number", "check", "--recipients", "numbers.csv", "--account", stack.name, "--from", SENDER]
    assert 0 == main([*words, "--dry-run"])
    assert 0 == main([*words, "--name", "who"])
    finished(stack, "who")
    assert 0 == main(["number", "results", "who", "--output", "who.csv"])
    with Path("who.csv").open(newline="") as file:
        found = {row["to"]: (row["on_whatsapp"], row["is_valid"], row["key"]) for row in csv.DictReader(file)}
    assert {"+15550600001": ("true", "true", "a"), NOBODY: ("false", "true", "b")} == found
    asked = [one["path"] for one in stack.arrivals() if "check-number" in one["path"]]
    assert 2 == len(asked)
    assert 0 == main([*words, "--name", "who"])  # again: nothing is asked twice
    finished(stack, "who")
    assert 2 == len([one for one in stack.arrivals() if "check-number" in one["path"]])
    with Path("who.invalid.csv").open(newline="") as file:
        assert ["12"] == [row["to"] for row in csv.DictReader(file)]
    with Outbox() as outbox:
        outbox.start_campaign(
            "who2", account=stack.name, sender=SENDER, number_check=True, recipients=[{"to": "+15550600001"}]
        )
        finished(stack, "who2")
        [entry] = [one for one in outbox.outcomes("who2") if not one.is_final]
    assert entry.result["check"]["on_whatsapp"] is True
    capsys.readouterr()
    assert 1 == main(["number", "results", "sms"])
    assert "no number check named 'sms'" in capsys.readouterr().err


def test_what_a_campaign_sent_is_taken_back(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """Every message is deleted once, from the number that sent it; a second command finds nothing left to do."""
    rows = [{"to": f"+155506{number:05d}"} for number in range(40)]
    campaign = stack.outbox.start_campaign(
        "wrong", account=stack.name, sender=[SENDER, OTHER], template="Wrong price", recipients=rows
    )
    finished(stack, "wrong")
    uuids = {entry.message_uuid: entry.sender for entry in campaign_entries(stack, campaign)}
    capsys.readouterr()
    assert 0 == main(["campaign", "delete-messages", "wrong", "--dry-run"])
    assert "40 of 40 messages sent can be deleted. Nothing was written." in capsys.readouterr().out
    stack.outbox.suppress(["+15550600000"], account=stack.name, reason="asked")
    assert 0 == main(["campaign", "delete-messages", "wrong"])
    assert 40 == finished(stack, "wrong.deletion").progress().outcomes["accepted"]
    assert 0 == main(["campaign", "delete-messages", "wrong", "--json"])
    done = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (40, 40, 0) == (done["deletable"], done["asked_before"], done["written"])

    calls = [one["path"] for one in stack.arrivals() if one["method"] == "DELETE"]
    deleted = Counter(path.rsplit("/", 1)[-1] for path in calls)
    assert deleted.keys() == uuids.keys()
    assert {1} == set(deleted.values())
    # The session key of a path begins with the channel of the number that sent the message.
    channels = {uuids[path.rsplit("/", 1)[-1]]: path.split("/")[-2].rsplit("-", 1)[0] for path in calls}
    assert {SENDER, OTHER} == set(channels)
    assert 2 == len(set(channels.values()))
    assert 2 == len({(uuids[path.rsplit("/", 1)[-1]], path.split("/")[-2].rsplit("-", 1)[0]) for path in calls})
    stack.outbox.unsuppress(["+15550600000"], account=stack.name)
    assert 0 == main(["audit"])


def campaign_entries(stack: Stack, campaign: Campaign) -> list[OutcomeEntry]:
    return [one for one in stack.outbox.outcomes(campaign.name) if not one.is_final]
