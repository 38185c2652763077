"""What a chunk holds of one row: from a file and from a program by the same rules."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from types import MappingProxyType
from typing import Any, cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from paceline.campaigns.recipients import Encoder, FileRow, Row, numbered
from paceline.errors import InvalidOperation, InvalidRow
from paceline.ids import derived_id
from paceline.recipients.columns import reading_of
from paceline.recipients.rows import PROBLEM, file_row
from paceline.template import Template, compiled
from tests.unit.samples import NOON, NOON_US, RECIPIENT

NOTHING = Template({})
NAMED = compiled("Hi {name}")
DAY_US = 86_400_000_000
BEFORE = NOON - timedelta(days=60)
NAN = float("nan")


class Text(str):
    """A text of a program's own kind, such as a member of an enumeration, which calls itself something else."""

    __slots__ = ()

    def __str__(self) -> str:
        return f"Text.{self!r}"


class Language(str, Enum):  # noqa: UP042 - a StrEnum calls itself by its value
    """A text that calls itself by its name in the program."""

    english = "English"


class Size(int, Enum):
    """A number that does so."""

    large = 7


class Factor(float, Enum):
    """A number with decimals that does so."""

    double = 2.5


class NAType:
    """Named as the missing value of a data frame."""


COLUMNS = ["to", "name", "city", "key", "not_before", "valid_until"]
TIMES = ["2026-01-31T13:00:00+01:00", "2026-02-01T00:00:00Z", "2020-01-01T00:00:00Z"]
GOOD_ROWS = st.fixed_dictionaries(
    {"to": st.just(RECIPIENT), "name": st.text(), "city": st.text(max_size=3)},
    optional={"key": st.text(), "not_before": st.sampled_from(TIMES), "other": st.just([])},
)
# Cells that are put into a good row; ... takes the cell away.
ODD_CELLS: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(
        [
            ...,
            None,
            "",
            " ",
            f" {RECIPIENT}\n",
            "+1555010000\u0662",
            Text(RECIPIENT),
            Text("b"),
            Text("ë"),
            "\u200b",
            "#N/A",
        ]
    ),
    st.sampled_from(["\ud83d", "a\udc00", "ë 🙂", '"\\\n\0', "x" * 1365, "x" * 4096, *TIMES, "2026-01-31", "soon"]),
    st.one_of(st.booleans(), st.integers(), st.floats(), st.decimals(), st.just([])),
)
ODD_ROWS = st.dictionaries(st.sampled_from([*COLUMNS, PROBLEM]), ODD_CELLS, max_size=2)
CONTAINERS: st.SearchStrategy[Callable[[dict[str, Any]], Any]] = st.sampled_from(
    [dict, lambda cells: file_row(7, cells, None), MappingProxyType, list]
)
TEMPLATES = st.sampled_from(
    [
        NOTHING,
        compiled("Hi"),
        NAMED,
        compiled("{name}{city}"),
        compiled("{name}{name}{name} {city}"),
        compiled("{name|there}, {city}"),
        compiled("{name|there}"),
        compiled("{to}, {name}, {key}, {{x}}", literal_braces=True),
        compiled("{name}", "https://example.com/a.png"),
        compiled("{city}", "https://example.com/{name}.png"),
        compiled(None, "{name}"),
    ]
)


def outcome(encoding: Callable[[], dict[str, str]]) -> dict[str, str] | str:
    try:
        return encoding()
    except InvalidRow as refusal:
        return str(refusal)


def by_both(row: Row, template: Template, *, now: datetime = NOON, **options: Any) -> dict[str, str] | str:
    """The fields of a row or its refusal, which may not depend on the way that the encoder takes."""
    encoder = Encoder("spring", template, **options)
    expected = outcome(lambda: encoder.carefully(row, now=now))
    # The second time the columns are known, and the short way is open.
    assert expected == outcome(lambda: encoder(row, now=now)) == outcome(lambda: encoder(row, now=now))
    return expected


