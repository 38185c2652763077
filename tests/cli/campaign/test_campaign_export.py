"""`paceline campaign export`: one line per recipient, with receipts; the table goes back in and nobody is sent to twice."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from paceline import Outbox
from paceline_sandbox.embedded import EmbeddedServer
from tests.cli.conftest import API_KEY, SENDER, Cli, one_shard
from tests.doors.exam import Worker

pytestmark = one_shard

PEOPLE = "to,First Name,code,key\n+15550100001,Ada,7,c1\n+15550100002,=Bob,8,c2\n+15550100003,Cy,9,c3\n+15550100004,Di,10,c4\n"
TEMPLATE = "Hi {First Name}, your code is {code}"
START = ("campaign", "start", "spring", "--account", "acme", "--from", SENDER, "--template", TEMPLATE)


@pytest.fixture
def player(server: EmbeddedServer) -> Iterator[Worker]:
    made = Worker(server.url)
    yield made
    made.close()


@pytest.fixture
def spring(cli: Cli, player: Worker, server: EmbeddedServer, tmp_path: Path) -> dict[str, str]:
    """Ids by key of a campaign that is half done: c1 was delivered, c2 was rejected, c3 and c4 wait."""
    arguments = ("--limit", "1000/second", "--variation", "0", "--no-info")
    assert cli("accounts", "add", "acme", *arguments, stdin=f"{API_KEY}\n").code == 0
    (tmp_path / "people.csv").write_text(PEOPLE)
    assert cli(*START, "--recipients", str(tmp_path / "people.csv")).code == 0
    player.accept()
    with Outbox(server.url) as outbox:
        ids = {key: outbox.status_of_row("spring", key).id for key in ("c1", "c2", "c3", "c4")}
    player.settle(ids["c1"], "accepted", code="202", words="")
    player.settle(ids["c2"], "rejected", code="422", words="not on\nWhatsApp")
    player.deliver(ids["c1"])
    return ids


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_each_recipient_has_one_line_with_receipts(cli: Cli, spring: dict[str, str]) -> None:
    """Recipient, key, the template's columns, outcome, and when it was delivered."""
    answer = cli("campaign", "export", "spring", "--show-numbers")
    header = answer.out.splitlines()[0]
    assert header == (
        "to,key,First Name,code,outcome,outcome_code,outcome_words,settled_at,sent_at,delivered_at,read_at,not_sent_at,"
        "message_uuid,id"
    )
    first, second = rows(answer.out)
    assert ("+15550100001", "c1", "Ada", "7", "accepted", "202", spring["c1"]) == tuple(
        first[name] for name in ("to", "key", "First Name", "code", "outcome", "outcome_code", "id")
    )
    assert (True, True, "") == (first["delivered_at"] >= first["settled_at"], bool(first["sent_at"]), first["read_at"])
    assert ("'=Bob", "rejected", "not on WhatsApp", "") == tuple(
        second[name] for name in ("First Name", "outcome", "outcome_words", "delivered_at")
    )


def test_an_operation_that_was_replayed_has_its_last_outcome(cli: Cli, player: Worker, spring: dict[str, str]) -> None:
    """One line, as before."""
    for key in ("c3", "c4"):
        player.settle(spring[key], "accepted", code="202", words="")
    assert cli("dead", "replay", spring["c2"], "--yes").code == 0
    player.settle(spring["c2"], "accepted", code="202", words="")
    assert ["accepted"] * 4 == [
        row["outcome"] for row in rows(cli("campaign", "export", "spring", "--show-numbers").out)
    ]


def test_the_table_goes_back_in_and_nobody_is_sent_to_twice(
    cli: Cli, player: Worker, spring: dict[str, str], tmp_path: Path
) -> None:
    """Under the same name its rows are known; with another name, those of one outcome are a list of recipients."""
    table = tmp_path / "spring.csv"
    assert f"2 recipients written to {table}.\n" == cli("campaign", "export", "spring", "--output", str(table)).out
    assert cli(*START, "--recipients", str(table)).code == 0
    player.accept()
    seen = cli("campaign", "status", "spring", "--json").json
    assert (4, 2, 2) == (seen["total"], seen["duplicates"], seen["remaining"])
    part = tmp_path / "rejected.csv"
    cli("campaign", "export", "spring", "--outcome", "rejected", "--output", str(part))
    again = ["campaign", "start", "again", *START[3:], "--recipients", str(part), "--json"]
    assert 1 == cli(*again).json["written"]
    player.accept()
    assert cli("find", "--campaign", "again", "--row", "c2").code == 0
    assert spring


def test_a_column_of_the_recipients_keeps_its_name(cli: Cli, spring: dict[str, str], tmp_path: Path) -> None:
    """Ours gives way where both have one name."""
    (tmp_path / "more.csv").write_text("to,outcome\n+15550100009,won\n")
    options = ["--account", "acme", "--from", SENDER, "--template", "You {outcome}"]
    cli("campaign", "start", "lottery", *options, "--recipients", str(tmp_path / "more.csv"))
    assert "to,key,outcome,paceline_outcome,outcome_code" in cli("campaign", "export", "lottery").out
    assert spring


def test_numbers_are_masked_on_a_screen(cli: Cli, spring: dict[str, str], tmp_path: Path) -> None:
    """A file holds whole ones, for it goes back in."""
    assert "'+15*******01" == rows(cli("campaign", "export", "spring").out)[0]["to"]
    cli("campaign", "export", "spring", "--output", str(tmp_path / "spring.csv"))
    assert "+15550100001" == rows((tmp_path / "spring.csv").read_text())[0]["to"]
    assert spring


def test_json_lines(cli: Cli, spring: dict[str, str]) -> None:
    """The same fields; texts as they were given."""
    first, second = map(json.loads, cli("campaign", "export", "spring", "--format", "jsonl").out.splitlines())
    assert (spring["c1"], "=Bob", "not on\nWhatsApp") == (first["id"], second["First Name"], second["outcome_words"])


def test_a_campaign_that_is_not_there(cli: Cli, tmp_path: Path) -> None:
    """Exit code 1, and no file."""
    refusal = cli("campaign", "export", "winter", "--output", str(tmp_path / "x.csv")).refusal()
    assert "no campaign named 'winter': see `paceline campaign list`" == refusal
    assert [] == list(tmp_path.iterdir())
