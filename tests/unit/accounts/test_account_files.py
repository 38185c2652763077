"""Files of accounts: what is read from CSV and JSON Lines, and what no error repeats."""

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from paceline.errors import InvalidOperation
from paceline_worker.accounts.decision import decide, exported
from paceline_worker.accounts.file import COLUMNS, EXPORTED, csv_lines, json_lines, read_rows
from paceline_worker.accounts.rows import AccountRow, account_rows
from paceline_worker.accounts.stored import StoredAccount

CANARY = "canary-0f8e7d6c5b4a"
BUDGETS = st.dictionaries(
    st.sampled_from(["*", "group.create", "number.check", "message.to_number"]),
    st.sampled_from(["30/day", "1/3 seconds", "50/minute; 1000/day"]),
)


def rows(content: bytes | str) -> list[tuple[int, Mapping[str, str], str]]:
    data = content if isinstance(content, bytes) else content.encode()
    return [(row.row, row.cells, row.problem) for row in read_rows(data, "a.csv")]


@pytest.mark.parametrize(
    ("expected", "content"),
    [
        ([], "name\n"),
        ([(2, {"name": "acme"}, "")], "name\nacme\n"),
        ([(2, {"name": "acme", "key": "K"}, "")], "name,key\nacme,K"),
        ([(2, {"key": "K", "name": "acme"}, "")], "\ufeffkey, name \r\nK,acme\r\n"),
        ([(2, {"name": "acme"}, "")], "name,key\nacme\n"),
        ([(2, {"name": "acme", "senders": "+1 +2"}, "")], "name,senders\nacme,+1 +2\n"),
        ([(2, {"name": "acme", "limit": "10/minute, 1000/day"}, "")], 'name,limit\nacme,"10/minute, 1000/day"\n'),
        ([(3, {"name": "a"}, ""), (6, {"name": "b"}, "")], "name\n\na\n\n \nb\n"),
        ([(5, {"name": "b", "key": ""}, "")], "name,key\n\n,\n , \nb,\n"),
        ([(1, {}, "")], '{"name": null}\n'),
        ([(2, {"name": "acme", "reserve": "20"}, "")], '\n{"name": "acme", "reserve": 20}\n'),
        ([(1, {"name": "acme", "variation": "0.5"}, "")], '\ufeff  {"name": "acme", "variation": 0.5}'),
    ],
)
def test_rows_carry_their_cells_and_their_number(expected: list[tuple[int, dict[str, str], str]], content: str) -> None:
    """A row is counted as an editor counts it; blank ones are passed over, null and missing cells are not given."""
    assert expected == rows(content)


@pytest.mark.parametrize(
    ("words", "content"),
    [
        ("has more cells than the header", "name,key\nacme,K,10/minute\n"),
        ("is not a JSON object", '{"name": "a"}\n["name"]\n'),
        ("is not a JSON object", '{"name": "a"}\n{"name": \n'),
        ("is not a JSON object", '{"name": "a"}\n' + 100_000 * "["),
        ("is not a JSON object", '{"name": "a"}\n{"reserve": 1' + 5000 * "0" + "}"),
        ("senders: is neither a text nor a number", '{"name": "a"}\n{"name": "b", "senders": ["+15550100001"]}\n'),
        ("reserve: is neither a text nor a number", '{"name": "a"}\n{"name": "b", "reserve": true}\n'),
        ('unknown column "limits". Did you mean "limit"?', '{"name": "a"}\n{"name": "b", "limits": "10/minute"}\n'),
        ("has an unknown column. Remove it", '{"name": "a"}\n{"name": "b", "colour": "red"}\n'),
    ],
)
def test_a_row_that_is_none_says_why_and_keeps_the_others(words: str, content: str) -> None:
    """Only the last row of each of these files is wrong."""
    *others, last = rows(content)
    assert words in last[2]
    assert not any(problem for _, _, problem in others)


@pytest.mark.parametrize(
    ("words", "content"),
    [
        ('a.csv: unknown column "limits". Did you mean "limit"?', "name,limits\n"),
        ('a.csv: unknown column "Name". Did you mean "name"?', "Name,key\n"),
        ('a.csv: unknown column "api_key". Did you mean "key"?', "name,api_key\n"),
        ('a.csv has no column "name". Its first row must name the columns', "key,limit\nK,10/minute\n"),
        ('a.csv has no column "name"', ""),
        ('a.csv has no column "name"', "\n\n"),
        ('a.csv has no column "name"', "name;key;limit\n"),
        ('a.csv has no column "name"', f"acme,{CANARY},10/minute\n"),
        ("a.csv: column 2 is unknown. Remove it; columns are name, key or key_env", f"name,{CANARY}\n"),
        ("a.csv: column 2 is unknown", "name,\n"),
        ('a.csv: column "key" appears twice', "name,key,key\n"),
        ("a.csv is not CSV: row 2: ", 'name\n"a\n'),
        ("a.csv is not UTF-8 text (byte 5). Save it as UTF-8", b"name\n\xff\n"),
        ("a.csv is not UTF-8 text", "name\n".encode("utf-16")),
    ],
)
def test_a_file_that_is_none_is_refused(words: str, content: bytes | str) -> None:
    """Before any row is read; a header that is an API key is not repeated."""
    with pytest.raises(InvalidOperation) as refused:
        rows(content)
    assert words in str(refused.value)
    assert CANARY not in str(refused.value)