def encoded(
    values: Mapping[str, Any],
    template: Template = NOTHING,
    campaign: str = "spring",
    *,
    now: datetime = BEFORE,
    **options: Any,
) -> dict[str, str]:
    row = Row(7, {"to": RECIPIENT, **values})
    by_both(row, template, now=now, **options)
    return Encoder(campaign, template, **options)(row, now=now)


def values_of(row: dict[str, str]) -> Any:
    return json.loads(row["p"])


def test_a_row_holds_its_id_target_and_needed_values_only() -> None:
    """Columns that the template does not name are not stored."""
    row = encoded({"name": "Ada", "city": "Graz", "zip": "8010"}, compiled("{name} {city}"))
    assert {"id", "to", "p"} == set(row)
    assert (RECIPIENT, {"name": "Ada", "city": "Graz"}) == (row["to"], values_of(row))


@pytest.mark.parametrize(
    ("field", "expected", "values"),
    [
        ("nb", NOON_US, {"not_before": "2026-01-31T12:00:00Z"}),
        ("nb", NOON_US, {"not_before": " 2026-01-31T13:00:00+01:00 "}),
        ("nb", NOON_US, {"not_before": NOON}),
        ("nb", NOON_US, {"Not Before": "2026-01-31T12:00:00Z"}),
        ("nb", NOON_US, {"NOT_BEFORE": "2026-01-31T12:00:00Z"}),
        ("vu", NOON_US + 250_000, {"valid_until": "2026-01-31T17:30:00.25+05:30"}),
        ("vu", NOON_US, {"valid_until": "20260131T120000Z"}),
        ("vu", NOON_US, {" Valid-Until ": "20260131T120000Z"}),
    ],
)
def test_times_become_microseconds(field: str, expected: int, values: dict[str, Any]) -> None:
    """ISO 8601 with a zone becomes microseconds since the epoch; the column is recognised in any case and spacing."""
    assert str(expected) == encoded(values)[field]


@pytest.mark.parametrize("cell", ["  ", None, NAN, Decimal("NaN"), NAType()])
@pytest.mark.parametrize("column", ["not_before", "valid_until", "key", "city", "Key"])
def test_an_empty_cell_is_not_given(column: str, cell: object) -> None:
    """An optional column may be left empty; a data frame's NaN is a program's None, and a file's empty cell."""
    assert encoded({}) == encoded({column: cell})


