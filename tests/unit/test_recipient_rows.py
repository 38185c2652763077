"""What a chunk holds of one row."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from paceline.errors import InvalidRow
from paceline.recipients import FileRow, Row, encode, numbered
from tests.unit.samples import NOON_US, RECIPIENT

NOTHING: frozenset[str] = frozenset()


def encoded(values: Mapping[str, Any], needed: frozenset[str] = NOTHING, campaign: str = "spring") -> dict[str, str]:
    return encode(campaign, Row(7, {"to": RECIPIENT, **values}), needed)


def test_a_row_holds_its_id_target_and_needed_values_only() -> None:
    """Columns that the template does not name are not stored."""
    row = encoded({"name": "Ada", "city": "Graz", "zip": "8010"}, frozenset({"name", "city"}))
    assert {"id", "to", "p"} == set(row)
    assert (RECIPIENT, {"name": "Ada", "city": "Graz"}) == (row["to"], json.loads(row["p"]))


@pytest.mark.parametrize(
    ("field", "expected", "values"),
    [
        ("nb", NOON_US, {"not_before": "2026-01-31T12:00:00Z"}),
        ("nb", NOON_US, {"not_before": " 2026-01-31T13:00:00+01:00 "}),
        ("vu", NOON_US + 250_000, {"valid_until": "2026-01-31T17:30:00.25+05:30"}),
        ("vu", NOON_US, {"valid_until": "20260131T120000Z"}),
    ],
)
def test_times_become_microseconds(field: str, expected: int, values: dict[str, str]) -> None:
    """ISO 8601 with a zone becomes microseconds since the epoch."""
    assert str(expected) == encoded(values)[field]


@pytest.mark.parametrize("column", ["not_before", "valid_until", "key"])
def test_an_empty_cell_is_as_good_as_none(column: str) -> None:
    """An optional column may be left empty."""
    assert encoded({}) == encoded({column: "  "})


@pytest.mark.parametrize(
    ("reason", "values"),
    [
        ("to: ", {"to": ""}),
        ("to: ", {"to": "15550100002"}),
        ("to: ", {"to": "+0555010000"}),
        ("to: ", {"to": "+155501"}),
        ("to: ", {"to": "+1555010000200000"}),
        ("to: ", {"to": "+1 555 010 0002"}),
        ("name: ", {}),
        ("not_before: is not a time", {"name": "A", "not_before": "tomorrow"}),
        ("not_before: needs a time zone", {"name": "A", "not_before": "2026-01-31T12:00:00"}),
        ("valid_until: needs a time zone", {"name": "A", "valid_until": "2026-01-31"}),
        ("valid_until: is not a time", {"name": "A", "valid_until": "2026-02-30T00:00:00Z"}),
        ("has more cells", {"name": "A", "\0problem": "has more cells than the header"}),
    ],
)
def test_a_bad_row_is_told_by_line_and_column(reason: str, values: dict[str, str]) -> None:
    """The refusal of a row names its line and the column at fault."""
    with pytest.raises(InvalidRow) as refusal:
        encoded(values, frozenset({"name"}))
    assert (7, f"line 7: {refusal.value.reason}") == (refusal.value.line, str(refusal.value))
    assert refusal.value.reason.startswith(reason)


def test_spaces_around_a_number_are_forgiven() -> None:
    """Spreadsheets leave spaces around cells."""
    assert RECIPIENT == encoded({"to": f" {RECIPIENT}\t"})["to"]


def test_equal_keys_make_equal_ids() -> None:
    """A recipient is told apart by its key within its campaign, whatever else the row says."""
    first = encoded({"key": "customer-7"})["id"]
    assert first == encoded({"key": " customer-7 ", "to": "+15550100009"})["id"]
    assert first != encoded({"key": "customer-8"})["id"]
    assert first != encoded({"key": "customer-7"}, campaign="summer")["id"]


def test_without_a_key_the_number_tells_recipients_apart() -> None:
    """The same number twice in a file is one recipient."""
    assert encoded({"name": "Ada"})["id"] == encoded({"name": "Bob"})["id"]
    assert encoded({})["id"] != encoded({"to": "+15550100003"})["id"]


def test_rows_of_an_iterable_are_numbered_from_one() -> None:
    """Rows made in a program are told by their ordinal."""
    assert [Row(1, {"to": "a"}), Row(2, {"to": "b"})] == list(numbered([{"to": "a"}, {"to": "b"}]))


def test_rows_of_a_file_keep_their_line() -> None:
    """Rows that know where they stood keep that."""
    row = FileRow(to="a")
    row.line = 40
    assert [40] == [numbered_row.line for numbered_row in numbered([row])]


@pytest.mark.xfail(strict=True, reason="_E164 says \\d, which matches the digits of every script")
def test_a_number_is_written_in_ascii_digits() -> None:
    """A number with digits of another script is refused, as the model of a single message refuses it."""
    with pytest.raises(InvalidRow):
        encoded({"to": "+1555010000\u0662"})


@pytest.mark.xfail(strict=True, reason="_instant is not compared between the two columns")
def test_a_row_that_ends_before_it_begins_is_refused() -> None:
    """A row that could only expire is refused, as the model of a single message refuses it."""
    with pytest.raises(InvalidRow):
        encoded({"not_before": "2026-02-01T00:00:00Z", "valid_until": "2026-01-01T00:00:00Z"})


@pytest.mark.xfail(
    strict=True,
    raises=UnicodeEncodeError,
    reason="half a surrogate pair passes into the record and raises UnicodeEncodeError when written",
)
@pytest.mark.parametrize("column", ["name", "key"])
def test_half_a_character_is_a_bad_row(column: str) -> None:
    """Text that cannot be written as UTF-8 is a bad row, not an error of the upload."""
    try:
        json.dumps(encoded({"name": "A"} | {column: "\ud83d"}, frozenset({"name"})), ensure_ascii=False).encode()
    except InvalidRow:
        return
