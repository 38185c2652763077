"""What follows from an answer: the table of verdicts."""

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline_worker.verdict.meaning import Answer, Meaning
from paceline_worker.verdict.policy import Situation, Verdict, decide, not_begun, not_made

SEEDS = st.integers(0, 2**32)
MINUTES = 60.0


def situation(**met: Any) -> Situation:
    usual: dict[str, Any] = {"attempts": 0, "max_attempts": 8, "throttled": 0, "window_s": 60.0}
    return Situation(**usual | met)


def decided(meaning: Meaning, code: str = "599", words: str = "why", seed: int = 1, **met: Any) -> Verdict:
    return decide(Answer(meaning, code, words), situation(**met), Random(seed))


@pytest.mark.parametrize(
    ("verb", "outcome", "scope", "reason", "meaning"),
    [
        ("finish", "accepted", "operation", "", Meaning.ACCEPTED),
        ("finish", "rejected", "operation", "", Meaning.REJECTED),
        ("defer", "", "account", "throttled", Meaning.THROTTLED),
        ("defer", "", "sender", "sender_busy", Meaning.SENDER_BUSY),
        ("retry", "", "operation", "overloaded", Meaning.OVERLOADED),
        ("defer", "", "operation", "not_sent", Meaning.NOT_SENT),
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
    answer = Answer(Meaning.ACCEPTED, "202", uuid="MSG1")
    assert Verdict("finish", "accepted", code="202", uuid="MSG1") == decide(answer, situation(), Random(1))


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
def test_an_operation_is_dead_when_its_attempts_are_used_up(verb: str, attempts: int, max_attempts: int) -> None:
    """The last allowed attempt that fails makes it dead, not one more."""
    verdict = decided(Meaning.OVERLOADED, attempts=attempts, max_attempts=max_attempts)
    assert (verb, "dead" if verb == "finish" else "") == (verdict.verb, verdict.outcome)


@pytest.mark.parametrize(
    "meaning",
    [Meaning.THROTTLED, Meaning.SENDER_BUSY, Meaning.BAD_KEY, Meaning.UNPAID, Meaning.UNKNOWN, Meaning.NOT_SENT],
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
        delay = decided(Meaning.THROTTLED, throttled=throttled, seed=seed).delay_s
        assert pause_s <= delay <= pause_s * 1.1


@given(st.floats(0.001, 3600), SEEDS, st.integers(0, 20))
def test_a_wait_that_was_asked_for_is_never_cut_short(asked_s: float, seed: int, throttled: int) -> None:
    """Retry-After is a lower bound, whatever came before: jitter goes upward only."""
    answer = Answer(Meaning.THROTTLED, "429", retry_after_s=asked_s)
    verdict = decide(answer, situation(throttled=throttled), Random(seed))
    assert asked_s <= verdict.delay_s <= asked_s * 1.1 + 1e-9


@given(SEEDS)
def test_a_busy_sender_pauses_a_few_seconds(seed: int) -> None:
    """Between two and five seconds, as the provider's words suggest."""
    assert 2 <= decided(Meaning.SENDER_BUSY, seed=seed).delay_s <= 5


def test_pauses_differ() -> None:
    """Jitter keeps senders and accounts from coming back in step."""
    for meaning in (Meaning.THROTTLED, Meaning.SENDER_BUSY, Meaning.OVERLOADED):
        assert len({decided(meaning, seed=seed).delay_s for seed in range(100)}) > 90


@pytest.mark.parametrize(
    ("verb", "age_s"),
    [
        ("wait", 0.0),
        ("wait", 1.0),
        ("wait", 9.9 * MINUTES),
        ("wait", -5.0),  # two servers' clocks differ
        ("finish", 10.0 * MINUTES),
        ("finish", 86_400.0),
        ("finish", None),  # not made by an operation of ours
    ],
)
def test_a_group_that_does_not_show_yet_is_waited_for(verb: str, age_s: float | None) -> None:
    """A new group answers 404 for minutes; an old one that does is gone."""
    verdict = decided(Meaning.REJECTED, "404", group_age_s=age_s)
    assert (verb, "rejected" if verb == "finish" else "") == (verdict.verb, verdict.outcome)


@given(SEEDS, st.integers(0, 100))
def test_a_new_group_is_asked_again_after_some_seconds(seed: int, attempts: int) -> None:
    """Eight to fifteen seconds, and no attempt is spent."""
    verdict = decided(Meaning.REJECTED, "404", group_age_s=1.0, seed=seed, attempts=attempts)
    assert ("wait", "new_group") == (verdict.verb, verdict.reason)
    assert 8 <= verdict.delay_s <= 15


@pytest.mark.parametrize("code", ["400", "406", "413", "422", "200"])
def test_only_a_404_says_that_a_group_does_not_show(code: str) -> None:
    """Any other refusal is of what was asked, however young the group."""
    assert decided(Meaning.REJECTED, code, group_age_s=1.0).outcome == "rejected"


def test_an_age_is_put_into_a_situation() -> None:
    """The group's age is known when the answer comes; nothing else changes."""
    assert situation(attempts=3, group_age_s=1.5) == situation(attempts=3).with_group_age(1.5)


@pytest.mark.parametrize(
    ("outcome", "is_deletion", "was_unknown", "code"),
    [
        ("accepted", True, True, "404"),
        ("rejected", True, False, "404"),
        ("rejected", False, True, "404"),
        ("rejected", True, True, "422"),
    ],
)
def test_what_a_lost_deletion_left_behind_is_not_looked_for(
    outcome: str, is_deletion: bool, was_unknown: bool, code: str
) -> None:
    """Repeated because its outcome was unknown, a deletion that finds nothing has happened before."""
    verdict = decided(Meaning.REJECTED, code, is_deletion=is_deletion, was_unknown=was_unknown)
    assert ("finish", outcome) == (verdict.verb, verdict.outcome)


@pytest.mark.parametrize(
    ("verb", "meaning"),
    [("unknown", Meaning.OVERLOADED), ("defer", Meaning.NOT_SENT), ("unknown", Meaning.UNKNOWN)],
)
def test_the_cautious_take_a_503_for_unknown(verb: str, meaning: Meaning) -> None:
    """An account may treat 503 as perhaps having taken effect; what was certainly not sent stays so."""
    assert verb == decided(meaning, "503", treat_503_as_unknown=True).verb


def test_a_cautious_503_does_not_kill_an_operation() -> None:
    """What may have taken effect is found out, also at the last attempt."""
    assert decided(Meaning.OVERLOADED, "503", treat_503_as_unknown=True, attempts=7).verb == "unknown"


def test_a_call_that_was_not_made_spends_nothing() -> None:
    """It goes back to the head of its lane at once."""
    assert Verdict("defer", "", "operation", 0.0, words="late", reason="missed") == not_made("late", "missed")
    assert Verdict("return", words="late", reason="missed") == not_begun("late", "missed")


ALWAYS = {"id", "token", "verb", "scope", "elapsed", "delay", "words"}
MAYBE = {"outcome", "code", "uuid", "result", "channel", "more", "health", "results"}
TEXTS = st.text(max_size=5)
VERDICTS = st.builds(
    Verdict,
    st.sampled_from(["finish", "step", "retry", "wait", "unknown", "looked", "defer", "return"]),
    outcome=TEXTS,
    scope=st.sampled_from(["operation", "sender", "account", "suspend"]),
    delay_s=st.floats(0, 3600),
    code=TEXTS,
    uuid=TEXTS,
    words=TEXTS,
    reason=TEXTS,
    result=TEXTS,
    channel=TEXTS,
    uuids=st.lists(TEXTS, max_size=3).map(tuple),
    results=st.lists(TEXTS, max_size=3).map(tuple),
    more=st.sampled_from(["", "1"]),
    health=st.sampled_from(["", "good", "bad"]),
)


@given(VERDICTS, st.integers(0, 10**9))
def test_the_wire_form_holds_texts_and_lists_of_texts(verdict: Verdict, elapsed_us: int) -> None:
    """settle.lua reads texts; times are whole microseconds, for Lua would write large numbers with an exponent."""
    wire = verdict.wire("01op", "5", elapsed_us)
    lists = {name: wire.pop(name) for name in ("uuids", "results") if name in wire}
    assert {str} == {type(value) for value in wire.values()}
    assert {list} >= {type(value) for value in lists.values()}
    assert {str} >= {type(text) for texts in lists.values() for text in texts}
    assert wire["delay"].isdecimal()
    assert str(elapsed_us) == wire["elapsed"]


@given(VERDICTS)
def test_the_wire_form_leaves_out_what_is_empty(verdict: Verdict) -> None:
    """Thousands of verdicts a second need not say what they do not say; a look-up always lists what it found."""
    wire = verdict.wire("01op", "5", 0)
    given_ = {name for name in MAYBE if getattr(verdict, name)}
    assert ALWAYS | given_ | ({"uuids"} if verdict.verb == "looked" else set()) == set(wire)
    assert all(list(getattr(verdict, name)) == list(wire[name]) for name in given_)


def test_the_wire_form_is_pinned() -> None:
    """Verdicts as settle.lua gets them."""
    verdict = Verdict("retry", delay_s=2.5, code="503", words="busy", reason="overloaded").of_health("bad")
    assert verdict.wire("01op", "7", 1234) == {
        "id": "01op",
        "token": "7",
        "verb": "retry",
        "scope": "operation",
        "delay": "2500000",
        "elapsed": "1234",
        "code": "503",
        "words": "busy",
        "health": "bad",
    }
    looked = Verdict("looked", "held", uuids=("WAG1",), results=("{}",), more="1", code="200", words="absent")
    assert looked.wire("01op", "7", 1) == {
        "id": "01op",
        "token": "7",
        "verb": "looked",
        "outcome": "held",
        "scope": "operation",
        "delay": "0",
        "elapsed": "1",
        "code": "200",
        "words": "absent",
        "uuids": ["WAG1"],
        "results": ["{}"],
        "more": "1",
    }
