"""What follows from an answer: the table of verdicts."""

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline_worker.answers import Answer, Meaning
from paceline_worker.policy import Verdict, decide, not_made

SEEDS = st.integers(0, 2**32)


def decided(meaning: Meaning, code: str = "599", words: str = "why", **given_: Any) -> Verdict:
    options: dict[str, Any] = {"attempts": 0, "max_attempts": 8, "throttled": 0, "window_s": 60.0, "random": Random(1)}
    return decide(Answer(meaning, code, words), **options | given_)


@pytest.mark.parametrize(
    ("verb", "outcome", "scope", "reason", "meaning"),
    [
        ("finish", "accepted", "operation", "", Meaning.ACCEPTED),
        ("finish", "rejected", "operation", "", Meaning.REJECTED),
        ("defer", "", "account", "throttled", Meaning.THROTTLED),
        ("defer", "", "sender", "sender_busy", Meaning.SENDER_BUSY),
        ("retry", "", "operation", "overloaded", Meaning.OVERLOADED),
        ("retry", "", "operation", "not_sent", Meaning.NOT_SENT),
        ("unknown", "", "operation", "unknown", Meaning.UNKNOWN),
        ("defer", "", "suspend", "bad_key", Meaning.BAD_KEY),
        ("defer", "", "suspend", "unpaid", Meaning.UNPAID),
    ],
)
def test_each_class_has_its_consequence(verb: str, outcome: str, scope: str, reason: str, meaning: Meaning) -> None:
    """Finish, try again, find out, or wait: and who waits."""
    verdict = decided(meaning)
    assert (verb, outcome, scope, reason) == (verdict.verb, verdict.outcome, verdict.scope, verdict.reason)
    assert verdict.code == "599"
    assert "why" in verdict.words


@pytest.mark.parametrize("meaning", list(Meaning))
def test_every_class_is_decided(meaning: Meaning) -> None:
    """No class of answers is forgotten."""
    assert isinstance(decided(meaning), Verdict)


def test_an_acceptance_keeps_the_handle() -> None:
    """The provider's handle comes along, and no words are made up."""
    answer = Answer(Meaning.ACCEPTED, "202", message_uuid="MSG1")
    verdict = decide(answer, attempts=0, max_attempts=8, throttled=0, window_s=60.0, random=Random(1))
    assert Verdict("finish", "accepted", code="202", uuid="MSG1") == verdict


@pytest.mark.parametrize("meaning", [meaning for meaning in Meaning if meaning != Meaning.ACCEPTED])
def test_an_answer_without_words_is_told_by_its_code(meaning: Meaning) -> None:
    """There is always something for people to read."""
    assert "599" in decided(meaning, words="").words


@pytest.mark.parametrize(
    ("words", "meaning", "code"),
    [("bad_key (401): why", Meaning.BAD_KEY, "401"), ("unpaid (402): why", Meaning.UNPAID, "402")],
)
def test_a_suspension_begins_with_its_reason(words: str, meaning: Meaning, code: str) -> None:
    """The first word of a suspension is its bounded reason: the metric's label is read from it."""
    assert words == decided(meaning, code).words


@pytest.mark.parametrize("meaning", [Meaning.OVERLOADED, Meaning.NOT_SENT])
@pytest.mark.parametrize(
    ("verb", "attempts", "max_attempts"),
    [
        ("retry", 0, 8),
        ("retry", 6, 8),
        ("finish", 7, 8),
        ("finish", 8, 8),
        ("finish", 0, 1),
        ("retry", 0, 2),
        ("finish", 1, 2),
        ("retry", 98, 100),
    ],
)
def test_an_operation_is_dead_when_its_attempts_are_used_up(
    verb: str, attempts: int, max_attempts: int, meaning: Meaning
) -> None:
    """The last allowed attempt that fails makes it dead, not one more."""
    verdict = decided(meaning, attempts=attempts, max_attempts=max_attempts)
    assert (verb, "dead" if verb == "finish" else "") == (verdict.verb, verdict.outcome)


