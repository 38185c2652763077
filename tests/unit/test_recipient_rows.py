"""What a chunk holds of one row."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any, cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from paceline.campaigns.recipients import Encoder, FileRow, Row, encode, numbered
from paceline.errors import InvalidRow
from paceline.template import placeholders
from tests.unit.samples import NOON, NOON_US, RECIPIENT

NOTHING: frozenset[str] = frozenset()
DAY_US = 86_400_000_000


class Text(str):
    """A text of a program's own kind, such as a member of an enumeration, which calls itself something else."""

    __slots__ = ()

    def __str__(self) -> str:
        return f"Text.{self!r}"


COLUMNS = ["to", "name", "city", "key", "not_before", "valid_until"]
TIMES = ["2026-01-31T13:00:00+01:00", "2026-02-01T00:00:00Z", "2020-01-01T00:00:00Z"]
GOOD_ROWS = st.fixed_dictionaries(
    {"to": st.just(RECIPIENT), "name": st.text(), "city": st.text(max_size=3)},
    optional={"key": st.text(), "not_before": st.sampled_from(TIMES), "other": st.just([])},
)
# Cells that are put into a good row; ... takes the cell away.
ODD_CELLS: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(
        [..., None, "", " ", f" {RECIPIENT}\n", "+1555010000\u0662", Text(RECIPIENT), Text("b"), Text("ë")]
    ),
    st.sampled_from(["\ud83d", "a\udc00", "ë 🙂", '"\\\n\0', "x" * 1365, "x" * 4096, *TIMES, "2026-01-31", "soon"]),
    st.one_of(st.booleans(), st.integers(), st.floats(), st.decimals(), st.just([])),
)
ODD_ROWS = st.dictionaries(st.sampled_from([*COLUMNS, "\0problem"]), ODD_CELLS, max_size=2)
CONTAINERS: st.SearchStrategy[Callable[[dict[str, Any]], Any]] = st.sampled_from(
    [dict, FileRow, MappingProxyType, list]
)
TEMPLATES = st.sampled_from(
    [
        None,
        {"text": "Hi"},
        {"text": "Hi {name}"},
        {"text": "{name}{city}"},
        {"text": "{name}{name}{name} {city}"},
        {"text": "{to}, {name}, {key}, {{x}}"},
        {"text": "{name}", "url": "https://example.com/a.png"},
    ]
)


def outcome(encoding: Callable[[], dict[str, str]]) -> dict[str, str] | str:
    try:
        return encoding()
    except InvalidRow as refusal:
        return str(refusal)


def by_both(row: Row, needed: frozenset[str], *, now: datetime = NOON, **options: Any) -> dict[str, str] | str:
    """The fields of a row or its refusal, for which it may not matter whether its campaign was prepared."""
    expected = outcome(lambda: encode("spring", row, needed, now=now, **options))
    assert expected == outcome(lambda: Encoder("spring", needed, **options)(row, now=now))
    return expected


def encoded(
    values: Mapping[str, Any], needed: frozenset[str] = NOTHING, campaign: str = "spring", **options: Any
) -> dict[str, str]:
    row = Row(7, {"to": RECIPIENT, **values})
    by_both(row, needed, **options)
    return encode(campaign, row, needed, **options)


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
        ("valid_until: must lie between", {"name": "A", "valid_until": "0001-01-01T00:00:00+14:00"}),
        ("not_before: must lie between", {"name": "A", "not_before": "9999-12-31T23:59:59-14:00"}),
        ("name: the template needs", {"name": None}),
        ("to: is not a phone number", {"to": None, "name": "A"}),
        ("to: is not a phone number", {"to": 15550100002, "name": "A"}),
        ("name: is neither a text nor a number", {"name": ["A"]}),
        ("name: is neither a text nor a number", {"name": b"A"}),
        ("name: is neither a text nor a number", {"name": True}),
        ("key: is neither a text nor a number", {"name": "A", "key": object()}),
        ("to: is neither a text nor a number", {"name": "A", "to": {}}),
        ("not_before: is neither a text nor a number", {"name": "A", "not_before": NOON}),
        ("name: cannot be written as text", {"name": 10**5000}),
        ("name: cannot be written as text", {"name": "\ud83d"}),
        ("key: cannot be written as text", {"name": "A", "key": "\ud83d"}),
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


def test_a_number_is_written_in_ascii_digits() -> None:
    """A number with digits of another script is refused, as the model of a single message refuses it."""
    with pytest.raises(InvalidRow):
        encoded({"to": "+1555010000\u0662"})


def test_a_row_that_ends_before_it_begins_is_refused() -> None:
    """A row that could only expire is refused, as the model of a single message refuses it."""
    for end in ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z", "2026-02-01T01:00:00+01:00"):
        with pytest.raises(InvalidRow, match="valid_until: must be later than not_before"):
            encoded({"not_before": "2026-02-01T00:00:00Z", "valid_until": end})


@pytest.mark.parametrize(
    ("expected_us", "begin"),
    [
        (None, None),
        (NOON_US + DAY_US, "2026-01-31T12:00:00Z"),
        (NOON_US + 2 * DAY_US, "2026-02-01T12:00:00Z"),
        (NOON_US + DAY_US, "2026-01-01T12:00:00Z"),
    ],
)
def test_a_row_that_begins_later_ends_later(expected_us: int | None, begin: str | None) -> None:
    """A row with a not_before alone is good for a day from then, or from now when that is later; else its campaign says."""
    found = encoded({"not_before": begin}, now=NOON)
    assert (None if expected_us is None else str(expected_us)) == found.get("vu")


