"""What readers see of state: every reply is read once, in one place, under the names that the scripts document."""

import re
from dataclasses import fields
from importlib.resources import files
from typing import Any

import pytest

from paceline.lua.fields import ABOUT, ACCOUNT, CAMPAIGN, OPERATION, Catalogue
from paceline.state.campaigns import CampaignSnapshot, SourceSnapshot, ZonesSnapshot
from paceline.state.pictures import AccountPicture, CampaignPicture, FleetSnapshot, OperationPicture, RecordSnapshot
from paceline.state.reading import readers, whole
from paceline.state.snapshots import AccountSnapshot, LaneSnapshot, OperationSnapshot, QuotaSnapshot
from paceline_worker.exporter.rows import AccountRow, BacklogRow, CampaignRow, FleetRow, SendingRow
from paceline_worker.pacing.bucket import HEARD


def header(package: str, script: str) -> str:
    """The comment that a script opens with, on one line."""
    lines = (files(package) / "lua" / script).read_text("utf-8").splitlines()
    return " ".join(" ".join(line.removeprefix("--").split()) for line in lines if line.startswith("--"))


LOOK = header("paceline", "look.lua")
GAUGES = header("paceline_worker", "gauges.lua")
# Added to a hash by the scripts that read it.
ADDED = {"id", "now", "interval_now", "next_slot", "variation_now", "name"}


def names_of(kind: type) -> set[str]:
    """Attributes as replies call them: times without their unit."""
    return {one.metadata.get("stored", one.name.removesuffix("_us")) for one in fields(kind)}


def documented(what: str, text: str = LOOK) -> set[str]:
    """The names between braces behind a word of the script's header."""
    found = re.search(rf"{re.escape(what)}.*?\{{([a-z_, ]+)\}}", text)
    assert found, what
    return {name.strip() for name in found[1].split(",")}


@pytest.mark.parametrize(
    ("what", "kind"),
    [
        ("operation: 2 id", OperationPicture),
        ("record: 2 record id", RecordSnapshot),
        ("account: 2 name", AccountPicture),
        ("campaign: 2 name", CampaignPicture),
        ("fleet:", FleetSnapshot),
        ("A lane is", LaneSnapshot),
        ("zones a list of", ZonesSnapshot),
        ("quota_use a list of", QuotaSnapshot),
    ],
)
def test_a_reply_has_the_documented_names(what: str, kind: type) -> None:
    """The header of look.lua and the value that Python makes say the same."""
    assert documented(what) == names_of(kind) - {"shards_away"}, "which the route adds"


@pytest.mark.parametrize(
    ("what", "kind"),
    [
        ("fleet:", FleetRow),
        ("An account is", AccountRow),
        ("The backlog of an account is", BacklogRow),
        ("What an account is sending is", SendingRow),
        ("A row of a campaign is", CampaignRow),
    ],
)
def test_a_reply_to_the_exporter_has_the_documented_names(what: str, kind: type) -> None:
    """The header of gauges.lua and the value that Python makes say the same."""
    assert documented(what, GAUGES) == names_of(kind)


def test_programs_and_scripts_believe_a_measured_variation_after_as_many_answers() -> None:
    """bucket.py is the model of slots.lua; the property tests compare what both do with it."""
    (number,) = re.findall(r"local HEARD = (\d+)", (files("paceline") / "lua" / "slots.lua").read_text("utf-8"))
    assert HEARD == int(number)


def test_a_source_has_the_documented_names() -> None:
    """Beside the fields of its campaign."""
    assert documented("a source") | {"campaign"} == names_of(SourceSnapshot)


@pytest.mark.parametrize(
    ("kind", "catalogues"),
    [(OperationSnapshot, [OPERATION]), (CampaignSnapshot, [CAMPAIGN]), (AccountSnapshot, [ACCOUNT, ABOUT])],
)
def test_a_snapshot_reads_declared_fields_only(kind: type, catalogues: list[Catalogue]) -> None:
    """An attribute that no field of state has would always be empty."""
    declared = {one.name for catalogue in catalogues for one in catalogue.fields}
    assert set() == readers(kind).keys() - declared - ADDED


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        (7, "7"),
        (1_767_225_600_000_001, "1767225600000001"),
        (1_767_225_600_000_000, "1.7672256e+15"),
        (499, "499.5"),
        (3, 3),
    ],
)
def test_a_number_of_state_is_whole(expected: int, text: Any) -> None:
    """Times keep every microsecond; scores may come as floating-point texts."""
    assert expected == whole(text)


def test_an_empty_text_is_an_absent_one() -> None:
    """An option that was taken away has its default again."""
    campaign = CampaignSnapshot.read({"cap": "5", "rate": "x", "weight": "2"})
    assert CampaignSnapshot(weight=2) == campaign.changed({"cap": "", "rate": ""})


def test_fields_of_a_later_release_are_passed_over() -> None:
    """A reader of this release reads state that a newer worker has written."""
    assert CampaignSnapshot(weight=2) == CampaignSnapshot.read({"weight": "2", "zz": "7"})
