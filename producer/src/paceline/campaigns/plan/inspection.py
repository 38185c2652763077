"""What a dry run sees of the rows themselves: filled messages, empty values, numbers that are likely one person's."""

import json
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from paceline.campaigns.content import shown
from paceline.lua.fields import OPERATION
from paceline.recipients.numbers import twins
from paceline.template import Template

MOST_SAMPLES: Final = 3
# Countries in which one person's number is commonly written in two ways.
_WITH_TWINS: Final = ("+52", "+54", "+55", "+229")
# Ids are kept sorted on so many shelves: putting one in between moves some kilobytes, not megabytes.
_SHELVES: Final = 4096


class Seen:
    """Which texts there were, in 8 bytes each: Python's hash of a text has 64 bits.

    Of a million different ids two look alike in one of 37 million files.
    """

    def __init__(self) -> None:
        self._shelves = [array("q") for _ in range(_SHELVES)]

    def add(self, text: str) -> bool:
        """Note a text; whether it is new."""
        number = hash(text)
        shelf = self._shelves[number % _SHELVES]
        place = bisect_left(shelf, number)
        if place < len(shelf) and shelf[place] == number:
            return False
        shelf.insert(place, number)
        return True


@dataclass(frozen=True, slots=True)
class Sample:
    """A message as its recipient would get it.

    Args:
        to: the number.
        text: the words, or None.
        url: the attachment's address, or None.
    """

    to: str
    text: str | None
    url: str | None

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"to": self.to, "text": self.text, "url": self.url}


@dataclass(slots=True)
class Inspection:
    """Counts while rows stream.

    Args:
        template: of the campaign.
        samples: the first filled messages.
        empty: of each column of the template, rows in which it is empty.
        twins: recipients whose number is likely another form of an earlier one's.
    """

    template: Template
    samples: list[Sample] = field(default_factory=list)
    empty: dict[str, int] = field(default_factory=dict)
    twins: int = 0
    _people: Seen = field(default_factory=Seen)
    _numbers: Seen = field(default_factory=Seen)

    def take(self, fields: Mapping[str, str], empty: Iterable[str]) -> None:
        """Note a new recipient.

        Args:
            fields: of the row, as a chunk would hold them.
            empty: columns of the template that are empty in its row.
        """
        if len(self.samples) < MOST_SAMPLES:
            stored, values = self.template.fields, json.loads(fields[OPERATION.code("payload")])
            self.samples.append(Sample(fields["to"], *shown(stored, values)))
        for column in empty:
            self.empty[column] = self.empty.get(column, 0) + 1
        to = fields["to"]
        if to.startswith(_WITH_TWINS) and self._numbers.add(to) and not self._people.add(twins(to)):
            self.twins += 1
