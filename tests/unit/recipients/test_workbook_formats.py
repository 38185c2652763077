"""Whole numbers of a workbook that their cells show in another form: nobody gets a code without its zeros."""

import io
import re
import zipfile
from pathlib import Path
from xml.sax.saxutils import quoteattr

import pytest

from paceline.campaigns.recipients import Encoder, numbered
from paceline.errors import InvalidRow
from paceline.recipients.columns import reading_of
from paceline.recipients.files import read_file
from paceline.template import compiled
from tests.support.workbooks import workbook

TO = "+15550200131"


def formatted(path: Path, cells: list[object], code: str | None = None, which: int = 164) -> Path:
    """A workbook with a row of cells under `to`, `code`, ...; its numbers have one format."""
    header = ["to", "code", "price"][: len(cells)]
    people: list[list[object]] = [[*header], cells]
    plain = zipfile.ZipFile(io.BytesIO(workbook(Notes=[["x"], [1]], People=people)))
    formats = f'<numFmts count="1"><numFmt numFmtId="{which}" formatCode={quoteattr(code)}/></numFmts>' if code else ""
    with zipfile.ZipFile(path / "people.xlsx", "w") as archive:
        for name in plain.namelist():
            text = plain.read(name).decode()
            if name == "xl/styles.xml":
                text = text.replace("<fonts", f"{formats}<fonts")
                text = text.replace("</cellXfs>", f'<xf numFmtId="{which}"/></cellXfs>')
            if name == "xl/sheet2.xml":
                text = re.sub(r'<c r="([A-Z]2)"><v>', r'<c r="\1" s="2"><v>', text)
            archive.writestr(name, text)
    return path / "people.xlsx"


@pytest.mark.parametrize(
    ("code", "which"), [("0000", 164), (None, 9), (None, 2), (None, 3), ('0"%"', 164), ("0000;-0", 200)]
)
def test_a_number_that_its_cell_shows_in_another_form_is_a_bad_row(
    tmp_path: Path, code: str | None, which: int
) -> None:
    """0042, 100%, 20.00 and 1,000 are stored as 42, 1, 20 and 1000. Where nothing needs the cell, it does not matter."""
    [row] = numbered(read_file(formatted(tmp_path, [TO, 42], code, which)))
    assert Encoder("spring", compiled("Hi"))(row)
    with pytest.raises(InvalidRow, match=r"code: .* format the column as text"):
        Encoder("spring", compiled("{code}"))(row)


def test_a_key_that_its_cell_shows_in_another_form_is_a_bad_row(tmp_path: Path) -> None:
    """Without its zeros it would be another recipient."""
    path = formatted(tmp_path, [TO, 42], "0000")
    with zipfile.ZipFile(path) as plain:
        parts = {name: plain.read(name).decode().replace(">code<", ">key<") for name in plain.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    [row] = numbered(read_file(path))
    with pytest.raises(InvalidRow, match=r"key: .* format the column as text"):
        Encoder("spring")(row)


@pytest.mark.parametrize(
    ("code", "which"),
    [("General", 164), ("0", 164), ("@", 164), ("0_ ", 164), ("0_);-0", 164), ("[$-409]0", 164), (None, 1), (None, 49)],
)
def test_a_number_that_its_cell_shows_as_it_is_is_text(tmp_path: Path, code: str | None, which: int) -> None:
    """Formats that change nothing of a whole number."""
    assert ["42"] == [row["code"] for row in read_file(formatted(tmp_path, [TO, 42], code, which))]


def test_the_digits_of_a_phone_number_count_whatever_their_format(tmp_path: Path) -> None:
    """A format for numbers puts brackets and dashes between them."""
    [row] = numbered(read_file(formatted(tmp_path, [11987654321], r"\(00\)\ 00000\-0000")))
    assert "+5511987654321" == Encoder("spring", reading=reading_of(country="BR"))(row)["to"]
