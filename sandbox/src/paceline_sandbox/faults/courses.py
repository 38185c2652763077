"""What becomes of an accepted message: the steps it goes through, decided from scenario, seed and ordinal alone."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, Literal

from paceline_sandbox.answers import JsonObject
from paceline_sandbox.faults.faults import draw
from paceline_sandbox.faults.scenario import Scenario, microseconds

Step = Literal["sent", "received", "read", "not-sent"]

# Recipients with a fixed fate.
NEVER_SENT: Final = "+15559994001"
NEVER_RECEIVED: Final = "+15559994002"
NEVER_READ: Final = "+15559994003"

_ACK: Final[Mapping[Step, int]] = {"sent": 1, "received": 2, "read": 3, "not-sent": 0}


@dataclass(frozen=True, slots=True)
class Course:
    """The steps of a message in order, each with its microseconds after acceptance.

    `early` tells that the receipt of its first step overtakes the answer of the send.
    """

    steps: tuple[tuple[Step, int], ...]
    early: bool = False

    def state(self, age_us: int) -> JsonObject:
        """The fields of the Message object that tell how far it has come (docs/provider.md, 2.1.2).

        Args:
            age_us: microseconds since acceptance.
        """
        done = [step for step, after_us in self.steps if after_us <= age_us]
        return {
            "wa_msg_ack": max((_ACK[step] for step in done), default=0),
            "sent": "sent" in done,
            "received": "received" in done,
            "read": "read" in done,
        }


# The course of a message that nobody decided about.
SENT_AT_ONCE: Final = Course((("sent", 0),))


@dataclass(frozen=True, slots=True)
class Lot:
    """The chances of one message: the n-th of its number meets the same fate in every run with the same seed."""

    seed: int
    sender: str
    ordinal: int

    def drawn(self, question: str) -> float:
        """A number from [0, 1) that depends on the lot and the question alone."""
        return draw(self.seed, 0, f"receipts {question} {self.sender}", self.ordinal)

    def happens(self, share: float, question: str) -> bool:
        """Whether something that strikes a share of all messages strikes this one."""
        return share >= 1 or (share > 0 and self.drawn(question) < share)

    def foreign_id(self, position: int) -> str:
        """The id of a message that was never accepted."""
        text = f"{self.seed} {self.sender} {self.ordinal} {position}"
        return f"MSG{uuid.UUID(bytes=blake2b(text.encode(), digest_size=16).digest(), version=4)}"


class Courses:
    """Decides the course of each message under one scenario.

    Args:
        scenario: its ``receipts`` and ``magic`` count here.

    Attributes:
        failed: the course of a message that is never sent.
    """

    def __init__(self, scenario: Scenario) -> None:
        rules = scenario.receipts
        self._not_sent, self._early, self._magic = rules.not_sent, rules.early, scenario.magic
        sent_us = microseconds(rules.sent_ms, "milliseconds")
        # A step never comes before the one below it.
        received_us = max(sent_us, microseconds(rules.received_ms, "milliseconds"))
        read_us = max(received_us, microseconds(rules.read_ms, "milliseconds"))
        ladder: tuple[tuple[Step, int], ...] = (("sent", sent_us), ("received", received_us), ("read", read_us))
        # Made once: of a million messages each refers to one of these.
        self.failed = Course((("not-sent", sent_us),))
        self._on_time = {length: Course(ladder[:length]) for length in (1, 2, 3)}
        self._hasty = {length: Course((("sent", 0), *ladder[1:length]), early=True) for length in (1, 2, 3)}

    def of(self, lot: Lot, recipient: str) -> Course:
        """What becomes of a message.

        Args:
            lot: its chances.
            recipient: the number, remote id or group it is for.
        """
        magic = recipient if self._magic else ""
        if magic == NEVER_SENT or lot.happens(self._not_sent, "not-sent"):
            return self.failed
        courses = self._hasty if lot.happens(self._early, "early") else self._on_time
        return courses[{NEVER_RECEIVED: 1, NEVER_READ: 2}.get(magic, 3)]
