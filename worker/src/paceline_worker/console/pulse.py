"""Outcomes of the last minutes, counted from the end of the outcome stream: as dear with an empty backlog as with a full one."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from paceline.errors import OutcomesTrimmed
from paceline.flows.following import reading
from paceline.flows.steps import AsyncAsked, arun
from paceline.status.entry import OutcomeEntry

STEP_S: Final = 10
STEPS: Final = 60
# Entries of one look, and looks of one refresh: 10 ms of the server at most, however much happens.
_PAGE: Final = 500
_LOOKS: Final = 5
_REFRESH_S: Final = 1.5


@dataclass(slots=True)
class _Step:
    """Outcomes of ten seconds, by account."""

    counts: dict[str, Counter[str]] = field(default_factory=dict)


class Pulse:
    """Reads on at the end of the stream when somebody looks; what happened while nobody looked is read as far as `_LOOKS` pages go.

    Args:
        state: has the stream.
        clock: tells seconds since the epoch.
        monotonic: tells seconds.
    """

    def __init__(
        self,
        state: AsyncAsked,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._state, self._clock, self._monotonic = state, clock, monotonic
        self._steps: dict[int, _Step] = {}
        self._next = ""
        self._read_at = float("-inf")

    async def refresh(self) -> None:
        """Read what came since the last look.

        Raises:
            StateUnavailable: the state server does not answer.
        """
        if self._monotonic() - self._read_at < _REFRESH_S:
            return

        self._read_at = self._monotonic()
        first = int(self._clock()) // STEP_S - STEPS
        self._steps = {at: step for at, step in self._steps.items() if at > first}
        begin = self._next or str((first + 1) * STEP_S * 1000)

        with suppress(OutcomesTrimmed):
            for _ in range(_LOOKS):
                page = await arun(reading(None, begin, _PAGE), self._state)
                self._count(page.entries, first)
                begin = page.next
                if not page.more:
                    self._next = begin if begin.startswith("(") else ""
                    return

        # More came than was read: go on at the end of the stream.
        newest = await arun(reading(None, "+", 1), self._state)
        self._next = newest.next if newest.next.startswith("(") else ""

    def forget(self) -> None:
        """Somebody changed something: the next look reads on."""
        self._read_at = float("-inf")

    def _count(self, entries: list[OutcomeEntry], first: int) -> None:
        for entry in entries:
            at = int(entry.settled_at.timestamp()) // STEP_S
            if at > first and not entry.is_final:
                step = self._steps.setdefault(at, _Step())
                step.counts.setdefault(entry.account, Counter())[entry.outcome] += 1

    def last_minute(self, sees: Callable[[str], bool]) -> Mapping[str, int]:
        """Outcomes of the last minute, by name.

        Args:
            sees: whether the viewer may know of an account.
        """
        now = int(self._clock()) // STEP_S
        total: Counter[str] = Counter()
        for at in range(now - 5, now + 1):
            total += self._of(at, sees)
        return total

    def figures(self, sees: Callable[[str], bool]) -> list[list[Any]]:
        """Columns for a chart: seconds since the epoch, then accepted, rejected or dead, held, and all others, a minute.

        Args:
            sees: whether the viewer may know of an account.
        """
        now = int(self._clock()) // STEP_S
        columns: list[list[Any]] = [[], [], [], [], []]
        for at in range(now - STEPS + 1, now + 1):
            step = self._of(at, sees)
            kinds = step["accepted"], step["rejected"] + step["dead"], step["held"]
            others = sum(step.values()) - sum(kinds)
            for column, value in zip(columns[1:], (*kinds, others), strict=True):
                column.append(value * 60 // STEP_S)
            columns[0].append(at * STEP_S)
        return columns

    def _of(self, at: int, sees: Callable[[str], bool]) -> Counter[str]:
        step = self._steps.get(at)
        total: Counter[str] = Counter()
        for account, counts in step.counts.items() if step else ():
            if sees(account):
                total += counts
        return total