@pytest.mark.parametrize(
    ("reason", "values"),
    [
        ("to: is empty", {"to": ""}),
        ("to: is empty", {"to": " \u200b"}),
        ("to: is empty", {"to": NAN}),
        ("to: is empty", {"to": None, "name": "A"}),
        ("to: ", {"to": "15550100002"}),
        ("to: ", {"to": "+0555010000"}),
        ("to: ", {"to": "+155501"}),
        ("to: ", {"to": "+1555010000200000"}),
        ("to: ", {"to": "+1 555 010 0002"}),
        ("to: ", {"to": "+4407700900123"}),
        ("name: the template needs", {}),
        ("not_before: is not a time", {"name": "A", "not_before": "tomorrow"}),
        ("not_before: needs a time zone", {"name": "A", "not_before": "2026-01-31T12:00:00"}),
        ("not_before: needs a time zone", {"name": "A", "not_before": NOON.replace(tzinfo=None)}),
        ("valid_until: needs a time zone", {"name": "A", "valid_until": "2026-01-31"}),
        ("valid_until: is not a time", {"name": "A", "valid_until": "2026-02-30T00:00:00Z"}),
        ("valid_until: must lie between", {"name": "A", "valid_until": "0001-01-01T00:00:00+14:00"}),
        ("valid_until: has passed", {"name": "A", "valid_until": "2025-01-31T12:00:00Z"}),
        ("not_before: must lie between", {"name": "A", "not_before": "9999-12-31T23:59:59-14:00"}),
        ("name: the template needs", {"name": None}),
        ("name: the template needs", {"name": NAN}),
        ("to: is not a phone number", {"to": 15550100002, "name": "A"}),
        ("name: is neither a text nor a number", {"name": ["A"]}),
        ("name: is neither a text nor a number", {"name": {"first": "Ana"}}),
        ("name: is neither a text nor a number", {"name": b"A"}),
        ("name: is neither a text nor a number", {"name": True}),
        ("name: is a number that has no plain form", {"name": float("inf")}),
        ("name: is a number that has no plain form", {"name": 123456789012345678.55}),
        ("name: is a number that has no plain form", {"name": Decimal("Infinity")}),
        ("name: is a number that has no plain form", {"name": Decimal("1E+3")}),
        ("name: is a number that has no plain form", {"name": Decimal("0.0000001")}),
        ("key: is a number that has no plain form", {"name": "A", "key": Decimal("1E+3")}),
        ("name: holds a control character (U+0000)", {"name": "A\0na"}),
        ("name: holds a control character (U+001B)", {"name": "\x1b[31m"}),
        ("name: is the error #N/A of a spreadsheet", {"name": "#N/A"}),
        ("key: is neither a text nor a number", {"name": "A", "key": object()}),
        ("key: has 257 characters", {"name": "A", "key": "x" * 257}),
        ("to: is neither a text nor a number", {"name": "A", "to": {}}),
        ("name: cannot be written as text", {"name": 10**5000}),
        ("name: cannot be written as text", {"name": "\ud83d"}),
        ("key: cannot be written as text", {"name": "A", "key": "\ud83d"}),
        ("has more cells", {"name": "A", PROBLEM: "has more cells than the header"}),
    ],
)
def test_a_bad_row_is_told_by_line_and_column(reason: str, values: dict[str, Any]) -> None:
    """The refusal of a row names its line and the column at fault."""
    with pytest.raises(InvalidRow) as refusal:
        encoded(values, NAMED)
    assert (7, f"line 7: {refusal.value.reason}") == (refusal.value.line, str(refusal.value))
    assert refusal.value.reason.startswith(reason)


@pytest.mark.parametrize(
    "cell", [f" {RECIPIENT}\t", f"\u00a0{RECIPIENT}", f"\u202a{RECIPIENT}\u202c", "+1555\u200b0100002"]
)
def test_what_surrounds_a_number_is_forgiven(cell: str) -> None:
    """Spreadsheets leave spaces around cells, messengers invisible marks."""
    assert RECIPIENT == encoded({"to": cell})["to"]


@pytest.mark.parametrize(
    ("expected", "cell"),
    [
        ("+5511987654321", "(11) 98765-4321"),
        ("+5511987654321", "+55 11 98765-4321"),
        ("+5511987654321", "0055 11 98765 4321"),
        ("+5511987654321", "tel:+5511987654321"),
        ("+5511987654321", "'+5511987654321"),
        ("+5511987654321", "+\uff15\uff1511987654321"),
        ("+447700900123", "+44 (0)7700 900123"),
        ("+5511987654321", 11987654321),
        (None, "1.5555E+11"),
        (None, "+5511987654321 / +5511987654322"),
        (None, "11 98765-4321 ext 5"),
        (None, "5511987654321@c.us"),
        (None, "123"),
        (None, "N/A"),
    ],
)
def test_numbers_are_cleaned_on_request(expected: str | None, cell: object) -> None:
    """With a country, what people write around a number is left out; what could be read in two ways is refused."""
    values, reading = {"to": cell}, reading_of(country="BR")
    if expected:
        assert expected == encoded(values, reading=reading)["to"]
        return
    with pytest.raises(InvalidRow, match="to: "):
        encoded(values, reading=reading)


