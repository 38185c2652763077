"""The provider of a simulation: counts calls as the sandbox does, takes messages, and shows them in a history that is late."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any, Final

from paceline_sandbox.accounts.limits import Algorithm, Gate, counter_for, parse_limit
from paceline_worker.verdict.meaning import Answer, Meaning

SECOND_US: Final = 1_000_000


@dataclass(slots=True)
class Message:
    """One that took effect.

    Args:
        number: of its operation.
        sender: its number.
        text: its own.
        at_us: when.
    """

    number: int
    sender: str
    recipient: str
    text: str
    at_us: int


@dataclass(slots=True)
class Provider:
    """What arrives, and what is answered.

    Args:
        random: of all choices.
        count: so many calls in a window.
        window_us: the window.
        algorithm: how it counts.
        shares: probability of each kind of answer.
        lag_us: the history shows messages so late.
        latency_us: of an answer, at most.
    """

    random: Random
    count: int
    window_us: int
    algorithm: Algorithm
    shares: dict[str, float]
    lag_us: int
    latency_us: int
    taken: list[Message] = field(default_factory=list)
    violations: list[int] = field(default_factory=list)
    calls: list[int] = field(default_factory=list)
    _gate: Gate = field(init=False)

    def __post_init__(self) -> None:
        limit = parse_limit(f"{self.count}/{self.window_us // 1000} ms")
        phase_us = self.random.randrange(self.window_us)
        self._gate = Gate([counter_for(limit, self.algorithm, phase_us)])

    def arrive(self, now_us: int, message: Message | None) -> tuple[str, int]:
        """One call; a look-up without a message.

        Returns:
            The kind of its answer, and how long that takes.
        """
        self.calls.append(now_us)
        latency_us = self.random.randrange(1000, self.latency_us)
        kind = self._kind()
        if kind == "429":
            return kind, latency_us
        if not self._gate.arrive(now_us).admitted:
            self.violations.append(now_us)
            return "429", latency_us
        if message is not None and kind in ("accepted", "lost after", "late"):
            message.at_us = now_us
            self.taken.append(message)
        return kind, latency_us

    def history(self, now_us: int, sender: str, recipient: str | None) -> Answer:
        """What a look-up reads: a conversation, or all of a sender."""
        shown = [
            _shown(one)
            for one in reversed(self.taken)
            if one.sender == sender and recipient in (None, one.recipient) and one.at_us + self.lag_us <= now_us
        ]
        return Answer(Meaning.ACCEPTED, "200", value={"success": True, "messages": shown[:100]}, date=_instant(now_us))

    def _kind(self) -> str:
        drawn = self.random.random()
        for kind, share in self.shares.items():
            if drawn < share:
                return kind
            drawn -= share
        return "accepted"


def _instant(at_us: int) -> datetime:
    return datetime.fromtimestamp(at_us / SECOND_US, UTC)


def _shown(one: Message) -> dict[str, Any]:
    """A message as the provider's history shows it (docs/provider.md, 2.1.2)."""
    return {
        "uuid": f"MSG{one.number}-{one.at_us}",
        "message": {"text": one.text},
        "created_at": _instant(one.at_us).isoformat(),
        "remote_phone_number": one.recipient,
        "sent_by": "api",
        "is_from_api": True,
    }