def outcome(content: bytes) -> list[str]:
    """All that an import could print of a file, and all that a log of its values would show."""
    try:
        found = read_rows(content, "a.csv")
    except InvalidOperation as error:
        return [str(error)]
    checked = list(account_rows(found, {"PACELINE_TEST_KEY": CANARY}))
    decided = [decide(row, None) if isinstance(row, AccountRow) else row for row in checked]
    return [*map(repr, found), *map(repr, checked), *map(repr, decided), *map(str, decided)]


@settings(deadline=None)
@given(st.binary(max_size=200))
@example(b"\x00")
@example(b"name\n\x00\n")
@example(b'{"name": "\\ud800", "key": "\\ud800"}')
@example(b'{"name": 1e999, "limit": NaN}')
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    """Nothing else is raised, whatever a file holds, and nothing said is empty."""
    assert "" not in outcome(content)


CELLS = st.one_of(
    st.sampled_from(["", "none", "any", "10/minute", "100ms", "spacing", "group.create=30/day", "+15550100001", "20"]),
    st.sampled_from([CANARY, f" {CANARY}", f"{CANARY}=1/day", f"*={CANARY}", f"10/{CANARY}", "PACELINE_TEST_KEY"]),
    st.text(max_size=8),
)


@settings(deadline=None)
@given(
    st.lists(st.sampled_from([*COLUMNS[1:], "limits", "apikey", "colour", CANARY, ""]), max_size=5),
    st.lists(st.lists(CELLS, max_size=6), max_size=5),
    st.booleans(),
)
def test_a_key_is_in_no_error_wherever_it_stands(header: list[str], table: list[list[str]], as_json: bool) -> None:
    """In the column of keys, in a wrong one, or in the header."""
    named = ["name", *header]
    lines = [[f"a{n}", *cells] for n, cells in enumerate(table)]
    if as_json:
        text = "".join(f"{json.dumps(dict(zip(named, line, strict=False)))}\n" for line in lines)
    else:
        text = "".join(
            ",".join('"{}"'.format(cell.replace('"', '""')) for cell in line) + "\n" for line in [named, *lines]
        )
    assert not [words for words in outcome(text.encode()) if CANARY in words]


STORED = st.builds(
    StoredAccount,
    name=st.just("acme"),
    rates=st.sampled_from(["", "10/minute", "10 per minute; 1000/day"]),
    pacing=st.sampled_from(["spacing", "window"]),
    variation=st.timedeltas(timedelta(0), timedelta(seconds=10)),
    reserve=st.integers(0, 90),
    budgets=BUDGETS,
    senders=st.lists(st.sampled_from(["+15550100001", "+15550100002"]), unique=True).map(tuple),
)
FORMS: list[Callable[[Iterable[Mapping[str, str]]], Iterable[str]]] = [csv_lines, json_lines]


@settings(deadline=None)
@given(STORED, st.sampled_from(FORMS))
def test_what_was_exported_is_imported_unchanged(
    stored: StoredAccount, form: Callable[[Iterable[Mapping[str, str]]], Iterable[str]]
) -> None:
    """In either form, whatever the settings; and a new account of the row has the same settings."""
    content = "".join(form([exported(stored)])).encode()
    [row] = account_rows(read_rows(content, "export"), {})
    assert isinstance(row, AccountRow)
    assert type(decide(row, stored)).__name__ == "Unchanged"
    bare = StoredAccount("acme", "1/day", "spacing", timedelta(0), 90, {}, ("+15550100003",))
    changed = decide(row, bare)
    options = getattr(changed, "options", {})
    assert stored.senders == tuple(options.get("senders", bare.senders))
    assert stored.rates == options.get("rates", bare.rates)
    assert stored.variation == options.get("variation", bare.variation)


def test_an_export_has_every_column_but_the_key() -> None:
    """In the order of the header; without accounts it is the header alone."""
    assert ("name", "key_env", "limit", "pacing", "variation", "reserve", "budget", "senders") == EXPORTED
    assert ",".join(EXPORTED) + "\n" == "".join(csv_lines([]))
    assert "" == "".join(json_lines([]))
