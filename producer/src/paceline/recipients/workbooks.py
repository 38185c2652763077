"""Excel workbooks, looked through before they are read: a small file can ask its reader for more memory than there is.

The reader holds every cell between the first one and the last one of a sheet, and a copy of each shared text for each cell that
shows it. When the memory does not suffice it ends the whole process.
"""

import posixpath
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from tempfile import TemporaryFile
from typing import BinaryIO, Final
from xml.parsers import expat

from paceline.errors import InvalidOperation

NOT_READ: Final = "cannot be read as an Excel workbook: save it as CSV (UTF-8)"
_TOO_LARGE: Final = "is too large for a workbook when it is unpacked: save it as CSV (UTF-8)"
# A full sheet has 1,048,576 rows: 23 columns of them are some 800 MB.
_MOST_CELLS: Final = 25_000_000
_MOST_TEXT: Final = 1 << 29
_MOST_BYTES: Final = 2 << 30
_BLOCK: Final = 1 << 20
_PLACE: Final = re.compile(r"([A-Z]{1,3})([0-9]{1,7})", re.IGNORECASE | re.ASCII)
_COUNT: Final = re.compile(r"[0-9]{1,7}", re.ASCII)
# Nothing of them is read, and not all that writes them writes XML.
_OTHERS: Final = ("docprops/", "customxml/")


_STYLES, _TEXTS, _WORKBOOK, _RELATIONS = "styles", "sharedstrings", "xl/workbook.xml", "xl/_rels/workbook.xml.rels"
# Formats under which a whole number looks as it is stored: General, 0 and text.
_PLAIN_IDS: Final = frozenset({"0", "1", "49"})
_PLAIN: Final = frozenset({"", "general", "0", "#", "@"})
_PADDING: Final = re.compile(r"_.|\[[^\]]*\]|\\ |\s")


class Formats:
    """Which numbers of a sheet its cells show in another form: 0042, 20.00, 100%."""

    def __init__(self) -> None:
        self._columns: dict[int, bytearray] = {}

    def __contains__(self, place: tuple[int, int]) -> bool:
        row, column = place
        rows = self._columns.get(column, b"")
        return row < len(rows) and bool(rows[row])

    def add(self, row: int, column: int) -> None:
        """Note a cell; both count from 1."""
        rows = self._columns.setdefault(column, bytearray())
        rows.extend(bytes(max(0, row + 1 - len(rows))))
        rows[row] = 1


@dataclass(slots=True)
class _Book:
    """What the parts say of each other.

    Args:
        texts: lengths of the shared texts.
        codes: ids of a workbook's own formats, to the formats.
        formatted: styles of cells under which a whole number may look different.
        styles: how many there are.
        sheets: names of sheets, to the ids of their parts.
        targets: ids of parts, to their places.
        formats: parts, to what is known of their cells.
    """

    texts: list[int] = field(default_factory=list)
    codes: dict[str, str] = field(default_factory=dict)
    formatted: set[str] = field(default_factory=set)
    styles: int = 0
    sheets: dict[str, str] = field(default_factory=dict)
    targets: dict[str, str] = field(default_factory=dict)
    formats: dict[str, Formats] = field(default_factory=dict)

    def of_sheets(self) -> dict[str, Formats]:
        """The formats of each sheet, by its name."""
        places = {
            name: posixpath.normpath(posixpath.join("/xl", self.targets.get(part, ""))).lstrip("/")
            for name, part in self.sheets.items()
        }
        return {name: self.formats.get(place, Formats()) for name, place in places.items()}


@contextmanager
def looked_through(file: BinaryIO) -> Iterator[tuple[BinaryIO, dict[str, Formats]]]:
    """A copy of a workbook, with the parts that can be read and nothing else.

    The reader is given the copy, so it cannot find in the file what was not looked at.

    Args:
        file: the workbook.

    Yields:
        The copy; and by the name of each sheet, which numbers its cells show in another form.

    Raises:
        InvalidOperation: it is none, or reading it would take too much memory.
    """
    with TemporaryFile() as copy:
        try:
            with zipfile.ZipFile(file) as source, zipfile.ZipFile(copy, "w") as target:
                formats = _copy(source, target)
        except InvalidOperation:
            raise
        except (zipfile.BadZipFile, zlib.error, expat.ExpatError, EOFError, OSError, RuntimeError, ValueError) as error:
            raise InvalidOperation(NOT_READ) from error
        copy.seek(0)
        yield copy, formats


def _copy(source: zipfile.ZipFile, target: zipfile.ZipFile) -> dict[str, Formats]:
    # Styles and shared texts first: cells refer to them.
    parts = sorted(filter(_is_read, source.infolist()), key=_is_sheet)
    if len({part.filename for part in parts}) < len(parts):
        raise ValueError("two parts have one name")

    left, book = _MOST_BYTES, _Book()
    for part in parts:
        look = _Look(book, part.filename)
        with source.open(part) as packed, target.open(part.filename, "w", force_zip64=True) as copy:
            while block := packed.read(_BLOCK):
                left -= len(block)
                if left < 0:
                    raise InvalidOperation(_TOO_LARGE)
                look.at(block)
                copy.write(block)
        look.end()
    return book.of_sheets()


def _is_sheet(part: zipfile.ZipInfo) -> bool:
    return not any(word in part.filename.lower() for word in (_STYLES, _TEXTS))


def _is_read(part: zipfile.ZipInfo) -> bool:
    name = part.filename.lower()
    return name.endswith((".xml", ".rels")) and not name.startswith(_OTHERS)


