"""Campaign files: what is read from CSV and JSON Lines, and on which line."""

import csv
import io
import os
import threading
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline.campaigns.recipients import encode, numbered, read_file
from paceline.errors import InvalidOperation, InvalidRow

EXTRA = "\0problem"


def rows(path: Path, content: bytes | str, name: str = "r.csv") -> list[tuple[int, dict[str, str]]]:
    file = path / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return [(row.line, dict(row)) for row in read_file(file)]


@pytest.mark.parametrize(
    ("expected", "content"),
    [
        ([], "to\n"),
        ([(2, {"to": "+1"})], "to\n+1\n"),
        ([(2, {"to": "+1"})], "to\n+1"),
        ([(2, {"to": "+1", "n": "Ada"}), (3, {"to": "+2", "n": ""})], "to,n\n+1,Ada\n+2,\n"),
        ([(2, {"to": "+1", "n": "Ada"})], "\ufeffto,n\r\n+1,Ada\r\n"),
        ([(2, {"n": "a,b", "to": "+1"})], 'n,to\n"a,b",+1\n'),
        ([(2, {"to": "+1", "n": 'say "hi"'})], 'to,n\n+1,"say ""hi"""\n'),
        ([(3, {"to": "+1"}), (6, {"to": "+2"})], "to\n\n+1\n\n\n+2\n"),
        ([(2, {"to": "+1"})], "to,n\n+1\n"),
        ([(2, {"to": "+1", "n": "b"}), (3, {"to": "+2"}), (4, {"to": "+3"})], "to,n,n\n+1,a,b\n+2,a\n+3\n"),
        ([(2, {"to": "+1", "n": "2", EXTRA: "has more cells than the header"})], "to,n\n+1,2,3\n"),
        ([(2, {"to": "+1", "n": " Zoë 🙂"})], "to,n\n+1, Zoë 🙂\n"),
    ],
)
def test_csv_rows_carry_their_cells_and_line(
    tmp_path: Path, expected: list[tuple[int, dict[str, str]]], content: str
) -> None:
    """A row is its header's names with its cells; blank lines are passed over, a byte-order mark is not a letter."""
    assert expected == rows(tmp_path, content)


