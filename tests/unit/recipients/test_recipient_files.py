"""Campaign files: what is read from tables, JSON and workbooks, on which line, and what is said of them."""

import codecs
import csv
import gzip
import io
import json
import os
import sys
import threading
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline.campaigns.recipients import PAYLOAD, Encoder, numbered
from paceline.errors import InvalidOperation, InvalidRow
from paceline.operations.requests import merged
from paceline.recipients.columns import Reading, folded, reading_of
from paceline.recipients.files import read_file
from paceline.recipients.rows import PROBLEM, RAW
from paceline.template import Template, compiled, compiled_params
from tests.support.workbooks import workbook

Found = list[tuple[int, dict[str, Any]]]
QUOTE = "a quote opens a cell and does not close it before the next row"
WITHIN = "a quote closes in the middle of a cell: double the quotes that belong to the text"
WIDE = "has more cells than the header"
ASTRAY = "a quote in this row belongs to no cell: an earlier row lacks a quote"


def rows(
    path: Path, content: bytes | str, name: str = "r.csv", notes: list[str] | None = None, **options: Any
) -> Found:
    """What is read of a file; of a row that cannot be read, the reason alone."""
    file = path / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    found: Found = []
    for row in read_file(file, reading_of(**options), (notes if notes is not None else []).append):
        found.append((row.line, {PROBLEM: row[PROBLEM]} if PROBLEM in row else dict(row)))
    return found


def bad(reason: str) -> dict[str, str]:
    return {PROBLEM: reason}


@pytest.mark.parametrize(
    ("expected", "content"),
    [
        ([], "to\n"),
        ([(2, {"to": "+1"})], "to\n+1\n"),
        ([(2, {"to": "+1"})], "to\n+1"),
        ([(2, {"to": "+1", "n": "Ada"}), (3, {"to": "+2", "n": ""})], "to,n\n+1,Ada\n+2,\n"),
        ([(2, {"to": "+1", "n": "Ada"})], "\ufeffto,n\r\n+1,Ada\r\n"),
        ([(2, {"to": "+1", "n": "Ada"})], "\ufeff\ufeffto,n\r+1,Ada\r"),  # files joined; a Mac's line ends
        ([(2, {"n": "a,b", "to": "+1"})], 'n,to\n"a,b",+1\n'),
        ([(2, {"to": "+1", "n": 'say "hi"'})], 'to,n\n+1,"say ""hi"""\n'),
        ([(2, {"to": "+1", "n": '5" pipe'})], 'to,n\n+1,5" pipe\n'),
        ([(3, {"to": "+1"}), (6, {"to": "+2"})], "to\n\n+1\n\n\n+2\n"),
        ([(2, {"to": "+1"})], "to,n\n+1\n"),
        ([(2, bad(WIDE)), (3, {"to": "+2", "n": "b"})], "to,n\n+1,2,3\n+2,b\n"),
        ([(2, {"to": "+1", "n": "2"}), (3, {"to": "+2", "n": "b"})], "to,n\n+1,2,\n+2,b, ,\n"),
        ([(2, {"to": "+1", "n": "x"}), (5, {"to": "+2", "n": "y"})], "to,n\n+1,x\n,,\n , \u200b\n+2,y\n,\n"),
        ([(2, {"to": "+1", "n": " Zoë 🙂"})], "to,n\n+1, Zoë 🙂\n"),
        ([(2, {"to": "+1", "n": "x"})], '"to" ,"n"\n+1,x\n'),
        ([(2, {"to": "+1", "n": "x"}), (3, bad(WIDE))], "to,,n,\n+1,?,x,\n+2,?,x,y\n"),
        # A row that cannot be read is one bad row.
        ([(2, bad(WITHIN)), (3, {"to": "+2", "n": "c"})], 'to,n\n+1,"Bob "The Builder" Smith"\n+2,c\n'),
        ([(2, {"to": "+1", "n": "Ana"}), (3, {"to": "+2", "n": "Bo"})], 'to,n\n+1,"Ana" \n+2,Bo\n'),
        ([(2, bad(QUOTE)), (3, {"to": "+2", "n": "b"})], 'to,n\n+1,"a\n+2,b\n'),
        # A quote that is closed in a later row does not eat the rows in between.
        (
            [(2, bad(QUOTE)), (3, {"to": "+15550100002", "n": "Bo"}), (4, bad(ASTRAY)), (5, {"to": "+4", "n": "Di"})],
            'to,n\n+15550100001,"Ana\n+15550100002,Bo\n+15550100003,Cy"\n+4,Di\n',
        ),
        ([(2, {"to": "+1", "n": "a\nb\r\nc"}), (5, {"to": "+2", "n": "x"})], 'to,n\n+1,"a\nb\r\nc"\n+2,x\n'),
    ],
)
def test_a_row_of_a_table_has_its_cells_and_its_line(tmp_path: Path, expected: Found, content: str) -> None:
    """A row is its header's names with its cells; what holds nothing is passed over; a bad row does not stop the good ones."""
    assert expected == rows(tmp_path, content)


