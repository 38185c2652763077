"""Campaigns that wait for an approval, and the first message sent to oneself."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from paceline import CampaignOptions
from paceline.errors import CampaignConflict, InvalidOperation
from paceline.testing import AsyncRecordingOutbox, RecordingOutbox
from tests.cli.conftest import SENDER, Cli, Inbox, Worker

pytestmark = pytest.mark.usefixtures("quick")

SELF = "+15550100077"


@pytest.fixture
def upload(cli: Cli, tmp_path: Path) -> Any:
    """Starts the campaign `spring` of two people, with further words."""
    file = tmp_path / "people.csv"
    file.write_text("to,name\nnobody,Zed\n+15550600001,Ana\n+15550600002,Bo\n")

    def start(*words: str) -> Any:
        options = ("--account", "quick", "--from", SENDER, "--recipients", str(file), "--template", "Hi {name}")
        return cli("campaign", "start", "spring", *options, *words)

    return start


def status(cli: Cli) -> Any:
    return cli("campaign", "status", "spring", "--json").json


def test_nothing_leaves_before_somebody_approves(cli: Cli, upload: Any, worker: Worker) -> None:
    """Neither by itself nor by `resume`; who approved is shown afterwards."""
    assert 0 == upload("--needs-approval").code
    worker.accept_all()
    assert [] == worker.grant()
    refusal = cli("campaign", "resume", "spring").refusal(1)
    assert "campaign 'spring' needs an approval first: `paceline campaign approve spring --by WHO`" == refusal
    assert [] == worker.grant()
    assert 0 == cli("campaign", "approve", "spring", "--by", " Ada  Lovelace ").code
    assert 1 == len(worker.grant())
    seen = status(cli)
    assert ("given", "Ada Lovelace", "running") == (seen["approval"], seen["approved_by"], seen["state"])
    assert seen["approved_at"]
    assert 0 == cli("campaign", "approve", "spring", "--by", "Somebody Else").code
    assert "Ada Lovelace" == status(cli)["approved_by"]


def test_what_waits_for_an_approval_says_so(cli: Cli, upload: Any, worker: Worker, inbox: Inbox) -> None:
    """In status, in the list and in explain."""
    upload("--needs-approval")
    inbox_ids = [row["id"] for record in inbox.records for row in record["rows"]]
    worker.accept_all()
    assert ("paused", "needed", "waiting for approval") == tuple(
        status(cli)[name] for name in ("state", "approval", "why")
    )
    assert "paceline campaign approve spring --by WHO" in " ".join(cli("campaign", "status", "spring").out.split())
    assert "unapproved" in cli("campaign", "list").out
    op = inbox_ids[0]
    assert "waiting for approval" in cli("explain", op, "--json").json["why"]


def test_an_approved_campaign_that_was_uploaded_paused_stays_paused(cli: Cli, upload: Any, worker: Worker) -> None:
    """Two holds, each lifted by its own word."""
    upload("--needs-approval", "--paused")
    worker.accept_all()
    cli("campaign", "approve", "spring", "--by", "Ada")
    assert ([], "uploaded paused") == (worker.grant(), status(cli)["why"])
    cli("campaign", "resume", "spring")
    assert 1 == len(worker.grant())


def test_another_text_needs_another_approval(cli: Cli, upload: Any, worker: Worker) -> None:
    """Who approved the old one has not seen the new one."""
    upload("--needs-approval", "--paused")
    cli("campaign", "approve", "spring", "--by", "Ada")
    assert 0 == cli("campaign", "change", "spring", "--template", "Ho {name}").code
    worker.accept_all()
    assert ("needed", None) == (status(cli)["approval"], status(cli)["approved_by"])
    assert 1 == cli("campaign", "resume", "spring").code
    assert [] == worker.grant()


def test_more_rows_may_need_an_approval_of_their_own(cli: Cli, upload: Any) -> None:
    """When their upload says so; without it the approval that was given holds."""
    upload("--needs-approval")
    cli("campaign", "approve", "spring", "--by", "Ada")
    upload()
    assert "given" == status(cli)["approval"]
    upload("--needs-approval")
    assert ("needed", "paused") == (status(cli)["approval"], status(cli)["state"])


def test_a_campaign_without_the_option_needs_no_approval(cli: Cli, upload: Any) -> None:
    """The message says so; an unknown one, and nobody's name, are refused too."""
    upload()
    assert "needs no approval" in cli("campaign", "approve", "spring", "--by", "Ada").refusal(1)
    assert "no campaign named" in cli("campaign", "approve", "summer", "--by", "Ada").refusal(1)
    assert "--by: name who approves" in cli("campaign", "approve", "spring", "--by", " ").refusal(2)
    assert None is status(cli)["approval"]


