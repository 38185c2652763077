"""The arrival log: the only witness that tests of a sender believe."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TextIO


@dataclass(slots=True)
class Arrival:
    """One request, from the instant it arrived; the rest is filled in as it is answered.

    `at_us` and `finished_us` are microseconds since the epoch, their distances exact. `status` stays None when the
    connection was dropped, or while the request is still in work (then `finished_us` is None too).
    """

    index: int
    at_us: int
    key: str | None
    method: str
    path: str
    raw_body: bytes = b""
    status: int | None = None
    accepted: bool = False
    injected: bool = False
    violation: bool = False
    fault: str | None = None
    message_uuid: str | None = None
    finished_us: int | None = None
    operation: str = "other"
    query: Mapping[str, str] | None = None

    def line(self) -> str:
        """The arrival as one line of JSON, without the line's end."""
        return json.dumps(
            {
                "index": self.index,
                "at_us": self.at_us,
                "key": self.key,
                "method": self.method,
                "path": self.path,
                "query": dict(self.query or {}),
                "operation": self.operation,
                "body": _parsed(self.raw_body),
                "status": self.status,
                "accepted": self.accepted,
                "injected": self.injected,
                "violation": self.violation,
                "fault": self.fault,
                "message_uuid": self.message_uuid,
                "finished_us": self.finished_us,
            }
        )


def _parsed(raw: bytes) -> object:
    """The body as JSON, as text when it is not JSON, None when there was none."""
    if not raw:
        return None
    try:
        parsed: object = json.loads(raw)
    except (ValueError, RecursionError):
        return raw.decode(errors="replace")
    return parsed


class Journal:
    """All arrivals in memory, in the order of arrival, and optionally as lines in a file, in the order of answering.

    Args:
        file: receives one line per finished arrival; it is not closed here.

    Attributes:
        answered: how many arrivals were answered or dropped.
    """

    def __init__(self, file: TextIO | None = None) -> None:
        self._arrivals: list[Arrival] = []
        self._file = file
        self.answered = 0

    def __len__(self) -> int:
        return len(self._arrivals)

    def open(
        self,
        at_us: int,
        key: str | None,
        method: str,
        path: str,
        operation: str = "other",
        *,
        query: Mapping[str, str] | None = None,
    ) -> Arrival:
        """Records that a request arrived.

        Args:
            at_us: when, in microseconds since the epoch.
            key: the API key it carried, if any.
            method: the HTTP method.
            path: the path, decoded.
            operation: what it asks for, as far as its path tells.
            query: the parameters behind the path, decoded.

        Returns:
            The record, to be filled in and closed.
        """
        # None for none: there may be a million of them.
        kept = dict(query) if query else None
        arrival = Arrival(len(self._arrivals), at_us, key, method, path, operation=operation, query=kept)
        self._arrivals.append(arrival)
        return arrival

    def close(self, arrival: Arrival, now_us: int) -> None:
        """Records that a request was answered or dropped.

        Args:
            arrival: the record.
            now_us: when, in microseconds since the epoch.
        """
        arrival.finished_us = now_us
        self.answered += 1
        if self._file is not None:
            self._file.write(arrival.line() + "\n")

    def clear(self) -> None:
        """Forgets all arrivals; indexes begin at zero again. Lines already in the file stay there."""
        self._arrivals = []

    def since(self, index: int) -> Iterator[Arrival]:
        """The arrivals from an index on, as many as there are at the time of the call.

        Args:
            index: of the first arrival wanted.
        """
        arrivals = self._arrivals
        return islice(arrivals, min(index, len(arrivals)), len(arrivals))