@pytest.mark.parametrize(
    ("notes", "content", "options"),
    [
        ([], "to,name\n+1,Ana\n", {}),
        (["columns are separated by semicolons"], "to;name\n+1;Ana\n", {}),
        (["columns are separated by semicolons"], "sep=;\nto;name\n+1;Ana\n", {}),
        (["columns are separated by tabs"], "to\tname\n+1\tAna\n", {}),
        (["columns are separated by bars"], "to|name\n+1|Ana\n", {}),
        ([], "to;name\n+1;Ana\n", {"delimiter": ";"}),
        ([], "to;name\n+1;Ana\n", {"delimiter": "semicolon"}),
        (["it is UTF-16 text"], "to,name\n+1,Ana\n".encode("utf-16"), {}),
        (["it is UTF-16-LE text"], "to,name\n+1,Ana\n".encode("utf-16-le"), {}),
        (["it is UTF-16-BE text"], "to,name\n+1,Ana\n".encode("utf-16-be"), {}),
        (["it is UTF-32 text"], "to,name\n+1,Ana\n".encode("utf-32"), {}),
        ([], codecs.BOM_UTF8 + b"to,name\n+1,Ana\n", {}),
        ([], codecs.BOM_UTF8 + b"to,name\n+1,Ana\n", {"encoding": "utf-8"}),
        ([], "to,name\n+1,Ana\n".encode("utf-16"), {"encoding": "utf-16"}),
    ],
)
def test_delimiter_and_encoding_are_found_out_and_told(
    tmp_path: Path, notes: list[str], content: bytes | str, options: dict[str, str]
) -> None:
    """What is not the usual, and was not said, is told."""
    told: list[str] = []
    [(_, row)] = rows(tmp_path, content, notes=told, **options)
    assert ({"to": "+1", "name": "Ana"}, notes) == (row, told)


@pytest.mark.parametrize("header", ["To", "TO", " to", "\u00a0to", "\u200bto", "t-o", "\uff34\uff2f"])
def test_the_case_and_the_blanks_of_to_do_not_matter(tmp_path: Path, header: str) -> None:
    """People control neither."""
    assert 1 == len(rows(tmp_path, f"{header},name\n+1,Ana\n"))


@pytest.mark.parametrize(
    ("words", "content"),
    [
        ("has no rows, and no header", ""),
        ("has no rows, and no header", "\n\n"),
        ('there is no column "to" (found: number, name)', "number,name\n+1,Ada\n"),
        ('there is no column "to" (found: Phone Number)', "Phone Number\n+1\n"),
        ("--to-column", "mobile;name\n+1;Ada\n"),
        ("the first row must name the columns", "+15550100001,Ada\n"),
        ('2 columns mean "to": "to" and "to"', "to,name,to\n+1,Ana,+2\n"),
        ('2 columns mean "to": "to" and "To"', "to,name,To\n+1,Ana,+2\n"),
    ],
)
def test_a_header_without_one_column_of_numbers_is_refused(tmp_path: Path, words: str, content: str) -> None:
    """Before any row is read, and with what was found."""
    with pytest.raises(InvalidOperation) as refusal:
        rows(tmp_path, content)
    assert str(refusal.value).startswith("recipients: r.csv")
    assert words in str(refusal.value)