def test_the_end_of_a_campaign_holds_for_its_rows() -> None:
    """Where the campaign was given a valid_until, a not_before does not put it off, and cannot come after it."""
    ends = NOON + timedelta(hours=1)
    assert "vu" not in encoded({"not_before": "2026-01-31T12:00:00Z"}, ends=ends)
    assert str(NOON_US + 5_400_000_000) == encoded({"valid_until": "2026-01-31T13:30:00Z"}, ends=ends)["vu"]
    with pytest.raises(InvalidRow, match="valid_until: must be later than not_before"):
        encoded({"not_before": "2026-01-31T13:00:00Z"}, ends=ends)


@pytest.mark.parametrize(
    ("text", "value"),
    [("5", 5), ("-1.5", -1.5), ("10.50", Decimal("10.50")), ("12345678901234567890", 12345678901234567890)],
)
def test_numbers_of_a_program_become_texts(text: str, value: object) -> None:
    """Rows made in a program may hold numbers, in the columns of the template as in the key."""
    row = encoded({"name": value, "key": value}, frozenset({"name"}))
    assert {"name": text} == json.loads(row["p"])
    assert row["id"] == encoded({"key": text})["id"]


@pytest.mark.parametrize("column", ["not_before", "valid_until", "key", "city"])
def test_none_is_not_given(column: str) -> None:
    """A program's None is what an empty cell is to a file."""
    assert encoded({}) == encoded({column: None})


@pytest.mark.parametrize("row", [None, "+15550100002", ["to"], 5])
def test_what_is_no_mapping_is_a_bad_row(row: object) -> None:
    """Whatever a program hands over as a row, the refusal names its ordinal."""
    (found,) = numbered([cast("Mapping[str, str]", row)])
    with pytest.raises(InvalidRow, match="line 1: is not a mapping"):
        encode("spring", found, NOTHING)


@pytest.mark.parametrize(
    ("problem", "template", "name"),
    [
        (None, "Hi {name}", ""),
        (None, "{name}", "x"),
        (None, "{name}", "x" * 4096),
        (None, "{name}{name}", "x" * 2048),
        (None, "{{" + "x" * 4086 + "{name}}}", "abcdefgh"),
        ("text: would be empty", "{name}{name}", ""),
        ("text: would have 4097 characters", "{name}", "x" * 4097),
        ("text: would have 4098 characters", "{name}{name}", "x" * 2049),
        ("text: would have 4097 characters", "{{" + "x" * 4086 + "{name}}}", "abcdefghi"),
    ],
)
def test_the_length_of_the_text_is_checked_with_the_rows_values(problem: str | None, template: str, name: str) -> None:
    """A row that makes the text empty, or longer than a message can be, is a bad row; lengths are exact."""
    options: dict[str, Any] = {"needed": frozenset({"name"}), "template": {"text": template}}
    if problem is None:
        assert {"name": name} == json.loads(encoded({"name": name}, **options)["p"])
        return
    with pytest.raises(InvalidRow, match=problem):
        encoded({"name": name}, **options)


def test_a_caption_may_be_empty() -> None:
    """A file needs no words."""
    template = {"text": "{name}", "url": "https://example.com/a.png"}
    assert "id" in encoded({"name": ""}, frozenset({"name"}), template=template)


@settings(max_examples=3 * settings().max_examples)
@given(GOOD_ROWS, ODD_ROWS, CONTAINERS, TEMPLATES, st.sampled_from([None, NOON + timedelta(hours=6)]))
@example({"to": RECIPIENT, "name": "x" * 1365}, {}, dict, {"text": "{name}{name}{name}{{"}, None)
@example({"to": RECIPIENT, "name": "x" * 1365}, {}, dict, {"text": "{name}{name}{name}{{{{"}, None)
@example({"to": RECIPIENT, "name": "Ada"}, {"name": Text("ë")}, dict, {"text": "Hi {name}"}, None)
@example({"to": RECIPIENT, "name": "Ada", "not_before": TIMES[1]}, {"name": 5}, dict, {"text": "Hi {name}"}, None)
def test_an_encoder_makes_of_a_row_what_encode_makes_of_it(
    good: dict[str, Any],
    odd: dict[str, Any],
    container: Callable[[dict[str, Any]], Any],
    template: dict[str, str] | None,
    ends: datetime | None,
) -> None:
    """Prepared for its campaign or not, the same fields or the same refusal follow from any row."""
    row = Row(7, container({name: cell for name, cell in (good | odd).items() if cell is not ...}))
    needed = frozenset({"name", "city"}) if template is None else placeholders(template["text"])
    assert by_both(row, needed, template=template, ends=ends)


def test_an_encoder_keeps_nothing_of_a_row() -> None:
    """Rows do not change each other, in whatever order they come."""
    encoder = Encoder("spring", frozenset({"name"}), template={"text": "Hi {name}"}, ends=None)
    rows = [
        Row(line, {"to": f"+1555010000{line % 3}", "name": f"Zoë {line}", "key": f"{line % 2} "}) for line in range(9)
    ]
    expected = [encode("spring", row, frozenset({"name"})) for row in rows]
    assert expected == [encoder(row) for row in rows]
    assert expected[::-1] == [encoder(row) for row in reversed(rows)]
