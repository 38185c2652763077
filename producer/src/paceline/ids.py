"""Operation ids: 26 characters, sortable by time when random, equal for equal keys when derived."""

import hashlib
import os
import time
from typing import Final

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32, as in ULID
_LENGTH: Final = 26


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
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return _encode(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest()))


def _encode(number: int) -> str:
    return "".join(_ALPHABET[number >> 5 * i & 31] for i in range(_LENGTH - 1, -1, -1))
