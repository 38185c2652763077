"""Daily ramps: how many messages a new number sends on each of its first days.

The same rule stands in lua/shared/ramp.lua; a test holds them together.
"""

import re
from collections.abc import Sequence
from math import floor
from typing import Final

MOST_FIGURES: Final = 60
MOST_A_DAY: Final = 1_000_000
DAY_US: Final = 86_400_000_000
# Of an operation: less than any figure, more than the error of a float.
_CRUMB: Final = 1e-6
_DOTS: Final = re.compile(r"[\s,]*(?:\.\.\.|\u2026)\s*$")


def canonical_ramp(text: str) -> str:
    """A ramp as every place writes it: ``20,40,80``.

    Args:
        text: figures with commas between, perhaps with dots at the end: ``20, 40, 80, ...``; '' is none.

    Raises:
        ValueError: a figure is none, or there are too many.
    """
    if not text.strip():
        return ""
    figures = [figure.strip() for figure in _DOTS.sub("", text).split(",")]
    if not all(figure.isascii() and figure.isdecimal() and 1 <= int(figure) <= MOST_A_DAY for figure in figures):
        raise ValueError("is not a list of messages a day such as 20,40,80")
    if len(figures) > MOST_FIGURES:
        raise ValueError(f"has more than {MOST_FIGURES} days")
    return ",".join(str(int(figure)) for figure in figures)


def figures_of(ramp: str) -> tuple[int, ...]:
    """The figures of a ramp; () of none."""
    return tuple(int(figure) for figure in ramp.split(",") if figure)


def most_on(figures: Sequence[int], day: int) -> int:
    """The messages of a day, from 1: the last figure holds for all later days."""
    return figures[min(day, len(figures)) - 1]


class LaneRamp:
    """What one number has sent of its ramp, while a forecast lets time pass.

    Args:
        began: when its day 1 began (us); None: it will with the first message.
        day: the last day on which it sent, from 1.
        sent: messages of that day.
    """

    def __init__(self, began: float | None = None, day: int = 0, sent: float = 0.0) -> None:
        self._began, self._day, self._sent = began, day, sent

    def free_from(self, figures: Sequence[int], at: float) -> float:
        """The earliest time from `at` on at which a list with such figures may send."""
        if self._began is None or self.left(figures, at) > _CRUMB:
            return at
        return self.day_end(at)

    def left(self, figures: Sequence[int], at: float) -> float:
        """How many more messages the figures allow on the day of a time."""
        day = self.day_of(at)
        return most_on(figures, day) - (self._sent if day == self._day else 0.0)

    def day_end(self, at: float) -> float:
        """The end of the day of a time. Day 1 begins now if it has not begun."""
        if self._began is None:
            self._began = at
        return self._began + self.day_of(at) * DAY_US

    def note(self, at: float, amount: float) -> None:
        """So much was sent from a time on, all of it on one day."""
        day = self.day_of(at)
        if day != self._day:
            self._day, self._sent = day, 0.0
        self._sent += amount

    def day_of(self, at: float) -> int:
        """The day of a time, from 1."""
        return 1 if self._began is None else max(1, floor((at - self._began) / DAY_US) + 1)
