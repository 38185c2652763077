"""The numbers of a file: read and judged as the recipients of a campaign are."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from paceline.recipients.cells import is_given, text_of
from paceline.recipients.columns import Reading, find_to
from paceline.recipients.numbers import cleaned, is_phone_number, phone_number, visible
from paceline.recipients.rows import PROBLEM, FileRow, Row


def numbers_of(rows: Iterable[FileRow], reading: Reading, on_invalid: Callable[[Row, str], None]) -> Iterator[str]:
    """The number of each row; the other columns mean nothing.

    Args:
        rows: from `read_file`.
        reading: which column holds the numbers, and of which country they are.
        on_invalid: takes a bad row, and what is wrong with it.

    Yields:
        Numbers in E.164 form.

    Raises:
        InvalidOperation: there is no column of numbers, or there are two.
    """
    columns: dict[tuple[str, ...], str] = {}
    for row in rows:
        if PROBLEM in row:
            on_invalid(Row(row.line, row), str(row[PROBLEM]))
            continue
        names = row.header or tuple(row)
        if names not in columns:
            columns[names] = find_to(names, reading)
        try:
            yield _number(row.get(columns[names]), reading)
        except ValueError as error:
            on_invalid(Row(row.line, row), f"{columns[names]}: {error}")


def _number(cell: Any, reading: Reading) -> str:
    text = visible(text_of(cell)) if is_given(cell) else ""
    if is_phone_number(text):
        return text
    return cleaned(text, reading.country) if reading.country else phone_number(text)
