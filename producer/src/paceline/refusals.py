"""What a model refused, in our own words: short, without the value, and the same in every release of pydantic."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from paceline.errors import InvalidOperation

# Of accounts and campaigns.
NAME_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
TEMPLATE_PATTERN: Final = r"^TMP[0-9A-Za-z-]{8,60}$"

NO_TIME: Final = "is not a time such as 2026-01-31T09:00:00+01:00"
_PATTERNS: Final = {
    NAME_PATTERN: "letters, digits, dot, dash and underscore, at most 64",
    TEMPLATE_PATTERN: "is not a template uuid, which begins with TMP",
}

_WORDS: Final[Mapping[str, str]] = {
    "missing": "is missing",
    "extra_forbidden": "is not a known field",
    "string_type": "is not a text",
    "string_unicode": "is not a text",
    "string_sub_type": "is not a text",
    "int_type": "is not a whole number",
    "int_parsing": "is not a whole number",
    "int_parsing_size": "is not a whole number",
    "int_from_float": "is not a whole number",
    "float_type": "is not a number",
    "float_parsing": "is not a number",
    "finite_number": "is not a number",
    "bool_type": "is neither true nor false",
    "bool_parsing": "is neither true nor false",
    "dict_type": "is not a mapping of names to texts",
    "mapping_type": "is not a mapping of names to texts",
    "tuple_type": "is not a list",
    "list_type": "is not a list",
    "sequence_str": "is one text, not a list of texts",
    "json_invalid": "is not JSON",
    "json_type": "is not JSON",
    "frozen_instance": "cannot be changed: an operation is a value",
    "frozen_field": "cannot be changed: an operation is a value",
}
_NUMBERS: Final[Mapping[str, tuple[str, str]]] = {
    "greater_than_equal": ("ge", "is less than {}"),
    "greater_than": ("gt", "is not more than {}"),
    "less_than_equal": ("le", "is more than {}"),
    "less_than": ("lt", "is not less than {}"),
}
# Where pydantic found a fault in the name of an entry, not in its value.
_OF_A_NAME: Final = ("[key]",)


def words_of(error: ErrorDetails) -> str:
    """What is wrong with one value, without its field.

    Args:
        error: one of a `ValidationError`.

    Returns:
        The end of a sentence whose subject is the field.
    """
    return f"a name {_words_of(error)}" if error["loc"][-1:] == _OF_A_NAME else _words_of(error)


def place_of(where: Sequence[int | str]) -> str:
    """The field at fault; of a name within a field the field, because the name is a value of the user's.

    Args:
        where: as pydantic tells it, from the outermost field on.

    Returns:
        ``field``, or ``field.inner``.
    """
    parts = where[:-2] if tuple(where[-1:]) == _OF_A_NAME else where
    return ".".join(str(part) for part in parts)


def _words_of(error: ErrorDetails) -> str:
    kind, limits = error["type"], error.get("ctx") or {}
    if kind in _WORDS:
        return _WORDS[kind]
    if kind in _NUMBERS:
        name, sentence = _NUMBERS[kind]
        return sentence.format(f"{limits[name]:,g}")
    making = _MADE.get(kind)
    if making:
        return making(limits)
    if kind.startswith(("datetime_", "date_", "timezone_")):
        return NO_TIME
    return error["msg"].removeprefix("Value error, ")


def first_problem(error: ValidationError) -> str:
    """The first problem as ``field: what is wrong``; that of a value within a value as ``field.inner: what is wrong``.

    Args:
        error: pydantic's.

    Returns:
        One sentence; without a field where the whole is at fault.
    """
    first = error.errors(include_url=False, include_input=False)[0]
    where, words = place_of(first["loc"]), words_of(first)
    within = isinstance((first.get("ctx") or {}).get("error"), InvalidOperation)
    return f"{where}{'.' if within else ': '}{words}" if where else words


def _too_short(limits: Mapping[str, Any]) -> str:
    least = int(limits["min_length"])
    return "is empty" if least == 1 else f"has less than {least:,} characters"


def _few(limits: Mapping[str, Any]) -> str:
    least = int(limits["min_length"])
    return "is empty" if least == 1 else f"has less than {least:,} entries"


def _one_of(limits: Mapping[str, Any]) -> str:
    return f"is not one of {str(limits['expected']).replace(' or ', ', ').replace(chr(39), '')}"


def _pattern(limits: Mapping[str, Any]) -> str:
    return _PATTERNS.get(limits["pattern"], f"does not match {limits['pattern']}")


_MADE: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {
    "string_too_short": _too_short,
    "string_too_long": lambda limits: f"has more than {limits['max_length']:,} characters",
    "too_short": _few,
    "too_long": lambda limits: f"has more than {limits['max_length']:,} entries",
    "literal_error": _one_of,
    "string_pattern_mismatch": _pattern,
    "model_type": lambda limits: f"is not a {limits['class_name']}",
    "model_attributes_type": lambda _: "is not an object",
    "is_instance_of": lambda limits: (
        "is not a list" if limits["class"] == "Sequence" else f"is not a {limits['class']}"
    ),
}
