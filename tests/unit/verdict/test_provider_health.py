"""What a class of answers says about the provider's health, for the circuit breakers."""

import pytest

from paceline_worker.verdict.meaning import Meaning
from paceline_worker.verdict.policy import Verdict, health_of

HEALTH = {
    Meaning.ACCEPTED: "good",
    Meaning.REJECTED: "good",
    Meaning.THROTTLED: "good",
    Meaning.SENDER_BUSY: "good",
    Meaning.BAD_KEY: "good",
    Meaning.UNPAID: "good",
    Meaning.OVERLOADED: "bad",
    Meaning.NOT_SENT: "",
    Meaning.UNKNOWN: "bad",
}


@pytest.mark.parametrize(("health", "meaning"), [(health, meaning) for meaning, health in HEALTH.items()])
def test_a_provider_that_answers_is_well(health: str, meaning: Meaning) -> None:
    """A refusal is an answer; silence and 5xx are none. A call without a connection says nothing of the provider."""
    assert health == health_of(meaning)


def test_every_class_says_something() -> None:
    """No class of answers is forgotten."""
    assert set(Meaning) == set(HEALTH)


def test_health_changes_nothing_else_of_a_verdict() -> None:
    """It is told beside what follows from the answer."""
    verdict = Verdict("retry", delay_s=2.5, code="503", words="busy", reason="overloaded")
    assert Verdict("retry", delay_s=2.5, code="503", words="busy", reason="overloaded", health="bad") == (
        verdict.of_health("bad")
    )
