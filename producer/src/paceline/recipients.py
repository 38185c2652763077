"""Campaign rows: from CSV, JSON Lines or any iterable of mappings to what a chunk holds."""

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from paceline.errors import InvalidOperation, InvalidRow
from paceline.ids import derived_id
from paceline.record import compact, microseconds

# The shape only. A full `phonenumbers` check costs 26 us a number, which a million recipients would feel.
_E164: Final = re.compile(r"^\+[1-9]\d{6,14}$")
_OWN_COLUMNS: Final = frozenset({"to", "key", "not_before", "valid_until"})


@dataclass(frozen=True, slots=True)
class Row:
    """One recipient as it was read.

    Args:
        line: the line in its file, or the ordinal of the iterable, from 1.
        values: column name to text.
    """

    line: int
    values: Mapping[str, str]


def numbered(recipients: Iterable[Mapping[str, str]]) -> Iterator[Row]:
    """Rows of an iterable; rows that already know their line keep it."""
    for ordinal, values in enumerate(recipients, 1):
        yield Row(getattr(values, "line", ordinal), values)


class FileRow(dict[str, str]):
    """A row of a file that remembers its line."""

    line: int = 0


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
            yield from _json_lines(file) if path.suffix in (".jsonl", ".ndjson") else _csv(file)
    except UnicodeDecodeError as error:
        raise InvalidOperation(f"recipients: {path.name} is not UTF-8 text (byte {error.start})") from error
    except OSError as error:
        raise InvalidOperation(f"recipients: {path.name} cannot be read: {error.strerror}") from error


def _csv(file: Iterable[str]) -> Iterator[FileRow]:
    reader = csv.DictReader(file, restkey="\0extra", strict=True)
    try:
        if "to" not in (reader.fieldnames or ()):
            raise InvalidOperation("recipients: the header has no column 'to'")
        for values in reader:
            row = FileRow({name: text for name, text in values.items() if text is not None and isinstance(text, str)})
            row.line = reader.line_num
            if "\0extra" in values:
                row["\0problem"] = "has more cells than the header"
            yield row
    except csv.Error as error:
        raise InvalidOperation(f"recipients: line {reader.line_num}: {error}") from error


def _json_lines(file: Iterable[str]) -> Iterator[FileRow]:
    for line, text in enumerate(file, 1):
        if not text.strip():
            continue
        row = FileRow()
        row.line = line
        try:
            value = json.loads(text)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            row["\0problem"] = "is not a JSON object"
        else:
            row.update({str(name): cell if isinstance(cell, str) else compact(cell) for name, cell in value.items()})
        yield row


def encode(campaign: str, row: Row, needed: frozenset[str]) -> dict[str, str]:
    """One row of a chunk record.

    Args:
        campaign: its name, part of the derived id.
        row: what was read.
        needed: the template's placeholders.

    Returns:
        ``id``, ``to``, ``p`` (only the values the template needs) and, where given, ``nb`` and ``vu``.

    Raises:
        InvalidRow: says which column is wrong.
    """
    values = row.values
    if "\0problem" in values:
        raise InvalidRow(row.line, values["\0problem"])
    to = values.get("to", "").strip()
    if not _E164.match(to):
        raise InvalidRow(row.line, "to: is not a phone number in E.164 form, such as +15550100001")
    missing = sorted(name for name in needed if values.get(name) is None)
    if missing:
        raise InvalidRow(row.line, f"{missing[0]}: the template needs this column")
    encoded = {
        "id": derived_id("campaign", campaign, values.get("key", "").strip() or to),
        "to": to,
        "p": compact({name: values[name] for name in sorted(needed)}),
    }
    for column, field in (("not_before", "nb"), ("valid_until", "vu")):
        if values.get(column, "").strip():
            encoded[field] = str(microseconds(_instant(row.line, column, values[column].strip())))
    return encoded


def _instant(line: int, column: str, text: str) -> datetime:
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidRow(line, f"{column}: is not a time such as 2026-01-31T09:00:00+01:00") from None
    if value.tzinfo is None:
        raise InvalidRow(line, f"{column}: needs a time zone, such as +01:00")
    return value
