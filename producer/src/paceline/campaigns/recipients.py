"""Campaign rows: from what was read to what a chunk holds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any, Final
from urllib.parse import quote

from paceline.campaigns.given import METADATA, given_back
from paceline.campaigns.hours import RecipientHours
from paceline.defaults import DEFAULT_VALIDITY
from paceline.errors import InvalidOperation, InvalidRow
from paceline.ids import derived_ids
from paceline.inbox.record import compact
from paceline.lua.fields import OPERATION
from paceline.operations.values import LONGEST_ADDRESS, LONGEST_TEXT, media_url
from paceline.operations.waba import LONGEST_FILENAME, LONGEST_VARIABLE
from paceline.recipients.cells import CONTROL, SPREADSHEET_ERRORS, is_blank, is_given, moment_of, text_of, value_of
from paceline.recipients.columns import Layout, MissingColumn, Reading, folded, layout_of, named
from paceline.recipients.numbers import cleaned, is_phone_number, phone_number, visible
from paceline.recipients.rows import PROBLEM, FileRow, Row, numbered
from paceline.template import Slot, Template, render, render_address
from paceline.times import microseconds, utc

__all__ = ["Encoder", "FileRow", "Row", "numbered"]

NO_TEMPLATE: Final = Template({})
# Rows that a program makes may have any columns; of so many different sets of columns the layout is remembered.
_MOST_LAYOUTS: Final = 1000
_LONGEST_KEY: Final = 256
# Looked up once: an upload makes millions of rows.
PAYLOAD: Final = OPERATION.code("payload")
ROW_KEY: Final = OPERATION.code("row_key")
NOT_BEFORE: Final = OPERATION.code("not_before")
VALID_UNTIL: Final = OPERATION.code("valid_until")
ZONES: Final = OPERATION.code("zones")


@dataclass(frozen=True, slots=True)
class _Fixed:
    """A text without its values: its length, and whether a reader would see anything."""

    length: int
    is_seen: bool


class Encoder:
    """What a chunk record holds of the rows of one campaign.

    What the rows share is worked out once. A plain row, all of whose cells are texts and fine, takes the short way; any other one
    takes the careful way, which says what is wrong with it, or makes texts of its numbers.

    Args:
        campaign: its name, part of the derived ids.
        template: what rows have to bring.
        begins: the campaign's ``not_before``, for rows without one.
        ends: the campaign's ``valid_until``, if it was given one.
        reading: how columns are called, and of which country numbers are.
        hours: of a campaign in its recipients' own hours; None for any other.
    """

    def __init__(
        self,
        campaign: str,
        template: Template = NO_TEMPLATE,
        *,
        begins: datetime | None = None,
        ends: datetime | None = None,
        reading: Reading | None = None,
        hours: RecipientHours | None = None,
    ) -> None:
        self._template, self._begins, self._ends, self._reading = template, begins, ends, reading or Reading()
        self._hours = hours
        self._brings_metadata = METADATA not in map(folded, self._reading.ignored)
        self._by_number = derived_ids("campaign", campaign)
        self._by_key = derived_ids("campaign", campaign, "key")
        self._text = _fixed(template.fields.get("text", ""), template.slots)
        self._longest = (template.longest or LONGEST_TEXT) if "text" in template.fields else 0
        self._params = template.fields.get("params")
        self._may_be_empty = "text" not in template.fields or "url" in template.fields
        self._layouts: dict[tuple[str, ...], Layout | InvalidOperation] = {}
        uses = [(slot, _uses(template.fields.get("text", ""), slot)) for slot in template.slots]
        # Of each value: its column, its beginning in JSON, its default, and how often the text uses it.
        self._values = [(slot.column, compact(slot.name) + ":", slot.default, times) for slot, times in uses]
        self._is_plain = (
            not self._params
            and all(slot.place == "text" for slot in template.slots)
            and (self._text.is_seen or self._may_be_empty)
        )

    def check(self, values: Mapping[str, Any]) -> None:
        """Look at the columns of the first row, before anything is written.

        Args:
            values: the row; of a table its header is looked at.

        Raises:
            InvalidOperation: two columns mean the same, or one means nothing though it looks as if; of a table also when the
                header lacks a column that the template names.
        """
        header = getattr(values, "header", None)
        if not isinstance(values, Mapping) or (header is None and PROBLEM in values):
            return
        names = header or tuple(map(str, values))
        try:
            layout = layout_of(names, self._template.columns, self._reading)
        except MissingColumn as error:
            if header is not None:
                raise InvalidOperation(f"recipients: {error}") from None
            return
        except InvalidOperation as error:
            raise InvalidOperation(f"recipients: {error}") from None
        missing = sorted(self._template.columns - layout.values.keys())
        if missing and header is not None:
            near = get_close_matches(missing[0], names, 1)
            raise InvalidOperation(
                f'recipients: there is no column "{missing[0]}", which the template names (found: {named(names)})'
                + (f". Did you mean {{{near[0]}}}?" if near else "")
            )

    def __call__(self, row: Row, *, now: datetime | None = None) -> dict[str, str]:
        """One row of a chunk record.

        Args:
            row: what was read.
            now: where the default validity of a row begins that has a ``not_before`` in the past; by default the clock's.

        Returns:
            Fields of an operation: its id, recipient, payload (only the values the template needs) and, where given, its key,
            its times and its metadata. A row that begins later than its campaign gets an end of its own, for it would only
            expire by the campaign's default.

        Raises:
            InvalidRow: says which column is wrong.
        """
        columns: Any = row.values
        if isinstance(columns, dict) and self._is_plain:
            layout = self._layouts.get(getattr(columns, "header", None) or tuple(columns))
            if isinstance(layout, Layout) and (fields := self._plainly(columns, layout)):
                if layout.is_timed or self._begins:
                    fields |= self._times(row, layout, now)
                if self._hours:
                    fields |= self._zones(row, layout, fields["to"])
                return fields | self._metadata(row)
        return self.carefully(row, now=now)

    def carefully(self, row: Row, *, now: datetime | None = None) -> dict[str, str]:
        """The same for any row; the way that says what is wrong."""
        columns: Any = row.values
        if not isinstance(columns, Mapping):
            raise InvalidRow(row.line, "is not a mapping of column names to texts")
        if PROBLEM in columns:
            raise InvalidRow(row.line, str(columns[PROBLEM]))
        layout = self._layout(row, columns)
        to = self._number(row, layout)
        values = {slot.name: self._value(row, layout, slot) for slot in self._template.slots}
        self._check(row, values)
        key = _told(row, layout.key, text_of).strip() if layout.key else ""
        fields = self._identified(row, to, key) | {PAYLOAD: compact(values)} | self._times(row, layout, now)
        return fields | self._zones(row, layout, to) | self._metadata(row)

    def empty_columns(self, row: Row) -> list[str]:
        """Columns of the template in which a row, which can be sent, has nothing to be seen."""
        layout = self._layout(row, row.values)
        found = {name: row.values.get(layout.values.get(name, name)) for name in self._template.columns}
        return sorted(name for name, value in found.items() if not is_given(value) or is_blank(str(value)))

    def _layout(self, row: Row, columns: Mapping[str, Any]) -> Layout:
        shape = getattr(columns, "header", None) or tuple(map(str, columns))
        if shape not in self._layouts:
            if len(self._layouts) >= _MOST_LAYOUTS:
                self._layouts.clear()
            try:
                self._layouts[shape] = layout_of(shape, self._template.columns, self._reading)
            except MissingColumn as error:
                self._layouts[shape] = InvalidOperation(f"to: {error}")
            except InvalidOperation as error:
                self._layouts[shape] = error
        found = self._layouts[shape]
        if isinstance(found, InvalidOperation):
            raise InvalidRow(row.line, str(found))
        return found

    def _plainly(self, columns: Mapping[str, Any], layout: Layout) -> dict[str, str] | None:
        """Id, recipient, payload and key of a plain row; None of any other."""
        to, key = columns.get(layout.to), columns.get(layout.key) if layout.key else None
        if type(to) is not str or (key is not None and type(key) is not str) or PROBLEM in columns:
            return None
        to = to.strip()
        if not is_phone_number(to):
            return None

        length, values = self._text.length, []
        for name, beginning, default, times in self._values:
            text = columns.get(layout.values.get(name, name))
            if type(text) is not str or CONTROL.search(text) or text in SPREADSHEET_ERRORS:
                return None
            if default is not None and (not text.isascii() or not text.strip()):
                if not is_blank(text):
                    return None
                text = default
            length += times * len(text)
            values.append(beginning + compact(text))
        if length > self._longest:
            return None

        payload = "{" + ",".join(values) + "}"
        try:
            if not payload.isascii():
                payload.encode()
            key = key.strip() if key else ""
            if not key:
                return {"id": self._by_number(to), "to": to, PAYLOAD: payload}
            if key.startswith("+") or len(key) > _LONGEST_KEY:
                return None
            return {"id": self._by_number(key), "to": to, PAYLOAD: payload, ROW_KEY: key}
        except UnicodeEncodeError:  # half a surrogate pair
            return None

    def _identified(self, row: Row, to: str, key: str) -> dict[str, str]:
        if not key:
            return {"id": self._by_number(to), "to": to}
        if len(key) > _LONGEST_KEY:
            raise InvalidRow(row.line, f"key: has {len(key)} characters, more than {_LONGEST_KEY}")
        # A key that could be a number would be taken for that number's recipient.
        derive = self._by_key if is_phone_number(key) else self._by_number
        return {"id": derive(key), "to": to, ROW_KEY: key}

    def _number(self, row: Row, layout: Layout) -> str:
        to = visible(_told(row, layout.to, text_of))
        try:
            return cleaned(to, self._reading.country) if self._reading.country and to else phone_number(to)
        except ValueError as error:
            raise InvalidRow(row.line, f"to: {error}" if to else "to: is empty") from None

    def _value(self, row: Row, layout: Layout, slot: Slot) -> str:
        column = layout.values.get(slot.column)
        given = column is not None and is_given(row.values.get(column))
        text = _told(row, column, value_of, slot.column) if column is not None and given else ""
        if slot.default is not None and is_blank(text):
            text = slot.default
        elif not given:
            raise InvalidRow(row.line, f"{slot.column}: the template needs this column")
        if slot.place == "text":
            return text
        if is_blank(text):
            raise InvalidRow(row.line, f"{slot.column}: is empty, and the address needs it")
        return text.strip() if slot.place == "address" else quote(text.strip(), safe="")

    def _check(self, row: Row, values: Mapping[str, str]) -> None:
        """The text and the address that the row makes."""
        fields = self._template.fields
        if "text" in fields:
            text = render(fields["text"], values)
            if len(text) > self._longest:
                raise InvalidRow(row.line, f"text: would have {len(text)} characters, more than {self._longest}")
            if not self._may_be_empty and is_blank(text):
                raise InvalidRow(row.line, "text: would be empty")
        if "url" in fields and "{" in fields["url"]:
            _check_address(row, "url", render(fields["url"], values))
        if self._params:
            _check_params(row, self._params, values)

    def _metadata(self, row: Row) -> dict[str, str]:
        return given_back(row.line, row.values) if self._brings_metadata else {}

    def _zones(self, row: Row, layout: Layout, to: str) -> dict[str, str]:
        """The zones of a row, of a campaign in its recipients' own hours."""
        if self._hours is None:
            return {}
        column = _told(row, layout.zone, text_of).strip() if layout.zone else ""
        try:
            return {ZONES: self._hours.place(to, column)}
        except ValueError as error:
            raise InvalidRow(row.line, f"zone: {error}") from None

    def _times(self, row: Row, layout: Layout, now: datetime | None) -> dict[str, str]:
        """The times of a row, where they are given or follow from each other."""
        if not layout.is_timed and not self._begins:
            return {}
        now = now or datetime.now(UTC)
        begin, end = _instant(row, layout.not_before, "not_before"), _instant(row, layout.valid_until, "valid_until")
        if end and end <= now:
            raise InvalidRow(row.line, "valid_until: has passed")
        begin, last = begin or self._begins, end or self._ends
        if begin and last and last <= begin:
            raise InvalidRow(row.line, "valid_until: must be later than not_before")
        if begin and not last:
            end = max(begin, now) + DEFAULT_VALIDITY
        fields = {}
        if begin:
            fields[NOT_BEFORE] = str(microseconds(begin))
        if end:
            fields[VALID_UNTIL] = str(microseconds(end))
        return fields