class _Look:
    """How far the cells of one part reach, how much text they show, and which of them have formats.

    Args:
        book: what other parts said; this one adds what it says.
        name: the part.
    """

    def __init__(self, book: _Book, name: str) -> None:
        self._book, self._texts, self._text = book, book.texts, 0
        self._formats = book.formats.setdefault(name, Formats())
        self._is_formatted = self._are_cells = False
        self._row = self._column = self._rows = self._columns = 0
        self._is_shared = False
        self._number: list[str] | None = None
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.StartDoctypeDeclHandler = _no_doctype
        self._elements: dict[str, Callable[[dict[str, str]], None]] = {
            "row": self._at_row, "c": self._at_cell, "v": self._at_value, "is": self._at_value, "si": self._at_text,
        }  # fmt: skip
        # Cells are looked at in every part, whatever its name.
        if _STYLES in name.lower():
            self._elements |= {
                "numFmt": self._at_format, "cellXfs": self._at_styles, "cellStyles": self._behind_styles, "xf": self._at_style,
            }  # fmt: skip
        elif name.lower() == _RELATIONS:
            self._elements["Relationship"] = self._at_relation
        elif name.lower() == _WORKBOOK:
            self._elements["sheet"] = self._at_sheet

    def at(self, block: bytes) -> None:
        """Look at the next bytes."""
        self._parser.Parse(block, False)  # noqa: FBT003 - it takes no keywords

    def end(self) -> None:
        """There are no more.

        Raises:
            InvalidOperation: the cells reach too far, or show too much text.
        """
        self._parser.Parse(b"", True)  # noqa: FBT003 - likewise
        self._count(self._number or [])
        if self._rows * self._columns > _MOST_CELLS:
            raise InvalidOperation(
                f"has cells as far away as row {self._rows:,} and column {self._columns:,}: delete what stands far "
                "from the list, or save it as CSV (UTF-8)"
            )
        if self._text > _MOST_TEXT:
            raise InvalidOperation(_TOO_LARGE)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        element = self._elements.get(name) or (":" in name and self._elements.get(name.rpartition(":")[2]))
        if element:
            element(attributes)

    def _of_number(self, text: str) -> None:
        if self._number is not None:  # blanks between cells otherwise
            self._number.append(text)

    def _of_text(self, text: str) -> None:
        self._texts[-1] += len(text)

    def _at_row(self, attributes: dict[str, str]) -> None:
        if "r" in attributes and not _COUNT.fullmatch(attributes["r"]):
            raise ValueError("a row has no number")
        self._row, self._column = int(attributes.get("r") or self._row + 1), 0

    def _at_cell(self, attributes: dict[str, str]) -> None:
        if self._number is not None:
            self._count(self._number)
        kind = attributes.get("t", "n")
        self._is_shared = kind == "s"
        self._is_formatted = kind == "n" and attributes.get("s") in self._book.formatted
        text = attributes.get("r")
        if text is None:
            self._column += 1
            return
        place = _PLACE.fullmatch(text)
        if not place:
            raise ValueError("a cell has no place")
        self._column, self._row = _column_of(place[1]), int(place[2])

    def _at_value(self, _: dict[str, str]) -> None:
        """A cell that only has a format has none."""
        self._rows = max(self._rows, self._row)
        self._columns = max(self._columns, self._column)
        if self._is_formatted and self._rows * self._columns <= _MOST_CELLS:
            self._formats.add(self._row, self._column)
        if self._is_shared:
            self._number = []
            self._parser.CharacterDataHandler = self._of_number

    def _at_text(self, _: dict[str, str]) -> None:
        if self._row:
            raise ValueError("a sheet has no shared texts")
        self._texts.append(0)
        self._parser.CharacterDataHandler = self._of_text

    def _at_format(self, attributes: dict[str, str]) -> None:
        self._book.codes[attributes.get("numFmtId", "")] = attributes.get("formatCode", "")

    def _at_styles(self, _: dict[str, str]) -> None:
        self._are_cells = True

    def _behind_styles(self, _: dict[str, str]) -> None:
        self._are_cells = False

    def _at_style(self, attributes: dict[str, str]) -> None:
        """Cells name a style by its place."""
        if not self._are_cells:
            return
        which = attributes.get("numFmtId", "0")
        if which not in _PLAIN_IDS and not _is_plain(self._book.codes.get(which)):
            self._book.formatted.add(str(self._book.styles))
        self._book.styles += 1

    def _at_relation(self, attributes: dict[str, str]) -> None:
        self._book.targets[attributes.get("Id", "")] = attributes.get("Target", "")

    def _at_sheet(self, attributes: dict[str, str]) -> None:
        part = next((value for name, value in attributes.items() if name.endswith(":id")), "")
        self._book.sheets[attributes.get("name", "")] = part

    def _count(self, number: list[str]) -> None:
        """Count the shared text that the last cell shows."""
        which, self._number = "".join(number).strip(), None
        if which and not (_COUNT.fullmatch(which) and int(which) < len(self._texts)):
            raise ValueError("a cell shows a text that is not there")
        self._text += self._texts[int(which)] if which else 0


def _is_plain(code: str | None) -> bool:
    """Whether a format shows a whole number as it is; one without a code is one of the built-in ones."""
    if code is None:
        return False
    return all(_PADDING.sub("", part).lstrip("-").lower() in _PLAIN for part in code.split(";"))


@lru_cache(maxsize=1000)
def _column_of(letters: str) -> int:
    number = 0
    for letter in letters.upper():
        number = 26 * number + ord(letter) - 64
    return number


def _no_doctype(*_: object) -> None:
    raise ValueError("no workbook has a document type")