def test_equal_keys_make_equal_ids() -> None:
    """A recipient is told apart by its key within its campaign, whatever else the row says."""
    first = encoded({"key": "customer-7"})["id"]
    assert first == encoded({"key": " customer-7 ", "to": "+15550100009"})["id"]
    assert first == encoded({"Key": "customer-7"})["id"]
    assert first != encoded({"key": "customer-8"})["id"]
    assert first != encoded({"key": "customer-7"}, campaign="summer")["id"]


def test_a_key_comes_back_with_the_outcome() -> None:
    """It is kept beside the operation."""
    assert "customer-7" == encoded({"key": "customer-7 "})["rk"]
    assert "m" not in encoded({})


def test_without_a_key_the_number_tells_recipients_apart() -> None:
    """The same number twice in a file is one recipient."""
    assert encoded({"name": "Ada"})["id"] == encoded({"name": "Bob"})["id"]
    assert encoded({})["id"] != encoded({"to": "+15550100003"})["id"]


def test_keys_and_numbers_are_different_things() -> None:
    """One person's key may be another one's number."""
    assert encoded({"to": "+15550100003", "key": RECIPIENT})["id"] != encoded({})["id"]


@pytest.mark.parametrize("key", ["", "customer-7"])
def test_ids_are_those_of_earlier_releases(key: str) -> None:
    """An upload that was begun before an upgrade goes on after it."""
    assert derived_id("campaign", "spring", key or RECIPIENT) == encoded({"key": key})["id"]


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


def test_the_beginning_of_a_campaign_holds_for_rows_without_one() -> None:
    """It puts the default validity off; a row's own beginning stands."""
    begins, own = NOON + timedelta(hours=1), "2026-01-31T12:00:00Z"
    row = encoded({}, begins=begins)
    assert (str(NOON_US + 3_600_000_000), str(NOON_US + 3_600_000_000 + DAY_US)) == (row["nb"], row["vu"])
    assert str(NOON_US) == encoded({"not_before": own}, begins=begins)["nb"]
    assert "vu" not in encoded({}, begins=begins, ends=NOON + timedelta(hours=2))
    with pytest.raises(InvalidRow, match="valid_until: must be later than not_before"):
        encoded({"valid_until": own}, begins=begins)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        ("-1.5", -1.5),
        ("1001.0", 1001.0),
        ("10.50", Decimal("10.50")),
        ("1000", Decimal(1000)),
        ("12345678901234567890", 12345678901234567890),
        ("7", Size.large),
        ("2.5", Factor.double),
    ],
)
def test_numbers_of_a_program_become_texts(text: str, value: object) -> None:
    """Rows made in a program may hold numbers, in the columns of the template as in the key."""
    row = encoded({"name": value, "key": value}, NAMED)
    assert {"name": text} == values_of(row)
    assert row["id"] == encoded({"key": text})["id"]


def test_a_member_of_an_enumeration_is_its_value() -> None:
    """It is a text, or a number; its name in the program is nobody's."""
    row = encoded({"name": Language.english, "key": Language.english}, NAMED)
    assert {"name": "English"} == values_of(row)
    assert row["id"] == encoded({"key": "English"})["id"]


@pytest.mark.parametrize(
    ("expected", "text", "values"),
    [
        ("Ada", "{name|there}", {"name": "Ada"}),
        ("there", "{name|there}", {"name": ""}),
        ("there", "{name|there}", {"name": " \u200b"}),
        ("there", "{name|there}", {"name": None}),
        ("there", "{name|there}", {"name": NAN}),
        ("there", "{name|there}", {}),
        ("", "{name|}", {}),
        ("Ada", "{First Name|there}", {"First Name": "Ada"}),
        ("Ada", "{First Name}", {"first_name": "Ada"}),
        ("Ada", "{prénom}", {"Prénom": "Ada"}),
        ("Ada", "{año}", {"año": "Ada"}),
        ("Ada", "{name}", {"Name": "Ada"}),
        ("small", "{name}", {"name": "small", "NAME": "large"}),
    ],
)
def test_a_column_is_found_by_its_name_and_may_have_a_default(expected: str, text: str, values: dict[str, Any]) -> None:
    """The very name first, then without case, blanks and dashes; a default stands in for what is empty."""
    template = compiled(f"Hi {text}")
    assert [expected] == list(values_of(encoded(values, template)).values())


