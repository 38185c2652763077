"""The metadata of a campaign's rows: what cannot be stored is one bad row, and the others are accepted."""

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from paceline import Outbox
from paceline_sandbox.embedded import EmbeddedServer
from tests.conftest import SENDER
from tests.support.drive import Drive

SPRING: dict[str, Any] = {"account": "acme", "sender": SENDER, "template": "Hi {name}"}


@pytest.fixture
def outbox(server: EmbeddedServer, drive: Drive) -> Iterator[Outbox]:
    """What a service uploads with."""
    with Outbox(broker_url=server.url) as made:
        yield made
    drive.client.flushall()


def people(*metadata: object) -> list[dict[str, object]]:
    """A row for each of some metadata."""
    return [{"to": f"+1555020{row:04d}", "name": "Ada", "metadata": given} for row, given in enumerate(metadata)]


def started(outbox: Outbox, drive: Drive, rows: Any, **options: Any) -> list[tuple[int, str]]:
    """Upload rows, and accept them. Returns line and reason of the bad rows."""
    bad: list[tuple[int, str]] = []
    outbox.start_campaign(
        "spring", recipients=rows, on_invalid=lambda row, reason: bad.append((row.line, reason)), **SPRING | options
    )
    drive.accept_all()
    return bad


def test_a_name_that_is_too_long_is_one_bad_row(outbox: Outbox, drive: Drive) -> None:
    """Nobody else pays: a worker would refuse the record of 250 rows as a whole."""
    rows = people({"order": "17"}, {"n" * 180_000: "17"}, {"n" * 513: "17"}, {"n" * 512: "17"}, {"order": "x" * 513})
    assert [
        (2, "metadata: a name has more than 512 characters"),
        (3, "metadata: a name has more than 512 characters"),
        (5, "metadata: a text has more than 512 characters"),
    ] == started(outbox, drive, rows)
    progress = outbox.find_campaign("spring").progress()
    assert (2, 2, 0) == (progress.received, progress.total, progress.refused)


def test_the_largest_metadata_are_accepted(outbox: Outbox, drive: Drive) -> None:
    """Also of characters that take most room as JSON."""
    largest = [
        {f"{row:02d}" + 510 * character: 512 * character for row in range(16)}
        for character in ("x", "\x01", "\U0001f600")
    ]
    assert [] == started(outbox, drive, people(*largest))
    progress = outbox.find_campaign("spring").progress()
    assert (3, 0) == (progress.total, progress.refused)


@pytest.mark.parametrize("source", ["program", "file"])
@pytest.mark.parametrize("place", ["name", "text"])
def test_half_a_surrogate_pair_is_one_bad_row(
    outbox: Outbox, drive: Drive, tmp_path: Path, source: str, place: str
) -> None:
    """JSON can write what no text can hold; the rows beside it are sent."""
    unfit = {"\ud800": "17"} if place == "name" else {"order": "\ud800"}
    rows: Any = people({"order": "17"}, unfit, {"order": "19"})
    if source == "file":
        path = tmp_path / "people.jsonl"
        path.write_text("".join(f"{json.dumps(row | {'metadata': json.dumps(row['metadata'])})}\n" for row in rows))
        rows = path
    assert [(2, "metadata: cannot be written as text")] == started(outbox, drive, rows)
    assert 2 == outbox.find_campaign("spring").progress().total


def test_json_that_is_nested_too_deeply_is_one_bad_row(outbox: Outbox, drive: Drive) -> None:
    """It cannot be read, and ends nothing."""
    [(line, reason)] = started(outbox, drive, people("[" * 100_000, {"order": "17"}))
    assert (1, True) == (line, reason.startswith("metadata: is not a mapping of names to texts"))
    assert 1 == outbox.find_campaign("spring").progress().total


NAN, REASON = float("nan"), "metadata: is not a mapping of names to texts, in a file a JSON object of texts"


@pytest.mark.parametrize("empty", [None, NAN, Decimal("NaN"), "", " ", {}, "{}"], ids=repr)
def test_empty_metadata_are_not_given(outbox: Outbox, drive: Drive, empty: object) -> None:
    """A data frame writes NaN where a row has none."""
    assert [] == started(outbox, drive, people({"order": "17"}, empty))
    assert 2 == outbox.find_campaign("spring").progress().total


@pytest.mark.parametrize("template", ["Hi {name}", "Hi {metadata}"])
def test_a_plan_counts_the_bad_rows_of_the_upload(outbox: Outbox, drive: Drive, tmp_path: Path, template: str) -> None:
    """Many tables have a column `metadata` of their own, with words in it."""
    path = tmp_path / "people.csv"
    path.write_text('to,name,metadata\n+15550200001,Ann,vip\n+15550200002,Bob,\n+15550200003,Cid,"{""a"": ""b""}"\n')
    told: list[tuple[int, str]] = []
    plan = outbox.plan_campaign(
        "spring",
        recipients=path,
        on_invalid=lambda row, reason: told.append((row.line, reason)),
        **SPRING | {"template": template},
    )
    assert told == started(outbox, drive, path, template=template)
    progress = outbox.find_campaign("spring").progress()
    assert (plan.invalid, plan.recipients) == (len(told), progress.total)
    assert told[0][0] == 2
    assert told[0][1].startswith(REASON)
    assert "--ignore-column metadata" in told[0][1]


def test_a_column_of_this_name_may_be_ignored(outbox: Outbox, drive: Drive) -> None:
    """Its words are nobody's metadata."""
    assert [] == started(outbox, drive, people("vip", "new"), ignore_columns=["Metadata"])
    assert 2 == outbox.find_campaign("spring").progress().total
    ids = [status.id for status in outbox.find("+15550200000")]
    assert [{}] == [dict(outbox.status(op_id).metadata) for op_id in ids]


def test_a_test_message_is_made_of_a_row_that_can_be_sent(outbox: Outbox, drive: Drive) -> None:
    """The upload would leave the first one out."""
    rows = [row | {"name": name} for row, name in zip(people("vip", {"a": "b"}), ("Ann", "Bob"), strict=True)]
    outbox.test_campaign("spring", to="+15550100009", recipients=rows, **SPRING)
    [key] = drive.client.scan_iter("*:in:*")
    assert '\\"text\\":\\"Hi Bob\\"' in str(drive.client.hget(key, "body"))
