"""What is told of an operation that was just written: its id, whether a worker accepted it, and its outcome."""

import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from paceline.cli.numbers import shown_in
from paceline.cli.render import expected, iso, say, say_json
from paceline.cli.show.show import show_status
from paceline.errors import NotFound, NotYetAccepted, PacelineError, Refusal
from paceline.outbox import Duplicate, Outbox, Queued, Refused, Ticket
from paceline.status.view import Status

# The first look soon, because a free account sends at once; later ones seldom enough to cost nothing.
FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 1.0


# Words of the JSON document, which stay whatever the types are called.
_RESULTS: Final = {Queued: "accepted", Duplicate: "duplicate", Refused: "refused"}


class NotAccepted(PacelineError):
    """The operation has its outcome, and it is not ``accepted``."""


class NotSettled(PacelineError):
    """The operation has no outcome within the time given; it is kept and goes on."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the user wants to be told.

    Args:
        wait: seconds to wait until a worker has accepted it; None does not wait.
        until_settled: seconds to wait until it has its outcome; None does not wait.
        as_json: one JSON document instead of sentences.
        is_quiet: the id of the operation instead of sentences.
    """

    wait: float | None
    until_settled: float | None
    as_json: bool
    is_quiet: bool = False


def tell(outbox: Outbox, ticket: Ticket, asked: Asked) -> None:
    """Say what becomes of a written operation; its id is said whatever happens.

    Args:
        outbox: where to ask.
        ticket: of the operation.
        asked: how long to wait for what, and in which form it is told.

    Raises:
        NotYetAccepted: no worker accepted it in time.
        Refusal: a worker refused its record.
        NotSettled: it has no outcome in time.
        NotAccepted: its outcome is not ``accepted``.
    """
    telling = _Telling(ticket, as_json=asked.as_json, is_quiet=asked.is_quiet)
    try:
        telling.acceptance(asked.wait)
        if asked.until_settled is not None:
            telling.outcome(outbox, asked.until_settled)
    finally:
        if asked.as_json:
            say_json(shown_in(telling.document))


def pauses() -> Iterator[float]:
    """Seconds between looks at an operation: a tenth, then half as long again each time, up to a whole one."""
    pause = FIRST_PAUSE_S
    while True:
        yield pause
        pause = min(pause * 1.5, LONGEST_PAUSE_S)


class _Telling:
    """Sentences as they come true; for JSON, the document that holds what is known."""

    def __init__(self, ticket: Ticket, *, as_json: bool, is_quiet: bool) -> None:
        self.document: dict[str, Any] = {"id": ticket.id, "result": "written", "expected_at": None, "reason": None}
        self._ticket = ticket
        self._as_json = as_json
        self._is_quiet = is_quiet
        self._id = ticket.id

    def acceptance(self, wait: float | None) -> None:
        """Say that it is written, or a worker's answer within so many seconds."""
        sentence = f"{self._ticket.id} is written."
        try:
            if wait is not None:
                sentence = self._answer(wait)
        finally:
            if not self._as_json and self.document["result"] != "refused":
                say(self._id if self._is_quiet else sentence)
                sys.stdout.flush()  # what follows may take long, and be interrupted

    def outcome(self, outbox: Outbox, timeout: float) -> None:
        """Wait so many seconds for the outcome, and show it."""
        seen = self._settled(outbox, timeout)
        if not self._as_json:
            show_status(seen)
        if seen.state != "accepted":
            raise NotAccepted(f"{seen.id} is not accepted by the provider: {seen.why}")

    def _answer(self, wait: float) -> str:
        answer = self._ticket.wait(wait)
        self.document["result"] = _RESULTS[type(answer)]
        if isinstance(answer, Duplicate):
            self._id = answer.id
        match answer:
            case Queued(op_id, at):
                self.document["expected_at"] = iso(at)
                when = f"expected to leave {expected(at, datetime.now(UTC))}" if at else "held back for now"
                return f"{op_id} is accepted, {when}."
            case Duplicate(op_id):
                return f"This idempotency key already belongs to operation {op_id}; nothing was added."
            case Refused(reason):
                raise self._refusal(reason)

    def _refusal(self, reason: str) -> Refusal:
        self.document |= {"result": "refused", "reason": reason}
        return Refusal(f"{self._ticket.id} is refused: {reason}")

    def _settled(self, outbox: Outbox, timeout: float) -> Status:
        deadline, rhythm = time.monotonic() + timeout, pauses()
        while not ((seen := self._look(outbox)) and seen.settled_at):
            left = deadline - time.monotonic()
            if left <= 0:
                where = f"it is {seen.state}: {seen.why}" if seen else "no worker has accepted it yet"
                raise NotSettled(f"{self._ticket.id} has no outcome after {timeout:g} s and is kept; {where}")
            time.sleep(min(next(rhythm), left))
        return seen

    def _look(self, outbox: Outbox) -> Status | None:
        """Where it is; None before a worker has accepted it."""
        try:
            seen = outbox.status(self._ticket.id)
        except NotFound:
            with suppress(NotYetAccepted):
                answer = self._ticket.wait(0)
                if isinstance(answer, Refused):
                    raise self._refusal(answer.reason) from None
            return None
        self.document = seen.as_json()
        return seen
