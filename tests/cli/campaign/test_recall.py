"""Taking back what a campaign sent: what is counted, what is refused, and what a second command does."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from paceline.campaigns.recall import deletion_of
from paceline.errors import NotFound
from paceline.outbox import Outbox
from paceline.refusals import NAME_PATTERN
from paceline.testing import RecordingOutbox
from paceline.times import microseconds
from tests.cli.conftest import SENDER, Cli, Inbox, Worker, campaign_arguments, one_shard, people
from tests.support.wait import wait_until

pytestmark = pytest.mark.usefixtures("acme")
ENTRIES = "paceline:{0}:c:spring:out"


@pytest.fixture
def running(cli: Cli, quick: str, worker: Worker, tmp_path: Path) -> Worker:
    """A campaign of three, of whom two have their message."""
    assert cli(*campaign_arguments(people(tmp_path / "people.csv", 3), account=quick)).code == 0
    worker.accept_all()
    for number in range(2):
        deliver(worker, f"MSG{number}")
    return worker


def deliver(worker: Worker, uuid: str) -> None:
    [hint] = wait_until(worker.grant, timedelta(seconds=20), "it is granted")
    worker.settle(hint, verb="finish", outcome="accepted", code="202", uuid=uuid)


def test_a_campaign_that_goes_on_sending_has_to_stop_first(cli: Cli, running: Worker, inbox: Inbox) -> None:
    """It may be looked at meanwhile; paused, what it sent is deleted, once."""
    assert (
        "2 of 2 messages sent can be deleted. Nothing was written."
        in cli("campaign", "delete-messages", "spring", "--dry-run").out
    )
    words = cli("campaign", "delete-messages", "spring").refusal(1)
    assert "is still sending: `paceline campaign pause spring`" in words
    assert [] == inbox.records
    cli("campaign", "pause", "spring")
    done = cli("campaign", "delete-messages", "spring", "--json").json
    assert {"sent": 2, "deletable": 2, "too_old": 0, "unknown": 0, "asked_before": 0, "written": 2} == {
        name: done[name] for name in ("sent", "deletable", "too_old", "unknown", "asked_before", "written")
    }
    [record] = inbox.records
    assert {'{"message_uuid":"MSG0"}', '{"message_uuid":"MSG1"}'} == {row["p"] for row in record["rows"]}
    limits = [int(row["vu"]) for row in record["rows"]]
    assert all(0 < limit - microseconds(datetime.now(UTC)) <= 60 * 3600 * 10**6 for limit in limits)
    running.accept_all()
    again = cli("campaign", "delete-messages", "spring", "--json").json
    assert (2, 0) == (again["asked_before"], again["written"])
    status = cli("campaign", "status", "spring.deletion", "--json").json
    assert (2, 2) == (status["total"], status["remaining"])

    cli("campaign", "resume", "spring")
    deliver(running, "MSG2")
    wait_until(lambda: cli("campaign", "status", "spring", "--json").json["remaining"] == 0, timedelta(seconds=20), "")
    cli("campaign", "pause", "spring")
    assert 1 == cli("campaign", "delete-messages", "spring", "--json").json["written"]
    said = cli("history", "--json")
    assert "campaign delete-messages" in said.out


@one_shard
def test_what_cannot_be_deleted_is_counted(cli: Cli, running: Worker) -> None:
    """Messages of more than 60 hours ago, and those whose uuid nobody knows; of nothing else there is nothing to do."""
    client = running.state.client
    old, new = microseconds(datetime.now(UTC) - timedelta(hours=61)), microseconds(datetime.now(UTC))
    entries: Any = client.xrange(ENTRIES)
    client.delete(ENTRIES)
    for number, (at, uuid) in enumerate([(old, "MSG7"), (new, ""), (old, "MSG8")]):
        fields = entries[0][1] | {"id": f"old{number}", "settled_at_us": at, "message_uuid": uuid}
        client.xadd(ENTRIES, fields)
    cli("campaign", "cancel", "spring", "--yes")
    sentence = cli("campaign", "delete-messages", "spring").refusal(1)
    assert (
        "no message of campaign 'spring' can be deleted: 0 of 3 messages sent can be deleted, 2 left more than 60 hours "
        "ago, 1 have no uuid" == sentence
    )


def test_what_is_no_campaign_of_messages_is_refused(cli: Cli, quick: str, tmp_path: Path) -> None:
    """An unknown campaign, and one of SMS."""
    assert "no campaign named 'other'" in cli("campaign", "delete-messages", "other").refusal(1)
    assert cli(*campaign_arguments(people(tmp_path / "p.csv", 1), quick, "texts"), "--sms", "--paused").code == 0
    assert "NAME: 'texts' sent operations of kind sms.send" in cli("campaign", "delete-messages", "texts").refusal(2)
    with Outbox() as outbox, pytest.raises(NotFound, match="no campaign named 'other'"):
        outbox.delete_messages("other")
    recorder = RecordingOutbox()
    recorder.start_campaign(
        "spring", account="acme", sender=SENDER, template="Hi", recipients=[{"to": "+15550100002", "key": "a"}]
    )
    recorder.settle(recorder.id_of_row("spring", "a"), "accepted")
    counted = recorder.delete_messages("spring", dry_run=True)
    assert (1, 0) == (counted.sent, counted.written)


def test_campaigns_of_long_names_have_deletions_of_their_own() -> None:
    """A name that leaves no room for the ending is shortened, and stays the only one of its kind."""
    recorder = RecordingOutbox()
    names = ["x" * 55, *("x" * 55 + end for end in "abcdefghi"), *("x" * 63 + end for end in "ab")]
    for name in names:
        recorder.start_campaign(
            name, account="acme", sender=SENDER, template="Hi", recipients=[{"to": "+15550100002", "key": "a"}]
        )
    deletions = [recorder.delete_messages(name, dry_run=True).name for name in names]
    assert len(names) == len(set(deletions))
    assert "x" * 55 + ".deletion" == deletions[0]
    assert deletions == [deletion_of(name) for name in names]
    assert all(re.fullmatch(NAME_PATTERN, name) for name in deletions)
