"""Excel workbooks (.xlsx) as recipients, read with python-calamine: the extra `xlsx`."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any, BinaryIO, Final

from paceline.errors import InvalidOperation
from paceline.recipients.cells import Shown
from paceline.recipients.columns import MissingColumn, Reading, find_to
from paceline.recipients.rows import FileRow, file_row
from paceline.recipients.tables import is_ours, restored
from paceline.recipients.workbooks import NOT_READ, Formats, looked_through

_NOT_INSTALLED: Final = "is an Excel workbook: install paceline[xlsx], or save it as CSV (UTF-8)"


def read_workbook(file: BinaryIO, reading: Reading, note: Callable[[str], None]) -> Iterator[FileRow]:
    """Read the one sheet that has a column `to`.

    Args:
        file: the workbook.
        reading: how columns are called.
        note: takes which sheet was read, when there are several.

    Yields:
        Rows with the row's number of the sheet. Whole numbers are texts. A number with decimals or with a format, a date or
        a yes or no is `Shown`, because its cell may show it in another way: a row whose template needs it is a bad row.

    Raises:
        InvalidOperation: it cannot be read, or no sheet or several have such a column.
    """
    try:
        from python_calamine import CalamineError, CalamineWorkbook  # noqa: PLC0415 - an extra
    except ImportError:
        raise InvalidOperation(_NOT_INSTALLED) from None
    with looked_through(file) as (copy, formats):
        try:
            book = CalamineWorkbook.from_filelike(copy)
            names = book.sheet_names
            # One after the other: the cells of a sheet that is not chosen are not kept.
            chosen = _chosen(
                (_Sheet(name, _cells(book.get_sheet_by_name(name)), formats.get(name)) for name in names), reading
            )
        except InvalidOperation:
            raise
        except (CalamineError, OSError, ValueError) as error:
            raise InvalidOperation(NOT_READ) from error
    if len(names) > 1:
        note(f'the sheet "{chosen.name}" is read')
    yield from chosen.rows(find_to(chosen.header, reading))


def _cells(sheet: Any) -> list[tuple[int, list[Any]]]:
    rows = sheet.to_python(skip_empty_area=False)
    return [(number, row) for number, row in enumerate(rows, 1) if any(str(cell).strip() for cell in row)]


class _Sheet:
    """One sheet: its header and its rows, blank ones left out.

    Args:
        name: what it is called.
        cells: row numbers and cells.
        formats: which numbers look different.
    """

    def __init__(self, name: str, cells: list[tuple[int, list[Any]]], formats: Formats | None) -> None:
        self.name = name
        self._formats = formats or Formats()
        self.header = [str(cell).strip() for cell in cells[0][1]] if cells else []
        self._is_ours = is_ours(self.header)
        if self._is_ours:
            self.header = [restored(name) for name in self.header]
        self._cells = cells[1:]

    def rows(self, to: str) -> Iterator[FileRow]:
        """Its rows.

        Args:
            to: the column of phone numbers, whose digits count, whatever their format puts between them.
        """
        names = tuple(self.header)
        for number, cells in self._cells:
            pairs = [
                (name, self._value(cell, is_formatted=name != to and (number, column) in self._formats))
                for column, (name, cell) in enumerate(zip(names, cells, strict=False), 1)
                if name
            ]
            yield file_row(number, pairs, names)

    def _value(self, cell: Any, *, is_formatted: bool) -> Any:
        if self._is_ours and isinstance(cell, str):
            return restored(cell)
        return Shown(cell) if is_formatted and isinstance(cell, int | float) else _cell(cell)


def _cell(cell: Any) -> Any:
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else Shown(cell)
    if isinstance(cell, int) and not isinstance(cell, bool):
        return str(cell)
    return cell if isinstance(cell, str | datetime) else Shown(cell)


def _chosen(sheets: Iterable[_Sheet], reading: Reading) -> _Sheet:
    chosen, names, error = None, [], None
    for sheet in sheets:
        try:
            find_to(sheet.header, reading)
        except MissingColumn as missing:
            error = error or missing
        else:
            chosen = chosen or sheet
            names.append(f'"{sheet.name}"')
    if len(names) > 1:
        raise InvalidOperation(f"{len(names)} sheets have a column of numbers ({', '.join(names)}). Keep one of them")
    if not chosen:
        raise error or InvalidOperation("has no sheets")
    return chosen
