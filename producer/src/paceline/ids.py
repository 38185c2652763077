"""Operation ids: 26 characters, sortable by time when random, equal for equal keys when derived."""

import hashlib
import os
import time
from collections.abc import Callable, Iterable
from typing import Final

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32, as in ULID
_LENGTH: Final = 26
# Ten bits are two characters: half as many steps as with one.
_PAIRS: Final = [first + second for first in _ALPHABET for second in _ALPHABET]
_SHIFTS: Final = tuple(range(5 * _LENGTH - 10, -1, -10))


def new_id() -> str:
    """A new id: 48 bits of wall-clock milliseconds, 80 random bits (the layout of ULID)."""
    return _encode((time.time_ns() // 1_000_000 << 80) | int.from_bytes(os.urandom(10)))


def is_id(text: str) -> bool:
    """Whether a text has the form of an operation's id."""
    return len(text) == _LENGTH and all(character in _ALPHABET for character in text)


def derived_id(*parts: str) -> str:
    """The id that the same parts always give: 128 bits of BLAKE2b.

    Args:
        parts: for example an account and an idempotency key; kept apart, so ("a", "bc") differs from ("ab", "c").

    Returns:
        26 characters.
    """
    return _encode(int.from_bytes(_hashed(parts).digest()))


def derived_ids(*first: str) -> Callable[[str], str]:
    """`derived_id` for many last parts: what stands before them is hashed once.

    Args:
        first: all parts but the last.

    Returns:
        A function from the last part to the id.
    """
    begun = _hashed(first)

    def derive(last: str) -> str:
        state = begun.copy()
        state.update(_framed(last))
        return _encode(int.from_bytes(state.digest()))

    return derive


def _hashed(parts: Iterable[str]) -> hashlib.blake2b:
    return hashlib.blake2b(b"".join(map(_framed, parts)), digest_size=16)


def _framed(part: str) -> bytes:
    return f"{len(part)}:{part}".encode()


def _encode(number: int) -> str:
    return "".join([_PAIRS[number >> shift & 1023] for shift in _SHIFTS])
