"""`--window "09:00-20:00 recipient"`: rows in their own zones, from the shell and from Python."""

import csv
import json
from pathlib import Path

import pytest

from paceline.errors import InvalidOperation
from paceline.recipients.zones import zone_id
from paceline.state import connect
from paceline.state.calls import State
from paceline.testing import RecordingOutbox
from paceline.window import from_text
from tests.cli.conftest import SENDER, Cli, Inbox

pytestmark = pytest.mark.usefixtures("acme")

BERLIN, NEW_YORK, NOWHERE = "+4915112345678", "+12125550100", "+15550100001"
DAYTIME = "09:00-20:00 recipient"
OPTIONS = ("--account", "acme", "--from", SENDER, "--template", "Hi", "--valid-until", "2099-01-01T00:00:00Z")


def start(cli: Cli, folder: Path, text: str, *options: str) -> Path:
    """Upload a file; returns the place of its bad rows."""
    file = folder / "people.csv"
    file.write_text(text)
    answer = cli("campaign", "start", "spring", *OPTIONS, "--recipients", str(file), "--json", *options)
    assert answer.code == 0, answer
    return folder / "spring.invalid.csv"


def zones_of(inbox: Inbox) -> dict[str, str]:
    return {row["to"]: row.get("z", "") for record in inbox.records for row in record["rows"]}


def known(inbox: Inbox) -> dict[str, str]:
    client = connect(inbox.url)
    found = State(client).campaign_zones("spring")
    client.close()
    return found


def test_each_row_has_the_zones_of_its_number_or_of_its_column(cli: Cli, inbox: Inbox, tmp_path: Path) -> None:
    """The column wins; state knows the openings of every set before a row of it is written."""
    text = f"to,Zone\n{BERLIN},\n{NEW_YORK},Europe/Berlin\n{NOWHERE},America/Chicago\n+13125550100,\n"
    start(cli, tmp_path, text, "--window", DAYTIME)
    berlin, chicago = zone_id(("Europe/Berlin",)), zone_id(("America/Chicago",))
    assert {BERLIN: berlin, NEW_YORK: berlin, NOWHERE: chicago, "+13125550100": chicago} == zones_of(inbox)
    assert {berlin: "Europe/Berlin", chicago: "America/Chicago"} == known(inbox)


def test_a_row_that_tells_no_zone_is_a_bad_row(cli: Cli, inbox: Inbox, tmp_path: Path) -> None:
    """Each reason says what to do, and the good row leaves."""
    rows = f"{BERLIN},\n{NOWHERE},\n{NEW_YORK},Mars/Olympus\n+18005550100,\n"
    bad = start(cli, tmp_path, f"to,zone\n{rows}", "--window", "09:00-18:00 recipient")
    assert [BERLIN] == list(zones_of(inbox))
    with bad.open(newline="") as file:
        reasons = [row["reason"] for row in csv.DictReader(file)]
    assert 'zone: the number does not reveal a time zone; name the zone in a column "zone"' == reasons[0]
    assert "zone: 'Mars/Olympus' is not a zone in the time zone data of this machine" == reasons[1]
    assert reasons[2].startswith("zone: the hours 09:00-18:00 recipient never overlap in America/Adak")
    assert 'name one zone in a column "zone"' in reasons[2]


def test_a_column_that_looks_like_zone_is_refused(cli: Cli, inbox: Inbox, tmp_path: Path) -> None:
    """As with the other optional columns."""
    (tmp_path / "people.csv").write_text(f"to,Time Zone\n{BERLIN},Europe/Paris\n")
    answer = cli("campaign", "start", "spring", *OPTIONS, "--recipients", str(tmp_path / "people.csv"))
    assert 'the column "Time Zone" looks like "zone"' in answer.refusal(2)
    assert [] == inbox.records


def test_without_the_recipients_hours_no_row_has_zones(cli: Cli, inbox: Inbox, tmp_path: Path) -> None:
    """Neither with another window nor with none."""
    start(cli, tmp_path, f"to,zone\n{BERLIN},Europe/Paris\n", "--window", "00:00-24:00 UTC")
    assert {BERLIN: ""} == zones_of(inbox)


def test_a_dry_run_tells_when_the_last_recipient_is_reached(cli: Cli, tmp_path: Path) -> None:
    """In both continents within a day, and with the window in its words."""
    (tmp_path / "people.csv").write_text(f"to\n{BERLIN}\n{NEW_YORK}\n")
    file = str(tmp_path / "people.csv")
    answer = cli(
        "campaign", "start", "spring", *OPTIONS, "--recipients", file, "--window", DAYTIME, "--dry-run", "--json"
    )
    assert (2, 2, DAYTIME) == tuple(answer.json[name] for name in ("recipients", "in_time", "window"))


def test_changed_hours_change_the_openings_of_every_zone(cli: Cli, inbox: Inbox, tmp_path: Path) -> None:
    """And `status` shows them."""
    start(cli, tmp_path, f"to\n{BERLIN}\n{NEW_YORK}\n", "--window", DAYTIME)
    before = openings(inbox)
    assert DAYTIME == cli("campaign", "status", "spring", "--json").json["window"]
    assert 0 == cli("campaign", "change", "spring", "--window", "10:00-20:00 recipient").code
    for zones, (opens, closes) in openings(inbox).items():
        assert before[zones][1] == closes
        assert opens >= before[zones][0]
    assert "10:00-20:00 recipient" == cli("campaign", "status", "spring", "--json").json["window"]


def openings(inbox: Inbox) -> dict[str, tuple[int, int]]:
    """Of each set of zones an opening some days from now."""
    client = connect(inbox.url)
    fields: dict[str, str] = client.hgetall("paceline:{0}:c:spring:z")  # type: ignore[assignment]
    client.close()
    return {name: from_text(text)[5] for name, text in fields.items() if name.endswith(":openings")}


def test_a_single_message_waits_for_the_hours_of_its_number(cli: Cli, inbox: Inbox) -> None:
    """A group, or a number that tells no zone, is refused with what to do."""
    words = ("send", "--account", "acme", "--from", SENDER, "--text", "Hi", "--window", DAYTIME)
    assert 0 == cli(*words, "--to", BERLIN).code
    assert from_text(inbox.only["wi"])
    for target in (("--to", NOWHERE), ("--group", "WAG11111111-2222-4333-8444-555555555555")):
        sentence = cli(*words, *target).refusal(2)
        assert "--window: the recipient's time zone is unknown: name a zone instead of `recipient`" == sentence
    assert 1 == len(inbox.records)


def test_a_recording_outbox_takes_the_recipients_hours() -> None:
    """As a service's own tests use it."""
    outbox = RecordingOutbox()
    rows = [{"to": BERLIN}, {"to": NOWHERE, "zone": "America/Chicago"}]
    campaign = outbox.start_campaign(
        "spring", account="acme", sender=SENDER, template="Hi", recipients=rows, window=DAYTIME
    )
    assert 2 == campaign.progress().total
    with pytest.raises(InvalidOperation, match="does not reveal a time zone"):
        outbox.start_campaign(
            "summer", account="acme", sender=SENDER, template="Hi", recipients=[{"to": NOWHERE}], window=DAYTIME
        )
    assert json.dumps(outbox.state.campaign_zones("spring"))
