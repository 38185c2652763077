"""Files of recipients: whatever people have, opened, recognised and read."""

import codecs
import gzip
import io
import shutil
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO, Final

from paceline.errors import InvalidOperation
from paceline.recipients.columns import Reading
from paceline.recipients.json_rows import read_json
from paceline.recipients.rows import FileRow
from paceline.recipients.sheets import read_workbook
from paceline.recipients.tables import read_table

STDIN: Final = "-"
_GZIP, _ZIP, _OLD_OFFICE = b"\x1f\x8b", b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
# Longer marks first: that of UTF-32 begins like that of UTF-16.
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
_UTF8: Final = ("utf-8", "utf-8-sig", "utf8")
_JSON: Final = (".json", ".jsonl", ".ndjson")
_TABLE: Final = (".csv", ".tsv", ".tab", ".txt")
_PREDICATES: Final = ("is ", "has ", "cannot ")
_BLOCK: Final = 1 << 20
_HEAD: Final = 4096


def quiet(note: str) -> None:
    """Take a note, and do nothing with it."""


def read_file(path: Path, reading: Reading | None = None, note: Callable[[str], None] = quiet) -> Iterator[FileRow]:
    """Stream the rows of a file of recipients.

    CSV and other tables of text, JSON Lines, a JSON array and Excel workbooks are told apart by what they hold, also within
    gzip. All that cannot be read at all, such as a wrong byte at its end, is found before the first row is given; a row that
    cannot be read is one bad row, and the others follow.

    Args:
        path: the file; ``-`` is standard input. What is no plain file (a pipe) is read to its end first.
        reading: columns, delimiter, encoding, where they are not to be found out.
        note: takes a clause about what was found out, when it is not the usual.

    Yields:
        Rows with their line numbers.

    Raises:
        InvalidOperation: it cannot be read, or has no column with numbers.
    """
    reading, name = reading or Reading(), "standard input" if str(path) == STDIN else path.name
    try:
        with _opened(path) as file:
            yield from _read(file, path, reading, note)
    except OSError as error:
        raise InvalidOperation(f"recipients: {name} cannot be read: {error.strerror or error}") from error
    except InvalidOperation as error:
        between = " " if str(error).startswith(_PREDICATES) else ": "
        raise InvalidOperation(f"recipients: {name}{between}{error}") from error


