"""The streams of outcomes, from memory."""

import json
from collections.abc import Mapping


class Stream:
    """What settle.lua appends and outcomes.lua reads: one stream of all outcomes, and one for each campaign."""

    def __init__(self) -> None:
        self._entries: dict[str, list[tuple[str, Mapping[str, str]]]] = {"": []}
        self._last = (0, 0)

    def append(self, fields: Mapping[str, str], now_ms: int) -> None:
        """Append an entry to the stream of all, and to that of its campaign."""
        last_ms, number = self._last
        self._last = (now_ms, 0) if now_ms > last_ms else (last_ms, number + 1)
        entry = ("-".join(map(str, self._last)), fields)

        self._entries[""].append(entry)
        if fields["campaign"]:
            self._entries.setdefault(fields["campaign"], []).append(entry)

    def page(self, campaign: str, begin: str, most: int) -> str:
        """Entries from a place on, as JSON; the place is exclusive when it begins with a bracket."""
        exclusive = begin.startswith("(")
        place = (0, 0) if begin == "-" else _place(begin.removeprefix("("))
        following = [
            [entry_id, [text for pair in fields.items() for text in pair]]
            for entry_id, fields in self._entries.get(campaign, [])
            if _place(entry_id) > place or (not exclusive and _place(entry_id) == place)
        ]
        return json.dumps(following[:most])


def _place(entry_id: str) -> tuple[int, int]:
    milliseconds, _, number = entry_id.partition("-")
    return int(milliseconds), int(number or 0)