@pytest.mark.parametrize(
    "number", ["+15550200131", "(11) 98765-4321", "tel:+55 11 98765-4321", "+55\u00a011\u00a098765\u00a04321"]
)
def test_a_list_of_numbers_needs_no_header_where_none_is_expected(tmp_path: Path, number: str) -> None:
    """In whatever form its first number is written; a list for a campaign is refused with that reason."""
    assert [(1, {"to": number}), (2, {"to": "+2"})] == rows(tmp_path, f"{number}\n+2\n", bare=True, country="BR")
    with pytest.raises(InvalidOperation, match="it holds a number"):
        rows(tmp_path, f"{number}\n+2\n")


@pytest.mark.parametrize("name", ["r.csv", "r.txt", "r.jsonl", "r.ndjson"])
def test_another_encoding_is_guessed_at_but_not_believed(tmp_path: Path, name: str) -> None:
    """The refusal shows how the first doubtful word would read, and what to add if that is correct."""
    content = '{"to": "+1", "n": "José"}\n' if name.endswith(("n", "l")) else "to,n\n+1,José\n"
    with pytest.raises(InvalidOperation) as refusal:
        rows(tmp_path, content.encode("latin-1"), name)
    assert f"{name} is not UTF-8 text (line " in str(refusal.value)
    assert 'José": if that is correct, add --encoding windows-1252' in str(refusal.value)
    assert "José" == rows(tmp_path, content.encode("latin-1"), name, encoding="windows-1252")[0][1]["n"]
    with pytest.raises(InvalidOperation, match="is not ascii text"):
        rows(tmp_path, content, name, encoding="ascii")
    with pytest.raises(InvalidOperation, match="no encoding is called 'klingon'"):
        rows(tmp_path, content, name, encoding="klingon")


def test_a_wrong_byte_is_found_before_the_first_row_is_given(tmp_path: Path) -> None:
    """And told by its line and place, however long the file."""
    for mark in (b"", b"\xef\xbb\xbf"):
        for length in (0, 630, 200_000):
            start = mark + b"to\n" + "+15550100001ü\n".encode() * length
            for end in (b"\xff\n", b"\xe2\x82", b"\xe2\x82\n" + b"x" * 10_000):
                (tmp_path / "r.csv").write_bytes(start + end)
                with pytest.raises(InvalidOperation, match=rf"\(line {length + 2}, byte {len(start)}\)"):
                    next(read_file(tmp_path / "r.csv"))


def test_a_pipe_is_read_to_its_end_first(tmp_path: Path) -> None:
    """So what is wrong with it is found before the first row is given, too."""
    pipe = tmp_path / "r.csv"
    for content, works in ((b"to\n+1\n", True), (b"to\n+1\n\xff\n", False)):
        os.mkfifo(pipe)
        writer = threading.Thread(target=pipe.write_bytes, args=(content,))
        writer.start()
        if works:
            assert [{"to": "+1"}] == list(read_file(pipe))
        else:
            with pytest.raises(InvalidOperation, match=r"r\.csv is not UTF-8 text \(line 3, byte 6\)"):
                next(read_file(pipe))
        writer.join()
        pipe.unlink()


@pytest.mark.parametrize("name", ["r.csv.gz", "r.gz", "r.csv"])
def test_what_is_packed_is_unpacked(tmp_path: Path, name: str) -> None:
    """By its content, whatever it is called; what is cut off is refused."""
    packed = gzip.compress(b"to\n+1\n")
    assert [(2, {"to": "+1"})] == rows(tmp_path, packed, name)
    for broken in (packed[:-5], packed[:12], packed[:-8] + b"12345678"):
        with pytest.raises(InvalidOperation, match="gzip data are damaged"):
            rows(tmp_path, broken, name)


