"""Campaign rows: from CSV, JSON Lines or any iterable of mappings to what a chunk holds."""

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache, partial
from operator import mul
from pathlib import Path
from typing import Any, Final, TextIO

from paceline.errors import InvalidOperation, InvalidRow
from paceline.fields import LONGEST_TEXT
from paceline.ids import derived_id, derived_ids
from paceline.inbox.record import compact, microseconds
from paceline.operations import DEFAULT_VALIDITY
from paceline.template import render
from paceline.times import utc

# The shape only. A full `phonenumbers` check costs 26 us a number, which a million recipients would feel.
_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")


@dataclass(frozen=True, slots=True)
class Row:
    """One recipient as it was read.

    Args:
        line: the line in its file, or the ordinal of the iterable, from 1.
        values: column name to text; rows made in a program may also hold numbers, or None for "not given".
    """

    line: int
    values: Mapping[str, Any]


def numbered(recipients: Iterable[Mapping[str, Any]]) -> Iterator[Row]:
    """Rows of an iterable; rows that already know their line keep it."""
    for ordinal, values in enumerate(recipients, 1):
        yield Row(getattr(values, "line", ordinal), values)


class FileRow(dict[str, str]):
    """A row of a file that remembers its line."""

    __slots__ = ("line",)
    line: int


