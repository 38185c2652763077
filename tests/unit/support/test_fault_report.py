"""How the fault suite judges a run, and what it writes down."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.faults import report
from tests.faults.catalogue import Fault
from tests.faults.profile import FULL, SHORT, Profile
from tests.faults.result import Result, as_json, as_markdown, from_dict, merged
from tests.faults.transitions import Seen, illegal
from tests.faults.witness import Account, Sent, account_for, forgotten

PAIR = ("+15550100001", "+15550200001")


def sent(number: int, policy: str = "reconcile", pair: tuple[str, str] = PAIR) -> Sent:
    return Sent(f"op{number}", f"message {number}", pair, policy)


def arrival(number: int, at_us: int = 0, *, accepted: bool = True) -> Mapping[str, Any]:
    return {"body": {"text": f"message {number}"}, "accepted": accepted, "at_us": at_us}


def judged(policy: str, state: str, *arrivals: Mapping[str, Any]) -> Account:
    return account_for([sent(0, policy)], {"op0": state}, arrivals)


@pytest.mark.parametrize(
    ("lost", "doubled", "policy", "state", "arrivals"),
    [
        (0, 0, "reconcile", "accepted", [arrival(0)]),
        (1, 0, "reconcile", "accepted", []),
        (1, 0, "reconcile", "accepted", [arrival(0, accepted=False)]),
        (1, 0, "reconcile", "waiting", [arrival(0)]),
        (0, 0, "reconcile", "held", []),
        (0, 1, "reconcile", "held", [arrival(0), arrival(0)]),
        (0, 1, "hold", "accepted", [arrival(0), arrival(0)]),
        (0, 0, "resend", "accepted", [arrival(0), arrival(0)]),
        (0, 0, "resend", "dead", [arrival(0)]),
    ],
    ids=["well", "lost", "refused", "no outcome", "held", "held twice", "doubled", "repeated", "dead"],
)
def test_the_log_of_arrivals_and_the_outcome_decide(
    lost: int, doubled: int, policy: str, state: str, arrivals: list[Mapping[str, Any]]
) -> None:
    """Accepted without an arrival is a loss, and so is an operation that has no outcome."""
    found = judged(policy, state, *arrivals)
    assert (lost, doubled) == (len(found.lost), len(found.doubled))


def test_repeated_arrivals_are_counted_for_those_that_may_be_repeated() -> None:
    """They are compared with the ambiguous calls."""
    assert 2 == judged("resend", "accepted", *[arrival(0)] * 3).extras


def test_order_is_that_of_first_arrivals_of_a_pair() -> None:
    """A message that arrives for the second time is in no wrong place; another pair's order is its own."""
    states = {f"op{number}": "accepted" for number in range(3)}
    in_order = [arrival(0, 1), arrival(1, 2), arrival(0, 3), arrival(2, 4)]
    assert [] == list(account_for([sent(number) for number in range(3)], states, in_order).disordered)
    assert [PAIR] == list(account_for([sent(1), sent(0)], states, in_order).disordered)
    assert [] == list(account_for([sent(1), sent(0, pair=("a", "b"))], states, in_order).disordered)


def test_what_a_server_was_allowed_to_forget_is_sent_or_begun_just_before_its_kill() -> None:
    """Nothing else is excused."""
    messages = [replace(sent(number), at_s=float(number)) for number in range(4)]
    last = [arrival(3, 8_000_000)]
    assert {"message 1", "message 2"} == _excused(messages, [arrival(3, 9_000_000)], (2.5, 2.5))
    assert {"message 3"} == _excused(messages, last, (9.0, 9.0))
    assert set() == _excused(messages, last)
    assert {"message 3"} == _excused(messages, last, (7.5, 7.5))
    assert set() == _excused(messages, last, (6.5, 6.5))


def test_a_server_acknowledges_until_it_is_certainly_dead() -> None:
    """A killed process still ran for a moment on a busy machine, and a caller noted the reply after its end."""
    late = replace(sent(1), began_s=2.4, at_s=3.5)
    assert {"message 1"} == _excused([late], [], (2.0, 2.4))
    assert set() == _excused([late], [], (2.0, 2.3))


def _excused(
    messages: Sequence[Sent], arrivals: Sequence[Mapping[str, Any]], *kills_s: tuple[float, float]
) -> set[str]:
    return forgotten(messages, arrivals, kills_s, reach_s=2.0, call_s=1.0)