@pytest.mark.parametrize(
    ("expected", "content"),
    [
        ([], ""),
        ([(1, {"to": "+1", "n": "Ada"})], '{"to": "+1", "n": "Ada"}'),
        ([(2, {"to": "+1"}), (4, {"to": "+2"})], '\n{"to":"+1"}\n   \r\n{"to":"+2"}\n'),
        # The digits as they stand.
        ([(1, {"to": "+1", "n": "19.90", "m": "123456789012345678.55"})], '{"to":"+1","n":19.90,"m":123456789012345678.55}'),
        ([(1, {"to": "+1", "n": "1e3", "m": "-0"})], '{"to":"+1","n":1e3,"m":-0}'),
        (
            [(1, {"to": "+1", "n": None, "m": True, "k": ["a"], "l": {"x": "1"}})],
            '\ufeff{"to":"+1","n":null,"m":true,"k":["a"],"l":{"x":1}}\n',
        ),
        ([(1, bad("is not a JSON object")), (2, {"to": "+1"})], '{"to": \n{"to":"+1"}\n'),
        ([(1, bad("is not a JSON object"))], '["+1"]\n'),
        ([(1, bad("is not a JSON object"))], "+15550100001\n"),
        ([(1, bad("is not a JSON object: NaN is not JSON")), (2, {"to": "+2"})], '{"to":"+1","n":NaN}\n{"to":"+2"}\n'),
        ([(1, bad("is not a JSON object: a number in it is too large"))], '{"to":"+1","n":1E400}\n'),
        ([(1, bad('names "to" twice')), (2, {"to": "+2"})], '{"to":"+1","to":"+3"}\n{"to":"+2"}\n'),
        # One array, objects over several lines.
        ([(1, {"to": "+1"}), (1, {"to": "+2"})], '[{"to":"+1"},{"to":"+2"}]'),
        ([(1, {"to": "+1"}), (1, bad('names "to" twice')), (1, {"to": "+2"})], '[{"to":"+1"},{"to":"a","to":"b"},{"to":"+2"}]'),
        ([(2, {"to": "+1"}), (3, {"to": "+2"})], '[\n{"to":"+1"},\n{"to":"+2"}\n]\n'),
        ([(1, {"to": "+1"}), (4, {"to": "+2"})], '{\n"to": "+1"\n}\n{\n"to":"+2"\n}\n'),
        ([(1, bad("is not a JSON object")), (2, {"to": "+1"})], "[" * 100_000 + '\n{"to":"+1"}\n'),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["r.jsonl", "r.JSONL", "r.json", "r.ndjson"])
def test_json_is_read_whatever_its_form(tmp_path: Path, expected: Found, content: str, name: str) -> None:
    """An object a line, one array, or printed over several lines; a broken line is one bad row."""
    assert expected == rows(tmp_path, content, name)


@pytest.mark.parametrize("content", ['{"to":"+1"}\n', '[\n{"to":"+1"}\n]', ' \n{\n"to":"+1"}'])
def test_json_without_its_suffix_is_recognised(tmp_path: Path, content: str) -> None:
    """What is piped in has no name."""
    assert [{"to": "+1"}] == [row for _, row in rows(tmp_path, content, "recipients")]


@pytest.mark.parametrize(
    ("line", "content"),
    [
        (3, '[\n{"to":"+1"}\n{"to":"+2"}\n]'),
        (3, '[\n{"to":"+1"},\n{"to":"+2"]\n'),
        (2, '[\n{"to":"+1"}'),
        (4, '[\n{"to":"+1"}\n]\n{"to":"+2"}'),
    ],
)
def test_a_broken_document_is_refused_before_its_first_row_is_given(tmp_path: Path, line: int, content: str) -> None:
    """What follows could not be read."""
    (tmp_path / "r.json").write_text(content)
    with pytest.raises(InvalidOperation, match=f"line {line} is not JSON"):
        next(read_file(tmp_path / "r.json"))


@pytest.mark.parametrize("depth", [300, 600, 900, 1_000, 100_000])
def test_a_deeply_nested_cell_does_not_end_the_upload(tmp_path: Path, depth: int) -> None:
    """A hostile line is one bad row at the most."""
    found = rows(tmp_path, '{"to":"+1","n":' + "[" * depth + "]" * depth + '}\n{"to":"+2"}\n', "r.jsonl")
    assert (2, {"to": "+2"}) == found[1]


def test_a_workbook_is_read(tmp_path: Path) -> None:
    """Texts and whole numbers as they are, blank rows passed over, on the rows of the sheet."""
    content = workbook(
        People=[["To", "Name", "No"], ["+15550100001", "Ana", 7], [None, None], ["+15550100002", None, "x"]]
    )
    expected = [
        (2, {"To": "+15550100001", "Name": "Ana", "No": "7"}),
        (4, {"To": "+15550100002", "Name": "", "No": "x"}),
    ]
    assert expected == rows(tmp_path, content, "people.xlsx")


def test_the_sheet_with_numbers_is_chosen(tmp_path: Path) -> None:
    """And told; two of them are refused."""
    told: list[str] = []
    sheet = [["to"], ["+15550100001"]]
    assert 1 == len(rows(tmp_path, workbook(Notes=[["x"]], People=sheet), "p.xlsx", notes=told))
    assert ['the sheet "People" is read'] == told
    with pytest.raises(InvalidOperation, match=r'2 sheets have a column of numbers \("A", "B"\)'):
        rows(tmp_path, workbook(A=sheet, B=sheet), "p.xlsx")
    with pytest.raises(InvalidOperation, match='there is no column "to"'):
        rows(tmp_path, workbook(A=[["phone"], ["+15550100001"]]), "p.xlsx")


@pytest.mark.parametrize("cell", [19.9, True, datetime(2026, 1, 1)])  # noqa: DTZ001
def test_what_a_cell_may_show_in_another_way_is_a_bad_row(tmp_path: Path, cell: object) -> None:
    """A price of 19.90 is stored as 19.9: only the sheet knows how it looks. Where no template needs it, it does not matter."""
    (tmp_path / "p.xlsx").write_bytes(workbook(A=[["to", "price"], ["+15550100001", cell]]))
    [row] = numbered(read_file(tmp_path / "p.xlsx"))
    assert Encoder("spring", compiled("Hi"))(row)
    with pytest.raises(InvalidRow, match=r"price: .* format the column as text"):
        Encoder("spring", compiled("{price}"))(row)


@pytest.mark.parametrize(
    ("words", "content"),
    [
        ("save it as CSV", b"PK\x03\x04 and nothing more"),
        ("an old version of Excel", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
    ],
)
def test_other_files_of_offices_are_refused_in_words_that_help(tmp_path: Path, words: str, content: bytes) -> None:
    """They say what to save instead."""
    with pytest.raises(InvalidOperation, match=words):
        rows(tmp_path, content, "people.xlsx")


def test_a_workbook_without_the_extra_is_refused_with_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The thin package does without it."""
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    with pytest.raises(InvalidOperation, match=r"install paceline\[xlsx\]"):
        rows(tmp_path, workbook(A=[["to"]]), "people.xlsx")


def test_a_file_of_ours_gets_its_formulas_back(tmp_path: Path) -> None:
    """An apostrophe that we put in front of what looks like a formula is taken away; anybody else's is text."""
    text = "to,name{}\n+1,'=x{}\n+2,''=x{}\n"
    assert ["'=x", "''=x"] == [row["name"] for _, row in rows(tmp_path, text.format("", "", ""))]
    ours = "line,reason,to,name\n2,why,+1,'=x\n3,why,+2,''=x\n"
    assert ["=x", "'=x"] == [row["name"] for _, row in rows(tmp_path, ours)]


@pytest.mark.parametrize("name", ["missing.csv", "missing.jsonl", "."])
def test_a_file_that_cannot_be_read_is_refused_with_the_reason(tmp_path: Path, name: str) -> None:
    """A missing file or a folder is refused in one sentence."""
    with pytest.raises(InvalidOperation, match=r"^recipients: .* cannot be read: "):
        list(read_file(tmp_path / name))


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ("to_column: is empty", {"to_column": " "}),
        ("delimiter: is not one character", {"delimiter": ";;"}),
        ("delimiter: is not one character", {"delimiter": "x"}),
        ("default_country: is not a country", {"country": "Brazil"}),
    ],
)
def test_options_of_reading_are_checked(words: str, options: dict[str, Any]) -> None:
    """The refusal names the option."""
    with pytest.raises(InvalidOperation, match=words):
        reading_of(**options)


