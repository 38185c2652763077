"""Cells as texts: exactly as they are written, or not at all."""

import math
import re
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

# Line breaks and tabs are text; the rest of the control characters is damage, such as a wrong encoding leaves.
CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
# What a spreadsheet shows where a formula has no result.
SPREADSHEET_ERRORS: Final = frozenset(
    {"#DIV/0!", "#N/A", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!", "#GETTING_DATA"}
)
# Marks that take no place: a text of blanks and these is empty to its reader.
_INVISIBLE: Final = re.compile(
    r"[\s\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0]*"
)
_PLAIN: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?")
# Missing values of data frames, known by their names: the library is not needed to recognise them.
_MISSING: Final = frozenset({"NAType", "NaTType"})


class Shown:
    """A value whose cell decides how it looks: a date, a yes or no, a number with decimals of a workbook.

    Args:
        value: as it is stored.
    """

    def __init__(self, value: Any) -> None:
        self._value = value

    def __str__(self) -> str:
        return str(self._value)


def is_given(value: Any) -> bool:
    """Whether a cell holds anything: None, NaN and a data frame's missing value are "not given"."""
    if value is None or type(value).__name__ in _MISSING:
        return False
    if isinstance(value, float):
        return not math.isnan(value)
    return not (isinstance(value, Decimal) and value.is_nan())


def text_of(value: Any) -> str:
    """A cell as text.

    Args:
        value: a text or a number, as `is_given` takes it for given.

    Returns:
        The text.

    Raises:
        ValueError: it has no text of its own; says why without the cell.
    """
    if isinstance(value, Shown):
        words = "is a number or date that its cell may show in another way: format the column as text"
        raise ValueError(words)  # noqa: TRY004 - of a cell, not of an argument
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise ValueError("is neither a text nor a number")  # noqa: TRY004 - a fault of the value
    try:
        text = _plainly(value).encode().decode()
    except ValueError:  # half a surrogate pair, or a number of thousands of digits
        raise ValueError("cannot be written as text") from None
    if isinstance(value, float | Decimal) and not _PLAIN.fullmatch(text):
        raise ValueError("is a number that has no plain form: give it as a text")
    return text


def _plainly(value: str | float | Decimal) -> str:
    """The text or number itself: a member of an enumeration calls itself by its name."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, Decimal):
        return Decimal.__str__(value)
    return float.__repr__(value) if isinstance(value, float) else int.__repr__(value)


def value_of(value: Any) -> str:
    """A cell for a template: `text_of`, and fit to be read by a person.

    Raises:
        ValueError: it holds a control character, or the error of a spreadsheet.
    """
    text = text_of(value)
    if found := CONTROL.search(text):
        raise ValueError(f"holds a control character (U+{ord(found[0]):04X})")
    if text[:1] == "#" and text in SPREADSHEET_ERRORS:
        raise ValueError(f"is the error {text} of a spreadsheet")
    return text


def is_blank(text: str) -> bool:
    """True if a reader would see nothing."""
    return _INVISIBLE.fullmatch(text) is not None


def moment_of(value: Any) -> datetime | None:
    """A cell as a time, with a zone or without; None when it is empty.

    Raises:
        ValueError: it is no time.
    """
    if isinstance(value, datetime):
        return value
    text = text_of(value).strip()
    if not text:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("is not a time such as 2026-01-31T09:00:00+01:00") from None