@pytest.mark.parametrize("row", [None, "+15550100002", ["to"], 5])
def test_what_is_no_mapping_is_a_bad_row(row: object) -> None:
    """Whatever a program hands over as a row, the refusal names its ordinal."""
    (found,) = numbered([cast("Mapping[str, str]", row)])
    with pytest.raises(InvalidRow, match="line 1: is not a mapping"):
        Encoder("spring")(found)


@pytest.mark.parametrize(
    ("problem", "text", "name"),
    [
        (None, "Hi {name}", ""),
        (None, "{name}", "x"),
        (None, "{name}", "x" * 4096),
        (None, "{name}{name}", "x" * 2048),
        (None, "{{" + "x" * 4086 + "{name}}}", "abcdefgh"),
        ("text: would be empty", "{name}{name}", ""),
        ("text: would be empty", "{name}", "  "),
        ("text: would be empty", " {name}\n", "\u200b"),
        ("text: would be empty", "{name|}", "\u2060\u00a0"),
        ("text: would have 4097 characters", "{name}", "x" * 4097),
        ("text: would have 4098 characters", "{name}{name}", "x" * 2049),
        ("text: would have 4097 characters", "{{" + "x" * 4086 + "{name}}}", "abcdefghi"),
    ],
)
def test_the_text_that_a_row_makes_is_checked(problem: str | None, text: str, name: str) -> None:
    """A row that makes a text without anything to be seen, or longer than a message can be, is a bad row; lengths are exact."""
    template = compiled(text)
    if problem is None:
        assert {"name": name} == values_of(encoded({"name": name}, template))
        return
    with pytest.raises(InvalidRow, match=problem):
        encoded({"name": name}, template)


def test_a_caption_may_be_empty() -> None:
    """A file needs no words."""
    assert "id" in encoded({"name": ""}, compiled("{name}", "https://example.com/a.png"))


@pytest.mark.parametrize(
    ("expected", "url", "code"),
    [
        ("a1", "https://cdn.example.com/{code}.jpg", " a1 "),
        ("a%20b%2Fc%3F%26%C3%A9", "https://cdn.example.com/x?c={code}", "a b/c?&é"),
        ("https://cdn.example.com/1.jpg", "{code}", "https://cdn.example.com/1.jpg"),
        ("none", "https://cdn.example.com/{code|none}.jpg", ""),
        ("code: is empty, and the address needs it", "https://cdn.example.com/{code}.jpg", ""),
        ("url: must start with https://", "{code}", "http://cdn.example.com/1.jpg"),
        ("url: must name a public host", "{code}", "https://127.0.0.1/1.jpg"),
        ("url: would have 2", "https://cdn.example.com/{code}", "x" * 2040),
    ],
)
def test_an_address_is_filled_in_and_checked(expected: str, url: str, code: str) -> None:
    """A part of an address is percent-encoded; a whole one is checked as one of a single message is."""
    template = compiled("Look", url)
    found = by_both(Row(7, {"to": RECIPIENT, "code": code}), template)
    assert [expected] == list(values_of(found).values()) if isinstance(found, dict) else expected in found