# What a file is made of, so that examples come near to what people have.
PIECES = st.sampled_from(
    [b"to", b"name", b"key", b"not_before", b",", b";", b"\t", b"\n", b"\r\n", b'"', b'""', b"'", b"=", b"+15550100001",
     b"+15550100002", b"+5215512345678", b"Ana", b"\xc3\xa9", b"\xe9", b"\xef\xbb\xbf", b"\xff\xfe", b"\0", b"{", b"}", b"[", b"]",
     b'{"to":"+15550100003","name":"x"}', b"null", b"1e5", b"\x1f\x8b", b"PK\x03\x04", b" ", b"sep=;"]
)  # fmt: skip
HEADS = st.sampled_from(
    [b"", b"to,name\n", b"name;to\n", b'{"to":"+15550100001","name":"x"}\n', b"[", b"\xef\xbb\xbfto\n"]
)
CONTENTS = st.one_of(
    st.binary(max_size=200),
    st.builds(lambda head, pieces: head + b"".join(pieces), HEADS, st.lists(PIECES, max_size=60)),
    st.builds(gzip.compress, st.binary(max_size=60)),
)
NAMES = st.sampled_from(["r.csv", "r.jsonl", "r.json", "r", "r.csv.gz", "r.xlsx"])
COUNTRIES = st.sampled_from([None, "BR", "US"])
_OFFICIAL = {"body": ["{name|there}", "{key|none}!"], "header_media_url": "https://example.com/{name|x}.pdf"}
# A message, an SMS, an official template, a number check.
CONTENTS_OF_CAMPAIGNS = st.sampled_from(
    [compiled("Hi {name|there}"), replace(compiled("{name|x}"), longest=20), compiled_params(_OFFICIAL), Template({})]
)


