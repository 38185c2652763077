"""Connected numbers: which are booting, connecting or busy, by scenario or because a request is in work."""

from collections import Counter
from collections.abc import Mapping
from typing import Final

from paceline_sandbox.answers import Answer, refusal
from paceline_sandbox.console.tables import NumberEntry
from paceline_sandbox.faults.faults import within
from paceline_sandbox.faults.scenario import Scenario, microseconds

_STATUS: Final[Mapping[str, int]] = {
    "booting": 409,
    "connecting": 410,
    "busy": 486,
    "missing": 404,
    "unsupported": 406,
    "banned": 404,
}


class Senders:
    """The state of all connected numbers under one scenario.

    Args:
        scenario: its ``numbers``, ``busy_seconds`` and ``serial_senders`` count here.
    """

    def __init__(self, scenario: Scenario) -> None:
        self._entries: dict[str, list[NumberEntry]] = {}
        for entry in scenario.numbers:
            self._entries.setdefault(entry.number, []).append(entry)
        self._serial = scenario.serial_senders
        self._rest_us = microseconds(scenario.busy_seconds, "seconds")
        self._requests: Counter[str] = Counter()
        self._busy_until_us: dict[str, int] = {}

    def state(self, number: str, elapsed_us: int) -> str:
        """The state that the scenario gives a number for its next request, ``ready`` if it gives none.

        Args:
            number: the connected number; this does not count as a request.
            elapsed_us: the age of the scenario, in microseconds.
        """
        entries = self._entries.get(number, ())
        return next((entry.state for entry in entries if self._applies(entry, elapsed_us)), "ready")

    def turn_away(self, number: str, now_us: int, elapsed_us: int, *, by_phone: bool = True) -> Answer | None:
        """The refusal a number meets at this moment, or None when it can work.

        Args:
            number: the connected number; this counts as one request.
            now_us: the present, in microseconds since the epoch.
            elapsed_us: the age of the scenario, in microseconds.
            by_phone: whether the phone has to work on it, which may be busy; else only the scenario counts.
        """
        for entry in self._entries.get(number, ()):
            status = _STATUS.get(entry.state)
            if status is not None and self._applies(entry, elapsed_us):
                self._requests[number] += 1
                return refusal(status)
        if self._entries:
            self._requests[number] += 1
        if by_phone and now_us < self._busy_until_us.get(number, 0):
            return refusal(486)
        return None

    def occupy(self, number: str, until_us: int) -> None:
        """Makes a number busy: until a request's answer, and for its rest afterwards.

        Args:
            number: the connected number.
            until_us: when the request will have been worked on, in microseconds since the epoch.
        """
        rest_us = self._rest_us
        for entry in self._entries.get(number, ()):
            if entry.busy_seconds is not None:
                rest_us = microseconds(entry.busy_seconds, "seconds")
        if self._serial or rest_us:
            self._busy_until_us[number] = until_us + rest_us

    def _applies(self, entry: NumberEntry, elapsed_us: int) -> bool:
        ordinal = self._requests[entry.number] + 1
        if ordinal < entry.from_request or (entry.until_request is not None and ordinal > entry.until_request):
            return False
        return within(elapsed_us, entry.after_seconds, entry.for_seconds)
