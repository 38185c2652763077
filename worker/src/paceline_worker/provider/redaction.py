"""What a provider quotes of us is taken out of its words before they leave the HTTP module. Pure.

The words stand in state, in the common stream of outcomes and on terminals, where neither the API key nor a person's number or
text belongs. Parts of them count too: a provider shortens what it quotes, or writes a number in groups.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

REMOVED: Final = "[removed]"
# So many characters of a key, of a text, and so many digits of a number in a row are no accident.
_OF_A_KEY: Final = 8
_OF_A_TEXT: Final = 12
_OF_A_NUMBER: Final = 7
# Words are cut at 512 characters later; more than this is not looked at.
_MOST: Final = 4096
_SHORTEST_TEXT: Final = 4
# Names of groups, messages, templates and channels say nothing of a person.
_HANDLE: Final = re.compile(r"[A-Z]{3}[0-9a-f-]{8,40}")
_NUMBER: Final = re.compile(r"\+?[0-9]{7,20}")
# Digits with up to three other characters between them, so that a number in groups is found.
_GROUPED: Final = re.compile(r"\+?\d(?:[^0-9A-Za-z]{0,3}\d){6,}")


def redactor(key: str, path: str, *sent: Any) -> Callable[[str], str]:
    """A function that takes out what must not be quoted.

    Args:
        key: the API key of the call.
        path: of the request; numbers may stand in it.
        sent: query and body of the request: JSON values.

    Returns:
        Text to text; the work is done when it is called, so a call without words costs nothing.
    """

    def redact(words: str) -> str:
        words = words[:_MOST]
        if not words:
            return words
        texts, numbers = _apart(sent)
        numbers += [part.lstrip("+") for part in path.split("/") if _NUMBER.fullmatch(part)]
        marks = bytearray(len(words))
        _mark(words, [key], _OF_A_KEY, marks)
        _mark(words, texts, _OF_A_TEXT, marks)
        _mark_numbers(words, numbers, marks)
        return _without(words, marks)

    return redact


def without_key(body: bytes, key: str) -> bytes:
    """A body that does not hold the whole key, wherever the provider put it."""
    secret = key.encode()
    return body.replace(secret, REMOVED.encode()) if secret and secret in body else body


def _apart(values: Iterable[Any]) -> tuple[list[str], list[str]]:
    texts, numbers = [], []
    for text in _leaves(values):
        if _HANDLE.fullmatch(text):
            continue
        numbers += [number.lstrip("+") for number in _NUMBER.findall(text)]
        if not _NUMBER.fullmatch(text):
            texts.append(text)
    return texts, numbers


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _leaves(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _leaves(one)


def _mark(words: str, secrets: Iterable[str], window: int, marks: bytearray) -> None:
    """Mark each character that belongs to a part of a secret, of so many characters at least."""
    lowered = _lowered(words)
    for secret in map(_lowered, secrets):
        size = min(window, len(secret))
        if size < _SHORTEST_TEXT:
            continue
        parts = {secret[start : start + size] for start in range(len(secret) - size + 1)}
        for start in range(len(lowered) - size + 1):
            if lowered[start : start + size] in parts:
                marks[start : start + size] = b"\x01" * size


def _mark_numbers(words: str, numbers: Iterable[str], marks: bytearray) -> None:
    parts = {
        number[start : start + _OF_A_NUMBER]
        for number in numbers
        for start in range(max(0, len(number) - _OF_A_NUMBER) + 1)
    }
    for found in _GROUPED.finditer(words):
        digits = "".join(filter(str.isdigit, found[0]))
        if any(digits[start : start + _OF_A_NUMBER] in parts for start in range(len(digits) - _OF_A_NUMBER + 1)):
            marks[found.start() : found.end()] = b"\x01" * len(found[0])


def _without(words: str, marks: bytearray) -> str:
    kept, inside = [], False
    for character, marked in zip(words, marks, strict=True):
        if marked and not inside:
            kept.append(REMOVED)
        elif not marked:
            kept.append(character)
        inside = bool(marked)
    return "".join(kept)


def _lowered(text: str) -> str:
    """In lower case, character by character: places must stay the same."""
    return "".join(low if len(low := character.lower()) == 1 else character for character in text)
