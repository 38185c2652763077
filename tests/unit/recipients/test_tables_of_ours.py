"""Tables that commands wrote, uploaded again: nobody's text or key changes on the way."""

import csv
import io
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from paceline.campaigns.recipients import Encoder, numbered
from paceline.cli.campaign import export
from paceline.cli.output import harmless
from paceline.cli.send import checks
from paceline.cli.show import outcomes
from paceline.recipients.files import read_file
from tests.support.workbooks import workbook

BAD_ROWS = ("line", "reason", "to", "key", "name")
# Columns of the template may be called like those of an export, which then get `paceline_` in front.
EXPORT = ("to", "key", "name", "outcome", *(f"paceline_{c}" if c == "outcome" else c for c in export.COLUMNS))
TABLES = [BAD_ROWS, ("to", "key", "name", *export.COLUMNS), EXPORT, outcomes.COLUMNS, checks.COLUMNS]
TEXTS = st.text(st.sampled_from("'=+-@\uff1d\uff0b\uff0d\uff20 \t\u00a0x1"), max_size=8)


def table(columns: tuple[str, ...], **cells: str) -> bytes:
    """A table as the commands write it."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(map(harmless, columns))
    writer.writerow([harmless({"to": "+15550200131", **cells}.get(column, "x")) for column in columns])
    return text.getvalue().encode()


def read(content: bytes, name: str = "r.csv") -> dict[str, str]:
    with TemporaryDirectory() as folder:
        (Path(folder) / name).write_bytes(content)
        [row] = read_file(Path(folder) / name)
    return dict(row)


@given(st.sampled_from(TABLES), TEXTS)
@example(BAD_ROWS, "Rock 'n'-roll band")
@example(BAD_ROWS, "D'@ngelo")
@example(BAD_ROWS, "' '=x")
def test_a_cell_is_read_back_as_it_was(columns: tuple[str, ...], text: str) -> None:
    """The apostrophe in front of what looks like a formula is taken away, and no other one."""
    assert text == read(table(columns, key=text))["key"]


@pytest.mark.parametrize("columns", TABLES)
@pytest.mark.parametrize("key", ["D'-17", "=17", "'=17", "-17"])
def test_a_key_of_an_export_is_the_same_recipient(tmp_path: Path, columns: tuple[str, ...], key: str) -> None:
    """Its id is that of the first upload, so the person does not get the message twice."""
    (tmp_path / "r.csv").write_bytes(table(columns, key=key))
    [again] = numbered(read_file(tmp_path / "r.csv"))
    [first] = numbered([{"to": "+15550200131", "key": key}])
    assert Encoder("spring")(first)["id"] == Encoder("spring")(again)["id"]


def test_the_name_of_a_column_is_read_back_as_it_was() -> None:
    """Otherwise the template would not find the column."""
    assert {"line", "reason", "to", "@handle"} == set(read(table(("line", "reason", "to", "@handle"))))


def test_a_row_with_too_many_cells_is_read_back_as_it_was() -> None:
    """It goes into the next table of bad rows, which puts the apostrophe there again."""
    content = table(BAD_ROWS, key="=17").rstrip() + b",more\n"
    assert "=17" == read(content)["key"]


def test_a_table_that_was_saved_as_a_workbook_is_read_back_as_it_was() -> None:
    """A spreadsheet keeps the apostrophe in the cell."""
    content = workbook(People=[["line", "reason", "to", "@name"], ["2", "x", "+15550200131", "'=x"]])
    assert "=x" == read(content, "r.xlsx")["@name"]
    content = workbook(People=[["to", "name"], ["+15550200131", "'=x"]])
    assert "'=x" == read(content, "r.xlsx")["name"]