@given(CONTENTS, NAMES, COUNTRIES, CONTENTS_OF_CAMPAIGNS)
def test_whatever_a_file_holds_no_message_goes_to_a_number_that_is_not_in_its_row(
    content: bytes, name: str, country: str | None, template: Template
) -> None:
    """Never a traceback; each row is read or bad; and the digits of a number stand in the row's own cell."""
    encoder = Encoder("spring", template, reading=Reading(country=country))
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        try:
            found = list(read_file(path, Reading(country=country)))
            for row in found[:1]:
                encoder.check(row)
        except InvalidOperation as error:
            refusal = str(error)
        else:
            refusal = ""
    if refusal:
        assert refusal.startswith("recipients: ")
        return
    assert sorted(lines := [row.line for row in found]) == lines
    for read in numbered(found):
        try:
            fields = encoder(read)
        except InvalidRow:
            continue
        merged(template.fields, json.loads(fields[PAYLOAD]))
        [cell] = [str(cell) for column, cell in read.cells.items() if folded(column) == "to"]
        digits = "".join(character for character in cell if character.isdecimal())
        whole = fields["to"].removeprefix("+")
        at_home = whole.removeprefix({"BR": "55", "US": "1"}[country]) if country else whole
        assert digits.endswith((whole, at_home)), (cell, fields["to"])


@given(
    st.lists(
        st.tuples(
            st.integers(0, 10**7 - 1),
            st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from('",;\n\r'), max_size=8),
        ),
        max_size=8,
    ),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["\n", "\r\n"]),
    st.lists(st.integers(0, 40), max_size=2),
)
def test_rows_read_and_rows_bad_are_the_rows_of_the_file(
    people: list[tuple[int, str]], delimiter: str, end: str, harm: list[int]
) -> None:
    """What a spreadsheet writes is read back as it was. With stray quotes in it, every number is still in one row, read or bad."""
    text = io.StringIO(newline="")
    # Python's writer leaves a lone \r without quotes; a spreadsheet does not.
    has_return = any("\r" in name for _, name in people)
    writer = csv.writer(
        text, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL if has_return else csv.QUOTE_MINIMAL
    )
    writer.writerow(["to", "name"])
    numbers = [f"+1555{number:07d}" for number, _ in people]
    writer.writerows(zip(numbers, [name for _, name in people], strict=True))
    content = text.getvalue()
    head = content.index(end) + len(end)
    for place in harm:
        if head + place < len(content):
            content = content[: head + place] + '"' + content[head + place :]
    with TemporaryDirectory() as folder:
        (Path(folder) / "r.csv").write_bytes(content.encode())
        found = list(read_file(Path(folder) / "r.csv", Reading(delimiter=delimiter)))
    if not harm:
        assert [(row["to"], row["name"]) for row in found] == [
            (number, name) for number, (_, name) in zip(numbers, people, strict=True)
        ]
    seen = [row.get(RAW) or "".join(row.values()) for row in found]
    for number in numbers:
        assert any(number in text.replace('"', "") for text in seen)
