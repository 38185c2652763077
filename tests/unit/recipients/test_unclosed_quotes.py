"""A quote that is not closed before the next row: one bad row, and never several people's rows in one message."""

from pathlib import Path

import pytest

from paceline.recipients.columns import reading_of
from paceline.recipients.files import read_file
from paceline.recipients.rows import PROBLEM

OPEN = "a quote opens a cell and does not close it before the next row"
ASTRAY = "a quote in this row belongs to no cell: an earlier row lacks a quote"


def read(path: Path, content: str, country: str | None = None) -> list[str]:
    """The name in each row, or why the row is bad."""
    file = path / "people.csv"
    file.write_text(content, encoding="utf-8", newline="")
    return [row.get(PROBLEM) or row["name"] for row in read_file(file, reading_of(country=country))]


@pytest.mark.parametrize("header", ["to,name", "to,name,note", "to,name,note,city"])
@pytest.mark.parametrize(
    ("country", "number"),
    [
        (None, "+1555020013{}"),
        (None, "+1 555 020 013{}"),
        ("BR", "(11) 98765-432{}"),
        ("BR", "+55 (11) 98765-432{}"),
        ("BR", "(+55) 11 98765-432{}"),
        ("BR", "11 98765\u2011432{}"),
        ("FR", "+33\u00a06\u00a012\u00a034\u00a056\u00a07{}"),
        ("FR", "06\u202f12\u202f34\u202f56\u202f7{}"),
        ("US", "tel:+1555020013{}"),
        ("US", "whatsapp:+1555020013{}"),
        ("US", "\uff0b1555020013{}"),
        ("US", "'+1555020013{}"),
    ],
)
def test_no_row_is_read_into_the_cell_of_another(tmp_path: Path, header: str, country: str | None, number: str) -> None:
    """A number begins a row in any form that is accepted, also where the row leaves out its last cells."""
    a, b, c, d = (number.format(digit) for digit in range(4))
    content = f'{header}\n{a},"Ana\n{b},Bo\n{c},Cy"\n{d},Di\n'
    assert [OPEN, "Bo", ASTRAY, "Di"] == read(tmp_path, content, country)


def test_a_row_with_empty_cells_behind_its_last_one_is_not_read_into_another(tmp_path: Path) -> None:
    """Spreadsheets leave such cells."""
    content = 'to,name\n+15550200131,"Ana\n+15550200132,Bo,,\n+15550200133,Cy"\n'
    assert [OPEN, "Bo", ASTRAY] == read(tmp_path, content)


@pytest.mark.parametrize(
    ("country", "header", "note"),
    [
        ("DE", "to,note,name", "Calls:\n2026-01-15, no answer\n15.01.2026, again"),
        ("DE", "to,note", "Calls:\n2026-01-15, no answer\n1/15/2026, again"),
        ("US", "to,note,name", "4 Main Street\n90210-1234, CA"),
        (None, "to,note,name", "4 Main Street\n90210-1234, CA"),
        ("US", "to,note,name", "Numbers:\n+15550200139"),
        ("US", "to,note,name", "Call us:\n+1 555 020 0139, Mon to Fri\nYour shop"),
        (None, "to,note,name,city", "Call us:\n+1 555 020 0138, shop\n+1 555 020 0139, Mon to Fri\nThank you"),
    ],
)
def test_a_cell_may_have_lines_that_begin_with_digits(
    tmp_path: Path, country: str | None, header: str, note: str
) -> None:
    """Dates and postcodes in front of words are no rows, nor are numbers among lines of prose."""
    file = tmp_path / "people.csv"
    file.write_text(f'{header}\n+15550200131,"{note}"\n')
    assert [note] == [row.get("note") for row in read_file(file, reading_of(country=country))]
