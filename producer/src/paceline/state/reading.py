"""Texts of state as values: one reader for every snapshot, by the types of its attributes."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import cache
from typing import Any, Final


def whole(value: str | float) -> int:
    """A number of state: scores come as ``1.7e+15``, and some figures of the provider with a fraction."""
    try:
        return int(value)
    except ValueError:
        return int(float(value))


def _flag(value: str | float) -> bool:
    return value is True or str(value) == "1"


_READERS: Final[Mapping[Any, Callable[[Any], Any]]] = {
    int: whole,
    int | None: whole,
    str: str,
    str | None: str,
    bool: _flag,
    bool | None: _flag,
}


@cache
def readers(kind: type) -> Mapping[str, tuple[str, Callable[[Any], Any]]]:
    """Stored name to attribute and reader, of the attributes that are read from one text each."""
    return {
        one.metadata.get("stored", one.name.removesuffix("_us")): (one.name, _READERS[one.type])
        for one in fields(kind)
        if one.type in _READERS
    }


def read(kind: type, named: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes of a snapshot, of texts by name. An empty text is an absent one."""
    return read_by(readers(kind), named)


def read_by(known: Mapping[str, tuple[str, Callable[[Any], Any]]], stored: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes of a snapshot, of texts under any keys.

    Args:
        known: attribute and reader by key.
        stored: the texts; keys that are not known are passed over.
    """
    values = {}
    for key, value in stored.items():
        if value is not None and value != "" and (reader := known.get(key)):
            values[reader[0]] = reader[1](value)
    return values
