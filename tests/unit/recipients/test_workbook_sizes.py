"""Workbooks that ask for more memory than there is: refused before they are read, because the reader would end the process."""

import gzip
import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from paceline.errors import InvalidOperation
from paceline.recipients import workbooks
from paceline.recipients.files import read_file
from tests.support.workbooks import workbook

SHEET, RELATIONS, TEXTS = "xl/sheet1.xml", "xl/_rels/workbook.xml.rels", "xl/sharedStrings.xml"
SHARED = '<c r="A3" t="s"><v>0</v></c>'


def changed(parts: Mapping[str, Callable[[str], str]], more: Mapping[str, str] | None = None) -> bytes:
    """A workbook of one recipient, with some of its parts changed and some added."""
    file = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(workbook(People=[["to"], ["+15550200131"]]))) as plain,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name in plain.namelist():
            archive.writestr(name, parts.get(name, str)(plain.read(name).decode()))
        for name, text in (more or {}).items():
            archive.writestr(name, text)
    return file.getvalue()


def with_cells(cells: str) -> bytes:
    """A workbook with more cells behind its one recipient, and two shared texts."""
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings"
    shared = f'<Relationship Id="texts" Type="{kind}" Target="sharedStrings.xml"/></Relationships>'
    sheet = f'<row r="3">{cells}</row></sheetData>'
    return changed(
        {
            SHEET: lambda text: text.replace("</sheetData>", sheet),
            RELATIONS: lambda text: text.replace("</Relationships>", shared),
        },
        {TEXTS: '<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
                "<si><t>+15550200132</t></si><si><r><t>+1555</t></r><r><t>0200133</t></r></si></sst>"},
    )  # fmt: skip


def read(path: Path, content: bytes) -> list[str]:
    (path / "people.xlsx").write_bytes(content)
    return [row["to"] for row in read_file(path / "people.xlsx")]


@pytest.mark.parametrize("place", ["XFD1048576", "xfd1048576", "X1048576", "ZZZ1500"])
def test_a_cell_far_from_the_list_is_refused(tmp_path: Path, place: str) -> None:
    """The sheet would be held in memory as far as that cell; the refusal says where it is."""
    for content in (
        with_cells(f'<c r="{place}"><v>1</v></c>'),
        with_cells(f"<x:c r='{place}' xmlns:x='x'><v>1</v></x:c>"),
    ):
        for packed in (content, gzip.compress(content)):
            with pytest.raises(InvalidOperation, match=r"people\.xlsx has cells as far away as row [0-9,]+ and column"):
                read(tmp_path, packed)


@pytest.mark.parametrize("name", ["xl/styles2.xml", "xl/sharedStrings2.xml", "xl/_rels/workbook.xml.rels"])
def test_cells_are_looked_at_in_every_part(tmp_path: Path, name: str) -> None:
    """Whatever its name says that it is."""
    cell = '<worksheet><sheetData><row r="1"><c r="XFD1048576"><v>1</v></c></row></sheetData></worksheet>'
    content = changed({RELATIONS: lambda _: cell}) if name == RELATIONS else changed({}, {name: cell})
    with pytest.raises(InvalidOperation, match="row 1,048,576 and column 16,384"):
        read(tmp_path, content)


def test_a_row_far_from_the_list_counts_for_cells_without_a_place(tmp_path: Path) -> None:
    """They follow each other."""
    cells = "<c><v>1</v></c>" * 24
    with pytest.raises(InvalidOperation, match="row 1,048,576 and column 24"):
        read(tmp_path, with_cells(f'</row><row r="1048576">{cells}'))


@pytest.mark.parametrize(
    "cell", ['<c r="XFD1048576" s="1"/>', '<c r="XFD1048576" s="1"></c>', '<c r="B900000"><v>1</v></c>']
)
def test_a_format_far_from_the_list_is_none_of_its_cells(tmp_path: Path, cell: str) -> None:
    """Spreadsheets leave such cells; and a long list is no wide one."""
    assert ["+15550200131", "+15550200132"] == read(tmp_path, with_cells(SHARED + cell))[:2]


@pytest.mark.parametrize("place", ["A99999999999", "1", "A", "$A$3"])
def test_a_cell_in_no_place_is_refused(tmp_path: Path, place: str) -> None:
    """The reader ended the process for some of them."""
    with pytest.raises(InvalidOperation, match="cannot be read as an Excel workbook"):
        read(tmp_path, with_cells(f'<c r="{place}"><v>1</v></c>'))


def test_a_shared_text_counts_for_each_cell_that_shows_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader copies it for each of them, so a small file can hold any amount of text."""
    cells = with_cells(SHARED + '</row><row r="4"><c r="A4" t="s"><v>1</v></c>')
    assert ["+15550200131", "+15550200132", "+15550200133"] == read(tmp_path, cells)
    monkeypatch.setattr(workbooks, "_MOST_TEXT", 24)
    assert 3 == len(read(tmp_path, cells))
    monkeypatch.setattr(workbooks, "_MOST_TEXT", 23)
    with pytest.raises(InvalidOperation, match="is too large for a workbook when it is unpacked"):
        read(tmp_path, cells)


@pytest.mark.parametrize("index", ["2", "-1", "99999999999", "x"])
def test_a_shared_text_that_is_not_there_is_refused(tmp_path: Path, index: str) -> None:
    """Nor can it come in a later part, behind the cells."""
    with pytest.raises(InvalidOperation, match="cannot be read as an Excel workbook"):
        read(tmp_path, with_cells(f'<c r="A3" t="s"><v>{index}</v></c>'))


def test_what_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All parts together count, as they are when they are unpacked."""
    content = with_cells(SHARED + " " * 100_000)
    assert 2 == len(read(tmp_path, content))
    monkeypatch.setattr(workbooks, "_MOST_BYTES", 100_000)
    with pytest.raises(InvalidOperation, match="is too large for a workbook when it is unpacked"):
        read(tmp_path, content)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (SHEET, "<worksheet>"),
        (SHEET, '<worksheet><row r="1"><c r="A1" t="s"><v><si/>0</v></c></row></worksheet>'),
        (SHEET, '<!DOCTYPE x [<!ENTITY a "b">]><worksheet/>'),
        ("xl/other.xml", "\0"),
        ("xl/other.xml", '<!DOCTYPE x [<!ENTITY a "<c>">]><x/>'),
    ],
)
def test_a_part_that_two_readers_could_read_in_two_ways_is_refused(tmp_path: Path, name: str, text: str) -> None:
    """No workbook has one."""
    more = {} if name == SHEET else {name: text}
    with pytest.raises(InvalidOperation, match="cannot be read as an Excel workbook"):
        read(tmp_path, changed({SHEET: lambda _: text} if name == SHEET else {}, more))


@pytest.mark.parametrize(
    "name", ["xl/vbaProject.bin", "xl/media/image1.png", "docProps/core.xml", "customXml/item1.xml", "xl/drawing1.vml"]
)
def test_a_part_without_cells_does_not_matter(tmp_path: Path, name: str) -> None:
    """Whatever it holds."""
    assert ["+15550200131"] == read(tmp_path, changed({}, {name: "\0 <no XML"}))


@pytest.mark.parametrize("name", ["xl/workbook.bin", "content.xml"])
def test_a_workbook_of_another_kind_is_refused(tmp_path: Path, name: str) -> None:
    """The reader would open .xlsb and .ods as well, whose sizes nobody looks at."""
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("mimetype", kind)
        archive.writestr(name, "<x/>")
    with pytest.raises(InvalidOperation, match="cannot be read as an Excel workbook: save it as CSV"):
        read(tmp_path, file.getvalue())
