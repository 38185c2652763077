"""Magic numbers: recipients that make a call fail in a known way without any scenario. README.md has the table."""

import re
from functools import cache
from typing import Final

from paceline_sandbox.console.tables import Fault
from paceline_sandbox.faults.scenario import Scenario

MAGIC_PREFIX: Final = "+1555999"
MAGIC_STATUSES: Final = (400, 401, 402, 403, 404, 406, 409, 410, 413, 422, 429, 486, 500, 502, 503, 504)
LATE_SECONDS: Final = 15.0

_ALWAYS, _ONCE, _SPECIAL, _REFUSED = "0", "1", "2", "3"
_MAGIC: Final = re.compile(r"\+1555999([0-3])([0-9]{3})", re.ASCII)
_HTML: Final = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
_SPECIAL_FAULTS: Final = {
    1: Fault(kind="drop"),
    2: Fault(kind="drop_after_accepting"),
    3: Fault(kind="delay", seconds=LATE_SECONDS),
    4: Fault(kind="success_false"),
    5: Fault(kind="answer_after_accepting", status=202, body='{"success": true, "message_uuid": "MSG'),
    6: Fault(kind="answer", status=502, body=_HTML, content_type="text/html; charset=utf-8"),
    7: Fault(kind="answer_after_accepting", status=202, body='{"success": true, "batched": true}'),
}


class MagicNumbers:
    """The faults that numbers ask for under one scenario.

    Args:
        scenario: its `magic` switches them off.
    """

    def __init__(self, scenario: Scenario) -> None:
        self._on = scenario.magic
        self._met: set[tuple[str, str]] = set()

    def choose(self, key: str, numbers: tuple[str, ...]) -> Fault | None:
        """The fault that the first magic number among those of a call asks for, or None.

        Args:
            key: the API key; what happens only once happens once to each key.
            numbers: those that the call is aimed at.
        """
        if not self._on:
            return None
        for number in numbers:
            if number.startswith(MAGIC_PREFIX):
                fault = self._of(key, number)
                if fault is not None:
                    return fault
        return None

    def _of(self, key: str, number: str) -> Fault | None:
        match = _MAGIC.fullmatch(number)
        if match is None:
            return None
        group, value = match[1], int(match[2])
        if group == _SPECIAL:
            return _SPECIAL_FAULTS.get(value)
        if group == _REFUSED or value not in MAGIC_STATUSES:
            return None
        if group == _ONCE:
            if (key, number) in self._met:
                return None
            self._met.add((key, number))
        return _answering(value)


def refused_participant(number: str) -> int | None:
    """The status code with which a group refuses a magic participant, or None.

    Args:
        number: with its plus.
    """
    match = _MAGIC.fullmatch(number)
    return int(match[2]) if match and match[1] == _REFUSED else None


@cache
def _answering(status: int) -> Fault:
    return Fault(kind="answer", status=status)