def is_plain(path: Path) -> bool:
    """Whether it is a file whose lines can be counted; neither a pipe nor packed."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return not file.read(4).startswith((_GZIP, _ZIP))


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """The file, unpacked, at its beginning; a pipe as a file."""
    with TemporaryFile() as kept:
        if str(path) == STDIN:
            shutil.copyfileobj(_stdin(), kept)
        elif not path.is_file() and not path.is_dir() and path.exists():
            with path.open("rb") as pipe:
                shutil.copyfileobj(pipe, kept)
        else:
            with path.open("rb") as file, _unpacked(file) as plain:
                yield plain
            return
        kept.seek(0)
        with _unpacked(kept) as plain:
            yield plain


def _stdin() -> BinaryIO:
    buffered = getattr(sys.stdin, "buffer", None)
    return buffered if buffered is not None else io.BytesIO(sys.stdin.read().encode())


@contextmanager
def _unpacked(file: BinaryIO) -> Iterator[BinaryIO]:
    packed = file.read(2) == _GZIP
    file.seek(0)
    if not packed:
        yield file
        return
    with TemporaryFile() as plain:
        try:
            with gzip.GzipFile(fileobj=file) as source:
                shutil.copyfileobj(source, plain)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise InvalidOperation("its gzip data are damaged or cut off") from error
        plain.seek(0)
        yield plain


def _read(file: BinaryIO, path: Path, reading: Reading, note: Callable[[str], None]) -> Iterator[FileRow]:
    head = file.read(_HEAD)
    file.seek(0)
    if head.startswith(_ZIP):
        yield from read_workbook(file, reading, note)
        return
    if head.startswith(_OLD_OFFICE):
        raise InvalidOperation("is a workbook of an old version of Excel: save it as .xlsx, or as CSV (UTF-8)")
    encoding = _encoding(file, head, reading.encoding)
    if encoding not in _UTF8 and reading.encoding is None:
        note(f"it is {encoding.upper()} text")
    text = io.TextIOWrapper(file, encoding, newline="")
    try:
        yield from read_json(text) if _is_json(text, path) else read_table(text, reading, note)
    finally:
        text.detach()


def _is_json(text: io.TextIOWrapper, path: Path) -> bool:
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    begins = text.read(_HEAD).lstrip("\ufeff \t\r\n")[:1]
    text.seek(0)
    if suffixes and suffixes[-1] in _JSON:
        return True
    return begins in ("{", "[") and not (suffixes and suffixes[-1] in _TABLE)


def _encoding(file: BinaryIO, head: bytes, given: str | None) -> str:
    """The encoding that the whole file has.

    Raises:
        InvalidOperation: it is not what was said; or it is not known, with a guess and what to do.
    """
    encoding = next((name for mark, name in _MARKS if head.startswith(mark)), None) or _without_mark(head)
    if given is not None:
        try:
            wanted = codecs.lookup(given).name
            "".encode(wanted)
        except (LookupError, UnicodeError, ValueError):
            raise InvalidOperation(
                f"no encoding is called {given!r}; known are utf-8, utf-16, windows-1252 and others"
            ) from None
        encoding = encoding if encoding.replace("-sig", "") == wanted else wanted

    wrong = _first_wrong(file, encoding)
    if wrong is None:
        return encoding

    byte, line, near = wrong
    what = given or ("UTF-8" if encoding in _UTF8 else encoding.upper())
    where = f"is not {what} text (line {line}, byte {byte})"
    if given is None and (guess := _guess(near)):
        raise InvalidOperation(
            f'{where}. In Windows-1252 it reads "{guess}": if that is correct, add --encoding windows-1252'
        )

    raise InvalidOperation(f"{where}: name its encoding with --encoding, or save it as UTF-8")


def _without_mark(head: bytes) -> str:
    """UTF-16 without a mark has a zero in every second byte, as long as its letters are Latin."""
    even, odd = head[0:200:2].count(0), head[1:200:2].count(0)
    pairs = len(head[:200]) // 2
    if pairs >= 2 and odd > 0.9 * pairs and not even:
        return "utf-16-le"
    return "utf-16-be" if pairs >= 2 and even > 0.9 * pairs and not odd else "utf-8"


def _first_wrong(file: BinaryIO, encoding: str) -> tuple[int, int, bytes] | None:
    """Place, line and surroundings of the first byte that the encoding does not have; None when every byte can be read."""
    decoder, read, line, behind = codecs.getincrementaldecoder(encoding)(), 0, 1, b""
    try:
        while True:
            block = file.read(_BLOCK)
            try:
                decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                begin = read + len(block) - len(error.object)
                place = begin + error.start
                whole = (behind + block)[-len(error.object) - 20 :] if len(error.object) > len(block) else block
                offset = len(whole) - len(error.object) + error.start
                before = block[: max(0, place - read)]
                return place, line + before.count(b"\n"), _word(whole, offset)

            if not block:
                return None

            read += len(block)
            line += block.count(b"\n")
            behind = block[-20:]
    finally:
        file.seek(0)


def _word(text: bytes, place: int) -> bytes:
    """The cell around a byte."""
    begin = max(text.rfind(mark, 0, place) for mark in (b",", b";", b"\t", b"\n", b'"')) + 1
    ends = [end for mark in (b",", b";", b"\t", b"\n", b"\r", b'"') if (end := text.find(mark, place)) >= 0]
    return text[max(begin, place - 20) : min([*ends, place + 20])]


def _guess(word: bytes) -> str:
    """A cell in Windows-1252, if it looks like words; else ''."""
    try:
        text = word.decode("cp1252").strip()
    except UnicodeDecodeError:
        return ""
    return text if text and text.isprintable() and any(c.isalpha() and not c.isascii() for c in text) else ""


def rows_of(recipients: Iterable[Mapping[str, Any]] | Path, reading: Reading) -> Iterable[Mapping[str, Any]]:
    """What a program gave as recipients, as rows.

    Args:
        recipients: rows, or the path of a file.
        reading: how a file is to be read.

    Raises:
        InvalidOperation: it is neither.
    """
    if isinstance(recipients, Path):
        return read_file(recipients, reading)
    if isinstance(recipients, str | bytes | Mapping) or not isinstance(recipients, Iterable):
        raise InvalidOperation("recipients: give an iterable of mappings, or the pathlib.Path of a file")
    return recipients