def test_a_report_can_be_read_by_people_and_by_programs() -> None:
    """A row for each fault; what failed says why, and what was kept is what was found."""
    well = Result(
        "F1", "workers killed", "10 kills", messages=100, recovery_s=1.25, load=3.2, figures={"dead": 1, "share": 0.5}
    )
    broken = Result("F9", "network", "5", lost=2, failures=("2 lost",))
    page = as_markdown([well, broken], about="Profile short.")
    assert "| F1 | workers killed | 10 kills | 100 | 0 | 0 | 0 | 0 | 1.2 s | dead 1, share 0.5 | 3 | pass |" in page
    assert "**FAIL**: 2 lost" in page
    kept = json.loads(as_json([well, broken], about="x"))["results"]
    assert [well, broken] == [from_dict(found) for found in kept]
    assert (True, False) == (well.passed, broken.passed)


def test_a_part_of_the_full_size_has_every_fault() -> None:
    """One percent is at least one of each."""
    part = FULL.scaled(1)
    assert (100, 3) == part.kills
    assert (1, 1, 1) == (part.server_kills, part.wipes, part.poisons)
    assert SHORT == SHORT.scaled(100)


def test_parts_of_a_fault_share_its_work_and_make_one_row() -> None:
    """Counts are added up, the longest time is told, and each failure says in which part it was."""
    assert (1000, 30) == FULL.scaled(100, 10).kills
    well = Result("F1", "kills", "30 kills", 10, recovery_s=1.0, load=2.0, figures={"kills": 30, "slowest s": 1.5})
    bad = Result("F1", "kills", "30 kills", 12, 1, recovery_s=3.0, load=5.0, figures={"kills": 31}, failures=("lost",))
    row = merged({0: well, 2: bad}, of=3)
    assert ("2 of 3 runs of 30 kills", 22, 1, 3.0, 5.0) == (row.size, row.messages, row.lost, row.recovery_s, row.load)
    assert {"kills": 61, "slowest s": 1.5} == row.figures
    assert ("run 3: lost",) == row.failures
    assert well == merged({0: well}, of=1)


@pytest.mark.parametrize(("profile", "parts"), [(SHORT, ["A1", "B1"]), (FULL, ["A1", "B1", "A2", "A3"])])
def test_each_fault_begins_before_any_goes_on(
    profile: Profile, parts: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts are run side by side, and kept in their order; what passed is not run again."""
    ran: list[tuple[int, int]] = []

    def run(profile: Profile, seed: int) -> Result:
        ran.append((profile.wipes, seed))
        return Result("F1", "kills", "some", messages=len(ran))

    monkeypatch.setattr(report, "FAULTS", {"A": Fault(run, parts=3), "B": Fault(run)})
    for _ in range(2):
        kept = report.Report(tmp_path, profile, seed=7, about="x", sources="y")
        every = kept.parts("AB")
        assert parts == [f"{name}{part + 1}" for name, part in every]
        for name, part in reversed(every):
            kept.run(name, part)
        assert len(parts) == len(ran)
        assert sum(range(len(parts) + 1)) == sum(row.messages for row in kept.results())
    shares = {(1, 7000), (profile.wipes, 7000)} if profile is SHORT else {(4, 7000), (4, 7001), (4, 7002), (10, 7000)}
    assert shares == set(ran)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (Seen("w"), Seen("s", token=4), ""),
        (Seen("s", token=4), Seen("d", "accepted", 4), ""),
        (Seen("d", "held", 4), Seen("w", token=4), ""),
        (Seen("d", "held", 4), Seen("d", "accepted", 4), ""),
        (Seen(""), Seen("w"), ""),
        (Seen("w"), Seen(""), "its record is gone"),
        (Seen("d", "accepted"), Seen("d", "dead"), "accepted became dead"),
        (Seen("d", "accepted"), Seen("w"), "accepted became w"),
        (Seen("s", token=4), Seen("w", token=3), "token went from 4 to 3"),
        (Seen("w", attempts=2), Seen("w", attempts=1), "attempts went from 2 to 1"),
        (Seen("w"), Seen("w", "accepted"), "state 'w' with outcome 'accepted'"),
        (Seen("w"), Seen("q"), "state 'q'"),
    ],
)
def test_an_outcome_stays_and_tokens_only_grow(before: Seen, after: Seen, words: str) -> None:
    """What a run watches: two looks at one operation."""
    assert words == illegal(before, after)