@given(
    st.lists(st.sampled_from(["to", "n", "m", ""]), max_size=4),
    st.lists(st.lists(st.text(st.sampled_from('a1ë ,"\r\n'), max_size=4), max_size=5), max_size=6),
)
def test_csv_rows_are_those_of_the_standard_librarys_dictreader(header: list[str], table: list[list[str]]) -> None:
    """Rows of any length, blank ones and quoted line breaks are read as `csv.DictReader` reads them."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows([["to", *header], *table])
    expected = []
    reader = csv.DictReader(io.StringIO(text.getvalue(), newline=""), restkey=EXTRA)
    for row in reader:
        cells = {name: cell for name, cell in row.items() if cell is not None}
        expected.append(
            (reader.line_num, cells | ({EXTRA: "has more cells than the header"} if EXTRA in cells else {}))
        )
    with TemporaryDirectory() as folder:
        assert expected == rows(Path(folder), text.getvalue())


def test_rows_after_a_quoted_line_break_keep_their_line_numbers(tmp_path: Path) -> None:
    """A cell may hold line breaks; the rows behind it are still told by the line an editor shows."""
    found = rows(tmp_path, 'to,n\n+1,"a\nb\nc"\n+2,x\n+3,"d\r\ne"\n+4,y\n')
    assert {"to": "+1", "n": "a\nb\nc"} == found[0][1]
    assert [(5, "+2"), (8, "+4")] == [(line, row["to"]) for line, row in found if row["to"] in ("+2", "+4")]


@pytest.mark.parametrize("content", ["", "\n\n", "number,name\n+1,Ada\n", "To\n+1\n", "to;name\n+1;Ada\n"])
def test_a_csv_without_a_to_column_is_refused(tmp_path: Path, content: str) -> None:
    """A file whose header lacks ``to`` is refused before any row is read."""
    with pytest.raises(InvalidOperation, match="recipients: the header has no column 'to'"):
        rows(tmp_path, content)


def test_a_quote_that_never_ends_is_refused(tmp_path: Path) -> None:
    """An open quote would swallow the rest of the file as one cell."""
    with pytest.raises(InvalidOperation, match=r"^recipients: line \d+: "):
        rows(tmp_path, 'to,n\n+1,"a\n+2,b\n')


def test_a_broken_row_is_told_by_its_own_line(tmp_path: Path) -> None:
    """The line of a CSV error is the line that is wrong, not the one before."""
    with pytest.raises(InvalidOperation, match=r"^recipients: line 3: "):
        rows(tmp_path, 'to,n\n+1,a\n+2,"b"c\n')


@pytest.mark.parametrize("name", ["r.csv", "r.txt", "r.jsonl", "r.ndjson"])
def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path, name: str) -> None:
    """Text of another encoding is refused rather than guessed at."""
    content = '{"to": "+1", "n": "Zoë"}\n' if name.endswith(("n", "l")) else "to,n\n+1,Zoë\n"
    with pytest.raises(InvalidOperation, match=rf"^recipients: {name} is not UTF-8 text"):
        rows(tmp_path, content.encode("latin-1"), name)


def test_the_byte_that_is_not_utf8_is_told_by_its_place_in_the_file(tmp_path: Path) -> None:
    """The byte named in the refusal can be found with an editor, however long the file."""
    for mark in (b"", b"\xef\xbb\xbf"):
        for length in (0, 630, 2000):
            start = mark + b"to\n" + "+15550100001ü\n".encode() * length
            for end in (b"\xff\n", b"\xe2\x82", b"\xe2\x82\n" + b"x" * 10_000):
                with pytest.raises(InvalidOperation, match=rf"byte {len(start)}\)"):
                    rows(tmp_path, start + end)


def test_a_pipe_that_is_not_utf8_is_refused_without_a_place(tmp_path: Path) -> None:
    """A pipe cannot be asked where it is."""
    pipe = tmp_path / "r.csv"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(b"to\n\xff\n",))
    writer.start()
    with pytest.raises(InvalidOperation, match=r"^recipients: r.csv is not UTF-8 text$"):
        list(read_file(pipe))
    writer.join()


@pytest.mark.parametrize(
    ("expected", "content"),
    [
        ([], ""),
        ([(1, {"to": "+1", "n": "Ada"})], '{"to": "+1", "n": "Ada"}'),
        ([(2, {"to": "+1"}), (4, {"to": "+2"})], '\n{"to":"+1"}\n   \r\n{"to":"+2"}\n'),
        ([(1, {"to": "+1", "n": "5", "ok": "true", "x": "1.5"})], '{"to":"+1","n":5,"ok":true,"x":1.5}\n'),
        ([(1, {"to": "+1"})], '{"to":"+1","n":null}\n'),
        ([(1, {"to": "+1", "n": '["a"]'})], '\ufeff{"to":"+1","n":["a"]}\n'),
        ([(1, {EXTRA: "is not a JSON object"}), (2, {"to": "+1"})], '{"to": \n{"to":"+1"}\n'),
        ([(1, {EXTRA: "is not a JSON object"})], '["+1"]\n'),
        ([(1, {EXTRA: "is not a JSON object"})], "+15550100001\n"),
    ],
)
def test_json_lines_carry_their_values_as_texts(
    tmp_path: Path, expected: list[tuple[int, dict[str, str]]], content: str
) -> None:
    """One object a line; numbers become texts, and a broken line is one bad row, not the end of the file."""
    assert expected == rows(tmp_path, content, "r.jsonl")


def test_a_deeply_nested_line_is_one_bad_row(tmp_path: Path) -> None:
    """A hostile line does not end the upload with a traceback."""
    found = rows(tmp_path, "[" * 100_000 + '\n{"to":"+1"}\n', "r.jsonl")
    assert found == [(1, {EXTRA: "is not a JSON object"}), (2, {"to": "+1"})]


@pytest.mark.parametrize("depth", [300, 600, 900, 1_000])
def test_a_deeply_nested_cell_does_not_end_the_upload(tmp_path: Path, depth: int) -> None:
    """A cell that can be read and not be written again makes a bad row."""
    found = rows(tmp_path, '{"to":"+1","n":' + "[" * depth + "]" * depth + '}\n{"to":"+2"}\n', "r.jsonl")
    assert (2, {"to": "+2"}) == found[1]


def encoded(path: Path, content: str, *needed: str) -> list[dict[str, str]]:
    file = path / "r.jsonl"
    file.write_text(content)
    return [encode("spring", row, frozenset(needed)) for row in numbered(read_file(file))]


def test_a_null_key_is_no_key(tmp_path: Path) -> None:
    """JSON Lines have a null where CSV has an empty cell: two recipients without a key stay two recipients."""
    first, second = encoded(tmp_path, '{"to":"+15550100001","key":null}\n{"to":"+15550100002","key":null}\n')
    assert first["id"] != second["id"]


def test_a_null_value_is_a_missing_value(tmp_path: Path) -> None:
    """A template's column that is null is missing."""
    with pytest.raises(InvalidRow, match="name: the template needs this column"):
        encoded(tmp_path, '{"to":"+15550100001","name":null}\n', "name")


def test_a_null_time_is_no_time(tmp_path: Path) -> None:
    """An optional time that is null was not given."""
    (row,) = encoded(tmp_path, '{"to":"+15550100001","not_before":null}\n')
    assert "nb" not in row


@pytest.mark.parametrize("name", ["missing.csv", "missing.jsonl", "."])
def test_a_file_that_cannot_be_read_is_refused_with_the_reason(tmp_path: Path, name: str) -> None:
    """A missing file or a folder is refused in one sentence."""
    with pytest.raises(InvalidOperation, match=r"^recipients: .* cannot be read: "):
        list(read_file(tmp_path / name))