def test_a_cancelled_one_cannot_be_approved(cli: Cli, upload: Any) -> None:
    """A cancellation is final."""
    upload("--needs-approval")
    cli("campaign", "cancel", "spring", "--yes")
    assert "cancelled" in cli("campaign", "approve", "spring", "--by", "Ada").refusal(1)


def test_the_first_message_goes_to_oneself_and_starts_nothing(
    cli: Cli, upload: Any, inbox: Inbox, tmp_path: Path
) -> None:
    """The first row that can be sent fills it; no campaign is made, and no file of bad rows."""
    assert 0 == upload("--test", SELF, "--window", "Mon 03:00-03:01 UTC").code
    [record] = inbox.records
    [row] = record["rows"]
    assert ("t", SELF, "Hi Ana") == (record["priority"], row["to"], json.loads(row["p"])["text"])
    assert ("spring", True) == (json.loads(row["m"])["test_of"], "wi" not in row)
    assert [] == cli("campaign", "list", "--json").json
    assert ["people.csv"] == [path.name for path in tmp_path.iterdir()]


def test_a_test_without_a_row_to_send_says_why(cli: Cli, inbox: Inbox, tmp_path: Path) -> None:
    """The reason of the first bad row; a wrong number is told by its option."""
    file = tmp_path / "people.csv"
    file.write_text("to\nnobody\n")
    words = (
        "campaign",
        "start",
        "spring",
        "--account",
        "quick",
        "--from",
        SENDER,
        "--recipients",
        str(file),
        "--template",
        "Hi",
    )
    assert "--recipients: no row can be sent; line 2: to: " in cli(*words, "--test", SELF).refusal(2)
    file.write_text("to\n+15550600001\n")
    assert cli(*words, "--test", "me").refusal(2).startswith("--test: ")
    assert [] == inbox.records


def test_a_service_approves_and_tests_too() -> None:
    """With a recording outbox, on a thread and on an event loop."""
    outbox = RecordingOutbox()
    rows = [{"to": "+15550600001", "name": "Ana"}]
    given: Any = {"account": "acme", "sender": SENDER, "template": "Hi {name}", "recipients": rows}
    campaign = outbox.start_campaign("spring", **given, needs_approval=True)
    with pytest.raises(CampaignConflict, match="needs an approval first"):
        campaign.resume()
    with pytest.raises(InvalidOperation, match="name who approves"):
        campaign.approve("")
    campaign.change(CampaignOptions(weight=2))
    assert "needed" == campaign.progress().approval
    campaign.approve("Ada")
    assert ("given", "Ada", None) == (
        campaign.progress().approval,
        campaign.progress().approved_by,
        campaign.progress().hold,
    )
    outbox.test_campaign("summer", to=SELF, **given)
    assert "Hi Ana" == outbox.sent[-1].payload()["text"]

    async def run() -> None:
        asked = AsyncRecordingOutbox()
        started = await asked.start_campaign("spring", **given, needs_approval=True)
        await started.approve("Ada")
        assert "given" == (await started.progress()).approval
        await asked.test_campaign("summer", to=SELF, **given)

    asyncio.run(run())
