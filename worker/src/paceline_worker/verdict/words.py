"""Words and handles of the provider, made fit for a log, a record, a terminal and an address. Pure."""

import re
from collections.abc import Mapping
from itertools import groupby
from typing import Any, Final

WORDS_KEPT: Final = 512
LONGEST_UUID: Final = 100
# Letters, digits and what WhatsApp's own ids have; nothing that would end a part of a path, nor dots alone.
_HANDLE: Final = re.compile(rf"(?=.*[0-9A-Za-z])[0-9A-Za-z@._+-]{{1,{LONGEST_UUID}}}")


def clean(text: str) -> str:
    """Words fit for a log, a record and a terminal: printable, no halves of characters, at most 512 characters."""
    whole = text.strip()[:WORDS_KEPT].encode(errors="replace").decode()
    runs = groupby(whole, str.isprintable)
    return "".join("".join(run) if printable else " " for printable, run in runs).strip()


def handle(value: Any) -> str:
    """An id of the provider that may stand in an address of a later call; '' for anything else."""
    return value if isinstance(value, str) and _HANDLE.fullmatch(value) else ""


def words_of(value: Mapping[str, Any]) -> str:
    """The human words of the three error envelopes (docs/provider.md, 1.4), in the order they are trusted."""
    code = value.get("error_code")
    for name in ("error_message", "message", "detail"):
        words = value.get(name)
        if isinstance(words, str) and words:
            return f"{words} ({code})" if isinstance(code, str) and code else words
        if isinstance(words, list) and words:
            return "; ".join(_validation_words(item) for item in words)
    return ""


def _validation_words(item: Any) -> str:
    if not isinstance(item, dict):
        return scalar(item)
    where = item.get("loc")
    return f"{'.'.join(map(scalar, where)) if isinstance(where, list) else scalar(where)}: {scalar(item.get('msg'))}"


def scalar(value: Any) -> str:
    """A JSON value as text; of a list or an object, which may be nested deeper than `str` can follow, only that it is one."""
    return "..." if isinstance(value, list | dict) else str(value)