def read_file(path: Path) -> Iterator[FileRow]:
    """Stream the rows of a CSV (with a header) or JSON Lines file, told apart by the suffix.

    Args:
        path: ``.jsonl`` or ``.ndjson`` is JSON Lines; anything else is CSV.

    Yields:
        Rows with their line numbers; a blank line is passed over.

    Raises:
        InvalidOperation: the file has no ``to`` column, or is not text in UTF-8.
        InvalidRow: a JSON line that is not an object of texts.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            try:
                yield from _json_lines(file) if path.suffix in (".jsonl", ".ndjson") else _csv(file)
            except UnicodeDecodeError as error:
                where = _place(file, error)
                raise InvalidOperation(f"recipients: {path.name} is not UTF-8 text{where}") from error
    except OSError as error:
        raise InvalidOperation(f"recipients: {path.name} cannot be read: {error.strerror}") from error


def _place(file: TextIO, error: UnicodeDecodeError) -> str:
    """Where the byte stands in the file: the error itself counts from the start of the last block that was read."""
    return f" (byte {file.buffer.tell() - len(error.object) + error.start})" if file.seekable() else ""


def _csv(file: Iterable[str]) -> Iterator[FileRow]:
    # Not a DictReader: it takes almost twice the time.
    reader = csv.reader(file, strict=True)
    try:
        header = next(reader, [])
        if "to" not in header:
            raise InvalidOperation("recipients: the header has no column 'to'")
        width = len(header)
        for cells in reader:
            if not cells:  # a blank line
                continue
            row = FileRow(zip(header, cells, strict=False))
            row.line = reader.line_num
            if len(cells) > width:
                row["\0problem"] = "has more cells than the header"
            elif len(cells) < width:
                for name in header[len(cells) :]:  # of a column that is there twice the last one counts, given or not
                    row.pop(name, None)
            yield row
    except csv.Error as error:
        raise InvalidOperation(f"recipients: line {reader.line_num}: {error}") from error


def _json_lines(file: Iterable[str]) -> Iterator[FileRow]:
    for line, text in enumerate(file, 1):
        if not text.strip():
            continue
        row = FileRow(_columns(text))
        row.line = line
        yield row


def _columns(text: str) -> dict[str, str]:
    """A JSON object as columns of texts; null is a column that was not given."""
    try:
        value = json.loads(text)
        if isinstance(value, dict):
            given = {name: cell for name, cell in value.items() if cell is not None}
            return {name: cell if isinstance(cell, str) else compact(cell) for name, cell in given.items()}
    except (ValueError, RecursionError):  # also of `compact`: it goes less deep than the parser
        pass
    return {"\0problem": "is not a JSON object"}


def encode(
    campaign: str,
    row: Row,
    needed: frozenset[str],
    *,
    template: Mapping[str, str] | None = None,
    ends: datetime | None = None,
    now: datetime | None = None,
) -> dict[str, str]:
    """One row of a chunk record.

    Args:
        campaign: its name, part of the derived id.
        row: what was read.
        needed: the template's placeholders.
        template: the campaign's payload; given, the length of the text that the row makes of it is checked.
        ends: the campaign's ``valid_until``, if it was given one.
        now: where the default validity of a row begins that has a ``not_before`` in the past; by default the clock's.

    Returns:
        ``id``, ``to``, ``p`` (only the values the template needs) and, where given, ``nb`` and ``vu``. A row that begins
        later than its campaign gets a ``vu`` of its own, for it would only expire by the campaign's default.

    Raises:
        InvalidRow: says which column is wrong.
    """
    columns: Any = row.values
    if not isinstance(columns, Mapping):
        raise InvalidRow(row.line, "is not a mapping of column names to texts")
    if "\0problem" in columns:
        raise InvalidRow(row.line, columns["\0problem"])
    to = _cell(row, "to").strip()
    if not _E164.fullmatch(to):
        raise InvalidRow(row.line, "to: is not a phone number in E.164 form, such as +15550100001")
    values = {name: _cell(row, name) for name in sorted(needed)}
    for name in values:
        if columns.get(name) is None:
            raise InvalidRow(row.line, f"{name}: the template needs this column")
    if template is not None:
        _check_length(row.line, template, values)
    return {
        "id": derived_id("campaign", campaign, _cell(row, "key").strip() or to),
        "to": to,
        "p": compact(values),
    } | _times(row, ends, now)


class Encoder:
    """`encode` for the rows of one campaign: the same fields and refusals in less than half the time.

    What the rows share is worked out once. A plain row, all of whose cells are texts and fine, then takes the short way;
    any other is left to `encode`, which says what is wrong with it, or makes texts of its numbers.

    Args:
        campaign: as for `encode`, like all others.
        needed: the template's placeholders.
        template: the campaign's payload.
        ends: the campaign's ``valid_until``.
    """

    def __init__(
        self,
        campaign: str,
        needed: frozenset[str],
        *,
        template: Mapping[str, str] | None = None,
        ends: datetime | None = None,
    ) -> None:
        self._careful = partial(encode, campaign, needed=needed, template=template, ends=ends)
        self._ends = ends
        self._id = derived_ids("campaign", campaign)
        names = tuple(sorted(needed))
        self._fixed, uses = (0, (0,) * len(names)) if template is None else _measured(template["text"], names)
        self._lengths = range(1) if template is None else _lengths(template)
        # Of each value: its column, its beginning in JSON, and how often the template uses it.
        self._values = [(name, compact(name) + ":", times) for name, times in zip(names, uses, strict=True)]

    def __call__(self, row: Row, *, now: datetime | None = None) -> dict[str, str]:
        """As `encode`."""
        fields = self._plain(row.values) if isinstance(row.values, dict) else None
        if fields is None:
            return self._careful(row, now=now)
        if "not_before" in row.values or "valid_until" in row.values:
            fields |= _times(row, self._ends, now)
        return fields

    def _plain(self, columns: dict[str, Any]) -> dict[str, str] | None:
        """``id``, ``to`` and ``p`` of a plain row; None of any other."""
        to, key = columns.get("to"), columns.get("key")
        if type(to) is not str or (key is not None and type(key) is not str) or "\0problem" in columns:
            return None
        to = to.strip()
        if not _E164.fullmatch(to):
            return None
        length, values = self._fixed, []
        for name, beginning, times in self._values:
            text = columns.get(name)
            if type(text) is not str:
                return None
            length += times * len(text)
            values.append(beginning + compact(text))
        if length not in self._lengths:
            return None
        payload = "{" + ",".join(values) + "}"
        try:
            if not payload.isascii():
                payload.encode()
            return {"id": self._id((key and key.strip()) or to), "to": to, "p": payload}
        except UnicodeEncodeError:  # half a surrogate pair
            return None


def _cell(row: Row, column: str) -> str:
    """A column as text; empty where it was not given."""
    value = row.values.get(column)
    if value is None:
        return ""
    if isinstance(value, str) and value.isascii():
        return value
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise InvalidRow(row.line, f"{column}: is neither a text nor a number")
    try:
        return str(value).encode().decode()
    except ValueError:  # half a surrogate pair, or a number of thousands of digits
        raise InvalidRow(row.line, f"{column}: cannot be written as text") from None


def _check_length(line: int, template: Mapping[str, str], values: Mapping[str, str]) -> None:
    fixed, uses = _measured(template["text"], tuple(values))
    length = fixed + sum(map(mul, uses, map(len, values.values())))
    if length in _lengths(template):
        return
    if length:
        raise InvalidRow(line, f"text: would have {length} characters, more than {LONGEST_TEXT}")
    raise InvalidRow(line, "text: would be empty")


def _lengths(template: Mapping[str, str]) -> range:
    """How long a text may be: a caption may be empty."""
    return range(0 if "url" in template else 1, LONGEST_TEXT + 1)


@lru_cache(maxsize=8)
def _measured(text: str, names: tuple[str, ...]) -> tuple[int, tuple[int, ...]]:
    """How long a template is without its values, and how often it uses each: so no row needs to be rendered."""
    blank = dict.fromkeys(names, "")
    fixed = len(render(text, blank))
    return fixed, tuple(len(render(text, blank | {name: "x"})) - fixed for name in names)


def _times(row: Row, ends: datetime | None, now: datetime | None) -> dict[str, str]:
    """``nb`` and ``vu``, where they are given or follow from each other."""
    begin, end = _instant(row, "not_before"), _instant(row, "valid_until")
    last = end or ends
    if begin and last and last <= begin:
        raise InvalidRow(row.line, "valid_until: must be later than not_before")
    if begin and not last:
        end = max(begin, now or datetime.now(UTC)) + DEFAULT_VALIDITY
    fields = {}
    if begin:
        fields["nb"] = str(microseconds(begin))
    if end:
        fields["vu"] = str(microseconds(end))
    return fields


def _instant(row: Row, column: str) -> datetime | None:
    text = _cell(row, column).strip()
    if not text:
        return None
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidRow(row.line, f"{column}: is not a time such as 2026-01-31T09:00:00+01:00") from None
    try:
        return utc(value)
    except ValueError as error:
        raise InvalidRow(row.line, f"{column}: {error}") from None
