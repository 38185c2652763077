from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "failure"]


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check.

    Args:
        check: its name, such as ``state persistence``.
        level: ``ok``, ``warning`` (it works, and may not always) or ``failure`` (nothing is sent, or data may be lost).
        words: one sentence without a full stop: what is there, and what to do.
    """

    check: str
    level: Level
    words: str


def ok(check: str, words: str) -> Finding:
    """All is as it should be."""
    return Finding(check, "ok", words)


def warning(check: str, words: str) -> Finding:
    """It works, and may not always."""
    return Finding(check, "warning", words)


def failure(check: str, words: str) -> Finding:
    """Nothing is sent, or data may be lost."""
    return Finding(check, "failure", words)