def _check_address(row: Row, name: str, url: str) -> None:
    if len(url) > LONGEST_ADDRESS:
        raise InvalidRow(row.line, f"{name}: would have {len(url)} characters, more than {LONGEST_ADDRESS}")
    try:
        media_url(url)
    except ValueError as error:
        raise InvalidRow(row.line, f"{name}: {error}") from None


def _check_params(row: Row, params: Mapping[str, Any], values: Mapping[str, str]) -> None:
    """The variables of an official template: none may be empty."""
    for name, stored in params.items():
        if name.endswith("_url"):
            _check_address(row, name, render_address(stored, values))
            continue
        several = isinstance(stored, list)
        most = LONGEST_VARIABLE if several else LONGEST_FILENAME
        for place, text in enumerate(stored if several else [stored], start=1):
            filled, what = render(text, values), f"{name} {place}" if several else name
            if is_blank(filled):
                raise InvalidRow(
                    row.line, f"{what}: would be empty, which the provider refuses; give a default, {{column|default}}"
                )
            if len(filled) > most:
                raise InvalidRow(row.line, f"{what}: would have {len(filled)} characters, more than {most}")


def _told(row: Row, column: str | None, read: Callable[[Any], str], name: str | None = None) -> str:
    """A column as text; empty where it was not given."""
    value = row.values.get(column) if column is not None else None
    if not is_given(value):
        return ""
    try:
        return read(value)
    except ValueError as error:
        raise InvalidRow(row.line, f"{name or column}: {error}") from None


def _instant(row: Row, column: str | None, name: str) -> datetime | None:
    value = row.values.get(column) if column is not None else None
    if not is_given(value):
        return None
    try:
        moment = moment_of(value)
        return utc(moment) if moment else None
    except ValueError as error:
        raise InvalidRow(row.line, f"{name}: {error}") from None


def _fixed(text: str, slots: tuple[Slot, ...]) -> _Fixed:
    """A stored text without its values, so that no row needs to be rendered to know its length."""
    blank = render(text, {slot.name: "" for slot in slots})
    return _Fixed(len(blank), not is_blank(blank))


def _uses(text: str, slot: Slot) -> int:
    """How often a stored text uses a slot."""
    return text.replace("{{", "").count(f"{{{slot.name}}}")
