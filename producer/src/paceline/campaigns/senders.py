"""Campaigns with several senders: which of them writes to whom.

The same rule stands in lua/shared/pools.lua; a test holds them together.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha1
from typing import Any, Final, Self

from paceline.errors import InvalidOperation
from paceline.inbox.record import compact
from paceline.recipients.numbers import phone_number

MOST_SENDERS: Final = 100
HEAVIEST: Final = 1000
_DIGITS: Final = 13
_RANGE: Final = 16**_DIGITS


@dataclass(frozen=True, slots=True)
class Sender:
    """A number of a pool.

    Args:
        number: E.164.
        weight: its share of new recipients against the others, 1 to 1000.
    """

    number: str
    weight: int = 1

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``+15550100001`` or ``+15550100001=3``.

        Raises:
            InvalidOperation: it is neither.
        """
        number, equals, weight = text.partition("=")
        try:
            number = phone_number(number.strip())
        except ValueError as error:
            raise InvalidOperation(f"sender: {error}") from None
        if equals and not (weight.isascii() and weight.isdecimal() and 1 <= int(weight) <= HEAVIEST):
            raise InvalidOperation(f"sender: the weight of {number} is not a whole number from 1 to {HEAVIEST}")
        return cls(number, int(weight) if equals else 1)

    def __str__(self) -> str:
        """As `parse` reads it."""
        return self.number if self.weight == 1 else f"{self.number}={self.weight}"


Senders = tuple[Sender, ...]


def senders_of(texts: Iterable[str]) -> Senders:
    """Numbers with weights, in the order of their numbers.

    Raises:
        InvalidOperation: there is none, there are too many, or a number is named twice.
    """
    senders = tuple(sorted(map(Sender.parse, texts), key=lambda sender: sender.number))
    if not 1 <= len(senders) <= MOST_SENDERS:
        raise InvalidOperation(f"sender: name 1 to {MOST_SENDERS} numbers")
    if len({sender.number for sender in senders}) < len(senders):
        raise InvalidOperation("sender: names a number twice")
    return senders


def sender_of(to: str, senders: Sequence[Sender]) -> str:
    """The sender of a new recipient: that with the greatest weight / -log(hash).

    A sender more or less moves no recipient between the others (weighted rendezvous hashing: Thaler and Ravishankar 1998,
    Schindelhauer and Schomaker 2005).

    Args:
        to: the recipient.
        senders: at least one.

    Returns:
        A number.
    """
    return max(senders, key=lambda sender: _score(sender, to)).number


def _score(sender: Sender, to: str) -> float:
    digest = sha1(f"{sender.number}|{to}".encode(), usedforsecurity=False).hexdigest()
    return -sender.weight / math.log((int(digest[:_DIGITS], 16) + 0.5) / _RANGE)


def as_field(senders: Sequence[Sender]) -> str:
    """As a campaign's hash holds them."""
    return " ".join(f"{sender.number}:{sender.weight}" for sender in senders)


def from_field(text: str) -> Senders:
    """What `as_field` wrote; senders that left the pool have weight 0."""
    return tuple(Sender(number, int(weight)) for number, _, weight in (one.partition(":") for one in text.split()))


def as_pool(senders: Sequence[Sender]) -> str:
    """As a pool is kept."""
    return compact({"senders": [[sender.number, sender.weight] for sender in senders]})


def from_pool(text: str) -> Senders:
    """What `as_pool` wrote."""
    known: Mapping[str, Any] = json.loads(text)
    return tuple(Sender(number, weight) for number, weight in known["senders"])
