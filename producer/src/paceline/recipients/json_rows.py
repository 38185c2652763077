"""JSON as recipients: an object a line, or one array, or objects printed over several lines. Numbers are texts as they stand."""

import json
import math
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, Final

from paceline.errors import InvalidOperation
from paceline.recipients.rows import FileRow, bad_row, file_row

NO_OBJECT: Final = "is not a JSON object"
_BLANKS: Final = " \t\r\n\ufeff"
# A first line that ends so is the beginning of something longer.
_OPENINGS: Final = ("[", "{", "[{", ",")
_LONGEST_RAW: Final = 4096


class _NamedTwice(ValueError):
    """An object names a column twice."""


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    columns = dict(pairs)
    if len(columns) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _NamedTwice(f'names "{twice}" twice')
    return columns


def _number(text: str) -> str:
    if math.isinf(float(text)):
        raise _NamedTwice(f"{NO_OBJECT}: a number in it is too large")
    return text


def _no_constant(name: str) -> None:
    raise _NamedTwice(f"{NO_OBJECT}: {name} is not JSON")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_pairs, parse_float=_number, parse_int=str, parse_constant=_no_constant
)


def read_json(lines: Iterable[str]) -> Iterator[FileRow]:
    """Read JSON Lines, an array of objects, or objects one behind the other.

    Args:
        lines: of the file.

    Yields:
        Rows; of JSON Lines, a line that is no object is one bad row.

    Raises:
        InvalidOperation: a document over several lines is broken, so that its rest cannot be read.
    """
    source = iter(lines)
    before, first = 0, ""
    for line in source:
        if line.strip(_BLANKS):
            first = line.lstrip(_BLANKS)
            break
        before += 1
    if first.rstrip().endswith(_OPENINGS) and not first.startswith("[["):
        text = first + "".join(source)
        deque(
            _document(text, before + 1), maxlen=0
        )  # what is broken further down is found before the first row is given
        yield from _document(text, before + 1)
    elif first:
        yield from _lines(chain([first], source), before + 1)


def _lines(lines: Iterable[str], number: int) -> Iterator[FileRow]:
    for line, text in enumerate((text.strip(_BLANKS) for text in lines), number):
        if not text:
            continue
        try:
            if text.startswith("["):
                found = list(_document(text, line))
                yield from found or [bad_row(line, NO_OBJECT, text)]
                continue
            value = _DECODER.decode(text)
        except _NamedTwice as error:
            yield bad_row(line, str(error), text[:_LONGEST_RAW])
        except (InvalidOperation, ValueError, RecursionError):
            yield bad_row(line, NO_OBJECT, text[:_LONGEST_RAW])
        else:
            yield _row(value, line)


def _row(value: Any, line: int) -> FileRow:
    return (
        file_row(line, value, None) if isinstance(value, dict) else bad_row(line, NO_OBJECT, str(value)[:_LONGEST_RAW])
    )


def _document(text: str, number: int) -> Iterator[FileRow]:
    """Objects one behind the other, within an array or not."""
    place, line, counted, in_array, done = 0, number, 0, text[0] == "[", False
    place += in_array
    while True:
        place = _after_blanks(text, place)
        line, counted = line + text.count("\n", counted, place), place
        if in_array and text[place : place + 1] == "]":
            place, done = _after_blanks(text, place + 1), True
            line, counted = line + text.count("\n", counted, place), place

        if place >= len(text) and (done or not in_array):
            return
        if done or place >= len(text):
            raise _broken(line, "text behind the end of the array" if done else "the array does not end")

        try:
            value, end = _DECODER.raw_decode(text, place)
        except _NamedTwice as error:
            end = _end_of_object(text, place)
            if end < 0:
                raise _broken(line, str(error)) from None
            yield bad_row(line, str(error), text[place:end][:_LONGEST_RAW])
        except RecursionError:
            raise _broken(line, "it is nested too deeply") from None
        except ValueError as error:
            where = line + text.count("\n", place, getattr(error, "pos", place))
            raise _broken(where, getattr(error, "msg", "")) from None
        else:
            yield _row(value, line)

        place = _after_blanks(text, end)
        if in_array and text[place : place + 1] == ",":
            place += 1
        elif in_array and text[place : place + 1] != "]":
            raise _broken(line + text.count("\n", counted, place), "a comma is missing")


def _end_of_object(text: str, place: int) -> int:
    """Where an object ends that is JSON but for what a row may hold; -1 when that cannot be told."""
    try:
        return json.JSONDecoder().raw_decode(text, place)[1]
    except (ValueError, RecursionError):
        return -1


def _after_blanks(text: str, place: int) -> int:
    while text[place : place + 1] and text[place] in _BLANKS:
        place += 1
    return place


def _broken(line: int, words: str) -> InvalidOperation:
    return InvalidOperation(f"line {line} is not JSON" + (f": {words[:1].lower()}{words[1:]}" if words else ""))
