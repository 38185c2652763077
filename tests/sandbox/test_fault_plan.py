from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline_sandbox.faults.faults import FaultPlan, Target, draw, injected_answer
from paceline_sandbox.faults.scenario import parse_toml

FIRST = Target(key="a", kind="send", ordinal=1, ordinal_any=1, elapsed_us=0)


def struck(text: str, targets: list[Target], seed: int = 0) -> list[int]:
    """The positions of the targets that meet a fault."""
    plan = FaultPlan(parse_toml("[[faults]]\n" + text), seed)
    return [position for position, target in enumerate(targets, 1) if plan.choose(target)]


def in_a_row(count: int) -> list[Target]:
    return [replace(FIRST, ordinal=number, ordinal_any=2 * number) for number in range(1, count + 1)]


def test_a_fault_without_conditions_strikes_every_message() -> None:
    """A fault without conditions strikes every send and nothing else."""
    assert struck('kind = "drop"', in_a_row(3)) == [1, 2, 3]
    assert struck('kind = "drop"', [replace(FIRST, kind="info")]) == []


def test_a_fault_strikes_a_run_of_ordinals() -> None:
    """from_request and count strike a run of the key's requests."""
    assert struck('kind = "drop"\nfrom_request = 2\ncount = 3', in_a_row(7)) == [2, 3, 4]


def test_a_fault_on_any_call_counts_all_calls() -> None:
    """With on = "any" the ordinal is the one among all calls of the key."""
    assert struck('kind = "drop"\non = "any"\nfrom_request = 3\ncount = 4', in_a_row(5)) == [2, 3]


@pytest.mark.parametrize(
    ("condition", "hit"),
    [
        ('key = "a"', True),
        ('key = "b"', False),
        ('from_number = "+15550100001"', True),
        ('from_number = "15550100003"', False),
        ('to = "+15550100002"', True),
        ('to = "15550100002"', True),
        ('to = "WAG1"', False),
        ('on = "history"', False),
        ("after_seconds = 5", True),
        ("after_seconds = 5.5", False),
        ("for_seconds = 5", False),
        ("for_seconds = 5.5", True),
    ],
)
def test_every_condition_given_must_hold(condition: str, hit: bool) -> None:
    """Key, sender, target, kind of call and time select requests."""
    target = replace(FIRST, from_number="+15550100001", to="+15550100002", elapsed_us=5_000_000)
    assert hit == bool(struck(f'kind = "drop"\n{condition}', [target]))


def test_the_first_fault_that_applies_wins() -> None:
    """Faults are tried in the order written."""
    plan = FaultPlan(parse_toml('[[faults]]\nkind="drop"\nkey="b"\n[[faults]]\nkind="success_false"\n'), 0)
    fault = plan.choose(FIRST)
    assert fault is not None
    assert fault.kind == "success_false"


def test_chance_is_decided_by_the_seed() -> None:
    """The same seed strikes the same requests, another seed others, and about as many as asked."""
    text = 'kind = "drop"\nprobability = 0.2'
    hits = struck(text, in_a_row(2000), seed=1)
    assert hits == struck(text, in_a_row(2000), seed=1)
    assert hits != struck(text, in_a_row(2000), seed=2)
    assert 300 < len(hits) < 500


@given(seed=st.integers(), position=st.integers(0, 9), key=st.text(), ordinal=st.integers(1))
def test_a_draw_is_a_share_of_one(seed: int, position: int, key: str, ordinal: int) -> None:
    """A draw lies in [0, 1)."""
    assert 0 <= draw(seed, position, key.encode(errors="ignore").decode(), ordinal) < 1


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("30", "30"),
        ('"soon"', "soon"),
        ('"-5"', "-5"),
        ('"date:60"', "Sun, 01 Jan 2023 00:01:00 GMT"),
        ('"date:-60"', "Sat, 31 Dec 2022 23:59:00 GMT"),
        ('"date:x"', "date:x"),
        ('"date:9999999999999"', "date:9999999999999"),
        ("99999999999999999999", "99999999999999999999"),
    ],
)
def test_an_injected_answer_says_retry_after_as_written(written: str, sent: str) -> None:
    """Retry-After is seconds, a date relative to now, or whatever was written."""
    scenario = parse_toml(f'[[faults]]\nkind = "answer"\nstatus = 429\nretry_after = {written}')
    answer = injected_answer(scenario.faults[0], now_us=1_672_531_200_000_000)
    assert {"Retry-After": sent} == answer.headers
