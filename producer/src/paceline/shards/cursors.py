"""Places in the streams of outcomes of all shards, as one text, and pages of all of them put together. Pure.

A place names the last entry handled of each shard: ``s8.lx0c1k2z.0-m4x3q1b8-2.5-m4x3q1c0-0``. Its second part is the time from
which shards are read of which no entry was handled; each further part is a shard, and time and number of its last entry, in base
36.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from paceline.shards.layout import Layout
from paceline.shards.paths import Arguments, Call, Path, sound

_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_BEGINS: Final = "s"
# Twelve digits of base 36 are less than the largest time and number of an entry.
_PLACES: Final = re.compile(r"s([1-9][0-9]{0,3})\.([0-9a-z]{1,12})((?:\.[0-9]{1,4}-[0-9a-z]{1,12}-[0-9a-z]{1,12})*)")
# Entries of each shard that are read at the least: one may have more than all others together.
_FEWEST: Final = 100
# What outcomes.lua is told for the oldest entry kept, and for the newest ones.
_OLDEST: Final = "-"
_NEWEST: Final = "+"


@dataclass(frozen=True, slots=True)
class Places:
    """The last entries handled.

    Args:
        count: how many shards there are.
        last: time (ms) and number of the last entry, by shard.
        since_ms: where the others begin; 0: with their oldest.
    """

    count: int
    last: tuple[tuple[int, int, int], ...] = ()
    since_ms: int = 0

    def after(self, shard: int, entry_id: str) -> "Places":
        """These places, and an entry that was handled."""
        time_ms, _, number = entry_id.partition("-")
        others = {entry[0]: entry for entry in self.last}
        others[shard] = (shard, int(time_ms), int(number or 0))
        return replace(self, last=tuple(others[known] for known in sorted(others)))

    def is_before(self, other: "Places") -> bool:
        """Whether other places are later on one shard, and earlier on none."""
        last = {shard: entry for shard, *entry in other.last}
        return self.last != other.last and all(last.get(shard, [0, 0]) >= entry for shard, *entry in self.last)

    def without(self, shards: Sequence[int]) -> "Places":
        """These places, with shards of which the oldest entry kept is the next."""
        return replace(self, last=tuple(entry for entry in self.last if entry[0] not in shards))

    def begin(self, shard: int) -> str:
        """Where outcomes.lua begins on a shard."""
        for known, time_ms, number in self.last:
            if known == shard:
                return f"({time_ms}-{number}"
        return str(self.since_ms) if self.since_ms else _OLDEST

    def __str__(self) -> str:
        parts = [f"{_BEGINS}{self.count}", _base36(self.since_ms)]
        parts += [f"{shard}-{_base36(time_ms)}-{_base36(number)}" for shard, time_ms, number in self.last]
        return ".".join(parts)


def is_places(text: str) -> bool:
    """Whether a text is meant to tell places of several shards."""
    return text.startswith(_BEGINS)


def read_places(text: str) -> Places:
    """Places, of their text.

    Raises:
        ValueError: the text tells no places.
    """
    found = _PLACES.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} tells no places")
    count, last = int(found[1]), []
    for part in found[3].split(".")[1:]:
        shard, time_ms, number = part.split("-")
        if int(shard) >= count:
            raise ValueError(f"{text!r} names a shard that is not there")
        last.append((int(shard), int(time_ms, 36), int(number, 36)))
    return Places(count, tuple(last), int(found[2], 36))


def all_outcomes(arguments: Arguments, layout: Layout) -> Path:
    """A page of the streams of all shards; arguments and reply are those of outcomes.lua."""
    campaign, begin, most = str(arguments[0]), str(arguments[1]), int(arguments[2])
    if begin == _NEWEST:
        replies = sound((yield [Call(shard, (campaign, begin, most)) for shard in layout.shards]))
        return ["entries", "0", json.dumps(_newest([_entries(reply) for reply in replies], most, layout.count))]

    places = _places(begin, layout.count)
    if places.count != layout.count:
        return ["unknown place"]
    share = max(-(-most // layout.count), min(most, _FEWEST))
    replies = sound((yield [Call(shard, (campaign, places.begin(shard), share)) for shard in layout.shards]))
    trimmed = [shard for shard, reply in enumerate(replies) if reply[0] == "trimmed"]
    if trimmed:
        return ["trimmed", str(places.without(trimmed))]
    pages = [_entries(reply) for reply in replies]
    # A shard that has more than was read holds back what came later elsewhere: so the page is in the order of time.
    bound = min((_order(page[-1][0]) for page in pages if len(page) == share), default=None)
    merged = [
        (_order(entry_id), shard, entry_id, flat)
        for shard, page in enumerate(pages)
        for entry_id, flat in page
        if bound is None or _order(entry_id) <= bound
    ]
    merged.sort(key=lambda entry: entry[:2])
    told = []
    for _, shard, entry_id, flat in merged[:most]:
        places = places.after(shard, entry_id)
        told.append([str(places), flat])
    more = bound is not None or len(merged) > most
    return ["entries", "0", json.dumps(told), "1" if more else "0"]


def _newest(pages: Sequence[list[Any]], most: int, count: int) -> list[Any]:
    merged = sorted(
        ((_order(entry_id), shard, entry_id, flat) for shard, page in enumerate(pages) for entry_id, flat in page),
        key=lambda entry: entry[:2],
    )
    places, told = Places(count), []
    for number, (_, shard, entry_id, flat) in enumerate(merged):
        places = places.after(shard, entry_id)
        if number >= len(merged) - most:
            told.append([str(places), flat])
    return told


def _places(begin: str, count: int) -> Places:
    if begin.startswith("("):
        return read_places(begin[1:]) if is_places(begin[1:]) else Places(count)
    return Places(count, since_ms=0 if begin == _OLDEST else int(begin))


def _entries(reply: Sequence[Any]) -> list[Any]:
    return list(json.loads(reply[2]) or ())


def _order(entry_id: str) -> tuple[int, int]:
    time_ms, _, number = entry_id.partition("-")
    return int(time_ms), int(number or 0)


def _base36(number: int) -> str:
    text = _DIGITS[number % 36]
    while number := number // 36:
        text = _DIGITS[number % 36] + text
    return text