@pytest.mark.parametrize(
    ("words", "columns"),
    [
        ('2 columns mean "to": "to" and "To"', ["to", "To", "name"]),
        ('2 columns mean "key": "key" and "Key"', ["to", "key", "Key", "name"]),
        ('the column "Not_Befor" looks like "not_before"', ["to", "Not_Befor", "name"]),
        ('the column "valid till" looks like "valid_until"', ["to", "valid till", "name"]),
        ('the column "Keys" looks like "key"', ["to", "Keys", "name"]),
        ('the column "send_at" looks like "not_before"', ["to", "send_at", "name"]),
    ],
)
def test_columns_that_could_be_meant_otherwise_are_refused(words: str, columns: list[str]) -> None:
    """Of the first row before anything is written; of a later one of a program it is a bad row. `ignore` lets them be."""
    cells = dict.fromkeys(columns, "x")
    for values in (cells, file_row(2, cells, tuple(columns))):
        with pytest.raises(InvalidOperation) as refusal:
            Encoder("spring", NAMED).check(values)
        assert str(refusal.value).startswith(f"recipients: {words}")
    with pytest.raises(InvalidRow, match="line 3: "):
        Encoder("spring", NAMED)(Row(3, cells))
    Encoder("spring", NAMED, reading=reading_of(ignored=[columns[1]], to_column="to")).check(cells)


def test_a_column_that_the_template_names_is_not_suspicious() -> None:
    """It means what the template makes of it."""
    Encoder("spring", compiled("Your keys: {Keys}")).check({"to": RECIPIENT, "Keys": "a, b"})


def test_a_header_without_a_column_of_the_template_is_refused_once() -> None:
    """Not row by row; a row of a program is a bad row, because the next one may have it."""
    row = file_row(2, {"to": RECIPIENT, "Nombre": "Ana"}, ("to", "Nombre"))
    words = r'recipients: there is no column "name", which the template names \(found: to, Nombre\)'
    with pytest.raises(InvalidOperation, match=words):
        Encoder("spring", NAMED).check(row)
    Encoder("spring", NAMED).check(dict(row))


def test_the_column_of_numbers_may_be_named() -> None:
    """Then another column `to` is a column like any other."""
    encoder = Encoder("spring", compiled("From {to}"), reading=reading_of(to_column="Phone"))
    found = encoder(Row(1, {"Phone": RECIPIENT, "to": "Ana"}))
    assert (RECIPIENT, {"to": "Ana"}) == (found["to"], values_of(found))


@settings(max_examples=3 * settings().max_examples)
@given(GOOD_ROWS, ODD_ROWS, CONTAINERS, TEMPLATES, st.sampled_from([None, NOON + timedelta(hours=6)]))
@example({"to": RECIPIENT, "name": "x" * 1365}, {}, dict, compiled("{name}{name}{name}{{"), None)
@example({"to": RECIPIENT, "name": "x" * 1365}, {}, dict, compiled("{name}{name}{name}{{{{"), None)
@example({"to": RECIPIENT, "name": "Ada"}, {"name": Text("ë")}, dict, NAMED, None)
@example({"to": RECIPIENT, "name": "Ada", "not_before": TIMES[1]}, {"name": 5}, dict, NAMED, None)
@example({"to": RECIPIENT, "name": "\u200b"}, {}, dict, compiled("{name|there}"), None)
def test_an_encoder_makes_of_a_row_the_same_on_both_ways(
    good: dict[str, Any],
    odd: dict[str, Any],
    container: Callable[[dict[str, Any]], Any],
    template: Template,
    ends: datetime | None,
) -> None:
    """The short way and the careful one bring the same fields or the same refusal of any row."""
    row = Row(7, container({name: cell for name, cell in (good | odd).items() if cell is not ...}))
    assert by_both(row, template, ends=ends)


def test_an_encoder_keeps_nothing_of_a_row() -> None:
    """Rows do not change each other, in whatever order they come."""
    encoder = Encoder("spring", NAMED)
    rows = [
        Row(line, {"to": f"+1555010000{line % 3}", "name": f"Zoë {line}", "key": f"{line % 2} "}) for line in range(9)
    ]
    expected = [Encoder("spring", NAMED)(row, now=datetime.now(UTC)) for row in rows]
    assert expected == [encoder(row) for row in rows]
    assert expected[::-1] == [encoder(row) for row in reversed(rows)]