@pytest.mark.parametrize(
    "meaning", [Meaning.THROTTLED, Meaning.SENDER_BUSY, Meaning.BAD_KEY, Meaning.UNPAID, Meaning.UNKNOWN]
)
def test_waiting_never_spends_an_attempt(meaning: Meaning) -> None:
    """However many attempts were spent, being told to wait does not kill an operation."""
    assert decided(meaning, attempts=7).verb in {"defer", "unknown"}
    assert decided(meaning, attempts=7) == decided(meaning, attempts=0)


@pytest.mark.parametrize(
    ("pause_s", "throttled"),
    [(60, 0), (120, 1), (240, 2), (480, 3), (600, 4), (600, 5), (600, 50), (600, 900), (600, 1100), (600, 10**9)],
)
def test_throttling_pauses_double_up_to_ten_minutes(pause_s: float, throttled: int) -> None:
    """One window first, then twice as long each time, at most ten minutes; jitter adds up to a tenth and takes nothing."""
    for seed in range(200):
        delay = decided(Meaning.THROTTLED, throttled=throttled, random=Random(seed)).delay_s
        assert pause_s <= delay <= pause_s * 1.1


@given(st.floats(0.001, 3600), SEEDS, st.integers(0, 20))
def test_a_wait_that_was_asked_for_is_never_cut_short(asked_s: float, seed: int, throttled: int) -> None:
    """Retry-After is a lower bound, whatever came before: jitter goes upward only."""
    answer = Answer(Meaning.THROTTLED, "429", retry_after_s=asked_s)
    verdict = decide(answer, attempts=0, max_attempts=8, throttled=throttled, window_s=60.0, random=Random(seed))
    assert asked_s <= verdict.delay_s <= asked_s * 1.1 + 1e-9


@given(SEEDS)
def test_a_busy_sender_pauses_a_few_seconds(seed: int) -> None:
    """Between two and five seconds, as the provider's words suggest."""
    assert 2 <= decided(Meaning.SENDER_BUSY, random=Random(seed)).delay_s <= 5


def test_pauses_differ() -> None:
    """Jitter keeps senders and accounts from coming back in step."""
    for meaning in (Meaning.THROTTLED, Meaning.SENDER_BUSY, Meaning.OVERLOADED):
        assert len({decided(meaning, random=Random(seed)).delay_s for seed in range(100)}) > 90


def test_a_call_that_was_not_made_spends_nothing() -> None:
    """It goes back to the head of its lane at once."""
    assert Verdict("defer", "", "operation", 0.0, words="late", reason="missed") == not_made("late", "missed")


@given(st.sampled_from(Meaning), SEEDS, st.integers(0, 10**9), st.floats(0, 3600))
def test_the_wire_form_holds_texts_only(meaning: Meaning, seed: int, elapsed_us: int, window_s: float) -> None:
    """settle.lua reads texts; times are whole microseconds, for Lua would write large numbers with an exponent."""
    wire = decided(meaning, window_s=window_s, random=Random(seed)).wire("01op", "5", elapsed_us)
    expected = {"id", "token", "verb", "elapsed", "outcome", "scope", "delay", "code", "uuid", "words"}
    assert expected == set(wire)
    assert {str} == {type(value) for value in wire.values()}
    assert wire["delay"].isdecimal()
    assert str(elapsed_us) == wire["elapsed"]


def test_the_wire_form_is_pinned() -> None:
    """A verdict as settle.lua gets it."""
    verdict = Verdict("retry", delay_s=2.5, code="503", words="busy", reason="overloaded")
    assert verdict.wire("01op", "7", 1234) == {
        "id": "01op",
        "token": "7",
        "verb": "retry",
        "outcome": "",
        "scope": "operation",
        "delay": "2500000",
        "elapsed": "1234",
        "code": "503",
        "uuid": "",
        "words": "busy",
    }
